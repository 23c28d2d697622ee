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

  panel(): Panel {
    return { self: 1, voters: [[1, ...this.sees.keys()]] };
  }

  ask(_: ClusterPlace, nodes: readonly NodeId[]): Promise<ReadonlyMap<NodeId, readonly WitnessWord[]>> {
    this.asked.push(nodes);
    const words = [...this.sees].flatMap(([observer, kind]): WitnessWord[] =>
      kind === null ? [] : [{ observer, kind, why: kind }],
    );
    return Promise.resolve(new Map(nodes.map((id) => [id, words])));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
