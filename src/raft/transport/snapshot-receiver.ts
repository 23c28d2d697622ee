// Takes a snapshot from the leader to disk post by post, and hands over only what arrived whole.

import { crc32 } from 'node:zlib';

import type { Clock, Timer } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { MemberId, SnapshotMeta, Term } from '../core/types.ts';
import type { Done, SnapshotFile, TransportHandler } from '../ports.ts';
import type { TransportCounters } from './counters.ts';
import { refusal, type Refusal } from './refusals.ts';
import type { SnapshotAnswer, SnapshotBatch, SnapshotPost } from './snapshot-codec.ts';

/** What the receiver needs of the snapshots on disk. */
export interface SnapshotSink {
  /** Starts a temporary file for a snapshot of `meta`. */
  receive(meta: SnapshotMeta): SnapshotReception;
}

/** A snapshot on its way to disk. One call at a time. */
export interface SnapshotReception {
  /** `done` when the chunk is written: the backpressure of the transfer. */
  write(chunk: Uint8Array, done: Done): void;
  /** Makes the snapshot whole and durable, or fails without a trace. */
  finish(done: (result: SnapshotFile | Error) => void): void;
  /** Drops what was written, after the call under way. */
  abort(): void;
}

export interface SnapshotReceiverOptions {
  /** Milliseconds a sender waits for an answer: a verification that takes longer is asked about again. */
  readonly snapshotIdleMs: number;
}

export interface SnapshotReceiverParts {
  readonly handler: Pick<TransportHandler, 'onSnapshot'>;
  readonly sink: SnapshotSink;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: TransportCounters;
}

/** Milliseconds a part of a snapshot is kept after the last post: time for a leader to come back, or for another to be found. */
export const PARTIAL_KEEP_MS = 60_000;

/** Whose transfer it is. Terms tell leaders apart, numbers the transfers of one leader. */
interface Transfer {
  readonly from: MemberId;
  readonly term: Term;
  readonly transfer: number;
}

/** A part of a snapshot in a temporary file. */
interface Partial {
  owner: Transfer;
  readonly meta: SnapshotMeta;
  readonly fileBytes: number;
  readonly reception: SnapshotReception;
  chunks: number;
  payloadBytes: number;
  crc: number;
}

type Outcome = Result<SnapshotAnswer, Refusal>;

/** A snapshot whose file is being completed and verified. */
interface Finishing {
  readonly owner: Transfer;
  readonly chunks: number;
  readonly outcome: Promise<Outcome>;
}

/**
 * One snapshot at a time. A transfer that breaks off leaves its part for a minute: whoever leads then goes on where it
 * ended, if the file is the same one, or starts over. Every answer says how many chunks are held, so a lost answer or a
 * repeated post does no harm.
 */
export class SnapshotReceiver {
  readonly #options: SnapshotReceiverOptions;
  readonly #parts: SnapshotReceiverParts;
  #partial: Partial | null = null;
  #finishing: Finishing | null = null;
  /** The transfer that was handed over last: its end may be asked for again. */
  #published: { readonly owner: Transfer; readonly chunks: number } | null = null;
  #writing = false;
  #closed = false;
  #keep: Timer | null = null;

  constructor(options: SnapshotReceiverOptions, parts: SnapshotReceiverParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Takes one post of the leader `from`; resolves with what is held then. Never rejects. */
  async take(from: MemberId, post: SnapshotPost): Promise<Outcome> {
    const owner = { from, term: post.term, transfer: post.transfer };
    if (this.#closed) return err(refusal('busy', 'this member is stopping'));
    if (this.#published !== null && isSame(this.#published.owner, owner))
      return ok({ chunks: this.#published.chunks, done: true });
    if (this.#finishing !== null) {
      if (isSame(this.#finishing.owner, owner)) return this.#verified(this.#finishing);
      return err(refusal('busy', 'another snapshot is being verified'));
    }
    if (this.#writing) return err(refusal('busy'));
    this.#writing = true;
    this.#keep?.cancel();
    try {
      return await this.#add(owner, post);
    } finally {
      this.#writing = false;
      if (this.#partial !== null)
        this.#keep = this.#parts.clock.setTimer(PARTIAL_KEEP_MS, () => this.#drop());
    }
  }

  /** Drops what did not arrive whole. Later posts are refused. */
  close(): void {
    this.#closed = true;
    this.#keep?.cancel();
    this.#drop();
  }

  async #add(owner: Transfer, post: SnapshotPost): Promise<Outcome> {
    const partial = this.#partOf(owner, post);
    if (partial === null) return err(refusal('superseded'));
    const { batch } = post;
    if (batch.offset !== partial.chunks) return ok({ chunks: partial.chunks, done: false });
    if (batch.crc !== partial.crc) {
      // The same name and size, but another file: what is held is of no use for this one.
      if (batch.offset === 0) return err(refusal('malformed', 'nothing has no checksum'));
      this.#drop();
      return ok({ chunks: 0, done: false });
    }
    const problem = await this.#write(partial, batch);
    if (problem !== null) return err(problem);
    if (!batch.last) return ok({ chunks: partial.chunks, done: false });
    return this.#verified(this.#finish(partial));
  }

  /** What is held of the snapshot in `post`, be it nothing yet; null when a newer transfer is under way. */
  #partOf(owner: Transfer, post: SnapshotPost): Partial | null {
    const { logger, counters, sink } = this.#parts;
    const { meta, fileBytes } = post;
    const held = this.#partial;
    if (held !== null && isOlder(owner, held.owner)) return null;
    const named = held !== null && held.meta.index === meta.index && held.meta.term === meta.term;
    if (held !== null && named && held.fileBytes === fileBytes) {
      if (!isSame(held.owner, owner) && held.chunks > 0) {
        counters.snapshotsResumed += 1;
        logger.info('raft.snapshot.resumed', { from: owner.from, index: meta.index, chunks: held.chunks });
      }
      held.owner = owner;
      return held;
    }
    this.#drop();
    const reception = sink.receive(meta);
    this.#partial = { owner, meta, fileBytes, reception, chunks: 0, payloadBytes: 0, crc: 0 };
    return this.#partial;
  }

  /** Writes the chunks one by one; what is written counts at once, so that a later post goes on behind it. */
  async #write(partial: Partial, batch: SnapshotBatch): Promise<Refusal | null> {
    for (const chunk of batch.chunks) {
      if (partial.payloadBytes + chunk.byteLength > partial.fileBytes) {
        this.#drop();
        return refusal('malformed', 'the snapshot is larger than announced');
      }
      const error = await new Promise<Error | null>((resolve) => {
        partial.reception.write(chunk, resolve);
      });
      if (this.#partial !== partial) return refusal('aborted');
      if (error !== null) return this.#diskFailed(error);
      partial.chunks += 1;
      partial.payloadBytes += chunk.byteLength;
      partial.crc = crc32(chunk, partial.crc);
    }
    return null;
  }

  #finish(partial: Partial): Finishing {
    this.#partial = null;
    const { owner, chunks } = partial;
    const completed = new Promise<SnapshotFile | Error>((resolve) => {
      partial.reception.finish(resolve);
    });
    this.#finishing = { owner, chunks, outcome: completed.then((file) => this.#completed(partial, file)) };
    return this.#finishing;
  }

  #completed({ owner, chunks }: Partial, file: SnapshotFile | Error): Outcome {
    const { logger, counters, handler } = this.#parts;
    this.#finishing = null;
    if (file instanceof Error) return err(this.#diskFailed(file));
    this.#published = { owner, chunks };
    counters.snapshotsReceived += 1;
    logger.info('raft.snapshot.received', { from: owner.from, index: file.meta.index, bytes: file.bytes });
    if (!this.#closed) handler.onSnapshot(owner.from, owner.term, file);
    return ok({ chunks, done: true });
  }

  /** The outcome, or "not yet" in time for the sender to hear it. */
  #verified({ chunks, outcome }: Finishing): Promise<Outcome> {
    return new Promise((resolve) => {
      const late = this.#parts.clock.setTimer(this.#options.snapshotIdleMs / 2, () =>
        resolve(ok({ chunks, done: false })),
      );
      void outcome.then((result) => {
        late.cancel();
        resolve(result);
      });
    });
  }

  #diskFailed(error: Error): Refusal {
    this.#drop();
    this.#parts.logger.error('raft.snapshot.receive_failed', { reason: error.message });
    return refusal('diskFailed');
  }

  #drop(): void {
    this.#partial?.reception.abort();
    this.#partial = null;
  }
}

function isSame(one: Transfer, other: Transfer): boolean {
  return one.from === other.from && one.term === other.term && one.transfer === other.transfer;
}

/** A leader of an earlier term, or an earlier transfer of the same leader: a term has one leader. */
function isOlder(one: Transfer, other: Transfer): boolean {
  return one.term < other.term || (one.term === other.term && one.transfer < other.transfer);
}
