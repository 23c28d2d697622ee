// 100,000 keys move while a controller, a master or a person comes in between.

import { between } from '../choose.ts';
import { untilEqual } from '../hostile-operator/looks.ts';
import { describeTask, hasEnded } from '../hostile-operator/task-seen.ts';
import { keysMoved, load, missingCargo, unserved } from './cargo.ts';
import { beginMove, NODES_PER_SHARD } from './moves.ts';
import type { Around, Finding, NodeFault } from './node-fault.ts';
import { clusterNow, timeOf, unwantedChanges } from './parts.ts';
import { befall, TROUBLES, type Trouble, untilTask } from './troubles.ts';

const TASK_DEADLINE_MS = 240_000;
const CHECK_DEADLINE_MS = 30_000;
const CHECK_LOOK_MS = 500;
/** The trouble comes when so many percent of the slots have moved. */
const TROUBLE_PERCENT = { min: 10, max: 60 } as const;
const AFTERMATH_MS = 1500;

export const nodeMigration: NodeFault = {
  name: 'node-migration',
  summary:
    '100,000 keys move as tasks (migrate, rebalance, scale-out, scale-in) while the leading controller, a master or a person comes in between',
  expected: 'the task succeeds, every slot is served once, nothing lost but what a dead or hung master took',
  needsNetwork: false,
  nodesPerShard: NODES_PER_SHARD,
  failover: { pingIntervalSeconds: 0.5, maxPingCount: 8, coolDownSeconds: 0 },
  actions: TROUBLES,
  async prepare(around): Promise<void> {
    await load(await clusterNow(around));
    const settled = await untilEqual(around.api, around.signal);
    if (settled.kind === 'unsettled') throw new Error(`the keys are not copied: ${settled.complaints[0]}`);
  },
  async round(around): Promise<Finding> {
    const { random, actions } = around;
    const fromMs = around.now();
    const trouble = (actions[around.turn % actions.length] ?? 'leader-kill') as Trouble;
    const onlyMigrate = actions.every((action) => action.startsWith('leader-'));
    const before = await clusterNow(around);
    const move = await beginMove(around, onlyMigrate);
    if (move.kind === 'refused')
      return { outcomes: ['REFUSED'], complaints: [move.words], faults: [], times: [] };
    const { task } = move;
    const percent = between(random, TROUBLE_PERCENT.min, TROUBLE_PERCENT.max);
    await untilTask(
      task.id,
      (at) => hasEnded(at) || at.moved * 100 >= at.total * percent,
      around,
      TASK_DEADLINE_MS,
    );
    const befallen = await befall(trouble, task, around);
    const end = await untilTask(task.id, hasEnded, around, TASK_DEADLINE_MS);
    const tookMs = around.now() - fromMs;
    for (const address of end.state === 'succeeded' ? move.removed : []) around.spares.add(address);
    await around.wait(AFTERMATH_MS);
    const keys = keysMoved(before, await clusterNow(around));
    around.note(`${describeTask(end)}; ${keys} of the keys were moved`);
    const isReplaced = befallen.replaced.some((index) => around.watch.changesOf(index, fromMs).length > 0);
    const words = `${trouble}${isReplaced ? ', replaced' : ''}`;
    return {
      outcomes: [`${end.state === 'succeeded' ? 'succeeded' : `ENDED AS ${end.state}`} (${words})`],
      complaints: [
        ...befallen.complaints,
        ...(end.state === 'succeeded' ? [] : [describeTask(end)]),
        ...unwantedChanges(fromMs, around, (index) => (befallen.replaced.includes(index) ? 1 : 0)),
      ],
      faults: befallen.faults,
      times: timeOf('from the request to the end', tookMs),
    };
  },
  async inspect(around, copies): Promise<readonly string[]> {
    const cluster = await clusterNow(around);
    return [
      ...missingCargo(copies),
      ...(await unserved(cluster, around.fleet.addresses)),
      ...(await untilClean(around)),
    ];
  },
};

/** Findings that do not go away. */
async function untilClean(around: Around): Promise<readonly string[]> {
  const endMs = around.now() + CHECK_DEADLINE_MS;
  for (;;) {
    const findings = await around.api.check();
    if (findings.length === 0 || around.signal.aborted) return [];
    if (around.now() > endMs) return findings.map((text) => `check: ${text}`);
    await around.wait(CHECK_LOOK_MS);
  }
}
