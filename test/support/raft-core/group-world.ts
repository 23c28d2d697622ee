// A group of cores over a network that loses, repeats, delays and reorders, with slow disks and crashes; all from one seed.

import { assert } from '../../../src/base/assert.ts';
import { createSeededRandom, randomBelow } from '../../../src/base/random.ts';
import type { Random } from '../../../src/base/random.ts';
import { allMembers, foundingMembership, isJoint, isVoter } from '../../../src/raft/core/membership.ts';
import type { MembershipChange } from '../../../src/raft/core/membership-change.ts';
import type { Message } from '../../../src/raft/core/messages.ts';
import type { CoreOptions, Effects, Input } from '../../../src/raft/core/step.ts';
import { logIndex, memberId } from '../../../src/raft/core/types.ts';
import type { MemberId, RestoredState, SnapshotMeta, Term } from '../../../src/raft/core/types.ts';
import { bytes, incarnationOf, membership, restored, unbound } from './builders.ts';
import { DurableMember } from './durable-member.ts';
import type { MemberListener } from './durable-member.ts';
import { GroupInvariants } from './group-invariants.ts';

/** How a run goes; everything else follows from the seed. Percentages are 0..100. */
export interface WorldOptions {
  readonly seed: number;
  /** Voters at the start, with the ids 1 to `members`. */
  readonly members: number;
  /** Further members that know nobody and wait to be added. */
  readonly spares: number;
  /** The voters start without being bound to their incarnations. */
  readonly founding: boolean;
  readonly changes: boolean;
  readonly transfers: boolean;
  /** One member may lose its disk, once; only without changes, so that a quorum remains. */
  readonly wipe: boolean;
  readonly lossPercent: number;
  readonly repeatPercent: number;
  readonly crashes: boolean;
  readonly partitions: boolean;
  readonly compactions: boolean;
  /** How often each thing happens, relative to the others. */
  readonly weights: { readonly tick: number; readonly deliver: number; readonly disk: number };
  /** One in so many chances of its disk a slow member takes; 1 for none slow. Member 1 is the slow one. */
  readonly slowDisk: number;
  readonly core: Omit<CoreOptions, 'self' | 'incarnation'>;
}

type Parcel =
  | { readonly kind: 'message'; readonly message: Message }
  | {
      readonly kind: 'snapshot';
      readonly from: MemberId;
      readonly to: MemberId;
      readonly term: Term;
      readonly snapshot: SnapshotMeta;
    };

const PAST_MESSAGES_MAX = 200;

export class GroupWorld implements MemberListener {
  readonly members: readonly DurableMember[];
  readonly invariants: GroupInvariants;
  readonly #options: WorldOptions;
  readonly #random: Random;
  #parcels: Parcel[] = [];
  readonly #past: Message[] = [];
  /** Directed links that are cut, `from>to`. */
  readonly #cut = new Set<string>();
  #nextId = 0;
  #healed = false;
  #wiped: MemberId | null = null;

  constructor(options: WorldOptions) {
    this.#options = options;
    this.#random = createSeededRandom(options.seed);
    const ids = Array.from({ length: options.members + options.spares }, (_, position) => position + 1);
    this.members = ids.map((id) => {
      const identity = { self: memberId(id), incarnation: incarnationOf(id) };
      return new DurableMember({ ...options.core, ...identity }, this.#initial(id), this);
    });
    this.invariants = new GroupInvariants(this.members);
  }

  onStep(member: DurableMember, input: Input, effects: Effects): void {
    this.invariants.onStep(member, input, effects);
  }

  onMessages(member: DurableMember, messages: readonly Message[], afterPersist: boolean): void {
    this.invariants.onMessages(member, messages, afterPersist);
    for (const message of messages) {
      this.#parcels.push({ kind: 'message', message });
      this.#past[this.#below(PAST_MESSAGES_MAX)] = message;
    }
  }

  onSendSnapshot(member: DurableMember, to: MemberId): void {
    const { base } = member.durable;
    this.#parcels.push({
      kind: 'snapshot',
      from: member.id,
      to,
      term: member.core.role.term,
      snapshot: base,
    });
  }

  /** What a member's disk holds before its first start. */
  #initial(id: number): RestoredState {
    const { members, founding } = this.#options;
    if (id > members) return restored({ membership: foundingMembership(new Map()) });
    const voters = membership(Array.from({ length: members }, (_, position) => position + 1));
    return restored({ membership: founding ? unbound(voters) : voters });
  }

  /** Lets `count` things happen. */
  run(count: number): void {
    for (let done = 0; done < count; done += 1) this.#something();
  }

  /** Ends all faults and requires the group to work again within a bounded time. */
  healAndRequireProgress(): void {
    this.#healed = true;
    this.#cut.clear();
    for (const member of this.members) if (!member.running) this.#restart(member);
    const rounds = 60 * this.#options.core.electionTicks;
    let text: string | null = null;
    for (let round = 0; round < rounds; round += 1) {
      for (const member of this.members) this.#tick(member);
      this.#settle();
      const leader = this.members.find(
        (member) => member.core.role.established && member.core.transferTarget === null,
      );
      if (leader === undefined) continue;
      if (text === null) {
        text = 'after healing';
        this.#propose(leader, text);
        this.#read(leader);
      } else if (this.#converged(leader)) {
        return;
      }
    }
    assert(false, 'the healed group makes progress');
  }

  #converged(leader: DurableMember): boolean {
    const { last, commitIndex, membership: agreed } = leader.core;
    if (commitIndex !== last.index || this.invariants.committedMax !== commitIndex) return false;
    return (
      isVoter(agreed, leader.id) &&
      !isJoint(agreed) &&
      allMembers(agreed).every((id) => {
        const core = this.members[id - 1]?.core;
        if (id === this.#wiped) return true;
        return core?.lastIndex === last.index && core.commitIndex === commitIndex;
      })
    );
  }

  /** Delivers and writes until nothing moves; bounded, since every message leads to a bounded exchange. */
  #settle(): void {
    for (let guard = 0; guard < 20_000; guard += 1) {
      const parcel = this.#parcels.shift();
      if (parcel !== undefined) {
        this.#deliver(parcel);
        continue;
      }
      const busy = this.members.filter((member) => member.pendingOperations > 0);
      if (busy.length === 0) return;
      for (const member of busy) member.completeOldest();
    }
    assert(false, 'the exchange comes to rest');
  }

  #something(): void {
    const member = this.members[this.#below(this.members.length)];
    if (member === undefined) return;
    const { tick, deliver, disk } = this.#options.weights;
    const die = this.#below(tick + deliver + disk + 195);
    if (!member.running) {
      if (die < 60) this.#restart(member);
      else this.#deliverAny();
      return;
    }
    if (die < tick) this.#tick(member);
    else if (die < tick + deliver) this.#deliverAny();
    else if (die < tick + deliver + disk) this.#disk(member);
    else this.#rarely(member, die - tick - deliver - disk);
  }

  /** What happens seldom; `die` is 0..194. */
  #rarely(member: DurableMember, die: number): void {
    if (die < 30) member.mergeWrites();
    else if (die < 80) this.#propose(member, `c${this.#nextId}`);
    else if (die < 105) this.#read(member);
    else if (die < 115) this.#redeliverPast();
    else if (die < 125) this.#unreachable(member);
    else if (die < 140) this.#compact(member);
    else if (die < 148) this.#crash(member);
    else if (die < 160) this.#partition();
    else if (die < 180) this.#changeMembership();
    else this.#transfer();
  }

  #disk(member: DurableMember): void {
    if (member.id === 1 && this.#below(this.#options.slowDisk) > 0) return;
    member.completeOldest();
  }

  #tick(member: DurableMember): void {
    member.step({ kind: 'tick', entropy: this.#random.uint32() });
  }

  #propose(member: DurableMember, text: string): void {
    this.#nextId += 1;
    member.step({ kind: 'propose', proposals: [{ id: this.#nextId, data: bytes(text) }] });
  }

  #read(member: DurableMember): void {
    this.#nextId += 1;
    this.invariants.onReadAsked(member, this.#nextId);
    member.step({ kind: 'read', id: this.#nextId });
  }

  #unreachable(member: DurableMember): void {
    const peer = this.members[this.#below(this.members.length)];
    if (peer !== undefined && peer !== member) member.step({ kind: 'unreachable', peer: peer.id });
  }

  #compact(member: DurableMember): void {
    if (!this.#options.compactions) return;
    const { base, entries } = member.durable;
    const upTo = Math.min(member.core.commitIndex, base.index + entries.length);
    const index = logIndex(base.index + this.#below(upTo - base.index + 1));
    const inMemory = member.core.termAt(index);
    // What is durable and committed may differ from memory while an overwriting is on its way to the disk.
    if (inMemory === null || index <= member.core.base.index) return;
    if (member.holdsDurably({ index, term: inMemory })) member.compact(index);
  }

  #crash(member: DurableMember): void {
    if (!this.#options.crashes) return;
    member.crash(this.#below(member.pendingOperations + 1));
    this.invariants.mark('crash');
  }

  #restart(member: DurableMember): void {
    this.#wipe(member);
    member.restart();
    this.invariants.onRestart(member);
  }

  #wipe(member: DurableMember): void {
    const { wipe, changes, members } = this.#options;
    if (!wipe || changes || members < 3 || this.#wiped !== null || this.#healed || this.#below(4) > 0) return;
    this.#wiped = member.id;
    member.wipe(this.#initial(member.id), incarnationOf(member.id, 1));
    this.invariants.onWipe(member);
  }

  /** A member that leads now, if there is one; any other would only refuse. */
  #leader(): DurableMember | undefined {
    return this.members.find((member) => member.running && member.core.role.role === 'leader');
  }

  #changeMembership(): void {
    const leader = this.#leader();
    if (!this.#options.changes || leader === undefined) return;
    this.#nextId += 1;
    leader.step({ kind: 'changeMembership', id: this.#nextId, change: this.#anyChange(leader) });
  }

  /** Any change at all, most of them sensible. */
  #anyChange(leader: DurableMember): MembershipChange {
    const { learners } = leader.core.membership;
    const somebody = memberId(1 + this.#below(this.members.length));
    const incarnation = incarnationOf(somebody);
    const die = this.#below(10);
    if (die < 3) {
      const known = this.#below(3) > 0 ? incarnation : null;
      return { kind: 'addLearner', member: somebody, address: `member:${somebody}`, incarnation: known };
    }
    const learner = learners[this.#below(Math.max(1, learners.length))];
    if (die < 7 && learner !== undefined) {
      const bound = leader.core.membership.incarnations.has(learner);
      if (bound) return { kind: 'promote', member: learner };
      return { kind: 'bind', member: learner, incarnation: incarnationOf(learner) };
    }
    if (die < 9) return { kind: 'remove', member: somebody };
    const voters = this.members.filter(() => this.#below(2) === 0).map((member) => member.id);
    return { kind: 'replaceVoters', voters };
  }

  #transfer(): void {
    const leader = this.#leader();
    if (!this.#options.transfers || leader === undefined) return;
    const to = this.#below(2) === 0 ? null : memberId(1 + this.#below(this.members.length));
    leader.step({ kind: 'transfer', to });
  }

  #partition(): void {
    if (!this.#options.partitions) return;
    this.#cut.clear();
    const kind = this.#below(4);
    if (kind < 2) return;
    // Half of the partitions take a leader away from the rest, the others cut any links.
    const leader = this.members.find((member) => member.running && member.core.role.role === 'leader');
    for (const from of this.members) {
      for (const to of this.members) {
        const apart = kind === 2 ? (from === leader) !== (to === leader) : this.#below(100) < 35;
        if (from !== to && apart) this.#cut.add(`${from.id}>${to.id}`);
      }
    }
    this.invariants.mark('partition');
  }

  /** A message from the past arrives once more, however old. */
  #redeliverPast(): void {
    const message = this.#past[this.#below(PAST_MESSAGES_MAX)];
    if (message !== undefined) this.#deliver({ kind: 'message', message });
  }

  /** Any parcel under way is next: order means nothing. */
  #deliverAny(): void {
    const at = this.#below(Math.max(1, this.#parcels.length));
    const parcel = this.#parcels[at];
    if (parcel === undefined) return;
    const last = this.#parcels.pop();
    if (last !== undefined && last !== parcel) this.#parcels[at] = last;
    if (this.#below(100) < this.#options.repeatPercent) this.#parcels.push(parcel);
    this.#deliver(parcel);
  }

  #deliver(parcel: Parcel): void {
    const { from, to } = parcel.kind === 'message' ? parcel.message : parcel;
    const lost =
      !this.#healed && (this.#cut.has(`${from}>${to}`) || this.#below(100) < this.#options.lossPercent);
    const receiver = this.members[to - 1];
    const arrives = !lost && receiver !== undefined && receiver.running;
    if (parcel.kind === 'message') {
      if (arrives) receiver.step({ kind: 'message', message: parcel.message });
      return;
    }
    const { term, snapshot } = parcel;
    if (arrives) receiver.step({ kind: 'snapshotReceived', from, term, snapshot });
    const sender = this.members[from - 1];
    if (sender === undefined || !sender.running) return;
    sender.step({ kind: 'snapshotSent', to, index: snapshot.index, delivered: arrives });
  }

  #below(bound: number): number {
    return randomBelow(this.#random, bound);
  }
}
