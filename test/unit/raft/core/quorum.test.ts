import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { quorumValue, unanimousOutcome, voteOutcome } from '../../../../src/raft/core/quorum.ts';
import { memberId } from '../../../../src/raft/core/types.ts';
import type { MemberId } from '../../../../src/raft/core/types.ts';
import { memberIds } from '../../../support/raft-core/builders.ts';

const voterSet = fc
  .uniqueArray(fc.integer({ min: 1, max: 7 }), { minLength: 1, maxLength: 7 })
  .map((ids) => memberIds(...ids));
const voterSets = fc.array(voterSet, { minLength: 1, maxLength: 2 });
const values = fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 8, maxLength: 8 });
const ballots = fc.array(fc.constantFrom(true, false, null), { minLength: 8, maxLength: 8 });

/** By definition: a value counts when in every set more than half have it or more. */
function reached(
  sets: readonly (readonly MemberId[])[],
  valueOf: (member: MemberId) => number,
  value: number,
): boolean {
  return sets.every((set) => set.filter((member) => valueOf(member) >= value).length * 2 > set.length);
}

function votesOf(ballot: readonly (boolean | null)[]): Map<MemberId, boolean> {
  const votes = new Map<MemberId, boolean>();
  ballot.forEach((granted, id) => {
    if (granted !== null && id > 0) votes.set(memberId(id), granted);
  });
  return votes;
}

describe('the quorum function', () => {
  test('is the largest value that a majority of every set has reached', () => {
    fc.assert(
      fc.property(voterSets, values, (sets, table) => {
        const valueOf = (member: MemberId): number => table[member] ?? 0;
        const result = quorumValue(sets, valueOf);
        expect(reached(sets, valueOf, result)).toBe(true);
        expect(reached(sets, valueOf, result + 1)).toBe(false);
      }),
    );
  });

  test('any two quorums of a set intersect: two disjoint groups never both reach a value', () => {
    fc.assert(
      fc.property(voterSet, fc.func(fc.boolean()), (set, side) => {
        const left = quorumValue([set], (member) => (side(member) ? 1 : 0));
        const right = quorumValue([set], (member) => (side(member) ? 0 : 1));
        expect(left + right).toBeLessThan(2);
      }),
    );
  });

  test('a joint quorum and one of either voter set always intersect, whatever the two sets are', () => {
    fc.assert(
      fc.property(voterSet, voterSet, fc.func(fc.boolean()), (next, before, side) => {
        const joint = quorumValue([next, before], (member) => (side(member) ? 1 : 0));
        for (const single of [next, before]) {
          expect(joint + quorumValue([single], (member) => (side(member) ? 0 : 1))).toBeLessThan(2);
        }
      }),
    );
  });

  test('the first election is won by everybody and lost by anybody', () => {
    fc.assert(
      fc.property(voterSets, ballots, (sets, ballot) => {
        const votes = votesOf(ballot);
        const given = new Set(sets.flat().map((member) => votes.get(member)));
        const expected = given.has(false) ? 'lost' : given.has(undefined) ? 'pending' : 'won';
        expect(unanimousOutcome(sets, votes)).toBe(expected);
      }),
    );
    expect(unanimousOutcome([[]], new Map())).toBe('pending');
  });

  test('votes are won, lost or pending exactly as counting every completion says', () => {
    fc.assert(
      fc.property(voterSets, ballots, (sets, ballot) => {
        const votes = votesOf(ballot);
        const granted = (member: MemberId): number => (votes.get(member) === true ? 1 : 0);
        const possible = (member: MemberId): number => (votes.get(member) === false ? 0 : 1);
        const expected = reached(sets, granted, 1) ? 'won' : reached(sets, possible, 1) ? 'pending' : 'lost';
        expect(voteOutcome(sets, votes)).toBe(expected);
      }),
    );
  });

  test('does not depend on the order of sets or voters', () => {
    fc.assert(
      fc.property(voterSets, values, (sets, table) => {
        const valueOf = (member: MemberId): number => table[member] ?? 0;
        const turned = sets.toReversed().map((set) => set.toReversed());
        expect(quorumValue(turned, valueOf)).toBe(quorumValue(sets, valueOf));
      }),
    );
  });

  test('nobody to ask reaches nothing, also as one of two sets', () => {
    expect(quorumValue([], () => 9)).toBe(0);
    expect(quorumValue([[]], () => 9)).toBe(0);
    expect(quorumValue([memberIds(1), []], () => 9)).toBe(0);
    expect(voteOutcome([], new Map())).toBe('lost');
  });

  test('S50: joint {1,2,3}{3,4,5} with 4 and 5 down reaches nothing', () => {
    const sets = [memberIds(1, 2, 3), memberIds(3, 4, 5)];
    expect(quorumValue(sets, (member) => (member <= 3 ? 7 : 0))).toBe(0);
    expect(quorumValue(sets, (member) => (member <= 4 ? 7 : 0))).toBe(7);
  });
});
