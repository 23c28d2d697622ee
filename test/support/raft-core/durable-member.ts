// A core with a modelled disk: effects become disk operations that finish one by one, later, or never.

import { assert, present } from '../../../src/base/assert.ts';
import type { Message } from '../../../src/raft/core/messages.ts';
import { RaftCore } from '../../../src/raft/core/raft-core.ts';
import type { CoreOptions, Effects, Input } from '../../../src/raft/core/step.ts';
import { logIndex } from '../../../src/raft/core/types.ts';
import type {
  Entry,
  HardState,
  Incarnation,
  LogIndex,
  LogPosition,
  MemberId,
  RestoredState,
  SnapshotMeta,
} from '../../../src/raft/core/types.ts';

/** One group of steps on its way to the disk, and what waits for it. */
interface WriteOperation {
  readonly kind: 'write';
  readonly hardState: HardState | null;
  readonly truncateFrom: LogIndex | null;
  readonly append: readonly Entry[];
  readonly messages: readonly Message[];
  /** What the disk holds after it. */
  readonly last: LogPosition;
  readonly newestHardState: HardState;
}

type DiskOperation =
  | WriteOperation
  | { readonly kind: 'compact'; readonly base: SnapshotMeta }
  | { readonly kind: 'install'; readonly snapshot: SnapshotMeta };

/** What a member's surroundings want to know. */
export interface MemberListener {
  onMessages(member: DurableMember, messages: readonly Message[], afterPersist: boolean): void;
  onStep(member: DurableMember, input: Input, effects: Effects): void;
  onSendSnapshot(member: DurableMember, to: MemberId): void;
}

export class DurableMember {
  readonly id: MemberId;
  #options: CoreOptions;
  readonly #listener: MemberListener;
  #durable: RestoredState;
  #operations: DiskOperation[] = [];
  #core: RaftCore | null;

  constructor(options: CoreOptions, initial: RestoredState, listener: MemberListener) {
    this.id = options.self;
    this.#options = options;
    this.#listener = listener;
    this.#durable = initial;
    this.#core = new RaftCore(options, initial);
  }

  get core(): RaftCore {
    return present(this.#core, 'the member runs');
  }

  get running(): boolean {
    return this.#core !== null;
  }

  get durable(): RestoredState {
    return this.#durable;
  }

  get pendingOperations(): number {
    return this.#operations.length;
  }

  /** True when the disk holds the entry at `position`, in the log or in the base. */
  holdsDurably(position: LogPosition): boolean {
    const { base, entries } = this.#durable;
    if (position.index <= base.index) return true;
    return entries[position.index - base.index - 1]?.term === position.term;
  }

  step(input: Input): void {
    const effects = this.core.step(input);
    this.#listener.onStep(this, input, effects);
    this.#listener.onMessages(this, effects.sendNow, false);
    const { hardState, truncateFrom, append, sendAfterPersist: messages } = effects;
    if (hardState !== null || truncateFrom !== null || append.length > 0 || messages.length > 0) {
      const { last, hardState: newestHardState } = this.core;
      this.#operations.push({
        kind: 'write',
        hardState,
        truncateFrom,
        append,
        messages,
        last,
        newestHardState,
      });
    }
    if (effects.installSnapshot !== null) {
      this.#operations.push({ kind: 'install', snapshot: effects.installSnapshot });
    }
    for (const to of effects.sendSnapshot) this.#listener.onSendSnapshot(this, to);
  }

  /** Asks for a compaction up to `to`, which must be committed and durable here. */
  compact(to: LogIndex): void {
    const inTerm = present(this.core.termAt(to), 'the log holds it');
    this.#operations.push({
      kind: 'compact',
      base: { index: to, term: inTerm, membership: this.core.membershipAt(to) },
    });
  }

  /** Puts neighbouring writes of the queue together, as a driver does while the disk is busy. */
  mergeWrites(): void {
    const merged: DiskOperation[] = [];
    for (const operation of this.#operations) {
      const before = merged.at(-1);
      if (operation.kind === 'write' && before?.kind === 'write')
        merged[merged.length - 1] = merge(before, operation);
      else merged.push(operation);
    }
    this.#operations = merged;
  }

  /** The oldest disk operation ends. Returns false when there is none. */
  completeOldest(): boolean {
    const operation = this.#operations.shift();
    if (operation === undefined) return false;
    this.#durable = applied(this.#durable, operation);
    switch (operation.kind) {
      case 'write':
        this.#listener.onMessages(this, operation.messages, true);
        this.step({ kind: 'persisted', last: operation.last, hardState: operation.newestHardState });
        return true;
      case 'compact':
        this.step({ kind: 'compacted', base: operation.base });
        return true;
      case 'install':
        this.step({ kind: 'snapshotInstalled', snapshot: operation.snapshot });
        return true;
    }
  }

  /** Stops at once. The first `survivors` operations reached the disk all the same, but nobody was told. */
  crash(survivors: number): void {
    for (const operation of this.#operations.slice(0, survivors))
      this.#durable = applied(this.#durable, operation);
    this.#operations = [];
    this.#core = null;
  }

  /** The stopped member's disk is lost: it comes back under its id as another incarnation that knows nothing. */
  wipe(initial: RestoredState, incarnation: Incarnation): void {
    assert(this.#core === null, 'the member is stopped');
    this.#durable = initial;
    this.#options = { ...this.#options, incarnation };
  }

  get incarnation(): Incarnation {
    return this.#options.incarnation;
  }

  restart(): void {
    assert(this.#core === null, 'the member is stopped');
    this.#core = new RaftCore(this.#options, this.#durable);
  }
}

/** One write that does what the two did. */
function merge(first: WriteOperation, second: WriteOperation): WriteOperation {
  const cut = second.truncateFrom;
  const kept = cut === null ? first.append : first.append.filter((entry) => entry.index < cut);
  const reachesBack = cut !== null && (first.append[0] === undefined || cut < first.append[0].index);
  const cuts = [first.truncateFrom, reachesBack ? cut : null].filter((each) => each !== null);
  return {
    kind: 'write',
    hardState: second.hardState ?? first.hardState,
    truncateFrom: cuts.length === 0 ? null : logIndex(Math.min(...cuts)),
    append: [...kept, ...second.append],
    messages: [...first.messages, ...second.messages],
    last: second.last,
    newestHardState: second.newestHardState,
  };
}

function applied(state: RestoredState, operation: DiskOperation): RestoredState {
  switch (operation.kind) {
    case 'write': {
      const cut = operation.truncateFrom;
      const kept = cut === null ? state.entries : state.entries.filter((entry) => entry.index < cut);
      const entries = [...kept, ...operation.append];
      const last = entries.at(-1) ?? state.base;
      assert(last.index === state.base.index + entries.length, 'the durable log has no gap');
      return { hardState: operation.hardState ?? state.hardState, base: state.base, entries };
    }
    case 'compact': {
      if (operation.base.index <= state.base.index) return state;
      const entries = state.entries.filter((entry) => entry.index > operation.base.index);
      return { ...state, base: operation.base, entries };
    }
    case 'install':
      return { ...state, base: operation.snapshot, entries: [] };
  }
}
