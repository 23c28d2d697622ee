// What the Raft driver needs of the world: a log, snapshots, a state machine, a way to its peers.
// Completion is by callback, one call each: no promise decides the order of events, so a simulator can.

import type { Message } from './core/messages.ts';
import type {
  Entry,
  HardState,
  Incarnation,
  LogIndex,
  LogPosition,
  MemberId,
  SnapshotMeta,
  Term,
} from './core/types.ts';

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
  /**
   * True while little is free on the disk, or the next segment cannot be made for want of space; it is looked at, and tried
   * again, until that is over. Nothing has failed yet: votes and cuts fit into room kept for them. The driver takes no
   * commands on meanwhile; empty entries and changes of members are few and still written.
   */
  readonly spaceLow: boolean;
  /**
   * False while space is low and `bytes` of entries would leave less than a quarter of the segment in use: what is left is for
   * votes and cuts, and to fill it ends the process.
   */
  hasRoomFor(bytes: number): boolean;
  /** The first error, also one of work between the operations, such as making the next segment; null while all is well. */
  readonly failure: Error | null;
  /** One durable write for the whole group; `done(null)` means durable. */
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
  /** The newest whole snapshot: found at the start, saved here, or received and accepted. Null when there is none. */
  newest(): SnapshotFile | null;
  /** Writes `chunks` as the snapshot of `meta`, pulling the next chunk only when the last is written. */
  save(meta: SnapshotMeta, chunks: Iterable<Uint8Array>, done: (result: SnapshotFile | Error) => void): void;
  /**
   * Reads a snapshot piece by piece in order, checking every checksum; the event loop turns between two pieces of at most
   * 16 KiB, which need not be the chunks that were saved. `onPiece` may not keep the buffer.
   */
  load(file: SnapshotFile, onPiece: (piece: Uint8Array) => void, done: Done): void;
  /** The newest whole snapshot older than `file`, verified; null when there is none. */
  older(file: SnapshotFile, done: (result: SnapshotFile | null | Error) => void): void;
  /** A received snapshot proved to be a state: from now on it may be the newest. */
  accept(file: SnapshotFile): void;
  /** `file` is of no use here: it is set aside, until the next `prune` at most, and is not the newest any more. */
  discard(file: SnapshotFile, done: Done): void;
  /** Removes what is older than the newest snapshot, what was set aside, and every temporary file. */
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
  /** The term of that entry, to tell whether state and log are of one history. */
  readonly appliedTerm: Term;
  /** Applies entries in order, the first being `applied + 1`; `noop` and `config` only move `applied`. One result an entry. */
  apply(entries: readonly Entry[]): readonly ApplyResult[];
  /** Makes everything applied so far durable in the state's own storage. */
  flush(done: Done): void;
  /** A consistent view of the state at `applied`, as chunks of at most 64 KiB; stays valid while entries are applied. */
  snapshot(): { readonly index: LogIndex; readonly chunks: Iterable<Uint8Array> };
  /** Starts building the state of a snapshot aside; nothing is visible before `swap`. */
  restore(meta: LogPosition): StateRestore;
}

/** A state being built beside the one in use: `chunk`s, then `ready`, then `swap`; or `abort` at any point. */
export interface StateRestore {
  /** Takes the next bytes in; the buffer may be reused afterwards. Decodes and hashes at once, so `ready` has little to do. */
  chunk(bytes: Uint8Array): void;
  /** No more chunks: why they are not a whole, readable state of this position; null when they are. Changes nothing. */
  ready(): string | null;
  /** After `ready` said null: the new state is visible when this returns, and durable when `done(null)` is called. */
  swap(done: Done): void;
  abort(): void;
}

/** The way to the peers. Never blocks, never throws: what does not fit is dropped and reported as unreachable. */
export interface Transport {
  send(messages: readonly Message[]): void;
  /** Where the members of the newest membership are, `host:port`; links to whoever is not among them any more are closed. */
  setAddresses(addresses: ReadonlyMap<MemberId, string>): void;
  /** Streams a snapshot as the leader of `term`; `done(false)` when it did not arrive whole. */
  sendSnapshot(to: MemberId, term: Term, file: SnapshotFile, done: (delivered: boolean) => void): void;
}

/**
 * Why a member may take part no longer. `otherIncarnation`: its id is bound to another data directory. `removed`: it has
 * left the group for good.
 */
export type ExpulsionReason = 'otherIncarnation' | 'removed';

/** Whether a sender may speak to this member. Refused only by a committed membership, so a refusal is never taken back. */
export type Admission = 'yes' | ExpulsionReason;

/** What the transport delivers to the driver. */
export interface TransportHandler {
  /** Asked before anything of a request is delivered. */
  admits(from: MemberId, incarnation: Incarnation): Admission;
  onMessage(message: Message): void;
  onUnreachable(peer: MemberId): void;
  /** A peer that is up refused to listen to this member. */
  onRefused(peer: MemberId, reason: ExpulsionReason): void;
  /** A whole snapshot arrived and lies verified on disk. */
  onSnapshot(from: MemberId, term: Term, file: SnapshotFile): void;
}
