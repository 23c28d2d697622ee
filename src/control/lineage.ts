// Which history a copy belongs to: the one rule by which nodes rejoin, are joined, and are made anew.

import type { NodeFacts, Promotion, ShardFacts } from '../topology/facts.ts';
import type { NodeAddress, NodeId, NodeRole } from '../topology/types.ts';

/** What a node says of itself that tells its history. */
export interface CopyReport {
  readonly version: number;
  readonly role: NodeRole;
  readonly master: NodeAddress | null;
  readonly sequence: number | null;
}

export interface CopyPlace {
  readonly id: NodeId;
  readonly facts: NodeFacts;
  readonly shard: ShardFacts;
  /** The address of the shard's present master. */
  readonly masterAddress: NodeAddress;
  /** Where a node of this shard is; null for one that left it. */
  readonly addressOf: (id: NodeId) => NodeAddress | null;
  /** Whether what that node has is no copy of the shard and has to be made anew. */
  readonly isCondemned: (id: NodeId) => boolean;
}

/**
 * - `empty`: nothing was ever written there; it can follow anybody.
 * - `current`: it belongs to the history of the present master.
 * - `prefix`: it belongs to an earlier master's history and has nothing that the present one lacks: it may follow at once.
 * - `diverged`: it has something the present master never had; PSYNC, which compares numbers only, would mix both (facts section 3.5).
 * - `unknown`: nothing proves what it is.
 */
export type History =
  | { readonly kind: 'empty' }
  | { readonly kind: 'current' }
  | { readonly kind: 'prefix' }
  /** `ownCount` numbers, from `ownFrom` on, are its own at most. */
  | {
      readonly kind: 'diverged';
      readonly why: string;
      readonly ownFrom: number;
      readonly ownCount: number;
    }
  | { readonly kind: 'unknown'; readonly why: string };

/**
 * Where the copy of a node of this shard belongs. The version a node holds dates what it says: its history is that of the master of that
 * time, and every promotion since then is compared with its position (facts section 13.1).
 */
export function historyOf(report: CopyReport, place: CopyPlace): History {
  const { version, sequence } = report;
  if (sequence === null || sequence < 0) return unknown(`its sequence number is ${sequence ?? 'not known'}`);
  if (version < 0) return historyWithoutTopology(sequence, place);
  const { promotions, sinceVersion } = place.shard;
  if (version < sinceVersion) {
    return unknown(`its topology of version ${version} is older than what is remembered of this shard`);
  }
  const later = promotions.filter((promotion) => promotion.version > version);
  const [first] = later;
  if (first === undefined) return historyOfToday(report, place);
  const wasMaster = report.role === 'master' && place.id === first.from;
  const wasReplica = report.role === 'replica' && report.master === place.addressOf(first.from);
  if (!wasMaster && !wasReplica) {
    return unknown(`at version ${version} it was neither the master of this shard nor a replica of it`);
  }
  if (wasReplica && place.isCondemned(first.from)) {
    return unknown('it follows its old master, whose own copy is to be made anew');
  }
  return comparedWith(later, sequence);
}

function historyOfToday({ role, master }: CopyReport, place: CopyPlace): History {
  if (role === 'replica' && master === place.masterAddress) return { kind: 'current' };
  const what = role === 'master' ? 'it is a master of its own' : `it follows ${master ?? 'nobody'}`;
  return unknown(`${what} under a topology that says otherwise`);
}

/**
 * A node that forgot its topology is known by its sequence alone: unchanged since it was last seen, it is what it was then. When that was is
 * not written down, so of a master that led more than once its first time counts, and every change of masters since.
 */
function historyWithoutTopology(sequence: number, place: CopyPlace): History {
  if (sequence === 0) return { kind: 'empty' };
  const { facts, shard } = place;
  if (facts.sequence !== sequence || facts.following === null) {
    return unknown(`it has no topology and stands at sequence ${sequence}, where it was never seen`);
  }
  const { promotions } = shard;
  const isFirstMaster = promotions[0]?.from === facts.following || promotions.length === 0;
  if (isFirstMaster) return comparedWith(promotions, sequence);
  const index = promotions.findIndex((promotion) => promotion.to === facts.following);
  if (index === -1) return unknown('whom it followed is not remembered');
  return comparedWith(promotions.slice(index + 1), sequence);
}

function comparedWith(later: readonly Promotion[], sequence: number): History {
  for (const promotion of later) {
    if (promotion.sequence === null) {
      return unknown('at what position its shard changed masters since then is not known');
    }
    if (sequence > promotion.sequence) {
      const ownCount = sequence - promotion.sequence;
      return {
        kind: 'diverged',
        why:
          `it stands at sequence ${sequence}, and the master that took over at version ${promotion.version} ` +
          `had ${promotion.sequence} of its history: up to ${ownCount} numbers are its own`,
        ownFrom: promotion.sequence + 1,
        ownCount,
      };
    }
  }
  return later.length === 0 ? { kind: 'current' } : { kind: 'prefix' };
}

function unknown(why: string): History {
  return { kind: 'unknown', why };
}
