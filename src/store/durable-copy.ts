// What the state machine needs of its durable copy.

import type { LogPosition } from './log-entry.ts';
import type { StateHash } from './state/hash.ts';
import type { StateChange, StateContents } from './state/key-value-state.ts';

/** Called exactly once, never from inside the call that was given it. */
export type Done = (error: Error | null) => void;

/** The effect of one group of entries: the position and hash after it. */
export interface CopyUpdate {
  readonly position: LogPosition;
  readonly hash: StateHash;
  readonly changes: readonly StateChange[];
}

/** A whole state at a position. */
export interface StateCut {
  readonly position: LogPosition;
  readonly hash: StateHash;
  readonly contents: StateContents;
}

/**
 * Written behind and in order. After the first failure nothing more is written, every `done` gets that error, and whoever
 * made the copy has been told of it.
 */
export interface DurableCopy {
  /** Takes an update over; it is written later, together with what came meanwhile, all or nothing. */
  write(update: CopyUpdate): void;
  /** Calls `done` when everything taken over before is on the disk. */
  flush(done: Done): void;
  /** Replaces everything by `cut`. A crash in the middle leaves a copy that is recognised as unusable. */
  replace(cut: StateCut, done: Done): void;
  /** Writes what was taken over and closes the files. Nothing may be asked of the copy after this. Never fails. */
  close(done: () => void): void;
}
