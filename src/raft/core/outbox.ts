// Collects what one step wants done.

import type { Message } from './messages.ts';
import type { Effects, ProposalRefusal, RoleView, TransferEvent } from './step.ts';
import type { Entry, HardState, LogIndex, LogPosition, MemberId, Membership, SnapshotMeta } from './types.ts';

/** What differs from before the step; null where nothing does. */
interface Changed {
  readonly hardState: HardState | null;
  readonly membership: Membership | null;
  readonly role: RoleView | null;
}

export class Outbox {
  truncateFrom: LogIndex | null = null;
  commit: LogIndex | null = null;
  installSnapshot: SnapshotMeta | null = null;
  transfer: TransferEvent | null = null;
  readonly append: Entry[] = [];
  readonly sendNow: Message[] = [];
  readonly sendAfterPersist: Message[] = [];
  readonly accepted: { readonly id: number; readonly position: LogPosition }[] = [];
  readonly refused: { readonly id: number; readonly reason: ProposalRefusal }[] = [];
  readonly readsReady: { readonly id: number; readonly index: LogIndex }[] = [];
  readonly readsRefused: number[] = [];
  readonly sendSnapshot: MemberId[] = [];

  /** The effects, with what the caller found changed over the whole step. */
  effects(changed: Changed): Effects {
    return {
      hardState: changed.hardState,
      membership: changed.membership,
      truncateFrom: this.truncateFrom,
      append: this.append,
      sendNow: this.sendNow,
      sendAfterPersist: this.sendAfterPersist,
      commit: this.commit,
      accepted: this.accepted,
      refused: this.refused,
      readsReady: this.readsReady,
      readsRefused: this.readsRefused,
      sendSnapshot: this.sendSnapshot,
      installSnapshot: this.installSnapshot,
      role: changed.role,
      transfer: this.transfer,
    };
  }
}
