// Sends a snapshot file to a peer post by post, as fast as the peer takes it and no faster.

import type { LookupFunction } from 'node:net';

import { Client } from 'undici';
import { z } from 'zod';

import { backoffDelayMs, type BackoffPolicy } from '../../base/backoff.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { MemberId, Term } from '../core/types.ts';
import type { ExpulsionReason, SnapshotFile } from '../ports.ts';
import type { TransportCounters } from './counters.ts';
import type { FrameSealer } from './frame.ts';
import type { PeerOrigin } from './peer-address.ts';
import { SPEAKER_HEADER, speaker } from './refusals.ts';
import {
  encodeSnapshotPost,
  SNAPSHOT_BATCH_BYTES_MAX,
  type SnapshotAnswer,
  type SnapshotBatch,
} from './snapshot-codec.ts';
import { type PostFailure, SnapshotProgress } from './snapshot-progress.ts';
import { SnapshotCursor, type SnapshotSource } from './snapshot-cursor.ts';
import { SnapshotPacing } from './snapshot-pacing.ts';

/** Bytes of the first batch and of those after a failure: a slow way to a peer moves them within the deadline. */
const BATCH_BYTES_MIN = 64 * 1024;
const BACKOFF: BackoffPolicy = { delayMsMin: 50, delayMsMax: 2000, factor: 2 };
const ANSWER_BYTES_MAX = 4096;
/** Answers that another attempt would not change, whoever gives them. */
const FINAL_STATUSES: ReadonlySet<number> = new Set([404, 413, 421]);

export interface SnapshotSenderOptions {
  /** Milliseconds one post may take. */
  readonly snapshotIdleMs: number;
}

export interface SnapshotSenderParts {
  readonly clock: Clock;
  readonly lookup: LookupFunction;
  readonly random: Random;
  readonly logger: Logger;
  readonly counters: TransportCounters;
  readonly snapshots: SnapshotSource;
  readonly onRefused: (peer: MemberId, reason: ExpulsionReason) => void;
}

/** Where a transfer goes, and as whom. */
export interface SnapshotWay {
  readonly origin: PeerOrigin;
  readonly sealer: FrameSealer;
}

const answerSchema = z.object({ chunks: z.int().nonnegative(), done: z.boolean() });

/** One transfer a peer. A connection of its own: megabytes of snapshot delay neither heartbeats nor entries. */
export class SnapshotSender {
  readonly #options: SnapshotSenderOptions;
  readonly #parts: SnapshotSenderParts;
  readonly #running = new Map<Transfer, Promise<void>>();
  readonly #pacing: SnapshotPacing;
  #transfers = 0;

  constructor(options: SnapshotSenderOptions, parts: SnapshotSenderParts) {
    this.#options = options;
    this.#parts = parts;
    this.#pacing = new SnapshotPacing(parts.random);
  }

  /**
   * Sends `file` as the leader of `term`; `done` is called once, later. What breaks is tried again from where the peer
   * is, as long as it gets further now and then. A newer transfer to the same peer ends the one under way; one of the same
   * snapshot begins after a pause that grows each time.
   */
  send(way: SnapshotWay, term: Term, file: SnapshotFile, done: (delivered: boolean) => void): void {
    this.#transfers += 1;
    const { to } = way.sealer.head;
    for (const other of this.#running.keys()) if (other.to === to) other.abort('a newer transfer began');
    const delayMs = this.#pacing.begin(to, file.meta.index, this.#parts.clock.monotonicMs());
    const task = { way, term, file, number: this.#transfers, delayMs };
    const transfer = new Transfer(task, this.#options, this.#parts);
    this.#running.set(transfer, this.#run(transfer, done));
  }

  /** Breaks off every transfer and awaits their ends. */
  async close(): Promise<void> {
    const running = [...this.#running];
    for (const [transfer] of running) transfer.abort('the transport is closing');
    await Promise.all(running.map(([, end]) => end));
  }

  /** Never rejects. */
  async #run(transfer: Transfer, done: (delivered: boolean) => void): Promise<void> {
    const { clock, logger, counters } = this.#parts;
    let delivered = false;
    try {
      await transfer.run();
      counters.snapshotsSent += 1;
      delivered = true;
    } catch (error) {
      const reason = error instanceof Error ? error.message : 'unknown';
      logger.warn('raft.snapshot.send_failed', { peer: transfer.to, index: transfer.index, reason });
    }
    this.#running.delete(transfer);
    this.#pacing.end(transfer.to, clock.monotonicMs());
    done(delivered);
  }
}

interface TransferTask {
  readonly way: SnapshotWay;
  readonly term: Term;
  readonly file: SnapshotFile;
  readonly number: number;
  /** Milliseconds until the first post. */
  readonly delayMs: number;
}

/** One snapshot on its way to one peer. */
class Transfer {
  readonly to: MemberId;
  readonly index: number;
  readonly #task: TransferTask;
  readonly #options: SnapshotSenderOptions;
  readonly #parts: SnapshotSenderParts;
  readonly #client: Client;
  readonly #cursor: SnapshotCursor;
  readonly #abort = new AbortController();

  constructor(task: TransferTask, options: SnapshotSenderOptions, parts: SnapshotSenderParts) {
    this.to = task.way.sealer.head.to;
    this.index = task.file.meta.index;
    this.#task = task;
    this.#options = options;
    this.#parts = parts;
    this.#cursor = new SnapshotCursor(parts.snapshots, task.file);
    const { snapshotIdleMs } = options;
    this.#client = new Client(task.way.origin, {
      connectTimeout: snapshotIdleMs,
      headersTimeout: snapshotIdleMs,
      bodyTimeout: snapshotIdleMs,
      connect: { lookup: parts.lookup },
    });
  }

  abort(reason: string): void {
    this.#abort.abort(new Error(reason));
  }

  /** Resolves when the peer has the whole snapshot; rejects with the reason when it is given up. */
  async run(): Promise<void> {
    try {
      if (this.#task.delayMs > 0) await this.#pause(this.#task.delayMs);
      this.#abort.signal.throwIfAborted();
      await this.#advance();
    } finally {
      await this.#cursor.close();
      await this.#client.destroy();
    }
  }

  async #advance(): Promise<void> {
    const progress = new SnapshotProgress();
    let batchBytes = BATCH_BYTES_MIN;
    // Begins with a question: somebody may have sent a part of it already.
    let batch = question(0, 0);
    for (;;) {
      const answer = await this.#post(batch);
      this.#abort.signal.throwIfAborted();
      if (answer.ok && answer.value.done) return;
      const problem = progress.judge(batch, answer);
      if (problem !== null) throw new Error(problem);
      if (answer.ok) {
        batch = await this.#cursor.batch(answer.value.chunks, batchBytes);
        batchBytes = Math.min(SNAPSHOT_BATCH_BYTES_MAX, batchBytes * 2);
      } else {
        await this.#pause(backoffDelayMs(BACKOFF, progress.setbacks - 1, this.#parts.random));
        batch = question(batch.offset, batch.crc);
        batchBytes = BATCH_BYTES_MIN;
      }
    }
  }

  /** One post with its deadline. Never rejects. */
  async #post(batch: SnapshotBatch): Promise<Result<SnapshotAnswer, PostFailure>> {
    const { way, term, file, number } = this.#task;
    const post = { term, transfer: number, meta: file.meta, fileBytes: file.bytes, batch };
    const deadline = new AbortController();
    const timer = this.#parts.clock.setTimer(this.#options.snapshotIdleMs, () =>
      deadline.abort(new Error('deadline passed')),
    );
    try {
      const response = await this.#client.request({
        path: '/raft/snapshot',
        method: 'POST',
        body: encodeSnapshotPost(way.sealer, post),
        signal: AbortSignal.any([deadline.signal, this.#abort.signal]),
      });
      const text = await readText(response.body);
      if (response.statusCode === 200) return readAnswer(text);
      return err(this.#failure(response.statusCode, text, response.headers[SPEAKER_HEADER]));
    } catch (error) {
      return err({ reason: error instanceof Error ? error.message : 'unknown', final: false });
    } finally {
      timer.cancel();
    }
  }

  #failure(status: number, text: string, by: unknown): PostFailure {
    const { clusterId, to } = this.#task.way.sealer.head;
    const isExpulsion = (status === 409 || status === 410) && by === speaker(clusterId, to);
    if (isExpulsion) this.#parts.onRefused(to, status === 409 ? 'otherIncarnation' : 'removed');
    return { reason: `answered ${status}: ${text}`, final: isExpulsion || FINAL_STATUSES.has(status) };
  }

  #pause(delayMs: number): Promise<void> {
    const { signal } = this.#abort;
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel();
        signal.removeEventListener('abort', end);
        resolve();
      };
      const timer = this.#parts.clock.setTimer(delayMs, end);
      signal.addEventListener('abort', end);
    });
  }
}

/** A post without chunks: the answer says how much the peer holds. */
function question(offset: number, crc: number): SnapshotBatch {
  return { offset, crc, chunks: [], last: false };
}

/** The body to its end, as far as it may matter. */
async function readText(body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.byteLength;
    if (bytes <= ANSWER_BYTES_MAX) chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

function readAnswer(text: string): Result<SnapshotAnswer, PostFailure> {
  try {
    return ok(answerSchema.parse(JSON.parse(text)));
  } catch {
    return err({ reason: 'the answer cannot be read', final: false });
  }
}
