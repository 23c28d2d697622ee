// The way to the peers over HTTP: two links a peer for messages, a third while a snapshot is on its way.

import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { Message } from '../core/messages.ts';
import type { MemberId, Term } from '../core/types.ts';
import type { SnapshotFile, Transport } from '../ports.ts';
import type { TransportCounters } from './counters.ts';
import type { PeerOrigin } from './peer-address.ts';
import { PeerLink, type LinkLimits } from './peer-link.ts';
import { SnapshotSender, type SnapshotSource } from './snapshot-sender.ts';

const MIB = 1024 * 1024;

export interface HttpTransportOptions {
  readonly self: MemberId;
  /** Every other member. */
  readonly peers: ReadonlyMap<MemberId, PeerOrigin>;
  /** Milliseconds a post may take: about one election timeout, after which its content is worthless. */
  readonly postDeadlineMs: number;
  /** Milliseconds without progress after which a snapshot transfer is given up. */
  readonly snapshotIdleMs: number;
}

export interface HttpTransportParts {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly counters: TransportCounters;
  readonly snapshots: SnapshotSource;
  readonly onUnreachable: (peer: MemberId) => void;
}

/** What one peer looks like from here. */
export interface PeerLinkStatus {
  readonly peer: MemberId;
  readonly reachable: boolean;
  readonly queued: number;
}

interface PeerLinks {
  readonly control: PeerLink;
  readonly append: PeerLink;
}

/**
 * Two links, so that a heartbeat never waits behind a megabyte of entries. Within a link order is kept, because
 * an append request that overtakes its predecessor is refused and costs a round trip; between links it does not matter.
 */
export class HttpTransport implements Transport {
  readonly #links = new Map<MemberId, PeerLinks>();
  readonly #sender: SnapshotSender;
  readonly #counters: TransportCounters;

  constructor(options: HttpTransportOptions, parts: HttpTransportParts) {
    this.#counters = parts.counters;
    for (const [peer, origin] of options.peers) {
      const address = { self: options.self, peer, origin };
      this.#links.set(peer, {
        control: new PeerLink({ ...address, name: 'control' }, controlLimits(options), parts),
        append: new PeerLink({ ...address, name: 'append' }, appendLimits(options), parts),
      });
    }
    this.#sender = new SnapshotSender(options, parts);
  }

  /** Hands each message to its link. A message to nobody known is dropped, as any network may. */
  send(messages: readonly Message[]): void {
    const batches = new Map<PeerLink, Message[]>();
    for (const message of messages) {
      const links = this.#links.get(message.to);
      if (links === undefined) {
        this.#counters.messagesDropped += 1;
        continue;
      }
      const link = message.kind === 'appendRequest' ? links.append : links.control;
      const batch = batches.get(link);
      if (batch === undefined) batches.set(link, [message]);
      else batch.push(message);
    }
    for (const [link, batch] of batches) link.send(batch);
  }

  sendSnapshot(to: MemberId, term: Term, file: SnapshotFile, done: (delivered: boolean) => void): void {
    this.#sender.send(to, term, file, done);
  }

  status(): readonly PeerLinkStatus[] {
    return [...this.#links].map(([peer, { control, append }]) => ({
      peer,
      reachable: control.reachable && append.reachable,
      queued: control.queued + append.queued,
    }));
  }

  /** Drops what waits, breaks off what is under way, closes every connection. */
  async close(): Promise<void> {
    const links = [...this.#links.values()].flatMap(({ control, append }) => [control, append]);
    await Promise.all([...links.map((link) => link.close()), this.#sender.close()]);
  }
}

/** Small messages whose newest matter most: a short queue, so that old ones are not carried after a pause. */
function controlLimits(options: HttpTransportOptions): LinkLimits {
  return {
    queueMessagesMax: 1024,
    queueBytesMax: MIB,
    frameBytesTarget: MIB,
    postsInFlightMax: 4,
    deadlineMs: options.postDeadlineMs,
  };
}

/**
 * The core's window limits append requests already; the queue only has to hold that window, also when every request
 * carries the largest entry (8 of 4 MiB): what is dropped here has to be found again by a probe and sent twice.
 */
function appendLimits(options: HttpTransportOptions): LinkLimits {
  return {
    queueMessagesMax: 64,
    queueBytesMax: 40 * MIB,
    frameBytesTarget: MIB,
    postsInFlightMax: 4,
    deadlineMs: options.postDeadlineMs,
  };
}
