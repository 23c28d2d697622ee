// What must hold at all times over the whole group, checked at every step, message, disk operation and applied entry.

import type { Message } from '../../src/raft/core/messages.ts';
import type { RaftCore } from '../../src/raft/core/raft-core.ts';
import type { Effects, Input } from '../../src/raft/core/step.ts';
import { logIndex, type Entry, type LogIndex, type MemberId } from '../../src/raft/core/types.ts';
import type { LogGroup } from '../../src/raft/ports.ts';
import type { Configurations } from './configurations.ts';
import type { Ledger, Violate } from './ledger.ts';
import type { DurableModel } from './log-witness.ts';
import type { Marks } from './marks.ts';

/** What the invariants know of a member. */
export interface Observed {
  readonly id: MemberId;
  readonly model: DurableModel;
  /** The core of the running process; null before its first step. */
  readonly core: RaftCore | null;
  /** Of the newest snapshot on disk; 0 when there is none. */
  readonly snapshotIndex: number;
  readonly applied: number;
  /** Its disk is gone or damaged: what it acknowledged before still counted then. */
  readonly lost: boolean;
  readonly process: Wakefulness | null;
  /** The entropy of ticks that its clock gave while something that had arrived during a freeze was not read yet. */
  readonly hastyTicks: ReadonlySet<number>;
}

/** How a process came by its time. */
export interface Wakefulness {
  /** Local milliseconds since the start in which this process could run. */
  readonly awakeMs: number;
  /** How often it was frozen. */
  readonly freezes: number;
}

/** What is remembered of one life of a member. */
interface Memory {
  term: number;
  commit: LogIndex;
  leads: boolean;
  ticks: number;
  /** The committed index when a read was asked, by the id of the read. */
  readonly reads: Map<number, LogIndex>;
}

/** Messages that promise something about the sender's disk. */
const AFTER_PERSIST_ONLY: ReadonlySet<Message['kind']> = new Set<Message['kind']>([
  'voteRequest',
  'voteReply',
  'appendAccepted',
]);

export interface InvariantParts {
  readonly members: readonly Observed[];
  readonly ledger: Ledger;
  readonly configurations: Configurations;
  readonly marks: Marks;
  readonly inflightMax: number;
  /** Local milliseconds from one tick to the next. */
  readonly tickMs: number;
  readonly violate: Violate;
}

export class Invariants {
  readonly #parts: InvariantParts;
  readonly #leaders = new Map<number, MemberId>();
  readonly #votes = new Map<string, MemberId>();
  readonly #memory = new Map<MemberId, Memory>();
  readonly #digests = new Map<number, string>();

  constructor(parts: InvariantParts) {
    this.#parts = parts;
  }

  /** A new life of `member` begins. */
  onBoot(member: Observed): void {
    this.#memory.set(member.id, { term: 0, commit: logIndex(0), leads: false, ticks: 0, reads: new Map() });
  }

  onStep(member: Observed, core: RaftCore, input: Input, effects: Effects): void {
    const memory = this.#memory.get(member.id);
    if (memory === undefined) return;
    const { term, role } = core.role;
    this.#check(term >= memory.term, 'monotonic', () => `the term fell from ${memory.term} to ${term}`);
    this.#check(core.commitIndex >= memory.commit, 'monotonic', 'the commit index fell');
    if (effects.truncateFrom !== null) {
      this.#parts.marks.hit('conflictTruncated');
      const leads = memory.leads && memory.term === term;
      this.#check(
        !leads,
        'leader append-only',
        () => `the leader of ${term} truncates from ${effects.truncateFrom}`,
      );
    }
    this.#markInput(core, input, effects);
    if (input.kind === 'tick') this.#checkTick(member, memory, input.entropy);
    if (effects.append.length > 0) {
      this.#parts.ledger.noteWritten(effects.append, (index) => core.termAt(logIndex(index)));
    }
    if (effects.membership !== null) this.#onMembership(core, effects);
    if (role === 'leader') this.#checkLeader(member, core, memory);
    if (effects.commit !== null) this.#checkCommit(member, core, memory);
    if (input.kind === 'persisted') this.#checkDurable(member, core);
    if (input.kind === 'read') memory.reads.set(input.id, this.#parts.ledger.max);
    this.#checkReads(memory, effects);
    this.#checkOrder(member, core);
    memory.term = term;
    memory.commit = core.commitIndex;
    memory.leads = role === 'leader';
  }

  /** `message` leaves the process: what it promises must be on the disk of who promises (paper section 5, figure 2). */
  onSend(member: Observed, message: Message): void {
    this.#check(message.from === member.id && message.to !== member.id, 'messages', 'sent for somebody else');
    if (!AFTER_PERSIST_ONLY.has(message.kind)) return;
    const { hardState, last } = member.model;
    const at = `${message.kind} of ${member.id} in term ${message.term}`;
    this.#check(hardState.term >= message.term, 'ack discipline', () => `${at} before its term is durable`);
    if (message.kind === 'appendAccepted' && hardState.term === message.term) {
      const { matched } = message;
      this.#check(
        last.index >= matched,
        'ack discipline',
        () => `${at} names ${matched}, durable is ${last.index}`,
      );
      this.#checkMatch(member, message.to, message.term, matched);
    }
    if (message.kind === 'voteRequest') this.#noteVote(member, message, member.id);
    if (message.kind === 'voteReply' && message.granted) this.#noteVote(member, message, message.to);
  }

  /** `operation` is about to change the durable log of `member`. */
  onDurableChange(
    member: Observed,
    operation:
      | { readonly kind: 'write'; readonly group: LogGroup }
      | { readonly kind: 'compact' | 'reset'; readonly base: { index: LogIndex; term: number } },
  ): void {
    const { ledger } = this.#parts;
    const { model } = member;
    if (operation.kind === 'write') {
      const { hardState, truncateFrom } = operation.group;
      const rises = hardState === null || hardState.term >= model.hardState.term;
      this.#check(rises, 'monotonic', 'the durable term falls');
      if (truncateFrom === null) return;
      const committed = ledger.termAt(truncateFrom);
      const held = committed !== null && model.termAt(truncateFrom) === committed;
      this.#check(!held, 'durability', () => `member ${member.id} cuts the committed entry ${truncateFrom}`);
      return;
    }
    const { base } = operation;
    const known = ledger.termAt(base.index) === base.term;
    this.#check(
      known,
      'durability',
      () => `${operation.kind} to ${base.index}@${base.term}, which is not committed`,
    );
    if (operation.kind === 'compact') return;
    const next = ledger.termAt(base.index + 1);
    const dropped = next !== null && model.termAt(base.index + 1) === next;
    this.#check(!dropped, 'durability', () => `a reset to ${base.index} drops the committed entry after it`);
  }

  /** `entries` were applied; `digest` is the state's after the last. */
  onApply(member: Observed, entries: readonly Entry[], digest: string): void {
    const { ledger } = this.#parts;
    const last = entries.at(-1);
    if (last === undefined) return;
    for (const entry of entries) {
      this.#check(
        ledger.has(entry),
        'state machine safety',
        () => `entry ${entry.index} is applied, not committed`,
      );
    }
    const commit = member.core?.commitIndex ?? 0;
    this.#check(
      last.index <= commit,
      'order',
      () => `entry ${last.index} is applied, committed is ${commit}`,
    );
    this.#check(
      member.model.holds(last),
      'order',
      () => `entry ${last.index} is applied before it is durable here`,
    );
    this.noteDigest(last.index, digest);
  }

  /** The state at `index` has `digest`, wherever and however it came about. */
  noteDigest(index: number, digest: string): void {
    const known = this.#digests.get(index);
    if (known === undefined) this.#digests.set(index, digest);
    this.#check((known ?? digest) === digest, 'state machine safety', () => `two states at entry ${index}`);
  }

  /**
   * Only time in which a member could have heard the others counts as silence: a tick comes after everything that arrived
   * while the process was frozen, and there is one tick for a freeze, however long it was.
   */
  #checkTick({ id, process, hastyTicks }: Observed, memory: Memory, entropy: number): void {
    if (process === null) return;
    memory.ticks += 1;
    const { awakeMs, freezes } = process;
    this.#check(
      !hastyTicks.has(entropy),
      'time',
      () => `a tick of ${id} counts before messages that were there`,
    );
    const ticksMax = awakeMs / this.#parts.tickMs + freezes + 2;
    this.#check(memory.ticks <= ticksMax, 'time', () => `${memory.ticks} ticks of ${id} in ${awakeMs} ms`);
  }

  #onMembership(core: RaftCore, effects: Effects): void {
    const { configurations, marks } = this.#parts;
    configurations.checkCore(core);
    const appends = effects.append.some(({ kind }) => kind === 'config');
    if (effects.truncateFrom !== null && !appends) marks.hit('configRolledBack');
  }

  #checkLeader(member: Observed, core: RaftCore, memory: Memory): void {
    const { term } = core.role;
    for (const peer of core.peers()) {
      const sound =
        peer.next > peer.match &&
        peer.match <= core.lastIndex &&
        peer.inflightCount <= this.#parts.inflightMax;
      this.#check(sound, 'order', () => `progress of ${peer.member}: ${JSON.stringify(peer)}`);
    }
    if (memory.leads && memory.term === term) return;
    this.#parts.marks.hit('leaderElected');
    const other = this.#leaders.get(term) ?? member.id;
    this.#check(
      other === member.id,
      'election safety',
      () => `members ${other} and ${member.id} lead term ${term}`,
    );
    this.#leaders.set(term, member.id);
    const missing = this.#parts.ledger.firstMissing(core.base.index, term, (index) => core.termAt(index));
    this.#check(
      missing === null,
      'leader completeness',
      () => `the leader of ${term}, member ${member.id}, lacks committed entry ${missing}`,
    );
  }

  #checkCommit(member: Observed, core: RaftCore, memory: Memory): void {
    const { ledger } = this.#parts;
    const { role, term } = core.role;
    const from = Math.max(core.base.index, memory.commit) + 1;
    if (!ledger.has(core.base)) {
      this.#check(false, 'committed is immutable', () => `the base ${core.base.index} is not history`);
    }
    if (from > core.commitIndex) return;
    const newest = ledger.noteCommitted(core.entries(logIndex(from), core.commitIndex), term);
    if (newest === null) return;
    // A leader that removed itself ends its lead in the very step that commits its removal.
    const leads = role === 'leader' || (memory.leads && memory.term === term);
    this.#check(leads, 'commit justified', () => `member ${member.id} is first and no leader`);
    if (role !== 'leader') this.#parts.marks.hit('leaderRemoved');
    const ownTerm = newest.term === term;
    this.#check(
      ownTerm,
      'commit justified',
      () => `entry ${newest.index} of ${newest.term} committed in ${term}`,
    );
    for (const voters of core.membership.voterSets) {
      const holders = this.#parts.members.filter(
        ({ id, model, lost }) => voters.includes(id) && (lost || model.holds(newest)),
      );
      const majority = holders.length * 2 > voters.length;
      this.#check(majority, 'commit justified', () => `entry ${newest.index} is on ${holders.length} disks`);
    }
  }

  /** What the core takes for durable is. */
  #checkDurable(member: Observed, core: RaftCore): void {
    const index = core.durableIndex;
    const term = core.termAt(index);
    if (term === null) return;
    this.#check(
      member.model.holds({ index, term }),
      'ack discipline',
      () => `${index} passes for durable and is not`,
    );
  }

  #checkReads(memory: Memory, effects: Effects): void {
    const { marks } = this.#parts;
    for (const { id, index } of effects.readsReady) {
      marks.hit('readConfirmed');
      const asked = memory.reads.get(id);
      memory.reads.delete(id);
      this.#check(asked !== undefined, 'reads', 'a read was answered twice');
      this.#check(index >= (asked ?? 0), 'reads', () => `a read of ${asked} is confirmed at ${index}`);
    }
    for (const id of effects.readsRefused) {
      marks.hit('readRefused');
      this.#check(memory.reads.delete(id), 'reads', 'a read was refused twice');
    }
  }

  #checkOrder(member: Observed, core: RaftCore): void {
    const base = core.base.index;
    this.#check(base <= core.commitIndex, 'order', 'base <= commit');
    this.#check(core.commitIndex <= core.lastIndex, 'order', 'commit <= last');
    this.#check(core.durableIndex <= core.lastIndex, 'order', 'durable <= last');
    this.#check(base === 0 || base <= member.snapshotIndex, 'order', () => `base ${base} without a snapshot`);
    // The commit index starts anew at the base with every life; what is applied was committed in an earlier one.
    const committed = this.#parts.ledger.max;
    this.#check(
      member.applied <= committed,
      'order',
      () => `applied ${member.applied}, committed ${committed}`,
    );
  }

  /** A follower that acknowledges holds what its leader holds there. */
  #checkMatch(member: Observed, to: MemberId, term: number, matched: LogIndex): void {
    const leader = this.#parts.members.find(({ id }) => id === to)?.core ?? null;
    if (leader === null || leader.role.role !== 'leader' || leader.role.term !== term) return;
    const here = member.model.termAt(matched);
    const there = leader.termAt(matched);
    if (here === null || there === null) return;
    this.#check(
      here === there,
      'log matching',
      () => `member ${member.id} acknowledges ${matched} of another term`,
    );
  }

  #noteVote(member: Observed, { term, incarnation }: Message, candidate: MemberId): void {
    const { hardState } = member.model;
    const told = hardState.term > term || hardState.votedFor === candidate;
    this.#check(
      told,
      'ack discipline',
      () => `a vote of ${member.id} in ${term} is told before it is durable`,
    );
    const key = `${member.id}/${incarnation}/${term}`;
    const before = this.#votes.get(key) ?? candidate;
    this.#check(
      before === candidate,
      'vote once',
      () => `member ${key} votes for ${before} and ${candidate}`,
    );
    this.#votes.set(key, candidate);
  }

  #markInput(core: RaftCore, input: Input, effects: Effects): void {
    const { marks } = this.#parts;
    if (input.kind === 'message' && input.message.kind === 'appendRejected' && core.role.role === 'leader') {
      marks.hit(effects.sendNow.length > 0 ? 'appendRejected' : 'staleReject');
    }
    if (input.kind === 'persisted' && input.last.index > 0) {
      const there = core.termAt(input.last.index);
      if (there !== null && there !== input.last.term) marks.hit('abaCompletion');
    }
    if (input.kind === 'message' && input.message.kind === 'timeoutNow' && effects.role === null) {
      marks.hit('lateTimeoutNow');
    }
    if (input.kind === 'snapshotInstalled') marks.hit('snapshotInstalled');
    if (input.kind === 'snapshotReceived' && effects.installSnapshot === null) marks.hit('snapshotUseless');
  }

  #check(holds: boolean, invariant: string, text: string | (() => string)): void {
    if (!holds) this.#parts.violate(invariant, typeof text === 'string' ? text : text());
  }
}
