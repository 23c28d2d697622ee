// Hand-overs of slots that an imported cluster does not know of yet are recorded with the import.

import {
  type Jobs,
  judgeHandOver,
  runningJob,
  type SlotService,
  type SuspectedHandOver,
  suspectedHandOvers,
} from '../../control/imported-hand-over.ts';
import { moveSlots } from '../../topology/change-slots.ts';
import type { Cluster, Node, NodeId } from '../../topology/types.ts';
import { changed } from '../change-cluster.ts';
import { ApiError } from '../errors.ts';
import type { NodeInspector } from '../ports.ts';

/**
 * `cluster` with every finished hand-over that no topology tells of yet, under a higher version, so that the next push completes it: one that
 * left the slots at their source would undo what was written since (facts section 5.4). Throws what is unclear.
 */
export async function withHandOvers(
  inspector: NodeInspector,
  cluster: Cluster,
  jobs: ReadonlyMap<NodeId, Jobs>,
): Promise<Cluster> {
  const running = runningJob(cluster, jobs);
  if (running !== null) throw new ApiError('conflict', running);
  const suspects = suspectedHandOvers(cluster, jobs);
  const serviceAt = await askServices(inspector, suspects);
  let next = cluster;
  for (const suspect of suspects) {
    const { range, source, target } = suspect;
    const verdict = judgeHandOver(suspect, {
      source: serviceAt(source, suspect),
      target: target === null ? null : serviceAt(target, suspect),
    });
    if (verdict.kind === 'unclear') throw new ApiError('conflict', verdict.why);
    if (verdict.kind === 'standing') continue;
    const targetIndex = next.shards.findIndex(({ nodes }) => nodes.some(({ id }) => id === target?.id));
    next = changed(moveSlots(next, { range, targetIndex }));
  }
  return next;
}

type ServiceAt = (node: Node, suspect: SuspectedHandOver) => SlotService | null;

/** Each end is asked once, for the first slot of every range in doubt: a hand-over is of all slots of its job or of none. */
async function askServices(
  inspector: NodeInspector,
  suspects: readonly SuspectedHandOver[],
): Promise<ServiceAt> {
  const ends = suspects.flatMap(({ range, source, target }) =>
    [source, target].flatMap((node) => (node === null ? [] : [{ node, slot: range.start }])),
  );
  const byNode = Map.groupBy(ends, ({ node }) => node);
  const services = new Map<string, SlotService>();
  await Promise.all(
    [...byNode].map(async ([node, asked]) => {
      const slots = asked.map(({ slot }) => slot);
      const answers = await inspector.slotServices(node, slots);
      if (!answers.ok) return;
      for (const [index, service] of answers.value.entries())
        services.set(`${node.id} ${slots[index] ?? ''}`, service);
    }),
  );
  return (node, { range }) => services.get(`${node.id} ${range.start}`) ?? null;
}
