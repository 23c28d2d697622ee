// What the Raft driver needs of the world: a log, snapshots, a state machine, a way to its peers.
// Completion is by callback, one call each: no promise decides the order of events, so a simulator can.

import type { Message } from './core/messages.ts';
import type { Entry, HardState, LogIndex, LogPosition, MemberId, SnapshotMeta, Term } from './core/types.ts';

/** Called exactly once, never from inside the call that was given it. */
export type Done = (error: Error | null) => void;

/** What one group of steps made durable, in this order: hard state, truncation, entries. */
export interface LogGroup {
  readonly hardState: HardState | null;
  readonly truncateFrom: LogIndex | null;
  readonly append: readonly Entry[];
}

/**
 * The durable log and hard state. One operation at a time: the driver starts the next when `done` was called.
 * After the first error every later call fails with that error, until the process restarts.
 */
export interface DurableLog {
  /** One write and one fdatasync for the whole group; `done(null)` means durable. */
  write(group: LogGroup, done: Done): void;
  /**
   * Entries at or before `base` may be dropped, entries after it stay. A snapshot at `base` *or later* is durable: the
   * driver keeps a trailing window of entries before its newest snapshot. `base` lies in the log.
   */
  compact(base: SnapshotMeta, done: Done): void;
  /** A snapshot from the leader replaces the whole log: nothing at or before, nothing after `base` stays. */
  reset(base: SnapshotMeta, done: Done): void;
  /** Waits for the operation under way, then closes the files. */
  close(done: Done): void;
}

/** A whole, verified snapshot on disk. */
export interface SnapshotFile {
  readonly meta: SnapshotMeta;
  readonly bytes: number;
  readonly path: string;
}

/** Snapshots on disk: made whole or not at all (temporary file, fsync, rename, fsync of the folder). */
export interface SnapshotStore {
  /** The newest whole snapshot; null when there is none. */
  newest(): SnapshotFile | null;
  /** Writes `chunks` as the snapshot of `meta`, pulling the next chunk only when the last is written. */
  save(meta: SnapshotMeta, chunks: Iterable<Uint8Array>, done: (result: SnapshotFile | Error) => void): void;
  /** Reads a snapshot chunk by chunk in order, checking every checksum; `onChunk` may not keep the buffer. */
  load(file: SnapshotFile, onChunk: (chunk: Uint8Array) => void, done: Done): void;
  /** Removes all but the newest snapshot and every temporary file. */
  prune(done: Done): void;
}

/** The outcome of one applied command, opaque to Raft: given to whoever proposed it here. */
export type ApplyResult = unknown;

/**
 * The replicated state. `apply` is synchronous, deterministic and total: it never throws on a committed command.
 * Its durable copy is written behind; `onFault` reports the first failure of that copy.
 */
export interface StateMachine {
  /** The last entry whose effect is in memory. */
  readonly applied: LogIndex;
  /** Applies entries in order, the first being `applied + 1`; `noop` and `config` only move `applied`. One result an entry. */
  apply(entries: readonly Entry[]): readonly ApplyResult[];
  /** Makes everything applied so far durable in the state's own storage. */
  flush(done: Done): void;
  /** A consistent view of the state at `applied`, as chunks of at most 64 KiB; stays valid while entries are applied. */
  snapshot(): { readonly index: LogIndex; readonly chunks: Iterable<Uint8Array> };
  /** Starts replacing the whole state by a snapshot's chunks; nothing is visible before `finish`. */
  restore(meta: LogPosition): StateRestore;
}

export interface StateRestore {
  chunk(bytes: Uint8Array): void;
  /** Swaps the new state in and makes it durable. Fails without a change when the chunks do not make a valid state. */
  finish(done: Done): void;
  abort(): void;
}

/** The way to the peers. Never blocks, never throws: what does not fit is dropped and reported as unreachable. */
export interface Transport {
  send(messages: readonly Message[]): void;
  /** Streams a snapshot as the leader of `term`; `done(false)` when it did not arrive whole. */
  sendSnapshot(to: MemberId, term: Term, file: SnapshotFile, done: (delivered: boolean) => void): void;
}

/** What the transport delivers to the driver. */
export interface TransportHandler {
  onMessage(message: Message): void;
  onUnreachable(peer: MemberId): void;
  /** A whole snapshot arrived and lies verified on disk. */
  onSnapshot(from: MemberId, term: Term, file: SnapshotFile): void;
}
