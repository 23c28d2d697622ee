// What a member can say about itself, for the API, metrics and people.

import type { RoleView } from './core/step.ts';
import type { LogIndex, LogPosition, MemberId } from './core/types.ts';
import type { DiskStatus } from './disk-queue.ts';

/** What a leader knows of one peer; a follower knows only when it last heard of it. */
export interface PeerStatus {
  readonly id: MemberId;
  /** The last entry known to be on its disk; null unless this member leads. */
  readonly match: LogIndex | null;
  /** Milliseconds since the last message from it; null when there was none yet. */
  readonly lastContactMs: number | null;
}

export interface DriverStatus extends RoleView {
  readonly id: MemberId;
  readonly commit: LogIndex;
  readonly applied: LogIndex;
  readonly last: LogPosition;
  /** The log holds the entries after this one. */
  readonly base: LogIndex;
  /** The newest snapshot on disk; 0 when there is none. */
  readonly snapshot: LogIndex;
  readonly peers: readonly PeerStatus[];
  readonly disk: DiskStatus;
  /** Proposals and reads without an outcome. */
  readonly proposals: number;
  readonly reads: number;
  /** Messages from peers dropped because the inbox was full. */
  readonly messagesDropped: number;
  /** True while a snapshot from the leader replaces the state. */
  readonly installing: boolean;
  /** The first fault, after which this member does nothing more; null while it is well. */
  readonly fault: string | null;
}
