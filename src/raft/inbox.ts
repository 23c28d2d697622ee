// Everything that happened since the last turn, in the order in which it happened.

import type { Message } from './core/messages.ts';
import type { Input } from './core/step.ts';
import type { MemberId } from './core/types.ts';
import type { SnapshotFile } from './ports.ts';
import type { Scheduler } from './scheduler.ts';

/** An input for the core as it is; `file` is the snapshot that a `snapshotReceived` is about. */
export interface InboxItem {
  readonly input: Input;
  readonly file: SnapshotFile | null;
}

/**
 * One turn takes what arrived in one round of the event loop, up to a bound that keeps a turn short: that is what forms
 * disk groups and batches.
 * Only messages from peers are bounded by number; everything else is bounded by what this member itself has under way.
 */
export class Inbox {
  readonly #messagesMax: number;
  readonly #scheduler: Scheduler;
  readonly #onTurn: () => void;
  readonly #unreachable = new Set<MemberId>();
  #items: InboxItem[] = [];
  #messages = 0;
  #dropped = 0;
  #scheduled = false;

  /** `onTurn` is called soon after something came in, never from inside the call that brought it. */
  constructor(messagesMax: number, scheduler: Scheduler, onTurn: () => void) {
    this.#messagesMax = messagesMax;
    this.#scheduler = scheduler;
    this.#onTurn = onTurn;
  }

  /** Everything that waits for its turn. */
  get size(): number {
    return this.#items.length;
  }

  /** Messages dropped because too many waited. */
  get dropped(): number {
    return this.#dropped;
  }

  post(input: Input, file: SnapshotFile | null = null): void {
    this.#items.push({ input, file });
    this.wake();
  }

  /** Takes a message, or drops it as any network may. */
  postMessage(message: Message): void {
    if (this.#messages >= this.#messagesMax) {
      this.#dropped += 1;
      return;
    }
    this.#messages += 1;
    this.post({ kind: 'message', message });
  }

  /** Notes that `peer` cannot be reached; said once a turn, however often it was noticed. */
  postUnreachable(peer: MemberId): void {
    this.#unreachable.add(peer);
    this.wake();
  }

  /** Asks for a turn even if nothing came in. */
  wake(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#scheduler.afterPoll(() => {
      this.#scheduled = false;
      this.#onTurn();
    });
  }

  /** Hands over the oldest items, at most `countMax`; asks for another turn when some are left. */
  take(countMax: number): readonly InboxItem[] {
    for (const peer of this.#unreachable)
      this.#items.push({ input: { kind: 'unreachable', peer }, file: null });
    this.#unreachable.clear();
    const rest = this.#items.splice(countMax);
    const items = this.#items;
    this.#items = rest;
    for (const { input } of items) if (input.kind === 'message') this.#messages -= 1;
    if (rest.length > 0) this.wake();
    return items;
  }
}
