// Where everybody is: the membership knows best, then the configuration, then what strangers say about themselves.

import type { MemberId } from '../core/types.ts';
import { parsePeerAddress, type PeerOrigin } from './peer-address.ts';

/** Addresses kept of senders nobody else knows: one member is added at a time, so more are never needed. */
const LEARNED_MAX = 16;

/**
 * A member that lags may not know a newer one yet, but has to answer it: the address is then taken from the request. It
 * is a place to send to, never proof of who is there.
 */
export class AddressBook {
  readonly #self: MemberId;
  readonly #configured: ReadonlyMap<MemberId, PeerOrigin>;
  #members: ReadonlyMap<MemberId, PeerOrigin> = new Map();
  readonly #learned = new Map<MemberId, PeerOrigin>();

  constructor(self: MemberId, configured: ReadonlyMap<MemberId, PeerOrigin>) {
    this.#self = self;
    this.#configured = configured;
  }

  /** The others of the membership, or of the configuration as long as no membership with addresses is known. */
  get others(): readonly MemberId[] {
    const known = this.#members.size > 0 ? this.#members : this.#configured;
    return [...known.keys()].filter((member) => member !== this.#self);
  }

  /** Replaces the addresses of the membership; what is no address is left out. */
  setMembers(addresses: ReadonlyMap<MemberId, string>): void {
    const members = new Map<MemberId, PeerOrigin>();
    for (const [member, address] of addresses) {
      const origin = parsePeerAddress(address);
      if (origin.ok) members.set(member, origin.value);
      this.#learned.delete(member);
    }
    this.#members = members;
  }

  /** Takes in where `member` says it is, unless somebody better knows it; true when that is new. Keeps the newest 16. */
  learn(member: MemberId, address: string): boolean {
    if (member === this.#self || this.#members.has(member) || this.#configured.has(member)) return false;
    const origin = parsePeerAddress(address);
    if (!origin.ok || this.#learned.get(member) === origin.value) return false;
    this.#learned.delete(member);
    this.#learned.set(member, origin.value);
    const [oldest] = this.#learned.keys();
    if (this.#learned.size > LEARNED_MAX && oldest !== undefined) this.#learned.delete(oldest);
    return true;
  }

  /** Null for oneself and for who is known to nobody. */
  originOf(member: MemberId): PeerOrigin | null {
    if (member === this.#self) return null;
    return this.#members.get(member) ?? this.#configured.get(member) ?? this.#learned.get(member) ?? null;
  }
}
