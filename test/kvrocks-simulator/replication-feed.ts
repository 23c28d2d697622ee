// The master's side of replication: one feed a replica, sending the log from where the replica asked (facts sections 3.3 and 8).

import type { Keyspace } from './keyspace.ts';
import { encodeReply, type Reply } from './resp.ts';
import type { Session } from './session.ts';
import { TIMING } from './timing.ts';

const BATCH_LINES = 500;

export const PING = 'ping';

/** A replica as INFO and ROLE list it. */
export interface FeedStatus {
  readonly ip: string;
  readonly port: number;
  /** The last sequence number sent, not applied. */
  readonly offset: number;
}

interface Feed {
  readonly session: Session;
  sent: number;
  lastSentAtMs: number;
  /** The replica's connection is gone, which the feed only learns from its writes. */
  closed: boolean;
  /** A write after the close was swallowed by the kernel; the next one fails. */
  failedOnce: boolean;
  /** The failed write ended the feed: no line any more, still counted until the next clean-up. */
  ended: boolean;
  waitingForDrain: boolean;
}

export class ReplicationFeeds {
  readonly #keyspace: Keyspace;
  #feeds: Feed[] = [];
  #poll: NodeJS.Timeout | null = null;
  #cut = false;
  fullSyncs = 0;
  partialSyncs = 0;
  partialSyncsRefused = 0;

  constructor(keyspace: Keyspace) {
    this.#keyspace = keyspace;
    keyspace.onWrite = () => this.#schedule();
    setInterval(() => this.#pingIdle(), TIMING.feedCleanup).unref();
  }

  /** Answers PSYNC: accepts when the log reaches from `next` to now, else asks for a full sync (facts section 3.5). */
  start(session: Session, next: number): Reply {
    const reachable = next <= this.#keyspace.sequence + 1 && this.#keyspace.linesFrom(next, 0) !== null;
    if (!reachable) {
      this.partialSyncsRefused += 1;
      return { kind: 'error', text: 'ERR sequence out of range, please use fullsync' };
    }
    this.partialSyncs += 1;
    session.replica = true;
    session.send('+OK\r\n');
    const feed: Feed = {
      session,
      sent: next - 1,
      lastSentAtMs: performance.now(),
      closed: false,
      failedOnce: false,
      ended: false,
      waitingForDrain: false,
    };
    this.#feeds.push(feed);
    session.closeListeners.push(() => {
      feed.closed = true;
      feed.waitingForDrain = false;
    });
    this.#schedule();
    return { kind: 'none' };
  }

  /** Includes feeds that ended and were not cleaned up yet. */
  get count(): number {
    return this.#feeds.length;
  }

  statuses(): readonly FeedStatus[] {
    return this.#feeds
      .filter((feed) => !feed.ended)
      .map(({ session, sent }) => ({ ip: session.peerIp, port: session.listeningPort, offset: sent }));
  }

  /** Before a full sync replaces the data. */
  disconnectAll(): void {
    for (const feed of this.#feeds) feed.session.destroy();
    this.#feeds = [];
  }

  /** Sends nothing to the replicas, without closing anything, as when packets are dropped (facts section 8). */
  setCut(cut: boolean): void {
    this.#cut = cut;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#poll !== null || this.#feeds.length === 0) return;
    this.#poll = setTimeout(() => {
      this.#poll = null;
      this.#keyspace.flush();
      for (const feed of this.#feeds) this.#send(feed);
    }, TIMING.feedPoll);
  }

  #send(feed: Feed): void {
    while (!feed.waitingForDrain && !feed.ended && !this.#cut && feed.sent < this.#keyspace.sequence) {
      const lines = this.#keyspace.linesFrom(feed.sent + 1, BATCH_LINES);
      if (lines === null) {
        feed.session.destroy();
        feed.ended = true;
        return;
      }
      this.#write(feed, `${feed.sent + 1}\n${lines.join('\n')}`);
      feed.sent += lines.length;
    }
  }

  #write(feed: Feed, payload: string): void {
    feed.lastSentAtMs = performance.now();
    if (feed.closed) {
      feed.ended = feed.failedOnce;
      feed.failedOnce = true;
      return;
    }
    if (feed.session.send(encodeReply({ kind: 'bulk', text: payload }, 2))) return;
    feed.waitingForDrain = true;
    feed.session.onDrain(() => {
      feed.waitingForDrain = false;
      this.#send(feed);
    });
  }

  #pingIdle(): void {
    this.#feeds = this.#feeds.filter((feed) => !feed.ended);
    const now = performance.now();
    for (const feed of this.#feeds) {
      const idle = now - feed.lastSentAtMs >= TIMING.ping;
      if (idle && !feed.waitingForDrain && !this.#cut) this.#write(feed, PING);
    }
  }
}
