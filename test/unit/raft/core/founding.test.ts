import { describe, expect, test } from 'vitest';
import { decodeMembership } from '../../../../src/raft/core/membership-codec.ts';
import type { RaftCore } from '../../../../src/raft/core/raft-core.ts';
import { memberId } from '../../../../src/raft/core/types.ts';
import {
  GRANT,
  PRE_GRANT,
  accept,
  append,
  at,
  entry,
  heartbeat,
  incarnationOf,
  makeCore,
  membership,
  message,
  persist,
  tell,
  ticks,
  unbound,
} from '../../../support/raft-core/builders.ts';
import type { Body, Shape } from '../../../support/raft-core/builders.ts';

const three = unbound(membership([1, 2, 3]));

function unfounded(shape: Shape = {}): RaftCore {
  return makeCore({ membership: three, ...shape });
}

/** A message of member `from` after its disk was wiped. */
function tellWiped(core: RaftCore, from: number, inTerm: number, body: Body): void {
  const each = { ...message(from, 1, inTerm, body), incarnation: incarnationOf(from, 1) };
  core.step({ kind: 'message', message: each });
}

describe('the first election of a group', () => {
  test('needs a pre-vote and a vote of every voter', () => {
    const core = unfounded();
    ticks(core, 10);
    tell(core, 2, 1, PRE_GRANT);
    expect(core.role.role).toBe('preCandidate');
    tell(core, 3, 1, PRE_GRANT);
    persist(core);
    tell(core, 2, 1, GRANT);
    expect(core.role.role).toBe('candidate');
    tell(core, 3, 1, GRANT);
    expect(core.role.role).toBe('leader');
  });

  test('is lost when anybody refuses', () => {
    const core = unfounded();
    ticks(core, 10);
    for (const peer of [2, 3]) tell(core, peer, 1, PRE_GRANT);
    persist(core);
    tell(core, 2, 1, { kind: 'voteReply', granted: false });
    expect(core.role.role).toBe('follower');
  });

  test('binds the voters to the incarnations that voted, in the first entry', () => {
    const core = unfounded({ learners: [] });
    ticks(core, 10);
    for (const peer of [2, 3]) tell(core, peer, 1, PRE_GRANT);
    persist(core);
    tell(core, 9, 1, GRANT);
    tell(core, 2, 1, GRANT);
    tellWiped(core, 3, 1, GRANT);
    const [first] = core.entries(at(1, 1).index, core.lastIndex);
    expect(first).toMatchObject({ index: 1, term: 1, kind: 'config' });
    const bound = first === undefined ? null : decodeMembership(first.data);
    expect(bound).toEqual(core.membership);
    expect([...core.membership.incarnations]).toEqual([
      [1, incarnationOf(1)],
      [2, incarnationOf(2)],
      [3, incarnationOf(3, 1)],
    ]);
    persist(core);
    tell(core, 2, 1, accept(1));
    expect(core.role.established).toBe(true);
  });

  test('is won by one data directory of an id in a term: one that comes back empty is told the term and not voted for again', () => {
    const core = unfounded();
    const last = at(0, 0);
    expect(tell(core, 2, 1, { kind: 'voteRequest', last }).sendAfterPersist).toMatchObject([
      { granted: true },
    ]);
    const wiped = (inTerm: number, body: Body) =>
      core.step({
        kind: 'message',
        message: { ...message(2, 1, inTerm, body), incarnation: incarnationOf(2, 1) },
      });
    expect(wiped(1, { kind: 'preVoteRequest', last }).sendAfterPersist).toMatchObject([
      { kind: 'preVoteReply', granted: false, term: 1 },
    ]);
    expect(
      wiped(1, { kind: 'voteRequest', last }).sendAfterPersist,
      'a refusal could pass for one to the first',
    ).toEqual([]);
    expect(wiped(2, { kind: 'preVoteRequest', last }).sendAfterPersist).toMatchObject([{ granted: true }]);
    expect(wiped(2, { kind: 'voteRequest', last }).sendAfterPersist).toMatchObject([{ granted: true }]);
  });

  test('S02: of a group of one needs only itself', () => {
    const core = unfounded({ membership: unbound(membership([1])) });
    ticks(core, 10);
    persist(core);
    persist(core);
    expect(core.role.established).toBe(true);
    expect(core.membership.incarnations.get(memberId(1))).toBe(incarnationOf(1));
  });

  test('is over as soon as anything is in the log: then majorities rule, bound or not', () => {
    for (const core of [unfounded({ log: [1] }), unfounded({ base: [4, 1] })]) {
      const { term } = core.role;
      ticks(core, 10);
      tell(core, 2, term + 1, PRE_GRANT);
      persist(core);
      tell(core, 2, term + 1, GRANT);
      expect(core.role.role).toBe('leader');
      expect(core.entries(core.lastIndex, core.lastIndex)).toMatchObject([{ kind: 'noop' }]);
    }
  });
});

describe('S58: a wiped disk under an old id', () => {
  test('is not listened to by anybody who knows the binding, voter or leader', () => {
    const core = makeCore();
    ticks(core, 10);
    tellWiped(core, 2, 1, PRE_GRANT);
    tellWiped(core, 3, 1, PRE_GRANT);
    expect(core.role.role).toBe('preCandidate');
    tell(core, 2, 1, PRE_GRANT);
    persist(core);
    tellWiped(core, 3, 1, GRANT);
    expect(core.role.role).toBe('candidate');
    tell(core, 2, 1, GRANT);
    persist(core);
    tellWiped(core, 3, 1, accept(1));
    expect(core.commitIndex).toBe(0);
    tellWiped(core, 3, 7, heartbeat());
    expect(core.role).toMatchObject({ role: 'leader', term: 1 });
    expect(core.admits(memberId(3), incarnationOf(3, 1))).toBe('otherIncarnation');
    expect(core.admits(memberId(3), incarnationOf(3))).toBe('yes');
  });

  test('cannot found the group again: the others have a log', () => {
    const wiped = unfounded({ id: 3, options: { incarnation: incarnationOf(3, 1) } });
    ticks(wiped, 10);
    tell(wiped, 1, 1, { kind: 'preVoteReply', granted: false }, 3);
    expect(wiped.role.role).toBe('follower');
    const other = makeCore({ log: [1] });
    ticks(other, 30);
    const asked = message(3, 1, 9, { kind: 'preVoteRequest', last: at(0, 0) });
    const told = other.step({ kind: 'message', message: asked });
    expect(told.sendAfterPersist).toMatchObject([{ granted: false }]);
  });

  test('never campaigns once it has learnt that its id is bound to somebody else', () => {
    const core = makeCore({ options: { incarnation: incarnationOf(1, 1) } });
    tell(core, 2, 1, append(at(0, 0), [entry(1, 1)]));
    ticks(core, 60);
    expect(core.role).toMatchObject({ role: 'follower', term: 1 });
    tell(core, 2, 1, { kind: 'timeoutNow', last: at(1, 1) });
    expect(core.role.role).toBe('follower');
  });

  test('works as a learner under a new id', () => {
    const core = makeCore({ learners: [4] });
    expect(core.admits(memberId(4), incarnationOf(4))).toBe('yes');
    expect(core.admits(memberId(5), incarnationOf(3, 1)), 'a stranger may ask').toBe('yes');
  });
});

describe('strangers', () => {
  test('may ask, but their answers count for nothing', () => {
    const core = makeCore({ term: 2 });
    expect(tell(core, 9, 2, heartbeat()).sendNow).toMatchObject([{ kind: 'heartbeatReply', to: 9 }]);
    const leader = makeCore();
    ticks(leader, 10);
    for (const body of [PRE_GRANT, GRANT, accept(9), { kind: 'voteReply', granted: false } as const]) {
      const effects = tell(leader, 9, 5, body);
      expect([effects.hardState, effects.role, effects.sendNow]).toEqual([null, null, []]);
    }
    expect(leader.role).toMatchObject({ role: 'preCandidate', term: 0 });
  });
});
