// The way to the peers over HTTP: two links a peer for messages, a third while a snapshot is on its way.

import type { LookupFunction } from 'node:net';

import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/logger.ts';
import type { Random } from '../../base/random.ts';
import type { Message } from '../core/messages.ts';
import type { ClusterId } from '../cluster-id.ts';
import type { Incarnation, MemberId, Term } from '../core/types.ts';
import type { ExpulsionReason, SnapshotFile, Transport } from '../ports.ts';
import { AddressBook } from './address-book.ts';
import type { TransportCounters } from './counters.ts';
import { FrameSealer } from './frame.ts';
import { FRAME_BYTES_TARGET } from './message-codec.ts';
import type { PeerOrigin } from './peer-address.ts';
import { PeerLink, type LinkLimits, type LinkParts } from './peer-link.ts';
import type { SnapshotSource } from './snapshot-cursor.ts';
import { SnapshotSender } from './snapshot-sender.ts';

const MIB = 1024 * 1024;

export interface HttpTransportOptions {
  readonly self: MemberId;
  readonly clusterId: ClusterId;
  readonly incarnation: Incarnation;
  /** `host:port` at which the others reach this member; said with every request. */
  readonly advertiseAddress: string;
  /** Where the configuration says the others are; the membership, once known, knows better. */
  readonly peers: ReadonlyMap<MemberId, PeerOrigin>;
  /** Milliseconds a post may take: about one election timeout, after which its content is worthless. */
  readonly postDeadlineMs: number;
  /** Milliseconds one post of a snapshot may take. */
  readonly snapshotIdleMs: number;
}

export interface HttpTransportParts {
  readonly clock: Clock;
  /** Finds the addresses of peers' host names, without the threads that the log writes with. */
  readonly lookup: LookupFunction;
  readonly random: Random;
  readonly logger: Logger;
  readonly counters: TransportCounters;
  readonly snapshots: SnapshotSource;
  readonly onUnreachable: (peer: MemberId) => void;
  /** Once a peer and reason, until the peer takes something again. */
  readonly onRefused: (peer: MemberId, reason: ExpulsionReason) => void;
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
 * Two links a peer, so that a heartbeat never waits behind a megabyte of entries. Within a link order is kept, because
 * an append request that overtakes its predecessor is refused and costs a round trip; between links it does not matter.
 * Links are made by the first message and closed when their peer moves or leaves.
 */
export class HttpTransport implements Transport {
  readonly #options: HttpTransportOptions;
  readonly #parts: HttpTransportParts;
  readonly #book: AddressBook;
  readonly #links = new Map<MemberId, PeerLinks>();
  /** Closed links that still send what waited. */
  readonly #retiring = new Map<PeerLink, Promise<void>>();
  readonly #refusedBy = new Map<MemberId, ExpulsionReason>();
  readonly #linkParts: LinkParts;
  readonly #sender: SnapshotSender;
  #closed = false;

  constructor(options: HttpTransportOptions, parts: HttpTransportParts) {
    this.#options = options;
    this.#parts = parts;
    this.#book = new AddressBook(options.self, options.peers);
    const onRefused = (peer: MemberId, reason: ExpulsionReason): void => this.#refused(peer, reason);
    this.#linkParts = { ...parts, onRefused, onAccepted: (peer) => void this.#refusedBy.delete(peer) };
    this.#sender = new SnapshotSender(options, { ...parts, onRefused });
  }

  /** Hands each message to its link. A message to nobody known is dropped, as any network may. */
  send(messages: readonly Message[]): void {
    const batches = new Map<PeerLink, Message[]>();
    for (const message of messages) {
      const links = this.#linksTo(message.to);
      if (links === null) {
        this.#parts.counters.messagesDropped += 1;
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
    const origin = this.#book.originOf(to);
    if (origin === null || this.#closed) {
      this.#parts.clock.setTimer(0, () => done(false));
      return;
    }
    this.#sender.send({ origin, sealer: this.#sealerTo(to) }, term, file, done);
  }

  /**
   * The addresses of the newest membership. Links to whoever is not in it or has moved send what waits and close; a
   * message for somebody outside it that this member still has to answer makes a new one.
   */
  setAddresses(addresses: ReadonlyMap<MemberId, string>): void {
    this.#book.setMembers(addresses);
    const others = new Set(this.#book.others);
    this.#closeLinks((peer, origin) => others.has(peer) && this.#book.originOf(peer) === origin);
  }

  /** Takes in where a sender says it can be answered, unless membership or configuration know it. */
  learnAddress(member: MemberId, address: string): void {
    if (!this.#book.learn(member, address)) return;
    this.#closeLinks((peer, origin) => this.#book.originOf(peer) === origin);
  }

  /** The other members, whether or not anything was sent to them yet. */
  status(): readonly PeerLinkStatus[] {
    return this.#book.others.map((peer) => {
      const links = this.#links.get(peer);
      if (links === undefined) return { peer, reachable: true, queued: 0 };
      const { control, append } = links;
      return {
        peer,
        reachable: control.reachable && append.reachable,
        queued: control.queued + append.queued,
      };
    });
  }

  /** Drops what waits, breaks off what is under way, closes every connection. */
  async close(): Promise<void> {
    this.#closed = true;
    const links = [...this.#links.values()].flatMap(({ control, append }) => [control, append]);
    const retiring = [...this.#retiring.keys()];
    await Promise.all([...links, ...retiring].map((link) => link.close()));
    await Promise.all([...this.#retiring.values(), this.#sender.close()]);
  }

  #linksTo(peer: MemberId): PeerLinks | null {
    const links = this.#links.get(peer);
    if (links !== undefined) return links;
    const origin = this.#book.originOf(peer);
    if (origin === null || this.#closed) return null;
    const sealer = this.#sealerTo(peer);
    const made = {
      control: new PeerLink(
        { name: 'control', sealer, origin },
        controlLimits(this.#options),
        this.#linkParts,
      ),
      append: new PeerLink({ name: 'append', sealer, origin }, appendLimits(this.#options), this.#linkParts),
    };
    this.#links.set(peer, made);
    return made;
  }

  #sealerTo(to: MemberId): FrameSealer {
    const { clusterId, self, incarnation, advertiseAddress } = this.#options;
    return new FrameSealer({ clusterId, from: self, to, incarnation, address: advertiseAddress });
  }

  #closeLinks(isWanted: (peer: MemberId, origin: PeerOrigin) => boolean): void {
    for (const [peer, links] of this.#links) {
      if (isWanted(peer, links.control.origin)) continue;
      this.#links.delete(peer);
      for (const link of [links.control, links.append]) this.#retire(link);
    }
  }

  #retire(link: PeerLink): void {
    const retired = link.retire().finally(() => this.#retiring.delete(link));
    this.#retiring.set(link, retired);
  }

  #refused(peer: MemberId, reason: ExpulsionReason): void {
    if (this.#refusedBy.get(peer) === reason) return;
    this.#refusedBy.set(peer, reason);
    this.#parts.logger.warn('raft.peer.refused_us', { peer, reason });
    this.#parts.onRefused(peer, reason);
  }
}

/** Small messages whose newest matter most: a short queue, so that old ones are not carried after a pause. */
function controlLimits(options: HttpTransportOptions): LinkLimits {
  return {
    queueMessagesMax: 1024,
    queueBytesMax: MIB,
    frameBytesTarget: FRAME_BYTES_TARGET,
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
    frameBytesTarget: FRAME_BYTES_TARGET,
    deadlineMs: options.postDeadlineMs,
  };
}
