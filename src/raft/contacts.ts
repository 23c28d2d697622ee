// When each member was last heard, and as which incarnation it spoke.

import type { Message } from './core/messages.ts';
import type { Incarnation, MemberId } from './core/types.ts';

interface Contact {
  readonly atMs: number;
  readonly incarnation: Incarnation;
}

/** Strangers can speak too, so what is kept of them is bounded. */
const CONTACTS_MAX = 256;

/** Read by status, keeper and hand-over; decides nothing about the protocol, which counts in ticks of its own. */
export class Contacts {
  readonly #contacts = new Map<MemberId, Contact>();
  readonly #aliveMs: number;

  /** `aliveMs`: milliseconds for which a member counts as alive after it was heard. */
  constructor(aliveMs: number) {
    this.#aliveMs = aliveMs;
  }

  heard(message: Message, nowMs: number): void {
    if (!this.#contacts.has(message.from) && this.#contacts.size >= CONTACTS_MAX) this.#forgetOldest();
    this.#contacts.set(message.from, { atMs: nowMs, incarnation: message.incarnation });
  }

  /** Milliseconds since `member` was heard; null when it never was. */
  silentMs(member: MemberId, nowMs: number): number | null {
    const contact = this.#contacts.get(member);
    return contact === undefined ? null : nowMs - contact.atMs;
  }

  isAlive(member: MemberId, nowMs: number): boolean {
    const silentMs = this.silentMs(member, nowMs);
    return silentMs !== null && silentMs < this.#aliveMs;
  }

  /** The incarnation `member` last spoke as; null when it was never heard. */
  incarnationOf(member: MemberId): Incarnation | null {
    return this.#contacts.get(member)?.incarnation ?? null;
  }

  #forgetOldest(): void {
    let oldest: { readonly member: MemberId; readonly atMs: number } | null = null;
    for (const [member, { atMs }] of this.#contacts) {
      if (oldest === null || atMs < oldest.atMs) oldest = { member, atMs };
    }
    if (oldest !== null) this.#contacts.delete(oldest.member);
  }
}
