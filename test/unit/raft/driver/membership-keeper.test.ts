// What a leader changes by itself: binding first, promotion only of who is bound, heard and close.

import { expect, it } from 'vitest';

import type { MemberId, Membership } from '../../../../src/raft/core/types.ts';
import {
  nextUpkeep,
  PROMOTION_LAG_ENTRIES,
  type MemberEvidence,
} from '../../../../src/raft/membership-keeper.ts';
import { incarnationOf, jointMembership, membership, unbound } from '../../../support/raft-core/builders.ts';

const heard =
  (lagEntries: number | null) =>
  (member: MemberId): MemberEvidence => ({
    incarnation: incarnationOf(member),
    lagEntries,
  });
const silent = (): MemberEvidence => ({ incarnation: null, lagEntries: null });
const CLOSE = PROMOTION_LAG_ENTRIES;

it.each<[string, Membership, (member: MemberId) => MemberEvidence, unknown]>([
  ['nothing for voters that are bound', membership([1, 2, 3]), heard(0), null],
  [
    'a binding for the first voter without one',
    unbound(membership([1, 2])),
    heard(0),
    { kind: 'bind', member: 1, incarnation: incarnationOf(1) },
  ],
  [
    'a binding for a learner before its promotion',
    { ...membership([1]), learners: membership([], [4]).learners },
    heard(0),
    { kind: 'bind', member: 4, incarnation: incarnationOf(4) },
  ],
  ['nothing for who was not heard', unbound(membership([1], [4])), silent, null],
  [
    'a promotion for a learner that is close',
    membership([1], [4]),
    heard(CLOSE),
    { kind: 'promote', member: 4 },
  ],
  ['nothing for a learner that is not', membership([1], [4]), heard(CLOSE + 1), null],
  ['nothing for a learner of unknown progress', membership([1], [4]), heard(null), null],
  ['nothing while a change is under way', jointMembership([[1, 2], [1]], [4]), heard(0), null],
])('%s', (_, present, evidenceOf, expected) => {
  expect(nextUpkeep(present, evidenceOf)).toEqual(expected);
});
