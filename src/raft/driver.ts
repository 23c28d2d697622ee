// The one loop that owns Raft: inbox -> step -> one disk group -> send -> apply -> answer.

import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import { err, type Result } from '../base/result.ts';
import { ApplyLoop } from './apply-loop.ts';
import type { Message } from './core/messages.ts';
import { RaftCore } from './core/raft-core.ts';
import type { Effects, Input, RoleView } from './core/step.ts';
import { logIndex, type LogIndex, type MemberId, type RestoredState, type Term } from './core/types.ts';
import { DiskQueue, type DiskReceipt } from './disk-queue.ts';
import { coreOptions, tickMs, type DriverOptions } from './driver-options.ts';
import type { ProposalOutcome, ProposeOptions, ReadOutcome, Unavailable } from './outcome.ts';
import type {
  ApplyResult,
  Done,
  DurableLog,
  SnapshotFile,
  SnapshotStore,
  StateMachine,
  Transport,
  TransportHandler,
} from './ports.ts';
import { ProposalTable } from './proposals.ts';
import { ReadTable } from './reads.ts';
import { Inbox } from './inbox.ts';
import { lastPosition, recover, type RecoveredState } from './recovery.ts';
import { RoleBoard } from './role-board.ts';
import type { Scheduler } from './scheduler.ts';
import { SnapshotInstaller } from './snapshot-installer.ts';
import { Snapshotter, snapshotCovering } from './snapshotter.ts';
import type { DriverStatus } from './status.ts';
import { TickSource } from './tick-source.ts';

/** What the driver works with. It is the only user of `log`, `snapshots` (but for reception) and `stateMachine.apply`. */
export interface DriverParts {
  readonly log: DurableLog;
  readonly snapshots: SnapshotStore;
  readonly stateMachine: StateMachine;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly logger: Logger;
  /** Called once, with the first fault. The process must end: nothing here is retried or repaired. */
  readonly onFatal: (error: Error) => void;
}

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

/** One member of the group: the only owner of the core, and of the order of everything it asks for. */
export class RaftDriver implements TransportHandler {
  readonly #options: DriverOptions;
  readonly #parts: DriverParts;
  readonly #core: RaftCore;
  readonly #disk: DiskQueue;
  readonly #apply: ApplyLoop;
  readonly #snapshotter: Snapshotter;
  readonly #installer: SnapshotInstaller;
  readonly #proposals: ProposalTable;
  readonly #reads: ReadTable;
  readonly #board: RoleBoard;
  readonly #ticks: TickSource;
  readonly #inbox: Inbox;
  readonly #lastContactMs = new Map<MemberId, number>();
  #life: Life = 'created';
  #fault: Error | null = null;
  #outbox: Message[] = [];
  #receivedFile: SnapshotFile | null = null;
  #diskStalled = false;

  /** `recovered` comes from `recover`. Nothing happens before `start`. */
  constructor(options: DriverOptions, parts: DriverParts, recovered: RecoveredState) {
    const { restored, applied } = recovered;
    this.#options = options;
    this.#parts = parts;
    this.#core = new RaftCore(coreOptions(options), restored);
    this.#disk = new DiskQueue(
      parts.log,
      { last: lastPosition(restored), hardState: restored.hardState },
      {
        clock: parts.clock,
        handler: { onDurable: (receipt) => this.#onDurable(receipt), onError: (error) => this.fail(error) },
      },
    );
    const entries = this.#core.entries.bind(this.#core);
    this.#apply = new ApplyLoop(applied, {
      stateMachine: parts.stateMachine,
      entries,
      applyEntriesMax: options.applyEntriesMax,
    });
    const onError = (error: Error): void => this.fail(error);
    this.#snapshotter = new Snapshotter(options, this.#sinceSnapshot(restored), {
      ...parts,
      base: () => this.#core.base,
      membership: () => this.#core.membership,
      entries,
      compact: (base, done) => this.#disk.compact(base, done),
      onCompacted: (base) => this.#post({ kind: 'compacted', base }),
      onError,
    });
    this.#installer = new SnapshotInstaller({
      ...parts,
      applyLoop: this.#apply,
      snapshotter: this.#snapshotter,
      reset: (base, done) => this.#disk.reset(base, done),
      onInstalled: (snapshot) => this.#post({ kind: 'snapshotInstalled', snapshot }),
      onError,
    });
    this.#proposals = new ProposalTable(options);
    this.#reads = new ReadTable(options.readsMax);
    this.#board = new RoleBoard(this.#core.role);
    this.#inbox = new Inbox(options.inboxMessagesMax, parts.scheduler, () => this.#guardedTurn());
    this.#ticks = new TickSource(tickMs(options), parts, () => this.#onTick());
  }

  /** Starts the clock of this member. */
  start(): void {
    assert(this.#life === 'created', 'a driver starts once');
    this.#life = 'running';
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
    const fence = options.term ?? null;
    if (this.#life !== 'running' || this.#core.role.role !== 'leader') {
      done(err({ kind: 'notLeader' }));
      return;
    }
    const expiresMs = this.#parts.clock.monotonicMs() + options.deadlineMs;
    if (this.#proposals.add({ data, fence, expiresMs, done })) this.#inbox.wake();
    else done(err({ kind: 'overloaded' }));
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
    if (this.#life !== 'running' || this.#core.role.role !== 'leader') {
      done(err({ kind: 'notLeader' }));
      return;
    }
    const expiresMs = this.#parts.clock.monotonicMs() + deadlineMs;
    if (this.#reads.add({ expiresMs, done })) this.#inbox.wake();
    else done(err({ kind: 'overloaded' }));
  }

  /** The published view: `established` only once the leader has *applied* everything committed when it was established. */
  get role(): RoleView {
    return this.#board.published;
  }

  /**
   * Calls `listener` at every change of `role` from now on, synchronously; it must not throw. A lost lead is published
   * before any waiter learns of it. Returns the way to stop.
   */
  onRole(listener: (view: RoleView) => void): () => void {
    return this.#board.listen(listener);
  }

  onMessage(message: Message): void {
    if (this.#life !== 'running') return;
    this.#lastContactMs.set(message.from, this.#parts.clock.monotonicMs());
    this.#inbox.postMessage(message);
  }

  onUnreachable(peer: MemberId): void {
    if (this.#life === 'running') this.#inbox.postUnreachable(peer);
  }

  onSnapshot(from: MemberId, term: Term, file: SnapshotFile): void {
    this.#post({ kind: 'snapshotReceived', from, term, snapshot: file.meta }, file);
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
    this.#disk.stop(() => undefined);
    this.#parts.onFatal(error);
  }

  /**
   * Orderly end: no ticks, no new work, every waiter answered, then the disk operation, snapshot or restore under way
   * is awaited and the log closed. Hangs with a hanging disk: the caller sets the deadline. Rejects if closing fails.
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
    this.#disk.stop(() => {
      this.#snapshotter.pause(() => this.#installer.stop(() => this.#parts.log.close(done)));
    });
  }

  status(): DriverStatus {
    const core = this.#core;
    const nowMs = this.#parts.clock.monotonicMs();
    const match = new Map(core.peers().map((peer) => [peer.member, peer.match]));
    const { voterSets, learners } = core.membership;
    const peers = [...new Set([...voterSets.flat(), ...learners])].filter((id) => id !== this.#options.self);
    return {
      ...this.#board.published,
      id: this.#options.self,
      commit: core.commitIndex,
      applied: this.#apply.applied.index,
      last: core.last,
      base: core.base.index,
      snapshot: this.#parts.snapshots.newest()?.meta.index ?? logIndex(0),
      peers: peers.map((id) => {
        const contactMs = this.#lastContactMs.get(id);
        return {
          id,
          match: match.get(id) ?? null,
          lastContactMs: contactMs === undefined ? null : nowMs - contactMs,
        };
      }),
      disk: this.#disk.status,
      proposals: this.#proposals.size,
      reads: this.#reads.size,
      messagesDropped: this.#inbox.dropped,
      installing: this.#installer.busy,
      fault: this.#fault?.message ?? null,
    };
  }

  #onTick(): void {
    const nowMs = this.#parts.clock.monotonicMs();
    this.#proposals.expire(nowMs);
    this.#reads.expire(nowMs);
    this.#watchDisk();
    // For a member whose disk hangs time stands still: a leader sends no heartbeat and is replaced, a follower does
    // not campaign, until the disk answers again. Otherwise heartbeats would keep a lead that can commit nothing.
    if (!this.#diskStalled) this.#post({ kind: 'tick', entropy: this.#parts.random.uint32() });
  }

  #watchDisk(): void {
    const { pendingMs } = this.#disk.status;
    const stalled = pendingMs > this.#options.electionTimeoutMs / 2;
    if (stalled === this.#diskStalled) return;
    this.#diskStalled = stalled;
    if (stalled) this.#parts.logger.warn('raft.disk.stalled', { pendingMs: Math.round(pendingMs) });
    else this.#parts.logger.info('raft.disk.recovered');
  }

  #post(input: Input, file: SnapshotFile | null = null): void {
    if (this.#life === 'running') this.#inbox.post(input, file);
  }

  #guardedTurn(): void {
    if (this.#life !== 'running') return;
    try {
      this.#turn();
    } catch (error) {
      // A broken invariant here may be one of consensus: stop claiming anything, say why, end the process.
      this.fail(error instanceof Error ? error : new Error('a Raft step failed', { cause: error }));
    }
  }

  #turn(): void {
    for (const { input, file } of this.#inbox.take()) {
      if (file !== null) this.#receivedFile = file;
      this.#step(input);
    }
    this.#stepProposals();
    this.#stepReads();
    const outbox = this.#outbox;
    this.#outbox = [];
    this.#send(outbox);
    this.#disk.kick();
    this.#applyCommitted();
  }

  /** Fence, step and place in the log are one synchronous act: nothing can depose this leader in between. */
  #stepProposals(): void {
    if (!this.#proposals.hasQueued) return;
    if (this.#diskStalled) {
      this.#proposals.refuseQueued('overloaded');
      return;
    }
    const { published } = this.#board;
    const proposals = this.#proposals.takeQueued(published.established ? published.term : null);
    if (proposals.length > 0) this.#step({ kind: 'propose', proposals });
  }

  #stepReads(): void {
    if (this.#diskStalled) return;
    const id = this.#reads.startRound(this.#core.role.term);
    if (id !== null) this.#step({ kind: 'read', id });
  }

  #step(input: Input): void {
    if (this.#life !== 'running') return;
    const effects = this.#core.step(input);
    if (effects.role !== null) this.#onRoleEffect(effects.role);
    for (const { id, position } of effects.accepted) this.#proposals.accepted(id, position);
    for (const { id, reason } of effects.refused) this.#proposals.refused(id, reason);
    this.#checkTruncation(effects);
    this.#disk.add(effects);
    for (const message of effects.sendNow) this.#outbox.push(message);
    for (const { id, index } of effects.readsReady) this.#reads.ready(id, index);
    for (const id of effects.readsRefused) this.#reads.refused(id);
    for (const peer of effects.sendSnapshot) this.#sendSnapshot(peer);
    if (effects.installSnapshot !== null) this.#install(effects.installSnapshot.index);
  }

  #onRoleEffect(view: RoleView): void {
    const before = this.#board.actual;
    this.#board.update(view, { commit: this.#core.commitIndex, applied: this.#apply.applied.index });
    if (before.role === 'leader' && (view.role !== 'leader' || view.term !== before.term)) {
      this.#proposals.drainPlaced('the lead was lost');
      this.#reads.drain();
    }
    const { role, term, leader, established } = view;
    this.#parts.logger.info('raft.role', { role, term, leader, established });
  }

  #checkTruncation(effects: Effects): void {
    if (effects.truncateFrom === null) return;
    assert(effects.truncateFrom > this.#apply.applied.index, 'an applied entry is never truncated');
    this.#proposals.drainPlaced('the entry was replaced');
  }

  #sendSnapshot(to: MemberId): void {
    const file = snapshotCovering(this.#core.base, this.#parts.snapshots);
    const { index } = file.meta;
    this.#parts.logger.info('raft.snapshot.sending', { peer: to, index, bytes: file.bytes });
    this.#parts.transport.sendSnapshot(to, this.#core.role.term, file, (delivered) => {
      this.#parts.logger.info('raft.snapshot.sent', { peer: to, index, delivered });
      this.#post({ kind: 'snapshotSent', to, index, delivered });
    });
  }

  #install(index: LogIndex): void {
    const file = this.#receivedFile;
    assert(file !== null && file.meta.index === index, 'the snapshot to install is the one just received');
    this.#proposals.drainPlaced('a snapshot replaced the log');
    this.#installer.install(file);
  }

  #onDurable(receipt: DiskReceipt): void {
    if (this.#life !== 'running') return;
    this.#watchDisk();
    this.#send(receipt.messages);
    if (receipt.persisted !== null) this.#post({ kind: 'persisted', ...receipt.persisted });
  }

  /** With a hanging disk nothing leaves: an append or heartbeat sent now would pass for a working leader. */
  #send(messages: readonly Message[]): void {
    if (messages.length === 0 || this.#diskStalled || this.#life !== 'running') return;
    this.#parts.transport.send(messages);
  }

  /**
   * Applies what is committed *and* on this disk, so that the state never contains an entry its own log could lose.
   * The price is paid only by a leader whose disk is slower than those of a majority.
   */
  #applyCommitted(): void {
    const limit = logIndex(Math.min(this.#core.commitIndex, this.#core.durableIndex));
    const batch = this.#apply.run(limit);
    if (batch !== null) {
      batch.entries.forEach((entry, offset) => this.#proposals.applied(entry, batch.results[offset]));
      this.#snapshotter.onApplied(batch, this.#apply.applied);
    }
    this.#board.applied(this.#apply.applied.index);
    const { role, term } = this.#core.role;
    this.#reads.answer(this.#apply.applied.index, role === 'leader' ? term : null);
    if (this.#apply.hasWork(limit)) this.#inbox.wake();
  }

  #giveUp(reason: string): void {
    this.#ticks.stop();
    this.#board.abdicate();
    this.#proposals.drain(reason);
    this.#reads.drain();
  }

  /** What the state contains beyond the newest snapshot, as far as the log still tells. */
  #sinceSnapshot(restored: RestoredState): { readonly entries: number; readonly bytes: number } {
    const from = this.#parts.snapshots.newest()?.meta.index ?? 0;
    const to = this.#apply.applied.index;
    let bytes = 0;
    for (const entry of restored.entries) {
      if (entry.index > from && entry.index <= to) bytes += entry.data.byteLength;
    }
    return { entries: Math.max(0, to - from), bytes };
  }
}
