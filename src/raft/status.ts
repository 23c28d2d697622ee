// What a member can say about itself, for the API, metrics and people.

import type { Contacts } from './contacts.ts';
import { isVoter, otherMembers } from './core/membership.ts';
import type { PeerView, RaftCore } from './core/raft-core.ts';
import type { RoleView } from './core/step.ts';
import {
  logIndex,
  type Incarnation,
  type LogIndex,
  type LogPosition,
  type MemberId,
  type Membership,
  type Term,
} from './core/types.ts';
import type { DiskStatus } from './disk-queue.ts';
import type { DiskCondition } from './disk-watch.ts';
import type { DriverOptions } from './driver-options.ts';
import type { TransferStatus } from './lead-transfer.ts';
import type { SnapshotStore } from './ports.ts';
import type { TurnLoop } from './turn-loop.ts';

/** What is known here of one other member. What only a leader knows is null on the others. */
export interface PeerStatus {
  readonly id: MemberId;
  /** `voter`: of any voter set. */
  readonly role: 'voter' | 'learner';
  /** host:port; null when the membership has none. */
  readonly address: string | null;
  /** What it is bound to; null while unbound. */
  readonly incarnation: Incarnation | null;
  /** How the leader brings it up to date. */
  readonly state: PeerView['state'] | null;
  /** The last entry known to be on its disk. */
  readonly match: LogIndex | null;
  /** Entries of the leader's log that it is not known to have. */
  readonly lagEntries: number | null;
  /** Milliseconds since the last message from it; null when there was none yet. */
  readonly lastContactMs: number | null;
}

export interface MembershipStatus {
  /** The voters in force; while joint, those to be. */
  readonly voters: readonly MemberId[];
  /** The voters before the change that is under way; null unless joint. */
  readonly outgoing: readonly MemberId[] | null;
  readonly learners: readonly MemberId[];
}

export interface DriverStatus extends RoleView {
  readonly id: MemberId;
  readonly incarnation: Incarnation;
  readonly commit: LogIndex;
  readonly applied: LogIndex;
  /** The term of the entry applied last; lower than `term` until the leader of that term has told what is committed. */
  readonly appliedTerm: Term;
  readonly last: LogPosition;
  /** The log holds the entries after this one. */
  readonly base: LogIndex;
  /** The newest snapshot on disk; 0 when there is none. */
  readonly snapshot: LogIndex;
  /** The effective membership, which may not be committed yet. */
  readonly membership: MembershipStatus;
  /** Every other member of it, ascending. */
  readonly peers: readonly PeerStatus[];
  readonly disk: DiskStatus;
  readonly diskCondition: DiskCondition;
  /** Commands are refused because the disk of the log is nearly full. */
  readonly spaceLow: boolean;
  /** The lead is being given to another member; null when it is not. */
  readonly transfer: TransferStatus | null;
  /** Proposals, changes of members and reads without an outcome. */
  readonly proposals: number;
  readonly changes: number;
  readonly reads: number;
  /** What waits in the inbox: messages, and what this member itself has to tell its core. */
  readonly inbox: number;
  /** Messages from peers dropped because the inbox was full. */
  readonly messagesDropped: number;
  /** True while a snapshot from the leader replaces the state. */
  readonly installing: boolean;
  /** The first fault, after which this member does nothing more; null while it is well. */
  readonly fault: string | null;
}

/** What is seen of a member beside its loop. */
interface Surroundings {
  readonly contacts: Contacts;
  readonly snapshots: SnapshotStore;
  readonly fault: Error | null;
  readonly nowMs: number;
}

/** The present moment of one member; local and immediate. */
export function driverStatus(
  options: Pick<DriverOptions, 'self' | 'incarnation'>,
  loop: TurnLoop,
  seen: Surroundings,
): DriverStatus {
  const { core, replica, waiters, disk } = loop;
  const { self, incarnation } = options;
  return {
    ...loop.board.published,
    id: self,
    incarnation,
    commit: core.commitIndex,
    applied: replica.applied.index,
    appliedTerm: replica.applied.term,
    last: core.last,
    base: core.base.index,
    snapshot: seen.snapshots.newest()?.meta.index ?? logIndex(0),
    membership: membershipStatus(core.membership),
    peers: peerStatuses(self, core, seen),
    disk: replica.disk.status,
    diskCondition: disk.condition,
    spaceLow: disk.spaceLow,
    transfer: loop.transfer.status(seen.nowMs),
    proposals: waiters.proposals.size,
    changes: waiters.changes.size,
    reads: waiters.reads.size,
    inbox: loop.inbox.size,
    messagesDropped: loop.inbox.dropped,
    installing: replica.isInstalling,
    fault: seen.fault?.message ?? null,
  };
}

function membershipStatus(membership: Membership): MembershipStatus {
  const [voters = [], outgoing = null] = membership.voterSets;
  return { voters, outgoing, learners: membership.learners };
}

function peerStatuses(self: MemberId, core: RaftCore, seen: Surroundings): readonly PeerStatus[] {
  const { membership, last } = core;
  const views = new Map(core.peers().map((view) => [view.member, view]));
  return otherMembers(membership, self).map((id) => {
    const view = views.get(id);
    return {
      id,
      role: isVoter(membership, id) ? 'voter' : 'learner',
      address: membership.addresses.get(id) ?? null,
      incarnation: membership.incarnations.get(id) ?? null,
      state: view?.state ?? null,
      match: view?.match ?? null,
      lagEntries: view === undefined ? null : Math.max(0, last.index - view.match),
      lastContactMs: seen.contacts.silentMs(id, seen.nowMs),
    };
  });
}
