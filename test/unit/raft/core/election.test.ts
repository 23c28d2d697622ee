import { describe, expect, test } from 'vitest';
import type { RaftCore } from '../../../../src/raft/core/raft-core.ts';
import { memberId } from '../../../../src/raft/core/types.ts';
import {
  GRANT,
  PRE_GRANT,
  accept,
  append,
  at,
  entriesOf,
  establish,
  hard,
  heartbeat,
  kinds,
  lead,
  logTerms,
  makeCore,
  persist,
  read,
  reject,
  restored,
  snapshotAt,
  snapshotFrom,
  tell,
  ticks,
} from '../../../support/raft-core/builders.ts';
import type { Body } from '../../../support/raft-core/builders.ts';

const VOTE_ME = { kind: 'voteRequest', last: at(9, 9) } as const;
const PRE_VOTE_ME = { kind: 'preVoteRequest', last: at(9, 9) } as const;
const DENY = { kind: 'voteReply', granted: false } as const;
const PRE_DENY = { kind: 'preVoteReply', granted: false } as const;

function candidate(): RaftCore {
  const core = makeCore({ term: 1 });
  ticks(core, 10);
  tell(core, 2, 2, PRE_GRANT);
  expect(core.role).toMatchObject({ role: 'candidate', term: 2 });
  return core;
}

describe('campaigns', () => {
  test('S01: one timer, one round of votes, one empty entry, committed', () => {
    const core = makeCore();
    const asked = ticks(core, 10).at(-1);
    expect(kinds(asked?.sendNow ?? [])).toEqual(['preVoteRequest', 'preVoteRequest']);
    expect(asked?.hardState).toBeNull();
    const campaign = tell(core, 2, 1, PRE_GRANT);
    expect(campaign.hardState).toEqual(hard(1, 1));
    expect(persist(core).role).toBeNull();
    const won = tell(core, 2, 1, GRANT);
    expect(won.role).toEqual({ role: 'leader', term: 1, leader: 1, established: false });
    expect(won.append).toMatchObject([{ index: 1, term: 1, kind: 'noop' }]);
    expect(kinds(won.sendNow)).toEqual(['appendRequest', 'appendRequest']);
    persist(core);
    const committed = tell(core, 3, 1, accept(1));
    expect(committed.commit).toBe(1);
    expect(committed.role).toEqual({ role: 'leader', term: 1, leader: 1, established: true });
  });

  test('S02, C11: a single voter leads and commits only when its vote and entry are durable, also after a restart', () => {
    for (const shape of [{ voters: [1] }, { voters: [1], term: 3, votedFor: 1, log: [3, 3] }]) {
      const core = makeCore(shape);
      expect(core.role.role).toBe('follower');
      ticks(core, 10);
      expect(core.role.role).toBe('candidate');
      const won = persist(core);
      expect(won.role?.role).toBe('leader');
      expect(won.commit).toBeNull();
      expect(persist(core)).toMatchObject({ commit: core.lastIndex, role: { established: true } });
    }
  });

  test('S05: election timeouts spread over [T, 2T) by the entropy of the tick after the timer starts', () => {
    for (const entropy of [0, 1, 7, 9, 10, 0xffff_ffff]) {
      const core = makeCore();
      const timeout = 10 + (entropy % 10);
      ticks(core, timeout - 1, entropy);
      expect(core.role.role).toBe('follower');
      ticks(core, 1, 3);
      expect(core.role.role).toBe('preCandidate');
    }
  });

  test('S05: two candidates that split the votes both start over, and a later term decides', () => {
    const core = candidate();
    persist(core);
    const split = tell(core, 2, 2, DENY);
    expect(split.role).toBeNull();
    tell(core, 3, 2, DENY);
    expect(core.role).toMatchObject({ role: 'follower', term: 2, leader: null });
    expect(core.hardState).toEqual(hard(2, 1));
    ticks(core, 10);
    tell(core, 3, 3, PRE_GRANT);
    persist(core);
    tell(core, 3, 3, GRANT);
    expect(core.role).toMatchObject({ role: 'leader', term: 3 });
  });

  test('a candidate without an answer asks again by pre-vote before it raises the term further', () => {
    const core = candidate();
    const again = ticks(core, 10).at(-1);
    expect(kinds(again?.sendNow ?? [])).toEqual(['preVoteRequest', 'preVoteRequest']);
    expect(core.role).toMatchObject({ role: 'preCandidate', term: 2 });
    expect(core.hardState).toEqual(hard(2, 1));
  });

  test('vote requests leave only when the candidate has written its term and vote', () => {
    const core = makeCore();
    ticks(core, 10);
    const campaign = tell(core, 3, 1, PRE_GRANT);
    expect(campaign.sendNow).toEqual([]);
    expect(kinds(campaign.sendAfterPersist)).toEqual(['voteRequest', 'voteRequest']);
  });

  test('C5, C11: the own vote counts only when it is durable', () => {
    const core = candidate();
    tell(core, 2, 2, GRANT);
    expect(core.role.role).toBe('candidate');
    core.step({ kind: 'persisted', last: core.last, hardState: hard(1) });
    expect(core.role.role).toBe('candidate');
    persist(core);
    expect(core.role.role).toBe('leader');
  });

  test('S09: late pre-votes, votes and completions of lost or newer elections count for nothing', () => {
    const core = candidate();
    tell(core, 3, 2, heartbeat());
    expect(core.role.role).toBe('follower');
    expect(persist(core).role).toBeNull();
    expect(tell(core, 2, 2, GRANT).role).toBeNull();
    ticks(core, 10);
    expect(core.role).toMatchObject({ role: 'preCandidate', term: 2 });
    tell(core, 2, 2, GRANT);
    tell(core, 2, 2, PRE_GRANT);
    tell(core, 2, 4, PRE_GRANT);
    expect(core.role).toMatchObject({ role: 'preCandidate', term: 2 });
    tell(core, 2, 3, PRE_GRANT);
    tell(core, 3, 2, GRANT);
    tell(core, 3, 3, PRE_GRANT);
    expect(core.role).toMatchObject({ role: 'candidate', term: 3 });
  });

  test('a lost pre-vote ends the campaign without a trace', () => {
    const core = makeCore({ term: 4 });
    ticks(core, 10);
    tell(core, 2, 4, PRE_DENY);
    const lost = tell(core, 3, 4, PRE_DENY);
    expect(lost.role).toEqual({ role: 'follower', term: 4, leader: null, established: false });
    expect(lost.hardState).toBeNull();
  });

  test('S57: learners and strangers never campaign, and learners are not asked for votes', () => {
    for (const shape of [{ voters: [2, 3], learners: [1] }, { voters: [2, 3] }, { voterSets: [] }]) {
      const core = makeCore(shape);
      ticks(core, 100);
      expect(core.role.role).toBe('follower');
    }
    const voter = makeCore({ learners: [4] });
    const asked = ticks(voter, 10).at(-1)?.sendNow ?? [];
    expect(asked.map((each) => each.to)).toEqual([2, 3]);
  });

  test('S50: in a joint configuration votes of both sets are needed', () => {
    const core = makeCore({
      voterSets: [
        [1, 2, 3],
        [3, 4, 5],
      ],
    });
    ticks(core, 10);
    tell(core, 2, 1, PRE_GRANT);
    tell(core, 4, 1, PRE_GRANT);
    expect(core.role.role).toBe('preCandidate');
    tell(core, 5, 1, PRE_GRANT);
    expect(core.role.role).toBe('candidate');
    persist(core);
    for (const voter of [4, 5]) tell(core, voter, 1, GRANT);
    expect(core.role.role).toBe('candidate');
    tell(core, 3, 1, GRANT);
    expect(core.role.role).toBe('leader');
  });
});

describe('votes', () => {
  test('S03: one vote a term, repeated to the same candidate, kept over restarts', () => {
    const core = makeCore();
    expect(tell(core, 2, 3, VOTE_ME)).toMatchObject({
      hardState: hard(3, 2),
      sendNow: [],
      sendAfterPersist: [{ kind: 'voteReply', to: 2, term: 3, granted: true }],
    });
    expect(tell(core, 2, 3, VOTE_ME).sendAfterPersist).toMatchObject([{ to: 2, granted: true }]);
    expect(tell(core, 3, 3, VOTE_ME).sendAfterPersist).toMatchObject([{ to: 3, granted: false }]);
    const again = makeCore({ term: 3, votedFor: 2 });
    expect(tell(again, 3, 3, VOTE_ME).sendAfterPersist).toMatchObject([{ to: 3, granted: false }]);
    expect(tell(again, 2, 3, VOTE_ME).sendAfterPersist).toMatchObject([{ to: 2, granted: true }]);
  });

  test('S04: a vote goes only to a log at least as complete', () => {
    const answers = (
      [
        [5, 3],
        [6, 3],
        [1, 4],
        [4, 3],
        [9, 2],
      ] as const
    ).map(([index, inTerm]) => {
      const core = makeCore({ log: [1, 1, 1, 3, 3] });
      const reply = tell(core, 2, 7, { kind: 'voteRequest', last: at(index, inTerm) }).sendAfterPersist[0];
      return reply?.kind === 'voteReply' && reply.granted;
    });
    expect(answers).toEqual([true, true, true, false, false]);
  });

  test('C5: no message of the term takes the vote back', () => {
    const core = makeCore();
    tell(core, 2, 3, VOTE_ME);
    tell(core, 3, 3, append(at(0, 0), entriesOf(1, [3])));
    tell(core, 3, 3, heartbeat());
    ticks(core, 20);
    tell(core, 3, 4, PRE_VOTE_ME);
    tell(core, 3, 3, PRE_DENY);
    expect(core.hardState).toEqual(hard(3, 2));
  });

  test('C5: a leader that steps down within its term keeps its vote', () => {
    const core = makeCore();
    lead(core);
    ticks(core, 10);
    expect(core.role.role).toBe('follower');
    expect(core.hardState).toEqual(hard(1, 1));
    expect(tell(core, 2, 1, VOTE_ME).sendAfterPersist).toMatchObject([{ granted: false }]);
  });

  test('S06: a candidate follows a leader of its own term and keeps its vote', () => {
    const bodies: readonly Body[] = [heartbeat(), append(at(0, 0), [])];
    for (const body of bodies) {
      const core = candidate();
      expect(tell(core, 3, 2, body).role).toEqual({
        role: 'follower',
        term: 2,
        leader: 3,
        established: false,
      });
      expect(core.hardState).toEqual(hard(2, 1));
    }
    const core = candidate();
    expect(core.step(snapshotFrom(3, 2, snapshotAt(5, 1))).role).toMatchObject({
      role: 'follower',
      leader: 3,
    });
    expect(core.hardState).toEqual(hard(2, 1));
  });

  test('a member that knows the leader of the term gives nobody else its vote', () => {
    const core = makeCore({ term: 2 });
    tell(core, 2, 2, heartbeat());
    ticks(core, 9);
    expect(tell(core, 3, 2, VOTE_ME).sendAfterPersist).toMatchObject([{ granted: false }]);
    expect(core.hardState).toEqual(hard(2));
  });

  test('a pre-candidate that gives its vote away ends its own campaign', () => {
    const core = makeCore({ term: 2 });
    ticks(core, 10);
    tell(core, 2, 2, VOTE_ME);
    expect(core.role.role).toBe('follower');
    tell(core, 3, 3, PRE_GRANT);
    expect(core.role).toMatchObject({ role: 'follower', term: 2 });
  });

  test('S54: a learner votes when it is asked', () => {
    const core = makeCore({ voters: [2, 3], learners: [1] });
    expect(tell(core, 2, 1, VOTE_ME).sendAfterPersist).toMatchObject([{ kind: 'voteReply', granted: true }]);
  });
});

describe('pre-votes', () => {
  test('S07: a pre-vote request changes nothing at the receiver, whatever its role', () => {
    const makers = [() => makeCore({ term: 2 }), candidate, () => makeCore({ term: 2, votedFor: 3 })];
    for (const make of makers) {
      const core = make();
      const before = { role: core.role, hardState: core.hardState };
      const effects = tell(core, 3, 7, PRE_VOTE_ME);
      expect({ role: core.role, hardState: core.hardState }).toEqual(before);
      expect(effects).toMatchObject({ hardState: null, role: null });
      expect(effects.sendAfterPersist).toMatchObject([{ kind: 'preVoteReply', term: 7, granted: true }]);
    }
  });

  test('a pre-vote of the present term is granted only where the vote could be', () => {
    const ask = (core: RaftCore): unknown => tell(core, 2, 3, PRE_VOTE_ME).sendAfterPersist[0];
    expect(ask(makeCore({ term: 3 }))).toMatchObject({ granted: true, term: 3 });
    expect(ask(makeCore({ term: 3, votedFor: 2 }))).toMatchObject({ granted: true, term: 3 });
    expect(ask(makeCore({ term: 3, votedFor: 3 }))).toMatchObject({ granted: false, term: 3 });
  });

  test('a shorter log is refused with the own term', () => {
    const core = makeCore({ log: [1, 2] });
    const reply = tell(core, 2, 9, { kind: 'preVoteRequest', last: at(1, 1) });
    expect(reply.sendAfterPersist).toMatchObject([{ kind: 'preVoteReply', term: 2, granted: false }]);
  });

  test('a refusal from a higher term makes the asker follow that term', () => {
    const core = makeCore();
    ticks(core, 10);
    expect(tell(core, 2, 6, PRE_DENY)).toMatchObject({ hardState: hard(6), role: { role: 'follower' } });
  });

  test('S12: a member cut off for 100 timeouts comes back in the term it left', () => {
    const core = makeCore({ term: 5 });
    ticks(core, 1000);
    expect(core.hardState).toEqual(hard(5));
    tell(core, 2, 5, heartbeat());
    expect(core.role).toMatchObject({ role: 'follower', term: 5, leader: 2 });
  });
});

describe('leases and CheckQuorum', () => {
  test('S13: requests within the lease of a live leader are ignored, after it they are answered', () => {
    const core = makeCore({ term: 2 });
    tell(core, 2, 2, heartbeat());
    ticks(core, 9, 9);
    expect(tell(core, 3, 3, VOTE_ME)).toMatchObject({ sendAfterPersist: [], sendNow: [], hardState: null });
    expect(tell(core, 3, 3, PRE_VOTE_ME).sendAfterPersist).toEqual([]);
    ticks(core, 1);
    expect(tell(core, 3, 3, PRE_VOTE_ME).sendAfterPersist).toMatchObject([{ granted: true }]);
    expect(tell(core, 3, 3, VOTE_ME)).toMatchObject({
      hardState: hard(3, 3),
      sendAfterPersist: [{ granted: true }],
    });
  });

  test('S13, S17: a leader ignores campaigns of a member that cannot hear it', () => {
    const core = makeCore();
    establish(core);
    expect(tell(core, 3, 2, PRE_VOTE_ME).sendAfterPersist).toEqual([]);
    expect(tell(core, 3, 2, VOTE_ME).sendAfterPersist).toEqual([]);
    expect(core.role).toMatchObject({ role: 'leader', term: 1 });
  });

  test('S14: a leader without a quorum for one election timeout steps down and refuses its reads', () => {
    const core = makeCore();
    establish(core);
    read(core, 7);
    ticks(core, 9);
    expect(core.role.role).toBe('leader');
    const last = ticks(core, 1)[0];
    expect(last?.role).toEqual({ role: 'follower', term: 1, leader: null, established: false });
    expect(last?.readsRefused).toEqual([7]);
    expect(last?.hardState).toBeNull();
    expect(core.step({ kind: 'propose', proposals: [{ id: 1, data: new Uint8Array(1) }] }).refused).toEqual([
      { id: 1, reason: 'notLeader' },
    ]);
  });

  test('S14: one follower of two is quorum enough, whatever it answers', () => {
    const core = makeCore();
    establish(core);
    const answers: readonly Body[] = [
      { kind: 'heartbeatReply', readRound: 0 },
      accept(1),
      reject(1, at(0, 0)),
    ];
    for (const body of answers) {
      ticks(core, 9);
      tell(core, 2, 1, body);
    }
    ticks(core, 9);
    expect(core.role.role).toBe('leader');
  });

  test('S50: CheckQuorum needs a majority of every voter set; learners do not count', () => {
    const core = makeCore({
      voterSets: [
        [1, 2, 3],
        [1, 4, 5],
      ],
      learners: [6],
    });
    lead(core);
    for (let round = 0; round < 2; round += 1) {
      ticks(core, 5);
      for (const peer of [2, 3, 6]) tell(core, peer, 1, { kind: 'heartbeatReply', readRound: 0 });
    }
    expect(core.role.role).toBe('follower');
  });

  test('S15, S08: a leader of a lower term is told the term, so that a stuck member is freed', () => {
    const stuck = makeCore({ term: 8 });
    const beat = tell(stuck, 2, 5, heartbeat());
    expect(beat.sendNow).toMatchObject([{ kind: 'heartbeatReply', to: 2, term: 8 }]);
    const appended = tell(stuck, 2, 5, append(at(0, 0), []));
    expect(appended.sendAfterPersist).toMatchObject([{ kind: 'appendRejected', to: 2, term: 8 }]);
    expect(stuck.role).toMatchObject({ role: 'follower', term: 8, leader: null });
    const leader = makeCore();
    establish(leader);
    expect(tell(leader, 3, 8, { kind: 'heartbeatReply', readRound: 0 })).toMatchObject({
      hardState: hard(8),
      role: { role: 'follower', leader: null },
    });
  });

  test('S08: requests of a lower term are refused with the present one, answers are dropped', () => {
    const core = makeCore({ term: 4 });
    expect(tell(core, 2, 3, VOTE_ME).sendAfterPersist).toMatchObject([
      { kind: 'voteReply', term: 4, granted: false },
    ]);
    expect(tell(core, 2, 3, PRE_VOTE_ME).sendAfterPersist).toMatchObject([
      { kind: 'preVoteReply', term: 4, granted: false },
    ]);
    const answers: readonly Body[] = [
      GRANT,
      PRE_GRANT,
      accept(1),
      reject(1, at(0, 0)),
      { kind: 'heartbeatReply', readRound: 1 },
    ];
    for (const body of answers) {
      const effects = tell(core, 2, 3, body);
      expect([...effects.sendNow, ...effects.sendAfterPersist]).toEqual([]);
    }
    expect(core.role).toMatchObject({ role: 'follower', term: 4 });
  });

  test('S07: any other message of a higher term makes any role a follower of that term', () => {
    const bodies: readonly Body[] = [
      VOTE_ME,
      { kind: 'voteReply', granted: true },
      append(at(0, 0), []),
      accept(0),
      reject(1, at(0, 0)),
      heartbeat(),
      { kind: 'heartbeatReply', readRound: 0 },
    ];
    for (const body of bodies) {
      const core = candidate();
      tell(core, 3, 9, body);
      expect(core.role).toMatchObject({ role: 'follower', term: 9 });
    }
    const leader = makeCore();
    establish(leader);
    tell(leader, 3, 9, heartbeat());
    expect(leader.role).toMatchObject({ role: 'follower', term: 9, leader: 3 });
  });

  test('S16: a follower that hears its leader never campaigns', () => {
    const core = makeCore({ term: 1 });
    for (let round = 0; round < 20; round += 1) {
      ticks(core, 3);
      tell(core, 2, 1, heartbeat());
    }
    expect(core.role).toMatchObject({ role: 'follower', term: 1, leader: 2 });
  });

  test('S19: who starts a pre-vote gives up its leader and grants the pre-vote of another', () => {
    const core = makeCore({ term: 1 });
    tell(core, 2, 1, heartbeat());
    ticks(core, 10);
    expect(core.role).toMatchObject({ role: 'preCandidate', leader: null });
    expect(tell(core, 3, 2, PRE_VOTE_ME).sendAfterPersist).toMatchObject([{ granted: true }]);
  });

  test('S76: a follower that was frozen campaigns only after its own ticks, not after a leader was heard', () => {
    const core = makeCore({ term: 1 });
    tell(core, 2, 1, heartbeat());
    ticks(core, 9);
    tell(core, 2, 1, heartbeat());
    ticks(core, 9);
    expect(core.role.role).toBe('follower');
  });
});

describe('a new leader', () => {
  test('appends one empty entry of its own term and counts inherited entries as uncommitted', () => {
    const core = makeCore({ log: [1, 1], term: 1 });
    lead(core);
    expect(logTerms(core)).toEqual([1, 1, 2]);
    expect(core.uncommittedBytes).toBe(6);
    expect(core.peers()).toMatchObject([
      { member: 2, state: 'probe', match: 0, next: 3 },
      { member: 3, state: 'probe', match: 0, next: 3 },
    ]);
  });

  test('C13: what a deposed leader is asked to append is refused, and nothing of it gets into the log', () => {
    const core = makeCore();
    establish(core);
    tell(core, 2, 5, heartbeat());
    const effects = core.step({ kind: 'propose', proposals: [{ id: 4, data: new Uint8Array(3) }] });
    expect(effects).toMatchObject({ append: [], refused: [{ id: 4, reason: 'notLeader' }] });
    expect(logTerms(core)).toEqual([1]);
    expect(core.uncommittedBytes).toBe(0);
  });
});

describe('options', () => {
  test.each([
    { heartbeatTicks: 0 },
    { electionTicks: 2 },
    { electionTicks: 10.5 },
    { appendEntriesMax: 0 },
    { appendBytesMax: 0 },
    { inflightMax: 0 },
    { uncommittedBytesMax: -1 },
    { readsMax: -1 },
  ])('that make no sense are refused: %j', (options) => {
    expect(() => makeCore({ options })).toThrow();
  });

  test('a restored state is taken over as it is', () => {
    const core = makeCore({ term: 7, votedFor: 3, base: [4, 2], log: [3, 7] });
    expect(core.hardState).toEqual(restored({ term: 7, votedFor: 3 }).hardState);
    expect([core.base.index, core.commitIndex, core.lastIndex, core.durableIndex]).toEqual([4, 4, 6, 6]);
    expect(core.membership.voterSets).toEqual([[memberId(1), memberId(2), memberId(3)]]);
  });
});
