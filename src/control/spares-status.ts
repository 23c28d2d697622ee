// What is known of a cluster's spares and of the shards they are there for, as people are told it.

import type { NodeAddress, NodeId } from '../topology/types.ts';
import { shortagesOf } from './shortage.ts';
import { spareMemory, type SpareStanding } from './spare-memory.ts';
import { sparesOf } from './spare-watch.ts';
import { planText, standingText } from './spare-texts.ts';
import { planFor } from './spares.ts';
import type { Situation } from './situation.ts';

export interface SpareStatus {
  readonly address: NodeAddress;
  readonly zone: string;
  /** The member that it was; null for one that people named. */
  readonly lost: NodeId | null;
  /** `unknown`: nobody has looked at it yet. */
  readonly state: SpareStanding['kind'] | 'unknown';
  /** Why it cannot be used, or that it can. */
  readonly why: string;
  /** Milliseconds since the last look ended; null before the first. */
  readonly ageMs: number | null;
}

export interface ShortageStatus {
  readonly shardIndex: number;
  readonly there: number;
  readonly wanted: number;
  /** Milliseconds for which it is below its copies, and until a spare is due; that is negative when it was to come already, Infinity when none is. */
  readonly forMs: number;
  readonly leftMs: number;
  /** What is going to happen, or what stands against it. */
  readonly plan: string;
}

export interface SparesStatus {
  readonly nodes: readonly SpareStatus[];
  /** Shards below the copies that are wanted, the worst off first. */
  readonly shards: readonly ShortageStatus[];
}

export function sparesStatus(situation: Situation): SparesStatus {
  const { memory, nowMs } = situation;
  return {
    nodes: sparesOf(situation).map((spare) => {
      const { address, zone, lost } = spare;
      const { look } = spareMemory(memory.spares, spare);
      const ageMs = look === null ? null : nowMs - look.endedAtMs;
      const standing = look?.standing ?? null;
      return {
        address,
        zone,
        lost,
        state: standing?.kind ?? 'unknown',
        why: standingText(spare, standing),
        ageMs,
      };
    }),
    shards: shortagesOf(situation).map((shortage) => {
      const { shardIndex, there, wanted, sinceMs, dueAtMs } = shortage;
      const plan = planText(situation, shortage, planFor(situation, shortage));
      return { shardIndex, there, wanted, forMs: nowMs - sinceMs, leftMs: dueAtMs - nowMs, plan };
    }),
  };
}
