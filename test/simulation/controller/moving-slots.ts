// What a run has in which slots move: the nodes' jobs, whoever asks for them, and what strikes in their midst.

import type { NodeAddress } from '../../../src/topology/types.ts';
import type { Violate } from '../ledger.ts';
import type { Network } from '../network.ts';
import type { Fleet, NodeBefore } from './fleet.ts';
import type { FleetNode } from './fleet-node.ts';
import { Jobs } from './jobs.ts';
import type { MoveAmbush } from './move-ambush.ts';
import { Mover, type MoverParts } from './mover.ts';
import { TaskJudge, jobsLeft, openTask } from './task-judge.ts';
import type { Topologies } from './topologies.ts';
import type { Moves } from './moves.ts';

/** After all is healed: how long a job may take, and how long what failed before waits for its next attempt. */
const JOB_MS = 8000;
const RETRY_MS = 60_000;

export interface MovingSlotsParts extends Omit<MoverParts, 'onAsked'> {
  readonly topologies: Topologies;
  readonly violate: Violate;
  readonly network: Network;
  readonly fleet: Fleet;
  readonly moves: Moves;
  readonly ambush: MoveAmbush;
}

export class MovingSlots {
  readonly mover: Mover;
  readonly ambush: MoveAmbush;
  readonly tasks: TaskJudge;
  readonly #parts: MovingSlotsParts;
  readonly #jobs: Jobs;

  constructor(parts: MovingSlotsParts) {
    const { seed, fleet, network, moves, ambush } = parts;
    this.#parts = parts;
    const judge = new TaskJudge(parts.violate);
    this.tasks = judge;
    this.mover = new Mover({ ...parts, onAsked: (asked) => judge.asked(asked) });
    this.ambush = ambush;
    this.#jobs = new Jobs({
      seed,
      fleet,
      copyMsMax: parts.moving.copyMsMax,
      isOpen: (one, other) => network.isOpen(one.number, other.number),
      onTaken: (job) => moves.taken(job),
      onEnded: (job, outcome) => moves.ended(job, outcome),
      onPhase: (job) => ambush.onPhase(job),
      onTold: (job, node) => moves.told(job, node),
    });
    fleet.jobs = this.#jobs;
  }

  /** A node was told another version. */
  told(node: FleetNode, before: NodeBefore): void {
    const { model } = node;
    this.#jobs.told(node, before);
    const undone = before.handedOver.filter((slot) => model.owners.get(slot) === model.id);
    if (undone.length > 0) this.#parts.moves.undone(node, undone);
  }

  /** How much longer than without tasks everything may take to settle. */
  get tasksMs(): number {
    const { tasks } = this.#parts.topologies;
    return tasks.length === 0 ? 0 : jobsLeft(tasks) * JOB_MS + RETRY_MS;
  }

  /** What keeps tasks from having ended, or from waiting for something that people are told; null when nothing does. */
  openTask(): string | null {
    const { topologies, leader } = this.#parts;
    const { tasks, latest } = topologies;
    const leading = leader();
    if (tasks.length === 0 || latest === null || leading === null) return null;
    return openTask(tasks, leading, latest.cluster);
  }

  /** Masters of which people are told that they refuse writes until they are started again. */
  writeForbidden(): ReadonlySet<NodeAddress> {
    const statuses = this.#parts.leader()?.terms.statuses() ?? [];
    return new Set(
      statuses.flatMap(({ problems }) =>
        problems.flatMap(({ kind, address }) =>
          kind === 'slotsWriteForbidden' && address !== null ? [address] : [],
        ),
      ),
    );
  }
}
