// What a run has in which slots move: the nodes' jobs, whoever asks for them, and what strikes in their midst.

import type { NodeAddress } from '../../../src/topology/types.ts';
import type { Network } from '../network.ts';
import type { Fleet, NodeBefore } from './fleet.ts';
import type { FleetNode } from './fleet-node.ts';
import { Jobs } from './jobs.ts';
import type { MoveAmbush } from './move-ambush.ts';
import { Mover, type MoverParts } from './mover.ts';
import type { Moves } from './moves.ts';

export interface MovingSlotsParts extends MoverParts {
  readonly network: Network;
  readonly fleet: Fleet;
  readonly moves: Moves;
  readonly ambush: MoveAmbush;
}

export class MovingSlots {
  readonly mover: Mover;
  readonly ambush: MoveAmbush;
  readonly #parts: MovingSlotsParts;
  readonly #jobs: Jobs;

  constructor(parts: MovingSlotsParts) {
    const { seed, fleet, network, moves, ambush } = parts;
    this.#parts = parts;
    this.mover = new Mover(parts);
    this.ambush = ambush;
    this.#jobs = new Jobs({
      seed,
      fleet,
      isOpen: (one, other) => network.isOpen(one.number, other.number),
      onDeleting: (job) => moves.deleting(job),
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
