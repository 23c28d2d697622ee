// What the book is made of: writes that nodes took, and slots that one node took over from another.

import type { Slot, SlotRange } from '../../../src/topology/types.ts';
import type { FleetNode } from './fleet-node.ts';

/** Where a write came into the history of the shard it belongs to. */
export interface Place {
  readonly node: FleetNode;
  readonly atMs: number;
  /** The node's sequence number after it. */
  readonly end: number;
}

/** One write that a node took. */
export interface Put {
  readonly id: number;
  readonly slot: Slot;
  readonly node: FleetNode;
  readonly atMs: number;
  /** The node that took it; where it went with its slot, the target. */
  place: Place;
  /** By which it was taken, where the topology gave the slot to another node. */
  readonly under: HandOver | null;
  /** The node had been replaced and was not told yet. */
  readonly isStale: boolean;
  isAcknowledged: boolean;
  /** Why its loss is nobody's fault; null as long as it is somebody's. */
  excuse: string | null;
}

/** Slots that a target serves by the word of a source, and what is known of that. */
export interface HandOver {
  readonly source: FleetNode;
  readonly target: FleetNode;
  readonly range: SlotRange;
  readonly slots: ReadonlySet<Slot>;
  readonly atMs: number;
  /** Where the writes that came with it were before. */
  readonly before: ReadonlyMap<Put, Place>;
  /** Ends whose processes remember it as a success. */
  readonly knowers: Set<FleetNode>;
  /** The present leader had the source's word: of the success, or of a failure of which the target does not know. */
  isSeen: boolean;
  /** It had the target's, and nobody can take it for that of an earlier move. */
  isTargetSeen: boolean;
  isFailureSeen: boolean;
  /** Neither recorded nor given up. */
  isOpen: boolean;
  /** Why what the target took since may be lost; null as long as it may not. */
  excuse: string | null;
}
