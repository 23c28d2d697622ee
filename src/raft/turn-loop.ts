// The heart of the driver: takes what arrived, steps the core, and does what the steps ask, one turn at a time.

import { assert } from '../base/assert.ts';
import { payloadBytes } from './core/log.ts';
import { isMember } from './core/membership.ts';
import type { Message } from './core/messages.ts';
import { RaftCore } from './core/raft-core.ts';
import type { Effects, Input, RoleView } from './core/step.ts';
import { logIndex, type LogIndex, type MemberId, type Membership } from './core/types.ts';
import type { DiskReceipt } from './disk-queue.ts';
import { DiskWatch } from './disk-watch.ts';
import { coreOptions, type DriverOptions } from './driver-options.ts';
import type { DriverParts } from './driver-parts.ts';
import { Inbox } from './inbox.ts';
import { LeadTransfer } from './lead-transfer.ts';
import type { SnapshotFile } from './ports.ts';
import type { RecoveredState } from './recovery.ts';
import { Replica } from './replica.ts';
import { RoleBoard } from './role-board.ts';
import { SnapshotTransfers } from './snapshot-transfers.ts';
import { snapshotCovering } from './snapshotter.ts';
import { Waiters } from './waiters.ts';

/** Election timeouts for which the log behind a snapshot that has arrived is kept: to install it, and to be probed behind it. */
const SENT_KEPT_TIMEOUTS = 2;

export interface TurnLoopHandler {
  /** False before the start and after the end: nothing is taken in, nothing leaves. */
  isRunning(): boolean;
  fail(error: Error): void;
  onMembership(membership: Membership): void;
}

/** Everything between input and effect is synchronous: no promise decides what comes first. */
export class TurnLoop {
  readonly core: RaftCore;
  readonly replica: Replica;
  readonly waiters: Waiters;
  readonly transfer: LeadTransfer;
  readonly board: RoleBoard;
  readonly inbox: Inbox;
  readonly disk: DiskWatch;
  readonly #options: DriverOptions;
  readonly #parts: DriverParts;
  readonly #handler: TurnLoopHandler;
  readonly #sending: SnapshotTransfers;
  #outbox: Message[] = [];
  #receivedFile: SnapshotFile | null = null;
  /** For want of space this member has asked already that another one should lead. */
  #isSpaceAsked = false;

  constructor(
    options: DriverOptions,
    started: { readonly parts: DriverParts; readonly recovered: RecoveredState },
    handler: TurnLoopHandler,
  ) {
    const { parts, recovered } = started;
    this.#options = options;
    this.#parts = parts;
    this.#handler = handler;
    this.core = new RaftCore(coreOptions(options), recovered.restored);
    this.#sending = new SnapshotTransfers(SENT_KEPT_TIMEOUTS * options.electionTimeoutMs);
    this.replica = new Replica(
      this.core,
      { options, parts, recovered },
      {
        onDurable: (receipt) => this.#onDurable(receipt),
        sending: () => this.#sending.indexes(parts.clock.monotonicMs()),
        post: (input) => this.post(input),
        fail: (error) => handler.fail(error),
      },
    );
    this.waiters = new Waiters(options);
    this.transfer = new LeadTransfer(options.electionTimeoutMs);
    this.board = new RoleBoard(this.core.role);
    this.disk = new DiskWatch(parts.log, parts, options);
    this.inbox = new Inbox(options.inboxMessagesMax, parts.scheduler, () => this.#guardedTurn());
  }

  /** Brings `input` to the core in the next turn; `file` is the snapshot that a `snapshotReceived` is about. */
  post(input: Input, file: SnapshotFile | null = null): void {
    if (this.#handler.isRunning()) this.inbox.post(input, file);
  }

  /**
   * Looks how the disk is doing. A leader whose disk stalls can commit nothing: it asks another member to take over, and
   * when the disk has hung so long that the others have a leader, it does not call itself one any more. One whose disk is
   * nearly full takes no commands, and asks as well; once, because the disks of all the others may be no better.
   */
  lookAtDisk(): void {
    const { failure } = this.#parts.log;
    if (failure !== null) {
      // Nobody may be waiting for the log, and then nobody else would ever learn of it.
      this.#handler.fail(failure);
      return;
    }
    const isChanged = this.disk.look(this.replica.disk.status.pendingMs);
    const { condition, spaceLow } = this.disk;
    const { role, established } = this.core.role;
    if (!spaceLow) this.#isSpaceAsked = false;
    const isHanging = isChanged && condition === 'hung';
    const isFull = spaceLow && established && !this.#isSpaceAsked;
    if (role === 'leader' && (isHanging || isFull) && this.transfer.ask(() => undefined)) {
      this.#isSpaceAsked = spaceLow;
      this.post({ kind: 'transfer', to: null });
    }
    if (!isChanged) return;
    this.board.suspend(condition === 'hung');
    if (condition === 'hung') this.waiters.reads.drain();
  }

  #guardedTurn(): void {
    if (!this.#handler.isRunning()) return;
    try {
      this.#turn();
    } catch (error) {
      // A broken invariant here may be one of consensus: stop claiming anything, say why, end the process.
      this.#handler.fail(error instanceof Error ? error : new Error('a Raft step failed', { cause: error }));
    }
  }

  #turn(): void {
    for (const { input, file } of this.inbox.take(this.#options.turnInputsMax)) {
      if (file !== null) this.#receivedFile = file;
      if (this.#hasRoomFor(input)) this.#step(input);
      if (file !== null) this.replica.decided(file);
    }
    // While the lead is on its way to another member, work waits for the outcome.
    if (!this.transfer.holdsWork) {
      this.#stepProposals();
      this.#stepChanges();
      this.#stepReads();
    }
    const outbox = this.#outbox;
    this.#outbox = [];
    this.#send(outbox);
    this.replica.disk.kick();
    this.#applyCommitted();
  }

  /**
   * Entries for which there is no room are lost like any message: not stepped, not answered. Everything else goes on, so this
   * member still votes and is still heard; where all followers do so nothing is committed.
   */
  #hasRoomFor(input: Input): boolean {
    if (input.kind !== 'message' || input.message.kind !== 'appendRequest') return true;
    const { entries } = input.message;
    if (!this.disk.spaceLow || entries.length === 0) return true;
    return this.disk.takesEntries(this.replica.disk.waitingBytes + payloadBytes(entries));
  }

  /** Fence, step and place in the log are one synchronous act: nothing can depose this leader in between. */
  #stepProposals(): void {
    const { proposals } = this.waiters;
    if (!proposals.hasQueued) return;
    if (this.core.role.role === 'leader') {
      if (this.disk.condition !== 'well') proposals.refuseQueued('diskStalled');
      else if (this.disk.spaceLow) proposals.refuseQueued('noSpace');
    }
    const { published } = this.board;
    const fence = published.established ? published.term : null;
    const taken = proposals.takeQueued(fence, this.#options.turnProposalsMax);
    if (taken.length > 0) this.#step({ kind: 'propose', proposals: taken });
    if (proposals.hasQueued) this.inbox.wake();
  }

  #stepChanges(): void {
    for (const { id, change } of this.waiters.changes.takeQueued()) {
      this.#step({ kind: 'changeMembership', id, change });
    }
  }

  /** With a stalled disk no round could leave; whoever does not lead refuses at once. */
  #stepReads(): void {
    const { role, term } = this.core.role;
    if (role === 'leader' && this.disk.condition !== 'well') return;
    const id = this.waiters.reads.startRound(term);
    if (id !== null) this.#step({ kind: 'read', id });
  }

  #step(input: Input): void {
    if (!this.#handler.isRunning()) return;
    const effects = this.core.step(input);
    if (effects.membership !== null) this.#onMembership(effects.membership);
    if (effects.transfer !== null) this.transfer.onEvent(effects.transfer, this.#parts.clock.monotonicMs());
    if (effects.role !== null) this.#onRole(effects.role);
    this.waiters.onStep(effects);
    this.#checkTruncation(effects);
    this.replica.disk.add(effects);
    for (const message of effects.sendNow) this.#outbox.push(message);
    for (const peer of effects.sendSnapshot) this.#sendSnapshot(peer);
    if (effects.installSnapshot !== null) this.#install(effects.installSnapshot.index);
  }

  #onMembership(membership: Membership): void {
    this.#parts.logger.info('raft.membership', {
      voters: membership.voterSets.map((voters) => voters.join(' ')),
      learners: membership.learners.join(' '),
    });
    this.#handler.onMembership(membership);
  }

  #onRole(view: RoleView): void {
    const before = this.board.actual;
    const { role, term, leader, established } = view;
    const isLost = before.role === 'leader' && (role !== 'leader' || term !== before.term);
    const isHandedOver = isLost && this.transfer.holdsWork;
    this.board.update(view, { commit: this.core.commitIndex, applied: this.replica.applied.index });
    this.transfer.onRole(view, this.#parts.clock.monotonicMs());
    if (isLost) this.#onLeadLost(isHandedOver);
    this.#parts.logger.info('raft.role', { role, term, leader, established });
  }

  /**
   * What is committed will be applied here, so it keeps waiting. After a hand-over so does the rest: the successor has
   * this log up to its end and commits it as it is. A leader that was removed is told nothing more, not even by whom it
   * is succeeded.
   */
  #onLeadLost(isHandedOver: boolean): void {
    const { waiters, core, transfer } = this;
    const isGone = !isMember(core.membership, this.#options.self);
    if (isGone) transfer.drain('this member was removed');
    const waitsOn = isHandedOver && !isGone;
    waiters.drainPlaced(waitsOn ? core.last.index : core.commitIndex, 'the lead was lost');
    if (waitsOn) waiters.reads.requeue();
    else waiters.reads.drain();
  }

  #checkTruncation({ truncateFrom }: Effects): void {
    if (truncateFrom === null) return;
    assert(truncateFrom > this.replica.applied.index, 'an applied entry is never truncated');
    this.waiters.drainPlaced(logIndex(truncateFrom - 1), 'the entry was replaced');
  }

  #sendSnapshot(to: MemberId): void {
    const { logger, snapshots, transport, clock } = this.#parts;
    const file = snapshotCovering(this.core.base, snapshots);
    const { index } = file.meta;
    this.#sending.begin(to, index);
    logger.info('raft.snapshot.sending', { peer: to, index, bytes: file.bytes });
    transport.sendSnapshot(to, this.core.role.term, file, (delivered) => {
      logger.info('raft.snapshot.sent', { peer: to, index, delivered });
      this.#sending.end(to, { index, delivered }, clock.monotonicMs());
      this.post({ kind: 'snapshotSent', to, index, delivered });
    });
  }

  #install(index: LogIndex): void {
    this.waiters.drainPlaced(logIndex(0), 'a snapshot replaced the log');
    this.replica.install(this.#receivedFile, index);
  }

  #onDurable(receipt: DiskReceipt): void {
    if (!this.#handler.isRunning()) return;
    this.lookAtDisk();
    this.#send(receipt.messages);
    if (receipt.persisted !== null) this.post({ kind: 'persisted', ...receipt.persisted });
  }

  /**
   * With a stalled disk nothing leaves, because an append or heartbeat sent now would pass for a working leader; only
   * the word that another member should lead.
   */
  #send(messages: readonly Message[]): void {
    const isWell = this.disk.condition === 'well';
    const leaving = isWell ? messages : messages.filter(({ kind }) => kind === 'timeoutNow');
    if (leaving.length > 0 && this.#handler.isRunning()) this.#parts.transport.send(leaving);
  }

  #applyCommitted(): void {
    const batch = this.replica.applyCommitted();
    if (batch !== null) this.waiters.onApplied(batch, (index) => this.core.membershipAt(index));
    const applied = this.replica.applied.index;
    this.board.applied(applied);
    const { role, term } = this.core.role;
    this.waiters.reads.answer(applied, role === 'leader' ? term : null);
    if (this.replica.hasMoreToApply) this.inbox.wake();
  }
}
