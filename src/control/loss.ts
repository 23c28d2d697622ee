// Whether a master had lost its data when it last answered: a new disk under an old address looks like a fresh node.

import type { NodeFacts } from '../topology/facts.ts';
import type { NodeMemory } from './node-memory.ts';
import type { NodeReport } from './observation.ts';

/** `isIdentityLost`: it does not know any more who it is and serves nobody until it is told. */
export interface Loss {
  readonly isIdentityLost: boolean;
  readonly why: string;
}

/**
 * What a master lost, judged by what was seen of it and by what its replicas have. Nobody else can tell: a node whose disk was
 * exchanged answers as cheerfully as one that only forgot its topology (facts section 14), and the two differ in the sequence alone. Null
 * when nothing is missing.
 */
export function lossOf(
  report: NodeReport,
  known: {
    readonly memory: NodeMemory;
    readonly facts: NodeFacts;
    /** The highest sequence that a replica of its history has; null when none is known. */
    readonly replicaSequence: number | null;
  },
): Loss | null {
  const isIdentityLost = report.version < 0;
  const sequence = report.sequence ?? 0;
  const seen = Math.max(known.facts.sequence ?? 0, ...earlierSequences(known.memory));
  if (sequence < seen) {
    const what = isIdentityLost ? 'it came back without a topology' : 'it goes on';
    return { isIdentityLost, why: `${what} at sequence ${sequence}, it was seen at ${seen} before` };
  }
  // A replica is looked at later than its master: only of a master that takes no writes it says anything.
  const { replicaSequence } = known;
  if (isIdentityLost && replicaSequence !== null && replicaSequence > sequence) {
    return {
      isIdentityLost,
      why: `it came back without a topology at sequence ${sequence}, and a replica of it has ${replicaSequence}`,
    };
  }
  return null;
}

function earlierSequences({ positions }: NodeMemory): readonly number[] {
  return positions.map((position) => position.sequence);
}
