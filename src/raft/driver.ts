// One member of a Raft group, as the rest of the program sees it: what can be asked of it, and its clock.

import { assert } from '../base/assert.ts';
import { err, type Result } from '../base/result.ts';
import { admission, ExpulsionNotice } from './admission.ts';
import { Contacts } from './contacts.ts';
import type { MembershipChange } from './core/membership-change.ts';
import type { Message } from './core/messages.ts';
import type { RoleView } from './core/step.ts';
import type { Incarnation, MemberId, Membership, RestoredState, Term } from './core/types.ts';
import { tickMs, type DriverOptions } from './driver-options.ts';
import type { DriverParts } from './driver-parts.ts';
import { HandOver } from './hand-over.ts';
import { MembershipKeeper, type Upkeep } from './membership-keeper.ts';
import type {
  ChangeOutcome,
  HandOverOutcome,
  ProposalOutcome,
  ProposeOptions,
  ReadOutcome,
  TransferOutcome,
  Unavailable,
} from './outcome.ts';
import type {
  Admission,
  ApplyResult,
  Done,
  ExpulsionReason,
  SnapshotFile,
  TransportHandler,
} from './ports.ts';
import { recover, type RecoveredState } from './recovery.ts';
import type { StateCut } from './snapshotter.ts';
import { driverStatus, type DriverStatus } from './status.ts';
import { TickSource } from './tick-source.ts';
import { TurnLoop } from './turn-loop.ts';

/** `failed` after the first fault; `closed` from the call of `close` on. Neither is ever left. */
type Life = 'created' | 'running' | 'failed' | 'closed';

/**
 * Brings log, snapshot and state together and makes the driver of this member. The caller then makes it the handler of
 * the transport and calls `start`. Rejects with `RecoveryRefused`, or with the disk's error.
 */
export function openDriver(
  options: DriverOptions,
  parts: DriverParts,
  restored: RestoredState,
): Promise<RaftDriver> {
  return new Promise((resolve, reject) => {
    recover(parts, restored, (result) => {
      if (result instanceof Error) reject(result);
      else resolve(new RaftDriver(options, parts, result));
    });
  });
}

/** One member of the group: its public edge, its clock, and what it does by itself when the clock ticks. */
export class RaftDriver implements TransportHandler {
  readonly #options: DriverOptions;
  readonly #parts: DriverParts;
  readonly #loop: TurnLoop;
  readonly #handOver: HandOver;
  readonly #keeper: MembershipKeeper;
  readonly #expulsion: ExpulsionNotice;
  readonly #contacts: Contacts;
  readonly #membershipListeners = new Set<(membership: Membership) => void>();
  readonly #ticks: TickSource;
  #life: Life = 'created';
  #fault: Error | null = null;

  /** `recovered` comes from `recover`. Nothing happens before `start`. */
  constructor(options: DriverOptions, parts: DriverParts, recovered: RecoveredState) {
    this.#options = options;
    this.#parts = parts;
    this.#contacts = new Contacts(options.electionTimeoutMs);
    this.#loop = new TurnLoop(
      options,
      { parts, recovered },
      {
        isRunning: () => this.#life === 'running',
        fail: (error) => this.fail(error),
        onMembership: (membership) => {
          this.#tellAddresses();
          for (const listener of this.#membershipListeners) listener(membership);
        },
      },
    );
    const seen = { loop: this.#loop, contacts: this.#contacts };
    const { self, incarnation } = options;
    this.#handOver = new HandOver({ ...seen, self, transfer: (done) => this.transfer(null, done) });
    this.#keeper = new MembershipKeeper({
      ...seen,
      self: { id: self, incarnation },
      change: (change) => this.#keep(change),
    });
    this.#expulsion = new ExpulsionNotice((reason) => {
      parts.logger.error('raft.expelled', { reason });
      parts.onExpelled(reason);
    });
    this.#ticks = new TickSource(tickMs(options), parts, () => this.#onTick());
  }

  /** Starts the clock of this member. */
  start(): void {
    assert(this.#life === 'created', 'a driver starts once');
    this.#life = 'running';
    this.#tellAddresses();
    this.#ticks.start();
  }

  /**
   * Resolves with what `StateMachine.apply` returned for the command, once it was applied on this member; otherwise
   * with exactly one of `notLeader`, `overloaded` (certainly not applied, also for data above the entry limit) and
   * `unknown`. Never rejects. `data` is kept and must not be changed afterwards.
   */
  propose(data: Uint8Array, options: ProposeOptions): Promise<Result<ApplyResult, Unavailable>> {
    return new Promise((resolve) => this.submit(data, options, resolve));
  }

  /** `propose` by callback; `done` is called once, possibly from inside this call. */
  submit(data: Uint8Array, options: ProposeOptions, done: (outcome: ProposalOutcome) => void): void {
    if (!this.#takesWork()) {
      done(err({ kind: 'notLeader' }));
      return;
    }
    const expiresMs = this.#nowMs() + options.deadlineMs;
    const overload = this.#loop.waiters.proposals.add({ data, fence: options.term ?? null, expiresMs, done });
    if (overload === null) this.#loop.inbox.wake();
    else done(err({ kind: 'overloaded', reason: overload }));
  }

  /**
   * Resolves once the state of this member contains everything acknowledged by any member before the call, while it
   * still leads the term that confirmed it. Never rejects.
   */
  read(deadlineMs: number): Promise<Result<void, Unavailable>> {
    return new Promise((resolve) => this.confirm(deadlineMs, resolve));
  }

  /** `read` by callback; `done` is called once, possibly from inside this call. */
  confirm(deadlineMs: number, done: (outcome: ReadOutcome) => void): void {
    if (!this.#takesWork()) {
      done(err({ kind: 'notLeader' }));
      return;
    }
    if (this.#loop.waiters.reads.add({ expiresMs: this.#nowMs() + deadlineMs, done }))
      this.#loop.inbox.wake();
    else done(err({ kind: 'overloaded', reason: 'tooMuchWaiting' }));
  }

  /**
   * Resolves once the change of members, the leave of a joint one included, is committed and applied on this member;
   * `refused` means that nothing happened. Learners are promoted by themselves when they have caught up. Never rejects.
   */
  changeMembership(change: MembershipChange, deadlineMs: number): Promise<ChangeOutcome> {
    return new Promise((resolve) => this.change(change, deadlineMs, resolve));
  }

  /** `changeMembership` by callback; `done` is called once, possibly from inside this call. */
  change(change: MembershipChange, deadlineMs: number, done: (outcome: ChangeOutcome) => void): void {
    if (!this.#takesWork()) {
      done(err({ kind: 'notLeader' }));
      return;
    }
    if (this.#loop.waiters.changes.add({ change, expiresMs: this.#nowMs() + deadlineMs, done }))
      this.#loop.inbox.wake();
    else done(err({ kind: 'overloaded', reason: 'tooMuchWaiting' }));
  }

  /**
   * Gives the lead to the voter `to`, or to the one that has most of the log when null; resolves with the member that
   * leads then. Ends within two election timeouts; proposals and reads wait meanwhile. Never rejects.
   */
  transferLead(to: MemberId | null): Promise<TransferOutcome> {
    return new Promise((resolve) => this.transfer(to, resolve));
  }

  /** `transferLead` by callback; `done` is called once, possibly from inside this call. */
  transfer(to: MemberId | null, done: (outcome: TransferOutcome) => void): void {
    if (this.#life !== 'running' || !this.#leads) done(err({ kind: 'notLeader' }));
    else if (this.#loop.transfer.ask(done)) this.#loop.post({ kind: 'transfer', to });
  }

  /**
   * Before an orderly end: gives the lead to another voter if this member leads and one was heard lately, and waits until
   * that one is known to lead and everything this member placed in the log has its outcome. Never rejects; takes at most
   * `deadlineMs` and a tick. `close` follows.
   */
  handOver(deadlineMs: number): Promise<HandOverOutcome> {
    return new Promise((resolve) => this.withdraw(deadlineMs, resolve));
  }

  /** `handOver` by callback; `done` is called once, possibly from inside this call. */
  withdraw(deadlineMs: number, done: (outcome: HandOverOutcome) => void): void {
    if (this.#life !== 'running') {
      done('notLeading');
      return;
    }
    const nowMs = this.#nowMs();
    this.#handOver.begin({ expiresMs: nowMs + deadlineMs, done }, nowMs);
  }

  /** The published view: `established` only once the leader has *applied* everything committed when it was established. */
  get role(): RoleView {
    return this.#loop.board.published;
  }

  /**
   * Calls `listener` at every change of `role` from now on, synchronously; it must not throw. A lost lead is published
   * before any waiter learns of it. Returns the way to stop.
   */
  onRole(listener: (view: RoleView) => void): () => void {
    return this.#loop.board.listen(listener);
  }

  /** The membership in force here, committed or not. */
  get membership(): Membership {
    return this.#loop.core.membership;
  }

  /** The membership that is certain to stay until another one is committed. */
  get committedMembership(): Membership {
    const { core } = this.#loop;
    return core.membershipAt(core.commitIndex);
  }

  /** Calls `listener` at every change of `membership` from now on, synchronously; it must not throw. Returns the way to stop. */
  onMembership(listener: (membership: Membership) => void): () => void {
    this.#membershipListeners.add(listener);
    return () => this.#membershipListeners.delete(listener);
  }

  admits(from: MemberId, incarnation: Incarnation): Admission {
    return admission(this.#loop.core, from, incarnation);
  }

  onMessage(message: Message): void {
    if (this.#life !== 'running') return;
    this.#contacts.heard(message, this.#nowMs());
    // Whoever could not write the vote down must not be made to campaign.
    if (message.kind === 'timeoutNow' && this.#loop.disk.condition !== 'well') return;
    this.#loop.inbox.postMessage(message);
  }

  onUnreachable(peer: MemberId): void {
    if (this.#life === 'running') this.#loop.inbox.postUnreachable(peer);
  }

  onRefused(peer: MemberId, reason: ExpulsionReason): void {
    if (this.#life !== 'running') return;
    this.#parts.logger.warn('raft.refused', { peer, reason });
    this.#expulsion.give(reason);
  }

  onSnapshot(from: MemberId, term: Term, file: SnapshotFile): void {
    if (this.#life !== 'running') return;
    const { meta } = file;
    const offer = (): void => this.#loop.post({ kind: 'snapshotReceived', from, term, snapshot: meta }, file);
    this.#loop.replica.prepare(file, offer);
  }

  /**
   * The first fault of anything this member's promises rest on: gives up the lead and every waiter, sends and
   * acknowledges nothing more, reports `error` once. Also for faults seen outside, such as the state's own copy.
   */
  fail(error: Error): void {
    if (this.#life === 'failed' || this.#life === 'closed') return;
    this.#life = 'failed';
    this.#fault = error;
    this.#parts.logger.error('raft.fatal', { message: error.message });
    this.#giveUp('this member failed');
    this.#loop.replica.disk.stop(() => undefined);
    this.#parts.onFatal(error);
  }

  /**
   * Orderly end: no ticks, no new work, every waiter answered, then the disk operation, snapshot or restore under way
   * is awaited and the log closed. Rejects if closing fails, or when the disk does not answer within `closeDeadlineMs`:
   * nothing acknowledged is at risk then, and only the end of the process ends what is under way.
   */
  close(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.stop((error) => (error === null ? resolve() : reject(error)));
    });
  }

  /** `close` by callback. */
  stop(done: Done): void {
    assert(this.#life !== 'closed', 'a driver is closed once');
    this.#life = 'closed';
    this.#giveUp('this member is closing');
    const { closeDeadlineMs } = this.#options;
    let isOver = false;
    const end = (error: Error | null): void => {
      if (isOver) return;
      isOver = true;
      timer.cancel();
      done(error);
    };
    const timer = this.#parts.clock.setTimer(closeDeadlineMs, () =>
      end(new Error(`the disk of the Raft log did not answer within ${closeDeadlineMs} ms`)),
    );
    this.#loop.replica.stop(end);
  }

  /** For a backup: the state at the last applied entry. Null while a received snapshot takes its place: ask again soon. */
  cut(): StateCut | null {
    return this.#loop.replica.cut();
  }

  status(): DriverStatus {
    const { snapshots } = this.#parts;
    const seen = { contacts: this.#contacts, snapshots, fault: this.#fault, nowMs: this.#nowMs() };
    return driverStatus(this.#options, this.#loop, seen);
  }

  /** Time goes on for a leader whatever its disk does, so that one that hears no quorum any more ends its lead. */
  #onTick(): void {
    const nowMs = this.#nowMs();
    const { core, waiters, transfer, inbox, disk } = this.#loop;
    waiters.expire(nowMs);
    if (transfer.expire(nowMs)) waiters.drainPlaced(core.commitIndex, 'the lead was lost');
    this.#loop.lookAtDisk();
    this.#handOver.look(nowMs);
    if (!this.#handOver.isActive) this.#keeper.look(nowMs);
    this.#checkMembership();
    // For any other member whose disk does not answer time stands still: it could not write its vote down.
    const counts = this.#leads || disk.condition === 'well';
    if (counts) this.#loop.post({ kind: 'tick', entropy: this.#parts.random.uint32() });
    else inbox.wake();
  }

  #keep(change: Upkeep): void {
    this.change(change, this.#options.electionTimeoutMs, (outcome) => {
      if (outcome.ok) this.#parts.logger.info(`raft.membership.${change.kind}`, { member: change.member });
    });
  }

  /** A removed leader hands over first; whoever else finds itself out of the committed membership says so. */
  #checkMembership(): void {
    const { self, incarnation } = this.#options;
    if (this.#leads) return;
    const verdict = this.admits(self, incarnation);
    if (verdict !== 'yes') this.#expulsion.give(verdict);
  }

  get #leads(): boolean {
    return this.#loop.core.role.role === 'leader';
  }

  /** A leader does; so does one that is just handing over, because its work is answered once the successor is known. */
  #takesWork(): boolean {
    const { board, transfer } = this.#loop;
    return this.#life === 'running' && (board.published.role === 'leader' || transfer.holdsWork);
  }

  /**
   * From the moment an entry that names members is in the log they are found by it. A member that joins knows nobody
   * yet, and its transport goes by the configuration.
   */
  #tellAddresses(): void {
    const { addresses } = this.membership;
    if (addresses.size > 0) this.#parts.transport.setAddresses(addresses);
  }

  #giveUp(reason: string): void {
    const { board, waiters, transfer } = this.#loop;
    this.#ticks.stop();
    board.abdicate();
    waiters.drain(reason);
    transfer.drain(reason);
    this.#handOver.drain();
  }

  #nowMs(): number {
    return this.#parts.clock.monotonicMs();
  }
}
