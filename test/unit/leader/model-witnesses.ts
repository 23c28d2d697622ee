// The other members of the group as a test says what they see.

import type { EvidenceKind, Panel } from '../../../src/control/evidence.ts';
import type { Witnesses, WitnessWord } from '../../../src/leader/ports.ts';
import type { ClusterPlace } from '../../../src/topology/record.ts';
import type { NodeId } from '../../../src/topology/types.ts';

export class ModelWitnesses implements Witnesses {
  /** What each other member sees of every node that is asked about; null for one that does not answer. */
  readonly sees = new Map<number, EvidenceKind | null>();
  /** Questions that were asked, oldest first. */
  readonly asked: (readonly NodeId[])[] = [];

  readonly #nowMs: () => number;

  constructor(nowMs: () => number = () => 0) {
    this.#nowMs = nowMs;
  }

  panel(): Panel {
    return { self: 1, voters: [[1, ...this.sees.keys()]] };
  }

  ask(_: ClusterPlace, nodes: readonly NodeId[]): readonly Promise<ReadonlyMap<NodeId, WitnessWord>>[] {
    this.asked.push(nodes);
    const askedAtMs = this.#nowMs();
    return [...this.sees].map(([observer, kind]) => {
      const words =
        kind === null ? [] : nodes.map((id) => [id, { observer, kind, why: kind, askedAtMs }] as const);
      return Promise.resolve(new Map(words));
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
