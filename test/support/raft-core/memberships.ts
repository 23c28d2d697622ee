// Arbitrary valid memberships: plain and joint, with and without bindings, addresses and removed members.

import * as fc from 'fast-check';
import { memberId } from '../../../src/raft/core/types.ts';
import type { MemberId, Membership } from '../../../src/raft/core/types.ts';
import { incarnationOf } from './builders.ts';

/** Who somebody may be; the bits say in which lists the member is. */
const person = fc.record({
  role: fc.constantFrom('stays', 'comes', 'goes', 'demoted', 'learner', 'removed'),
  bound: fc.boolean(),
  addressed: fc.boolean(),
});
const anybody = fc.uniqueArray(fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), { maxLength: 8 });

export const anyMembership: fc.Arbitrary<Membership> = fc
  .record({
    ids: anybody,
    people: fc.array(person, { minLength: 8, maxLength: 8 }),
    joint: fc.boolean(),
  })
  .map(({ ids, people, joint }) => {
    const members = ids.toSorted((left, right) => left - right).map((id) => memberId(id));
    const roleOf = new Map(members.map((member, place) => [member, people[place]]));
    const those = (...roles: readonly string[]): readonly MemberId[] =>
      members.filter((member) => roles.includes(roleOf.get(member)?.role ?? ''));
    const next = those('stays', 'comes');
    const before = those('stays', 'goes', 'demoted');
    const isJoint = joint && next.length > 0 && before.length > 0;
    const learners = isJoint ? those('demoted', 'learner') : those('demoted', 'learner', 'goes');
    const present = members.filter((member) => roleOf.get(member)?.role !== 'removed');
    return {
      voterSets: isJoint ? [next, before] : [next],
      learners,
      addresses: new Map(
        present
          .filter((member) => roleOf.get(member)?.addressed)
          .map((member) => [member, `127.0.0.1:${(member % 60_000) + 1}`]),
      ),
      incarnations: new Map(
        present
          .filter((member) => roleOf.get(member)?.bound)
          .map((member) => [member, incarnationOf(member)]),
      ),
      removed: those('removed').map((member) => ({
        member,
        incarnation: roleOf.get(member)?.bound ? incarnationOf(member) : null,
      })),
    };
  });
