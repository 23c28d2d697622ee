// Collects what one step wants done.

import type { Message } from './messages.ts';
import type { Effects, ProposalRefusal, RoleView } from './step.ts';
import type { Entry, HardState, LogIndex, LogPosition, MemberId, SnapshotMeta } from './types.ts';

export class Outbox {
  truncateFrom: LogIndex | null = null;
  commit: LogIndex | null = null;
  installSnapshot: SnapshotMeta | null = null;
  readonly append: Entry[] = [];
  readonly sendNow: Message[] = [];
  readonly sendAfterPersist: Message[] = [];
  readonly accepted: { readonly id: number; readonly position: LogPosition }[] = [];
  readonly refused: { readonly id: number; readonly reason: ProposalRefusal }[] = [];
  readonly readsReady: { readonly id: number; readonly index: LogIndex }[] = [];
  readonly readsRefused: number[] = [];
  readonly sendSnapshot: MemberId[] = [];

  /** The effects, with what the caller found changed over the whole step. */
  effects(hardState: HardState | null, role: RoleView | null): Effects {
    return {
      hardState,
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
      role,
    };
  }
}
