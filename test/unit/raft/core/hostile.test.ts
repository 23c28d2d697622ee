import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeMembership } from '../../../../src/raft/core/membership-codec.ts';
import type { Message } from '../../../../src/raft/core/messages.ts';
import type { RaftCore } from '../../../../src/raft/core/raft-core.ts';
import type { Effects, Input } from '../../../../src/raft/core/step.ts';
import { TERM_JUMP_MAX, TERM_MAX, logIndex, memberId, term } from '../../../../src/raft/core/types.ts';
import type { Entry, Membership } from '../../../../src/raft/core/types.ts';
import {
  PRE_GRANT,
  accept,
  append,
  at,
  change,
  entriesOf,
  establish,
  hard,
  heartbeat,
  incarnationOf,
  jointMembership,
  makeCore,
  message,
  persist,
  propose,
  read,
  reject,
  snapshotFrom,
  tell,
  ticks,
  transfer,
  unbound,
} from '../../../support/raft-core/builders.ts';

function silent(effects: Effects): boolean {
  const { sendNow, sendAfterPersist, append: appended, hardState, role, commit } = effects;
  const nothingSent = sendNow.length + sendAfterPersist.length + appended.length === 0;
  return nothingSent && hardState === null && role === null && commit === null;
}

const smallNumber = fc.oneof(
  { weight: 12, arbitrary: fc.integer({ min: 0, max: 12 }) },
  { weight: 1, arbitrary: fc.constantFrom(TERM_JUMP_MAX, TERM_MAX, TERM_MAX + 1, Number.MAX_SAFE_INTEGER) },
);
const anyTerm = smallNumber.map((value) => term(value));
const anyIndex = smallNumber.map((value) => logIndex(value));
const position = fc.record({ index: anyIndex, term: anyTerm });
const data = fc.constantFrom(new Uint8Array(0), new Uint8Array(3));
const anyEntry: fc.Arbitrary<Entry> = fc.record({
  index: anyIndex,
  term: anyTerm,
  kind: fc.constantFrom('command' as const, 'noop' as const, 'config' as const),
  data,
});
/** Entries that continue something now and then, so that requests get past the first checks. */
const run = fc
  .tuple(smallNumber, fc.array(fc.integer({ min: 0, max: 8 }), { maxLength: 5 }))
  .map(([first, terms]) =>
    entriesOf(
      Math.min(first, 20),
      terms.toSorted((left, right) => left - right),
    ),
  );
const someVoters = fc.uniqueArray(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 });
const someSets = fc.array(someVoters, { minLength: 1, maxLength: 2 });

/** A membership of the members 1 to 5, joint or not, with this member or without it. */
function membershipOf(sets: readonly (readonly number[])[], binding: 'right' | 'wrong' | 'none'): Membership {
  const bound = jointMembership(sets.map((voters) => voters.toSorted((left, right) => left - right)));
  const [someone] = bound.incarnations.keys();
  if (binding === 'right' || someone === undefined) return bound;
  if (binding === 'none') return unbound(bound);
  return { ...bound, incarnations: new Map([...bound.incarnations, [someone, incarnationOf(9)]]) };
}

const someMembership = fc
  .tuple(someSets, fc.constantFrom('right' as const, 'wrong' as const, 'none' as const))
  .map(([sets, binding]) => membershipOf(sets, binding));

/** The same run of entries, ending with a membership. */
function withConfig(entries: readonly Entry[], membership: Membership): readonly Entry[] {
  const last = entries.at(-1);
  if (last === undefined) return entries;
  return [...entries.slice(0, -1), { ...last, kind: 'config', data: encodeMembership(membership) }];
}

const runWithConfig = fc
  .tuple(run, someMembership)
  .map(([entries, membership]) => withConfig(entries, membership));
const head = {
  from: fc.integer({ min: 1, max: 6 }).map((id) => memberId(id)),
  to: fc.constantFrom(1, 1, 1, 1, 2).map((id) => memberId(id)),
  incarnation: fc.constantFrom(...[1, 2, 2, 3, 3, 4].map((id) => incarnationOf(id))),
  term: anyTerm,
};
const granted = fc.boolean();

const anyMessage: fc.Arbitrary<Message> = fc.oneof(
  fc.record({ ...head, kind: fc.constant('preVoteRequest' as const), last: position }),
  fc.record({ ...head, kind: fc.constant('preVoteReply' as const), granted }),
  fc.record({
    ...head,
    kind: fc.constant('voteRequest' as const),
    last: position,
    transfer: fc.boolean(),
  }),
  fc.record({ ...head, kind: fc.constant('timeoutNow' as const), last: position }),
  fc.record({ ...head, kind: fc.constant('voteReply' as const), granted }),
  fc.record({
    ...head,
    kind: fc.constant('appendRequest' as const),
    previous: position,
    entries: fc.oneof(run, runWithConfig, fc.array(anyEntry, { maxLength: 4 })),
    commit: anyIndex,
  }),
  fc.record({ ...head, kind: fc.constant('appendAccepted' as const), matched: anyIndex }),
  fc.record({ ...head, kind: fc.constant('appendRejected' as const), probed: anyIndex, hint: position }),
  fc.record({ ...head, kind: fc.constant('heartbeat' as const), commit: anyIndex, readRound: smallNumber }),
  fc.record({ ...head, kind: fc.constant('heartbeatReply' as const), readRound: smallNumber }),
);

const act = fc.oneof(
  {
    weight: 8,
    arbitrary: anyMessage.map(
      (each) => (core: RaftCore) => void core.step({ kind: 'message', message: each }),
    ),
  },
  { weight: 2, arbitrary: fc.constant((core: RaftCore) => void persist(core)) },
  { weight: 2, arbitrary: fc.nat().map((entropy) => (core: RaftCore) => void ticks(core, 5, entropy)) },
  { weight: 1, arbitrary: fc.constant((core: RaftCore) => void propose(core, 'x', 'y')) },
  { weight: 1, arbitrary: fc.nat().map((id) => (core: RaftCore) => void read(core, id)) },
  {
    weight: 1,
    arbitrary: fc
      .record({ to: head.from, index: anyIndex, delivered: fc.boolean() })
      .map((end) => (core: RaftCore) => void core.step({ kind: 'snapshotSent', ...end })),
  },
  {
    weight: 1,
    arbitrary: head.from.map((peer) => (core: RaftCore) => void core.step({ kind: 'unreachable', peer })),
  },
  { weight: 1, arbitrary: fc.option(head.from).map((to) => (core: RaftCore) => void transfer(core, to)) },
  {
    weight: 2,
    arbitrary: fc
      .oneof(
        fc.record({ kind: fc.constant('promote' as const), member: head.from }),
        fc.record({ kind: fc.constant('remove' as const), member: head.from }),
        fc.record({
          kind: fc.constant('addLearner' as const),
          member: head.from,
          address: fc.string(),
          incarnation: fc.option(head.incarnation),
        }),
        fc.record({ kind: fc.constant('replaceVoters' as const), voters: fc.array(head.from) }),
      )
      .map((wanted) => (core: RaftCore) => void change(core, wanted)),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(head.from, anyTerm, position, someMembership)
      .map(([from, inTerm, place, membership]) => (core: RaftCore) => {
        const snapshot = { ...place, membership };
        const { installSnapshot } = core.step({ kind: 'snapshotReceived', from, term: inTerm, snapshot });
        if (installSnapshot !== null) core.step({ kind: 'snapshotInstalled', snapshot });
      }),
  },
);

describe('whatever the network brings', () => {
  test('no well-formed message crashes a follower, a candidate or a leader', { timeout: 120_000 }, () => {
    const starts: readonly (() => RaftCore)[] = [
      () => makeCore({ log: [1, 1, 2, 4] }),
      () => makeCore({ base: [3, 2], log: [2, 3] }),
      () => {
        const core = makeCore({ log: [1, 2] });
        ticks(core, 10);
        tell(core, 2, 3, PRE_GRANT);
        return core;
      },
      () => {
        const core = makeCore({ log: [1, 2] });
        establish(core);
        propose(core, 'a', 'b');
        return core;
      },
      () => {
        const core = makeCore({ voters: [1, 2], learners: [3] });
        establish(core);
        change(core, { kind: 'promote', member: memberId(3) });
        return core;
      },
      () => makeCore({ membership: unbound(jointMembership([[1, 2]])) }),
    ];
    fc.assert(
      fc.property(fc.constantFrom(...starts), fc.array(act, { maxLength: 40 }), (start, acts) => {
        const core = start();
        for (const each of acts) each(core);
      }),
      { numRuns: Number(process.env['RAFT_HOSTILE_RUNS'] ?? 1500) },
    );
  });

  test('messages for somebody else or from oneself are dropped', () => {
    const core = makeCore();
    for (const [from, to] of [
      [2, 3],
      [1, 1],
    ] as const) {
      const stray = message(from, to, 5, heartbeat());
      expect(silent(core.step({ kind: 'message', message: stray }))).toBe(true);
      expect(
        silent(
          core.step({
            kind: 'message',
            message: message(from, to, 5, { kind: 'voteRequest', last: at(9, 9) }),
          }),
        ),
      ).toBe(true);
    }
  });

  test('a term beyond all reason is dropped, so that terms can always be added to', () => {
    const core = makeCore();
    for (const beyond of [TERM_JUMP_MAX + 1, TERM_MAX, TERM_MAX + 1]) {
      for (const body of [
        heartbeat(),
        { kind: 'timeoutNow', last: at(0, 0) },
        { kind: 'voteRequest', last: at(0, 0), transfer: true },
        { kind: 'preVoteReply', granted: false },
        reject(0, at(0, 0)),
      ] as const) {
        expect(silent(tell(core, 2, beyond, body))).toBe(true);
      }
      const snapshot = { ...at(5, 1), membership: jointMembership([[1, 2, 3]]) };
      const effects = core.step({
        kind: 'snapshotReceived',
        from: memberId(2),
        term: term(beyond),
        snapshot,
      });
      expect(silent(effects)).toBe(true);
    }
    expect(core.role.term).toBe(0);
    tell(core, 2, TERM_JUMP_MAX, heartbeat());
    ticks(core, 100);
    expect(core.role).toMatchObject({ role: 'preCandidate', term: TERM_JUMP_MAX });
    const last = makeCore({ term: TERM_MAX });
    ticks(last, 100);
    tell(last, 2, TERM_MAX + 1, PRE_GRANT);
    expect(last.role).toMatchObject({ role: 'preCandidate', term: TERM_MAX });
  });

  test('a snapshot in which nobody votes is not installed', () => {
    const core = makeCore();
    const nobody = jointMembership([[]]);
    const effects = core.step(snapshotFrom(2, 1, { ...at(5, 1), membership: nobody }));
    expect(effects.installSnapshot).toBeNull();
  });

  test('a second leader of the same term is ignored by followers and by the leader', () => {
    const core = makeCore({ term: 2 });
    tell(core, 2, 2, heartbeat());
    expect(silent(tell(core, 3, 2, append(at(0, 0), entriesOf(1, [2]))))).toBe(true);
    expect(silent(tell(core, 3, 2, heartbeat()))).toBe(true);
    const leader = makeCore();
    establish(leader);
    expect(silent(tell(leader, 3, 1, append(at(0, 0), entriesOf(1, [1]))))).toBe(true);
    expect(silent(tell(leader, 3, 1, heartbeat()))).toBe(true);
    expect(leader.role.role).toBe('leader');
  });

  test('append requests with gaps, falling terms or entries of the future are ignored', () => {
    const core = makeCore({ term: 2 });
    const previous = at(0, 0);
    for (const entries of [entriesOf(2, [1]), entriesOf(1, [2, 1]), entriesOf(1, [3])]) {
      const effects = tell(core, 2, 2, append(previous, entries));
      expect([effects.append, effects.sendAfterPersist]).toEqual([[], []]);
    }
    expect(core.lastIndex).toBe(0);
  });

  test('acknowledgements of what does not exist and refusals of nothing move no progress', () => {
    const core = makeCore();
    establish(core);
    const before = core.peers();
    tell(core, 2, 1, accept(99));
    tell(core, 2, 1, reject(99, at(98, 7)));
    tell(core, 2, 1, reject(0, at(0, 0)));
    expect(core.peers()).toEqual(before);
    expect(core.commitIndex).toBe(1);
  });

  test('followers ignore what only leaders are told', () => {
    const core = makeCore({ term: 2 });
    for (const body of [accept(1), reject(1, at(0, 0)), { kind: 'heartbeatReply', readRound: 3 } as const]) {
      expect(silent(tell(core, 2, 2, body))).toBe(true);
    }
    expect(core.hardState).toEqual(hard(2));
  });

  test('a kind that no parser lets through is a bug, not a message', () => {
    const core = makeCore({ term: 2 });
    for (const inTerm of [1, 2, 3]) {
      const unknown = { ...message(2, 1, inTerm, heartbeat()), kind: 'gossip' } as unknown as Message;
      expect(() => core.step({ kind: 'message', message: unknown })).toThrow('unreachable');
    }
    expect(() => core.step({ kind: 'nonsense' } as unknown as Input)).toThrow('unreachable');
  });
});
