// The core's front door: which input goes where, and the checks after every step.

import { assert, unreachable } from '../../base/assert.ts';
import { admission } from './admission.ts';
import type { Admission } from './admission.ts';
import { checkOptions, checkStep, sameHardState, sameRole } from './checks.ts';
import { changeMembership, isChangePending, leaveJoint } from './configuration.ts';
import { becomeFollower, hearsQuorum, onHardStateDurable, tickElection } from './election.ts';
import { sendHeartbeatRound } from './heartbeat.ts';
import { RaftLog, indexAfter } from './log.ts';
import { Outbox } from './outbox.ts';
import type { ReplicationState } from './progress.ts';
import { confirm, onRead } from './reads.ts';
import { receive } from './receive.ts';
import { advanceCommit, propose } from './replication.ts';
import { onSnapshotInstalled, onSnapshotReceived, onSnapshotSent } from './snapshot.ts';
import { roleView } from './state.ts';
import type { CoreState } from './state.ts';
import type { CoreOptions, Effects, Input, RoleView } from './step.ts';
import { advanceTransfer, repeatTimeoutNow, startTransfer, tickTransfer } from './transfer.ts';
import type {
  Entry,
  HardState,
  Incarnation,
  LogIndex,
  LogPosition,
  MemberId,
  Membership,
  RestoredState,
  SnapshotMeta,
} from './types.ts';

/** What a leader knows of one peer, for status and metrics. */
export interface PeerView {
  readonly member: MemberId;
  readonly state: ReplicationState['kind'];
  readonly match: LogIndex;
  readonly next: LogIndex;
  readonly inflightCount: number;
  /** Ticks since the peer was last heard. */
  readonly silentTicks: number;
}

/** One member of the group. Deterministic: the same inputs give the same effects. */
export class RaftCore {
  readonly #core: CoreState;

  /** Starts as a follower without a leader. Throws `AssertionError` on options or a restored state that make no sense. */
  constructor(options: CoreOptions, restored: RestoredState) {
    checkOptions(options);
    this.#core = {
      options,
      log: new RaftLog(restored),
      hardState: restored.hardState,
      role: { kind: 'follower' },
      leader: null,
      electionElapsed: 0,
      electionTimeout: null,
      answeredRound: 0,
      installing: null,
      snapshotTransfers: new Set(),
      out: new Outbox(),
    };
  }

  /** Takes one input and says what to do. Throws `AssertionError` only when this code or its driver is wrong. */
  step(input: Input): Effects {
    const core = this.#core;
    const hardStateBefore = core.hardState;
    const commitBefore = core.log.commitIndex;
    const roleBefore = roleView(core);
    const membershipBefore = core.log.membership;
    core.out = new Outbox();
    this.#handle(input);
    settleLead(core);
    const { hardState } = core;
    const { membership } = core.log;
    checkStep(core, hardStateBefore, commitBefore);
    const role = roleView(core);
    const hardStateMoved = !sameHardState(hardState, hardStateBefore);
    return core.out.effects({
      hardState: hardStateMoved ? hardState : null,
      membership: membership === membershipBefore ? null : membership,
      role: sameRole(role, roleBefore) ? null : role,
    });
  }

  get role(): RoleView {
    return roleView(this.#core);
  }

  /** The newest hard state, durable or not. */
  get hardState(): HardState {
    return this.#core.hardState;
  }

  get last(): LogPosition {
    return this.#core.log.last;
  }

  get lastIndex(): LogIndex {
    return this.#core.log.lastIndex;
  }

  get commitIndex(): LogIndex {
    return this.#core.log.commitIndex;
  }

  /** Up to here the own disk holds the log. The state made durable must not pass it. */
  get durableIndex(): LogIndex {
    return this.#core.log.durableIndex;
  }

  /** What the log starts after: (0, 0) at first, later the newest compaction or installation. */
  get base(): SnapshotMeta {
    return this.#core.log.base;
  }

  /** The membership in force: the newest one in the log, committed or not. */
  get membership(): Membership {
    return this.#core.log.membership;
  }

  /** The index of the entry that carries the membership in force; the base's when that carries it. */
  get membershipIndex(): LogIndex {
    return this.#core.log.membershipIndex;
  }

  /** The membership that was in force at `index`, in base..last: what a snapshot or a base at `index` records. */
  membershipAt(index: LogIndex): Membership {
    return this.#core.log.membershipAt(index);
  }

  /** Another membership change would be refused as `changePending`. */
  get changePending(): boolean {
    return isChangePending(this.#core);
  }

  /** To whom the lead is being handed over; null when it is not, and unless leading. */
  get transferTarget(): MemberId | null {
    const lead = this.#core.role;
    return lead.kind === 'leader' ? (lead.transfer?.to ?? null) : null;
  }

  /** Whether what `from` sends is taken; the transport asks the same, so that a refused sender is told. */
  admits(from: MemberId, incarnation: Incarnation): Admission {
    return admission(this.#core, from, incarnation);
  }

  /** Payload bytes proposed and not committed; 0 unless leading. */
  get uncommittedBytes(): number {
    return this.#core.role.kind === 'leader' ? this.#core.role.uncommittedBytes : 0;
  }

  /** Entries `from..toInclusive` for the apply loop; `from` must be after the base, `toInclusive` not after the last. */
  entries(from: LogIndex, toInclusive: LogIndex): readonly Entry[] {
    return this.#core.log.range(from, toInclusive);
  }

  /** The term of the entry at `index`; null when it is before the base or after the last. */
  termAt(index: LogIndex): HardState['term'] | null {
    return this.#core.log.termAt(index);
  }

  /** Every peer as this leader sees it, in ascending order; empty unless leading. */
  peers(): readonly PeerView[] {
    const lead = this.#core.role;
    if (lead.kind !== 'leader') return [];
    return [...lead.peers.values()].map((peer) => ({
      member: peer.member,
      state: peer.state.kind,
      match: peer.match,
      next: peer.next,
      inflightCount: peer.inflightCount,
      silentTicks: lead.ticks - peer.heardAtTick,
    }));
  }

  #handle(input: Input): void {
    const core = this.#core;
    switch (input.kind) {
      case 'tick':
        tick(core, input.entropy);
        return;
      case 'message':
        receive(core, input.message);
        return;
      case 'propose':
        propose(core, input.proposals);
        return;
      case 'changeMembership':
        changeMembership(core, input.id, input.change);
        return;
      case 'transfer':
        startTransfer(core, input.to);
        return;
      case 'read':
        onRead(core, input.id);
        return;
      case 'persisted':
        onPersisted(core, input.last, input.hardState);
        return;
      case 'compacted':
        core.log.compactTo(input.base);
        return;
      case 'snapshotReceived':
        onSnapshotReceived(core, input);
        return;
      case 'snapshotInstalled':
        onSnapshotInstalled(core, input.snapshot);
        return;
      case 'snapshotSent':
        onSnapshotSent(core, input);
        return;
      case 'unreachable':
        onUnreachable(core, input.peer);
        return;
      default:
        unreachable(input);
    }
  }
}

function tick(core: CoreState, entropy: number): void {
  const lead = core.role;
  if (lead.kind !== 'leader') {
    tickElection(core, entropy);
    return;
  }
  lead.ticks += 1;
  if (!hearsQuorum(core, lead)) {
    becomeFollower(core, core.hardState.term, null);
    return;
  }
  tickTransfer(core, lead);
  lead.heartbeatElapsed += 1;
  if (core.role !== lead || lead.heartbeatElapsed < core.options.heartbeatTicks) return;
  sendHeartbeatRound(core, lead);
  confirm(core, lead);
  repeatTimeoutNow(core, lead);
}

/** What a leader does of its own accord, whatever input made it due. */
function settleLead(core: CoreState): void {
  const lead = core.role;
  if (lead.kind !== 'leader') return;
  leaveJoint(core, lead);
  advanceTransfer(core, lead);
}

/**
 * A completion of an earlier term says nothing about the log of this one: an entry can be overwritten and come back
 * in between, with the overwriting still on its way to the disk. Within one term that cannot happen, since all
 * changes come from one leader, whose log only grows. The first write of a term is never lost by this: it carries the term.
 */
function onPersisted(core: CoreState, last: LogPosition, hardState: HardState): void {
  assert(hardState.term <= core.hardState.term, 'only what was handed out becomes durable');
  if (hardState.term < core.hardState.term) return;
  core.log.markDurable(last);
  if (hardState.votedFor === core.hardState.votedFor) onHardStateDurable(core);
  if (core.role.kind === 'leader') advanceCommit(core, core.role);
}

/** The stream to `peer` broke: whatever was under way is in doubt. A snapshot transfer reports its own end. */
function onUnreachable(core: CoreState, member: MemberId): void {
  if (core.role.kind !== 'leader') return;
  const peer = core.role.peers.get(member);
  if (peer?.state.kind === 'replicate') peer.becomeProbe(indexAfter(peer.match), false);
}
