// Streams a snapshot file to one peer, as fast as the peer takes it and no faster.

import { Readable } from 'node:stream';

import { Client } from 'undici';

import { present } from '../../base/assert.ts';
import type { Clock, Timer } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { MemberId, Term } from '../core/types.ts';
import type { SnapshotFile } from '../ports.ts';
import type { TransportCounters } from './counters.ts';
import type { PeerOrigin } from './peer-address.ts';
import {
  sealSnapshotChunk,
  sealSnapshotEnd,
  sealSnapshotHead,
  type SnapshotHead,
} from './snapshot-frames.ts';

/** What the sender needs of the snapshots on disk. */
export interface SnapshotSource {
  /** The verified chunks of `file` in order, the next read only when asked for. Throws when the file is damaged or gone. */
  read(file: SnapshotFile): AsyncIterable<Uint8Array>;
}

export interface SnapshotSenderOptions {
  readonly self: MemberId;
  readonly peers: ReadonlyMap<MemberId, PeerOrigin>;
  readonly snapshotIdleMs: number;
}

export interface SnapshotSenderParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly counters: TransportCounters;
  readonly snapshots: SnapshotSource;
}

/** A connection of its own a transfer: megabytes of snapshot delay neither heartbeats nor entries. */
export class SnapshotSender {
  readonly #options: SnapshotSenderOptions;
  readonly #parts: SnapshotSenderParts;
  readonly #transfers = new Map<AbortController, Promise<void>>();

  constructor(options: SnapshotSenderOptions, parts: SnapshotSenderParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Sends `file` as the leader of `term`; `done` is called once, later. Not retried: the core asks again. */
  send(to: MemberId, term: Term, file: SnapshotFile, done: (delivered: boolean) => void): void {
    const controller = new AbortController();
    const head = { from: this.#options.self, to, term, meta: file.meta };
    this.#transfers.set(controller, this.#run(head, file, controller, done));
  }

  /** Breaks off every transfer and awaits their ends. */
  async close(): Promise<void> {
    const transfers = [...this.#transfers];
    for (const [controller] of transfers) controller.abort(new Error('the transport is closing'));
    await Promise.all(transfers.map(([, transfer]) => transfer));
  }

  /** One transfer to its end; never rejects. */
  async #run(
    head: SnapshotHead,
    file: SnapshotFile,
    controller: AbortController,
    done: (delivered: boolean) => void,
  ): Promise<void> {
    let delivered = false;
    try {
      await this.#transfer(head, file, controller);
      this.#parts.counters.snapshotsSent += 1;
      delivered = true;
    } catch (error) {
      const reason = error instanceof Error ? error.message : 'unknown';
      this.#parts.logger.warn('raft.snapshot.send_failed', { peer: head.to, index: file.meta.index, reason });
    }
    this.#transfers.delete(controller);
    done(delivered);
  }

  async #transfer(head: SnapshotHead, file: SnapshotFile, controller: AbortController): Promise<void> {
    const { snapshotIdleMs, peers } = this.#options;
    const origin = present(peers.get(head.to), 'a snapshot goes to a known member');
    const client = new Client(origin, {
      connectTimeout: snapshotIdleMs,
      headersTimeout: snapshotIdleMs,
      bodyTimeout: snapshotIdleMs,
    });
    const watchdog = new Watchdog(this.#parts.clock, snapshotIdleMs, controller);
    try {
      const response = await client.request({
        path: '/raft/snapshot',
        method: 'POST',
        headers: { 'content-type': 'application/octet-stream' },
        body: Readable.from(this.#frames(head, file, watchdog), { objectMode: false }),
        signal: controller.signal,
      });
      await response.body.dump();
      if (response.statusCode !== 204) throw new Error(`the peer answered ${response.statusCode}`);
    } finally {
      watchdog.stop();
      await client.destroy();
    }
  }

  async *#frames(head: SnapshotHead, file: SnapshotFile, watchdog: Watchdog): AsyncGenerator<Buffer> {
    let chunks = 0;
    let bytes = 0;
    yield sealSnapshotHead(head);
    for await (const chunk of this.#parts.snapshots.read(file)) {
      watchdog.progress();
      chunks += 1;
      bytes += chunk.byteLength;
      yield sealSnapshotChunk(chunk);
    }
    watchdog.progress();
    yield sealSnapshotEnd({ chunks, bytes });
  }
}

/** Aborts when nothing moved for a while: a total deadline would depend on the size of the state. */
class Watchdog {
  readonly #clock: Clock;
  readonly #idleMs: number;
  readonly #controller: AbortController;
  #timer: Timer;

  constructor(clock: Clock, idleMs: number, controller: AbortController) {
    this.#clock = clock;
    this.#idleMs = idleMs;
    this.#controller = controller;
    this.#timer = this.#arm();
  }

  progress(): void {
    this.#timer.cancel();
    this.#timer = this.#arm();
  }

  stop(): void {
    this.#timer.cancel();
  }

  #arm(): Timer {
    return this.#clock.setTimer(this.#idleMs, () => this.#controller.abort(new Error('no progress')));
  }
}
