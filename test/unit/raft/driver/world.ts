// A small deterministic world for driver tests: members on one virtual event loop, with modelled disks and links.

import type { Clock } from '../../../../src/base/clock.ts';
import { createSeededRandom } from '../../../../src/base/random.ts';
import type { Message } from '../../../../src/raft/core/messages.ts';
import {
  memberId,
  type Incarnation,
  type MemberId,
  type Membership,
  type Term,
} from '../../../../src/raft/core/types.ts';
import { RaftDriver } from '../../../../src/raft/driver.ts';
import { driverOptions, type DriverOptions } from '../../../../src/raft/driver-options.ts';
import type { ExpulsionReason, SnapshotFile, Transport } from '../../../../src/raft/ports.ts';
import { recover } from '../../../../src/raft/recovery.ts';
import { incarnationOf, membership } from '../../../support/raft-core/builders.ts';
import { silentLogger } from '../../../support/silent-logger.ts';
import {
  DiskImage,
  Life,
  ListMachine,
  MemoryLog,
  MemorySnapshots,
  type DiskFaults,
} from './modelled-storage.ts';
import { VirtualLoop } from './virtual-loop.ts';

/** One life of one member. */
export interface Member {
  readonly id: MemberId;
  readonly incarnation: Incarnation;
  readonly driver: RaftDriver;
  readonly machine: ListMachine;
  readonly snapshots: MemorySnapshots;
  readonly log: MemoryLog;
  readonly fatal: Error[];
  readonly expelled: ExpulsionReason[];
  /** Events of warnings, in order. */
  readonly warnings: string[];
  readonly life: Life;
}

export interface WorldOptions extends Partial<DriverOptions> {
  /** What every member's log starts from; all bound voters when absent. */
  readonly founders?: Membership;
}

/** A group of members on one loop. */
export class World {
  readonly loop = new VirtualLoop();
  readonly members = new Map<MemberId, Member>();
  readonly images = new Map<MemberId, DiskImage>();
  readonly faults = new Map<MemberId, DiskFaults>();
  /** How many data directories each id has had before the present one. */
  readonly wipes = new Map<MemberId, number>();
  /** Directed links that lose everything and report it, as `from>to`. */
  readonly cut = new Set<string>();
  /** Members that take every request and never answer: nothing arrives, nothing is reported. */
  readonly hanging = new Set<MemberId>();
  readonly sent: Message[] = [];
  /** The term of the entry at an index as the leader of a term has told it, as `term/index`. */
  readonly #told = new Map<string, Term>();
  snapshotsSent = 0;
  /** Milliseconds for which a snapshot is on its way. */
  snapshotMs = 0;
  readonly #options: Partial<DriverOptions>;
  readonly #random;
  latencyMs = 1;

  constructor(count: number, options: WorldOptions = {}, seed = 1) {
    const { founders, ...rest } = options;
    const ids = Array.from({ length: count }, (_, offset) => memberId(offset + 1));
    this.#options = rest;
    this.#random = createSeededRandom(seed);
    for (const id of ids) this.join(id, founders ?? membership(ids));
  }

  /** Gives `id` an empty data directory and starts it; without `founders` it knows nobody, as a member that joins. */
  join(id: MemberId, founders: Membership = membership([])): Member {
    this.images.set(id, new DiskImage(founders));
    this.faults.set(id, {
      latencyMs: 1,
      failNext: null,
      failGroup: null,
      spaceLow: false,
      roomBytes: Number.POSITIVE_INFINITY,
      writes: 0,
    });
    return this.boot(id);
  }

  /** Starts a member from what its disk holds. Throws what recovery refuses. */
  boot(id: MemberId): Member {
    const image = this.image(id);
    const faults = this.fault(id);
    const life = new Life(this.loop);
    const log = new MemoryLog(image, life, faults);
    const snapshots = new MemorySnapshots(image, life, faults);
    const machine = new ListMachine(image, life, faults);
    const fatal: Error[] = [];
    const expelled: ExpulsionReason[] = [];
    const warnings: string[] = [];
    const clock: Clock = {
      ...this.loop.clock,
      setTimer: (delayMs, callback) => life.later(delayMs, callback),
    };
    const parts = {
      log,
      snapshots,
      stateMachine: machine,
      transport: this.#transport(id, life),
      clock,
      scheduler: { afterPoll: (callback: () => void) => void life.later(0, callback) },
      random: createSeededRandom(this.#random.uint32()),
      logger: { ...silentLogger, warn: (event: string) => void warnings.push(event) },
      onFatal: (error: Error) => void fatal.push(error),
      onExpelled: (reason: ExpulsionReason) => void expelled.push(reason),
    };
    const incarnation = incarnationOf(id, this.wipes.get(id));
    const options = driverOptions({
      self: id,
      incarnation,
      heartbeatIntervalMs: 50,
      electionTimeoutMs: 500,
      ...this.#options,
    });
    let member: Member | null = null;
    let failure: Error | null = null;
    recover(parts, image.restored(), (result) => {
      if (result instanceof Error) {
        failure = result;
        return;
      }
      const driver = new RaftDriver(options, parts, result);
      member = { id, incarnation, driver, machine, snapshots, log, fatal, expelled, warnings, life };
      this.members.set(id, member);
      driver.start();
    });
    this.loop.run(10_000, () => member !== null || failure !== null);
    if (failure !== null) throw failure as Error;
    if (member === null) throw new Error('recovery did not end');
    return member;
  }

  /** The process is gone; its disk keeps what had completed. */
  crash(id: MemberId): void {
    this.member(id).life.dead = true;
    this.members.delete(id);
  }

  /** The process is gone and so is its disk; what starts under its id is another incarnation. */
  wipe(id: MemberId, founders: Membership): Member {
    this.crash(id);
    this.wipes.set(id, (this.wipes.get(id) ?? 0) + 1);
    return this.join(id, founders);
  }

  /** The process stands still; what comes meanwhile waits, its own timers before everything else. */
  freeze(id: MemberId, durationMs: number): void {
    this.member(id).life.frozenUntilMs = this.loop.nowMs + durationMs;
  }

  member(id: MemberId | number): Member {
    const found = this.members.get(id as MemberId);
    if (found === undefined) throw new Error(`member ${id} is not running`);
    return found;
  }

  image(id: MemberId): DiskImage {
    return this.images.get(id)!;
  }

  fault(id: MemberId): DiskFaults {
    return this.faults.get(id)!;
  }

  isolate(id: MemberId): void {
    for (const other of this.images.keys()) {
      this.cut.add(`${id}>${other}`);
      this.cut.add(`${other}>${id}`);
    }
  }

  heal(): void {
    this.cut.clear();
  }

  /** The established leader of the highest term, if any. */
  leader(): Member | null {
    const leaders = [...this.members.values()].filter((member) => member.driver.role.established);
    leaders.sort((left, right) => right.driver.role.term - left.driver.role.term);
    return leaders[0] ?? null;
  }

  /** Runs until there is an established leader, not counting `except`. */
  elect(except?: MemberId): Member {
    const found = this.loop.run(10_000, () => {
      const leader = this.leader();
      return leader !== null && leader.id !== except;
    });
    const leader = this.leader();
    if (!found || leader === null) throw new Error('no leader was elected');
    return leader;
  }

  /** Lines of every running member, after `ms` of settling. */
  settle(ms = 500): readonly (readonly string[])[] {
    this.loop.run(ms);
    return [...this.members.values()].map((member) => member.machine.lines);
  }

  #transport(self: MemberId, life: Life): Transport {
    const deliver = (to: MemberId, run: (target: Member) => void, lost: () => void): void => {
      this.loop.after(this.latencyMs, () => {
        const target = this.members.get(to);
        if (this.hanging.has(to)) return;
        if (target === undefined || this.cut.has(`${self}>${to}`)) lost();
        else target.life.arrives(() => this.#admit(self, life, { target, run }));
      });
    };
    return {
      send: (messages) => {
        for (const message of messages) {
          this.sent.push(message);
          this.#checkDurability(self, message);
          deliver(
            message.to,
            (target) => target.driver.onMessage(message),
            () => life.arrives(() => this.members.get(self)?.driver.onUnreachable(message.to)),
          );
        }
      },
      setAddresses: () => undefined,
      sendSnapshot: (
        to: MemberId,
        leaderTerm: Term,
        file: SnapshotFile,
        done: (delivered: boolean) => void,
      ) => {
        this.snapshotsSent += 1;
        const chunks = this.member(self).snapshots.chunksOf(file);
        let isOver = false;
        const end = (delayMs: number, delivered: boolean): void =>
          void life.later(delayMs, () => {
            if (!isOver) done(delivered);
            isOver = true;
          });
        // Whatever becomes of the request, the sender learns an end of it.
        end(SNAPSHOT_DEADLINE_MS + this.snapshotMs, false);
        if (chunks === null) return;
        const arrive = (target: Member): void => {
          target.driver.onSnapshot(self, leaderTerm, target.snapshots.put(file.meta, chunks));
          end(this.latencyMs, true);
        };
        this.loop.after(this.snapshotMs, () => deliver(to, arrive, () => end(this.latencyMs, false)));
      },
    };
  }

  /** As the routes of the real transport do: ask the driver first, and tell the sender a refusal. */
  #admit(
    from: MemberId,
    life: Life,
    { target, run }: { readonly target: Member; readonly run: (target: Member) => void },
  ): void {
    const verdict = target.driver.admits(from, incarnationOf(from, this.wipes.get(from)));
    if (verdict === 'yes') run(target);
    else life.arrives(() => this.members.get(from)?.driver.onRefused(target.id, verdict));
  }

  /** No vote and no acknowledgement leaves while what it promises is not on the disk. */
  #checkDurability(self: MemberId, message: Message): void {
    const { hardState, base, lastIndex } = this.image(self);
    if (message.term > hardState.term && !MAY_BE_EARLY.has(message.kind))
      throw new Error(`${message.kind} of term ${message.term} left before its term was durable`);
    // A later term on the disk forbids a second vote in this one as well.
    const isVote = message.kind === 'voteReply' && message.granted && message.term === hardState.term;
    if (isVote && hardState.votedFor !== message.to) throw new Error('a vote left before it was durable');
    if (message.kind === 'appendRequest') {
      for (const { index, term } of [message.previous, ...message.entries])
        this.#told.set(`${message.term}/${index}`, term);
    }
    if (message.kind !== 'appendAccepted' || message.matched < base.index) return;
    const told = this.#told.get(`${message.term}/${message.matched}`);
    if (
      message.matched > lastIndex ||
      (told !== undefined && this.image(self).termAt(message.matched) !== told)
    )
      throw new Error(`entry ${message.matched} was acknowledged before it was durable`);
  }
}

const SNAPSHOT_DEADLINE_MS = 1000;

/** Questions and answers that promise nothing about the term they name. */
const MAY_BE_EARLY: ReadonlySet<Message['kind']> = new Set([
  'preVoteRequest',
  'preVoteReply',
  'heartbeatReply',
]);
