// What must hold over a whole group at all times, checked after every step (Raft paper, figure 3, and more).

import { assert, present } from '../../../src/base/assert.ts';
import { isJoint } from '../../../src/raft/core/membership.ts';
import { leftJoint } from '../../../src/raft/core/membership-change.ts';
import { decodeMembership, sameMembership } from '../../../src/raft/core/membership-codec.ts';
import type { Message } from '../../../src/raft/core/messages.ts';
import type { Effects, Input } from '../../../src/raft/core/step.ts';
import { logIndex } from '../../../src/raft/core/types.ts';
import type { Entry, LogIndex, LogPosition, MemberId, Membership } from '../../../src/raft/core/types.ts';
import { CoverageWatch } from './coverage-marks.ts';
import type { DurableMember } from './durable-member.ts';

const AFTER_PERSIST_ONLY: ReadonlySet<Message['kind']> = new Set<Message['kind']>([
  'voteRequest',
  'voteReply',
  'preVoteReply',
  'appendAccepted',
  'appendRejected',
]);

interface Memory {
  readonly term: number;
  readonly commit: LogIndex;
  readonly leads: boolean;
}

export class GroupInvariants {
  readonly #members: readonly DurableMember[];
  readonly #leaders = new Map<number, MemberId>();
  readonly #votes = new Map<string, MemberId>();
  readonly #written = new Map<string, string>();
  readonly #committed: (LogPosition & { readonly text: string })[] = [];
  readonly #memory = new Map<MemberId, Memory>();
  readonly #durableTerms = new Map<MemberId, number>();
  readonly #reads = new Map<string, LogIndex>();
  readonly #wiped = new Set<MemberId>();
  readonly #watch = new CoverageWatch();
  #committedMembership: Membership | null = null;
  /** How often things happened that a run is worth nothing without. */
  readonly marks = new Map<string, number>();

  constructor(members: readonly DurableMember[]) {
    this.#members = members;
  }

  /** The highest index that any member has ever called committed. */
  get committedMax(): LogIndex {
    return logIndex(this.#committed.length);
  }

  mark(name: string): void {
    this.marks.set(name, (this.marks.get(name) ?? 0) + 1);
  }

  /** A wiped disk remembers nothing, and nobody may listen to it. */
  onWipe(member: DurableMember): void {
    this.#durableTerms.delete(member.id);
    this.#wiped.add(member.id);
    this.mark('wiped');
  }

  onRestart(member: DurableMember): void {
    this.#memory.delete(member.id);
    const { term } = member.durable.hardState;
    assert(term >= (this.#durableTerms.get(member.id) ?? 0), 'the durable term never falls');
    this.mark('restart');
  }

  /** A linearizable read must see everything that anybody knew to be committed when it was asked. */
  onReadAsked(member: DurableMember, id: number): void {
    this.#reads.set(`${member.id}/${id}`, this.committedMax);
  }

  onStep(member: DurableMember, input: Input, effects: Effects): void {
    const { core } = member;
    const before = this.#memory.get(member.id) ?? { term: 0, commit: logIndex(0), leads: false };
    assert(core.role.term >= before.term, 'the term never falls');
    assert(core.commitIndex >= before.commit, 'the commit index never falls');
    if (effects.truncateFrom !== null) {
      assert(!(before.leads && before.term === core.role.term), 'a leader only appends');
    }
    for (const mark of this.#watch.marksOf(core, input, effects)) this.mark(mark);
    this.#noteWritten(member, effects.append);
    if (effects.membership !== null)
      assert(effects.membership === core.membership, 'the effect tells the membership');
    this.#noteLeader(member, before);
    this.#noteCommitted(member, effects);
    this.#noteReads(member, effects);
    if (input.kind === 'snapshotInstalled') this.mark('snapshot installed');
    for (const peer of core.peers()) {
      assert(peer.next > peer.match, 'next is above match');
      assert(peer.match <= core.lastIndex, 'nobody matches more than there is');
    }
    const leads = core.role.role === 'leader';
    this.#memory.set(member.id, { term: core.role.term, commit: core.commitIndex, leads });
  }

  onMessages(member: DurableMember, messages: readonly Message[], afterPersist: boolean): void {
    for (const message of messages) {
      assert(message.from === member.id && message.to !== member.id, 'messages go from self to others');
      if (!afterPersist) assert(!AFTER_PERSIST_ONLY.has(message.kind), `${message.kind} waits for the disk`);
      else this.#checkPromise(member, message);
    }
  }

  /** What a message promises must be on the disk of the one who promises. */
  #checkPromise(member: DurableMember, message: Message): void {
    const { hardState, base, entries } = member.durable;
    this.#durableTerms.set(member.id, Math.max(hardState.term, this.#durableTerms.get(member.id) ?? 0));
    if (message.kind === 'appendAccepted') {
      assert(hardState.term >= message.term, 'the term behind an acknowledgement is durable');
      // A later truncation in a later term may already be durable too: then the sender has moved on.
      if (hardState.term === message.term) {
        assert(base.index + entries.length >= message.matched, 'acknowledged entries are durable');
      }
    }
    if (message.kind === 'voteRequest') this.#noteVote(member, message.term, member.id);
    if (message.kind === 'voteReply' && message.granted) this.#noteVote(member, message.term, message.to);
  }

  #noteVote(member: DurableMember, term: number, candidate: MemberId): void {
    const { hardState } = member.durable;
    assert(hardState.term >= term, 'the term behind a vote is durable');
    assert(hardState.term > term || hardState.votedFor === candidate, 'a vote is durable before it is told');
    const key = `${member.incarnation}/${term}`;
    assert((this.#votes.get(key) ?? candidate) === candidate, 'one vote a term, across restarts');
    this.#votes.set(key, candidate);
  }

  /** Log Matching: a position names one entry and one entry before it. */
  #noteWritten(member: DurableMember, entries: readonly Entry[]): void {
    for (const entry of entries) {
      const previous = member.core.termAt(logIndex(entry.index - 1));
      const text = `${previous} ${entry.kind} ${textOf(entry)}`;
      const key = `${entry.index}@${entry.term}`;
      assert((this.#written.get(key) ?? text) === text, `one history at ${key}`);
      this.#written.set(key, text);
      if (entry.kind === 'config') this.#checkConfig(member, entry);
    }
  }

  /** Two neighbouring memberships share a voter set, and a leader changes only what is committed. */
  #checkConfig(member: DurableMember, entry: Entry): void {
    const { core } = member;
    const before = core.membershipAt(logIndex(entry.index - 1));
    const sets = new Set(core.membershipAt(entry.index).voterSets.map((voters) => voters.join()));
    const empty = before.voterSets.every((voters) => voters.length === 0);
    const shared = before.voterSets.some((voters) => sets.has(voters.join()));
    assert(shared || empty, `the membership at ${entry.index} shares a majority with the one before`);
    if (core.role.role !== 'leader') return;
    assert(core.role.established || entry.index === 1, 'nothing is changed before a commit in the own term');
    const from = logIndex(core.commitIndex + 1);
    const open = core.entries(from, core.lastIndex).filter((each) => each.kind === 'config');
    assert(open.length <= 1, 'a leader has one membership change under way');
  }

  /** A joint membership is followed by the one that leaves it, exactly once. */
  #noteCommittedConfig(entry: Entry): void {
    const next = present(decodeMembership(entry.data), 'a committed membership is readable');
    const before = this.#committedMembership;
    this.#committedMembership = next;
    if (before === null) return;
    if (isJoint(before))
      assert(sameMembership(next, leftJoint(before)), 'a joint membership is left, nothing else');
    else if (isJoint(next))
      assert(next.voterSets[1]?.join() === before.voterSets[0]?.join(), 'the old voters agree');
  }

  #noteLeader(member: DurableMember, before: Memory): void {
    const { core } = member;
    const { role, term } = core.role;
    if (role !== 'leader' || (before.leads && before.term === term)) return;
    this.mark('leader elected');
    assert((this.#leaders.get(term) ?? member.id) === member.id, `one leader in term ${term}`);
    this.#leaders.set(term, member.id);
    for (const position of this.#committed.slice(core.base.index)) {
      assert(core.termAt(position.index) === position.term, `a new leader holds committed ${position.index}`);
    }
  }

  #noteCommitted(member: DurableMember, effects: Effects): void {
    const { core } = member;
    if (effects.commit === null) return;
    assert(effects.commit === core.commitIndex, 'the effect tells the commit index');
    const from = Math.max(core.base.index + 1, (this.#memory.get(member.id)?.commit ?? 0) + 1);
    for (const entry of core.entries(logIndex(from), effects.commit)) {
      const known = this.#committed[entry.index - 1];
      if (known === undefined) {
        assert(entry.index === this.#committed.length + 1, 'commitment has no gap');
        this.#checkJustified(member, entry);
        if (entry.kind === 'config') this.#noteCommittedConfig(entry);
        this.#committed.push({ index: entry.index, term: entry.term, text: textOf(entry) });
      } else {
        assert(
          known.term === entry.term && known.text === textOf(entry),
          `committed ${entry.index} never changes`,
        );
      }
    }
    const { base } = core;
    if (base.index > 0) {
      assert(
        present(this.#committed[base.index - 1], 'a base is committed').term === base.term,
        'a base is history',
      );
    }
  }

  /** The first to call an entry committed is a leader, in its own term, with a majority of disks behind it. */
  #checkJustified(member: DurableMember, entry: Entry): void {
    const { core } = member;
    // A leader that was removed steps down in the step that commits its removal.
    const led = this.#memory.get(member.id)?.leads === true;
    assert(core.role.role === 'leader' || led, 'commitment is decided by a leader');
    assert(core.termAt(core.commitIndex) === core.role.term, 'commitment is decided in the own term');
    // A lost disk may have held what it had acknowledged; the leader counted that and could not know.
    const holding = this.#members.filter((each) => each.holdsDurably(entry) || this.#wiped.has(each.id));
    const holders = new Set(holding.map((each) => each.id));
    for (const voters of core.membership.voterSets) {
      const count = voters.filter((voter) => holders.has(voter)).length;
      assert(
        count * 2 > voters.length,
        `committed ${entry.index} is durable on a majority of ${voters.join()}`,
      );
    }
  }

  #noteReads(member: DurableMember, effects: Effects): void {
    for (const { id, index } of effects.readsReady) {
      const key = `${member.id}/${id}`;
      assert(index >= present(this.#reads.get(key), 'a read is answered once'), 'a read is linearizable');
      this.#reads.delete(key);
      this.mark('read confirmed');
    }
    for (const id of effects.readsRefused) {
      assert(this.#reads.delete(`${member.id}/${id}`), 'a read is refused once');
      this.mark('read refused');
    }
  }
}

function textOf(entry: Entry): string {
  return new TextDecoder().decode(entry.data);
}
