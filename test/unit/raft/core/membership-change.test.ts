import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { allMembers, foundingMembership, isJoint } from '../../../../src/raft/core/membership.ts';
import {
  boundMembership,
  changedMembership,
  leftJoint,
} from '../../../../src/raft/core/membership-change.ts';
import type { MembershipChange } from '../../../../src/raft/core/membership-change.ts';
import {
  decodeMembership,
  encodeMembership,
  sameMembership,
} from '../../../../src/raft/core/membership-codec.ts';
import { REMOVED_MAX, incarnation, memberId } from '../../../../src/raft/core/types.ts';
import type { Membership } from '../../../../src/raft/core/types.ts';
import {
  incarnationOf,
  jointMembership,
  memberIds,
  membership,
  unbound,
} from '../../../support/raft-core/builders.ts';
import { anyMembership } from '../../../support/raft-core/memberships.ts';

function changed(current: Membership, change: MembershipChange): Membership {
  const result = changedMembership(current, change);
  if (!result.ok) throw new Error(result.error);
  return result.value;
}

function refusal(current: Membership, change: MembershipChange): string | null {
  const result = changedMembership(current, change);
  return result.ok ? null : result.error;
}

const newcomer = { kind: 'addLearner', address: 'host:4', incarnation: null } as const;

describe('a membership change', () => {
  test('S47: a new member is a learner; a bound learner becomes a voter by a joint membership', () => {
    const added = changed(membership([1, 2, 3]), {
      ...newcomer,
      member: memberId(4),
      incarnation: incarnationOf(4),
    });
    expect(added).toMatchObject({ voterSets: [[1, 2, 3]], learners: [4] });
    expect(added.addresses.get(memberId(4))).toBe('host:4');
    const joint = changed(added, { kind: 'promote', member: memberId(4) });
    expect(joint).toMatchObject({
      voterSets: [
        [1, 2, 3, 4],
        [1, 2, 3],
      ],
      learners: [],
    });
    expect(leftJoint(joint)).toMatchObject({ voterSets: [[1, 2, 3, 4]], learners: [], removed: [] });
  });

  test('S58: a learner that is not bound to an incarnation is never promoted; a binding is for good', () => {
    const added = changed(membership([1]), { ...newcomer, member: memberId(2) });
    expect(refusal(added, { kind: 'promote', member: memberId(2) })).toBe('unbound');
    expect(refusal(added, { kind: 'replaceVoters', voters: memberIds(1, 2) })).toBe('unbound');
    const bound = changed(added, { kind: 'bind', member: memberId(2), incarnation: incarnationOf(2) });
    expect(refusal(bound, { kind: 'promote', member: memberId(2) })).toBeNull();
    const other = { kind: 'bind', member: memberId(2), incarnation: incarnationOf(2, 1) } as const;
    expect(refusal(bound, other)).toBe('alreadyBound');
  });

  test('a removed voter stays known while the membership is joint and is remembered after it', () => {
    const before = changed(membership([1, 2]), { ...newcomer, member: memberId(4) });
    const joint = changed(before, { kind: 'remove', member: memberId(2) });
    expect(joint).toMatchObject({ voterSets: [[1], [1, 2]], removed: [] });
    expect(joint.incarnations.get(memberId(2))).toBe(incarnationOf(2));
    const left = leftJoint(joint);
    expect(left).toMatchObject({
      voterSets: [[1]],
      learners: [4],
      removed: [{ member: 2, incarnation: incarnationOf(2) }],
    });
    expect(left.incarnations.has(memberId(2))).toBe(false);
  });

  test('a removed learner is gone at once, and its id is never used again', () => {
    const added = changed(membership([1]), { ...newcomer, member: memberId(4) });
    const removed = changed(added, { kind: 'remove', member: memberId(4) });
    expect(removed).toMatchObject({
      voterSets: [[1]],
      learners: [],
      removed: [{ member: 4, incarnation: null }],
    });
    expect(removed.addresses.size).toBe(0);
    expect(refusal(removed, { ...newcomer, member: memberId(4) })).toBe('wasMember');
  });

  test('only the newest removed members are remembered', () => {
    let current = membership([1]);
    for (let id = 2; id < REMOVED_MAX + 12; id += 1) {
      const address = `host:${id}`;
      current = changed(current, { ...newcomer, address, member: memberId(id) });
      current = changed(current, { kind: 'remove', member: memberId(id) });
    }
    expect(current.removed).toHaveLength(REMOVED_MAX);
    expect(current.removed.at(-1)?.member).toBe(REMOVED_MAX + 11);
    expect(decodeMembership(encodeMembership(current))).toEqual(current);
  });

  test('what makes no sense is refused by name', () => {
    const current = changed(membership([1, 2]), { ...newcomer, member: memberId(4) });
    const refusals = [
      { ...newcomer, member: memberId(2) },
      { ...newcomer, member: memberId(5) },
      { kind: 'bind', member: memberId(9), incarnation: incarnationOf(9) },
      { kind: 'promote', member: memberId(9) },
      { kind: 'promote', member: memberId(1) },
      { kind: 'remove', member: memberId(9) },
      { kind: 'replaceVoters', voters: memberIds(1, 9) },
      { kind: 'replaceVoters', voters: [] },
      { kind: 'replaceVoters', voters: memberIds(2, 1) },
    ] as const;
    expect(refusals.map((change) => refusal(current, change))).toEqual([
      'alreadyMember',
      'addressInUse',
      'notMember',
      'notMember',
      'notLearner',
      'notMember',
      'notMember',
      'lastVoter',
      'noChange',
    ]);
    expect(refusal(membership([1], [2]), { kind: 'remove', member: memberId(1) })).toBe('lastVoter');
    expect(() => changedMembership(current, { kind: 'rename' } as unknown as MembershipChange)).toThrow();
  });

  test('voters left out of a replacement are removed, learners named in it become voters', () => {
    const joint = changed(membership([1, 2, 3], [4, 5]), {
      kind: 'replaceVoters',
      voters: memberIds(4, 3),
    });
    expect(joint).toMatchObject({
      voterSets: [
        [3, 4],
        [1, 2, 3],
      ],
      learners: [5],
    });
    expect(leftJoint(joint).removed.map(({ member }) => member)).toEqual([1, 2]);
  });

  test('whatever is asked, the result is valid, shares a voter set with what was, and is left into a plain one', () => {
    const plain = anyMembership.filter((each) => !isJoint(each) && each.voterSets[0]?.length !== 0);
    const who = fc.record({ pick: fc.nat(), id: fc.integer({ min: 1, max: 20 }), known: fc.boolean() });
    fc.assert(
      fc.property(plain, who, fc.nat(4), (current, { pick, id, known }, kind) => {
        const members = allMembers(current);
        const member = known ? (members[pick % members.length] ?? memberId(id)) : memberId(id);
        const change: MembershipChange = [
          { kind: 'addLearner', member, address: 'new:1', incarnation: known ? incarnationOf(id) : null },
          { kind: 'bind', member, incarnation: incarnationOf(id) },
          { kind: 'promote', member },
          { kind: 'remove', member },
          { kind: 'replaceVoters', voters: members.filter((_, place) => ((pick >> place) & 1) === 1) },
        ][kind] as MembershipChange;
        const result = changedMembership(current, change);
        if (!result.ok) return;
        const next = result.value;
        expect(decodeMembership(encodeMembership(next))).toEqual(next);
        expect(next.voterSets.at(-1)).toEqual(current.voterSets[0]);
        const left = isJoint(next) ? leftJoint(next) : next;
        expect(decodeMembership(encodeMembership(left))).toEqual(left);
        expect(left.voterSets).toEqual([next.voterSets[0]]);
        expect(sameMembership(left, current)).toBe(false);
      }),
      { numRuns: 1000 },
    );
  });

  test('the founding binds whoever was not bound', () => {
    const found = new Map(memberIds(1, 2).map((id) => [id, incarnationOf(id, 7)]));
    expect([...boundMembership(unbound(membership([1, 2])), found).incarnations.values()]).toEqual([
      incarnationOf(1, 7),
      incarnationOf(2, 7),
    ]);
    expect(boundMembership(membership([1, 2]), found)).toEqual(membership([1, 2]));
  });
});

describe('the encoding of a membership', () => {
  test('comes back as it was, and equal memberships have equal bytes', () => {
    fc.assert(
      fc.property(anyMembership, (each) => {
        const data = encodeMembership(each);
        const decoded = decodeMembership(data);
        expect(decoded).toEqual(each);
        if (decoded !== null) expect(encodeMembership(decoded)).toEqual(data);
      }),
    );
  });

  test('a membership before the first start has all voters unbound; one that is to join knows nobody', () => {
    const founding = foundingMembership(
      new Map([
        [memberId(2), 'b:1'],
        [memberId(1), 'a:1'],
      ]),
    );
    expect(founding).toMatchObject({ voterSets: [[1, 2]], learners: [] });
    expect(founding.incarnations.size).toBe(0);
    const joiner = foundingMembership(new Map());
    expect(decodeMembership(encodeMembership(joiner))).toEqual(joiner);
  });

  test('whatever bytes come, the answer is a valid membership or null, never an exception', () => {
    const bytesOf = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
    const anything = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.json().map((text) => new TextEncoder().encode(text)),
    );
    fc.assert(
      fc.property(anything, (data) => {
        const decoded = decodeMembership(data);
        if (decoded !== null) expect(encodeMembership(decoded)).toEqual(data);
      }),
      { numRuns: 1000 },
    );
    const good = {
      format: 1,
      voterSets: [[1, 2], [1]],
      learners: [5],
      addresses: [[1, 'a:1']],
      incarnations: [[1, incarnationOf(1)]],
      removed: [[9, null]],
    };
    expect(decodeMembership(bytesOf(good))).not.toBeNull();
    const bad = [
      null,
      7,
      { ...good, format: 2 },
      { ...good, voterSets: [] },
      { ...good, voterSets: [[1], [2], [3]] },
      { ...good, voterSets: [[], [1]] },
      { ...good, voterSets: [[2, 1]] },
      { ...good, voterSets: [[1, 1]] },
      { ...good, voterSets: [[0]] },
      { ...good, voterSets: [[1.5]] },
      { ...good, voterSets: 1 },
      { ...good, learners: [1] },
      { ...good, learners: ['5'] },
      { ...good, addresses: [[1, 7]] },
      { ...good, addresses: [[1, 'a'.repeat(301)]] },
      { ...good, addresses: [[8, 'a:1']] },
      { ...good, addresses: [1] },
      { ...good, incarnations: [[1, 'short']] },
      { ...good, incarnations: [[8, incarnationOf(8)]] },
      { ...good, removed: [[1, null]] },
      {
        ...good,
        removed: [
          [9, null],
          [9, null],
        ],
      },
      { ...good, removed: [[9, 'x']] },
      { ...good, removed: [9] },
      { ...good, removed: Array.from({ length: REMOVED_MAX + 1 }, (_, place) => [place + 100, null]) },
      { ...good, voterSets: [Array.from({ length: 2000 }, (_, place) => place + 1)] },
      { ...good, later: 1 },
    ];
    for (const each of bad) expect(decodeMembership(bytesOf(each)), JSON.stringify(each)).toBeNull();
  });

  test('an incarnation is 32 lower-case hexadecimal digits', () => {
    expect(() => incarnation('A'.repeat(32))).toThrow();
    expect(() => incarnation('a'.repeat(31))).toThrow();
    expect(incarnation('a'.repeat(32))).toBe('a'.repeat(32));
    expect(sameMembership(jointMembership([[1], [2]]), jointMembership([[2], [1]]))).toBe(false);
  });
});
