// Takes a snapshot stream from the leader to disk as it arrives, and hands over only what arrived whole.

import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { MemberId, SnapshotMeta } from '../core/types.ts';
import type { Done, SnapshotFile, TransportHandler } from '../ports.ts';
import type { RefusalReason, TransportCounters } from './counters.ts';
import { FrameReader, type Frame, type FrameError } from './frame.ts';
import {
  checkSnapshotEnd,
  readSnapshotHead,
  SNAPSHOT_FRAME_BYTES_MAX,
  type SnapshotHead,
} from './snapshot-frames.ts';

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
  /** Drops what was written. */
  abort(): void;
}

export interface SnapshotReceiverOptions {
  readonly self: MemberId;
  readonly isMember: (id: MemberId) => boolean;
  /** Milliseconds without a byte after which the transfer is given up. */
  readonly snapshotIdleMs: number;
}

export interface SnapshotReceiverParts {
  readonly handler: TransportHandler;
  readonly sink: SnapshotSink;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: TransportCounters;
}

export type SnapshotRefusal = Exclude<RefusalReason, 'aborted'>;

/** Why no snapshot came of a request: the sender's fault, a broken stream, or this member's disk. */
export type ReceptionError =
  | { readonly kind: 'refused'; readonly reason: SnapshotRefusal }
  | { readonly kind: 'aborted'; readonly message: string }
  | { readonly kind: 'disk'; readonly error: Error };

/** One transfer a sender at a time; a sender that starts anew while its last one hangs is refused until that is given up. */
export class SnapshotReceiver {
  readonly #options: SnapshotReceiverOptions;
  readonly #parts: SnapshotReceiverParts;
  readonly #senders = new Set<MemberId>();

  constructor(options: SnapshotReceiverOptions, parts: SnapshotReceiverParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Reads one transfer from `body` to its end. Never rejects. */
  async receive(body: ReadableStream<Uint8Array>): Promise<Result<void, ReceptionError>> {
    const frames = new FrameSource(body, this.#parts.clock, this.#options.snapshotIdleMs);
    try {
      const first = await frames.next();
      if (!first.ok) return first;
      const head = readSnapshotHead(first.value);
      if (!head.ok) return refused(head.error.kind);
      const problem = this.#admit(head.value);
      if (problem !== null) return refused(problem);
      this.#senders.add(head.value.from);
      try {
        return await this.#store(head.value, frames);
      } finally {
        this.#senders.delete(head.value.from);
      }
    } finally {
      await frames.close();
    }
  }

  #admit(head: SnapshotHead): SnapshotRefusal | null {
    if (head.to !== this.#options.self) return 'wrongRecipient';
    if (!this.#options.isMember(head.from)) return 'unknownSender';
    return this.#senders.has(head.from) ? 'busy' : null;
  }

  async #store(head: SnapshotHead, frames: FrameSource): Promise<Result<void, ReceptionError>> {
    const { sink, handler, logger, counters } = this.#parts;
    const reception = sink.receive(head.meta);
    let finished = false;
    try {
      const written = await writeChunks(reception, frames);
      if (!written.ok) return written;
      finished = true;
      const file = await new Promise<SnapshotFile | Error>((resolve) => {
        reception.finish(resolve);
      });
      if (file instanceof Error) return err({ kind: 'disk', error: file });
      counters.snapshotsReceived += 1;
      logger.info('raft.snapshot.received', { from: head.from, index: head.meta.index, bytes: file.bytes });
      handler.onSnapshot(head.from, head.term, file);
      return ok(undefined);
    } finally {
      if (!finished) reception.abort();
    }
  }
}

/** Writes chunk frames until the end frame; the next is read only when the last is on disk. */
async function writeChunks(
  reception: SnapshotReception,
  frames: FrameSource,
): Promise<Result<void, ReceptionError>> {
  let chunks = 0;
  let bytes = 0;
  for (;;) {
    const next = await frames.next();
    if (!next.ok) return next;
    const frame = next.value;
    if (frame.kind === 'snapshotEnd') {
      const problem = checkSnapshotEnd(frame, { chunks, bytes });
      return problem === null ? ok(undefined) : refused(problem.kind);
    }
    if (frame.kind !== 'snapshotChunk' || frame.body.byteLength === 0) return refused('malformed');
    const error = await new Promise<Error | null>((resolve) => {
      reception.write(frame.body, resolve);
    });
    if (error !== null) return err({ kind: 'disk', error });
    chunks += 1;
    bytes += frame.body.byteLength;
  }
}

/** Frames out of a request body, with a limit on silence. */
class FrameSource {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #frames = new FrameReader(SNAPSHOT_FRAME_BYTES_MAX);
  readonly #clock: Clock;
  readonly #idleMs: number;

  constructor(body: ReadableStream<Uint8Array>, clock: Clock, idleMs: number) {
    this.#reader = body.getReader();
    this.#clock = clock;
    this.#idleMs = idleMs;
  }

  /** The next frame; an error when the stream ends, breaks or falls silent before it is whole. */
  async next(): Promise<Result<Frame, ReceptionError>> {
    for (;;) {
      const frame = this.#frames.next();
      if (!frame.ok) return refused(frame.error.kind);
      if (frame.value !== null) return ok(frame.value);
      const chunk = await this.#readChunk();
      if (!chunk.ok) return chunk;
      this.#frames.push(chunk.value);
    }
  }

  /** Lets go of the rest of the body. */
  async close(): Promise<void> {
    await this.#reader.cancel().catch(() => undefined);
  }

  async #readChunk(): Promise<Result<Uint8Array, ReceptionError>> {
    // Cancelling ends the pending read as if the stream had ended.
    const timer = this.#clock.setTimer(this.#idleMs, () => void this.close());
    try {
      const read = await this.#reader.read();
      return read.done ? aborted('the stream ended early') : ok(read.value);
    } catch (error) {
      return aborted(error instanceof Error ? error.message : 'the stream broke');
    } finally {
      timer.cancel();
    }
  }
}

function refused(reason: FrameError['kind'] | SnapshotRefusal): Result<never, ReceptionError> {
  return err({ kind: 'refused', reason });
}

function aborted(message: string): Result<never, ReceptionError> {
  return err({ kind: 'aborted', message });
}
