// The algebra of membership changes: from the present membership to the next. Pure.

import { unreachable } from '../../base/assert.ts';
import { err, ok, type Result } from '../../base/result.ts';
import { currentVoters, isMember, isVoter } from './membership.ts';
import { REMOVED_MAX } from './types.ts';
import type { Incarnation, MemberId, Membership } from './types.ts';

export type MembershipChange =
  /** A new member that receives the log and does not count. Its id was never a member's before. */
  | {
      readonly kind: 'addLearner';
      readonly member: MemberId;
      readonly address: string;
      readonly incarnation: Incarnation | null;
    }
  /** From now on `member` is only this incarnation. */
  | { readonly kind: 'bind'; readonly member: MemberId; readonly incarnation: Incarnation }
  /** A bound learner becomes a voter. */
  | { readonly kind: 'promote'; readonly member: MemberId }
  /** A voter or learner leaves for good. */
  | { readonly kind: 'remove'; readonly member: MemberId }
  /** The voters are to be exactly these, all of them members already; voters left out leave for good. */
  | { readonly kind: 'replaceVoters'; readonly voters: readonly MemberId[] };

export type MembershipRefusal =
  | 'alreadyMember'
  /** The id belonged to a member that was removed; ids are never used again. */
  | 'wasMember'
  | 'notMember'
  | 'notLearner'
  | 'alreadyBound'
  /** A learner must be bound to an incarnation before it may vote. */
  | 'unbound'
  | 'lastVoter'
  | 'addressInUse'
  /** The membership would stay as it is. */
  | 'noChange';

/**
 * What `change` makes of `current`, which must not be joint. A change of voters gives a joint membership
 * (`[next, current]`), any other a plain one.
 */
export function changedMembership(
  current: Membership,
  change: MembershipChange,
): Result<Membership, MembershipRefusal> {
  switch (change.kind) {
    case 'addLearner':
      return addLearner(current, change);
    case 'bind':
      return bind(current, change.member, change.incarnation);
    case 'promote':
      return promote(current, change.member);
    case 'remove':
      return remove(current, change.member);
    case 'replaceVoters':
      return replaceVoters(current, change.voters);
    default:
      return unreachable(change);
  }
}

/** What follows a joint membership: its first voter set alone. Who was only in the other one is gone. */
export function leftJoint(joint: Membership): Membership {
  const next = currentVoters(joint);
  const staying = { ...joint, voterSets: [next] };
  const leaving = joint.voterSets.flat().filter((member) => !isMember(staying, member));
  return withoutMembers(staying, [...new Set(leaving)]);
}

/** The founding entry: every voter bound to the incarnation that voted in the first election. */
export function boundMembership(
  membership: Membership,
  found: ReadonlyMap<MemberId, Incarnation>,
): Membership {
  return { ...membership, incarnations: new Map([...found, ...membership.incarnations]) };
}

function addLearner(
  current: Membership,
  { member, address, incarnation }: Extract<MembershipChange, { kind: 'addLearner' }>,
): Result<Membership, MembershipRefusal> {
  if (isMember(current, member)) return err('alreadyMember');
  if (current.removed.some((gone) => gone.member === member)) return err('wasMember');
  if ([...current.addresses.values()].includes(address)) return err('addressInUse');
  const { incarnations } = current;
  return ok({
    ...current,
    learners: ascending([...current.learners, member]),
    addresses: new Map([...current.addresses, [member, address]]),
    incarnations: incarnation === null ? incarnations : new Map([...incarnations, [member, incarnation]]),
  });
}

function bind(
  current: Membership,
  member: MemberId,
  incarnation: Incarnation,
): Result<Membership, MembershipRefusal> {
  if (!isMember(current, member)) return err('notMember');
  if (current.incarnations.has(member)) return err('alreadyBound');
  return ok({ ...current, incarnations: new Map([...current.incarnations, [member, incarnation]]) });
}

function promote(current: Membership, member: MemberId): Result<Membership, MembershipRefusal> {
  if (!isMember(current, member)) return err('notMember');
  if (!current.learners.includes(member)) return err('notLearner');
  if (!current.incarnations.has(member)) return err('unbound');
  return ok(enterJoint(current, [...currentVoters(current), member]));
}

function remove(current: Membership, member: MemberId): Result<Membership, MembershipRefusal> {
  if (!isMember(current, member)) return err('notMember');
  if (!isVoter(current, member)) {
    const learners = current.learners.filter((learner) => learner !== member);
    return ok(withoutMembers({ ...current, learners }, [member]));
  }
  const rest = currentVoters(current).filter((voter) => voter !== member);
  return rest.length === 0 ? err('lastVoter') : ok(enterJoint(current, rest));
}

function replaceVoters(
  current: Membership,
  voters: readonly MemberId[],
): Result<Membership, MembershipRefusal> {
  const next = ascending([...new Set(voters)]);
  if (next.length === 0) return err('lastVoter');
  if (!next.every((voter) => isMember(current, voter))) return err('notMember');
  const before = currentVoters(current);
  if (next.some((voter) => !before.includes(voter) && !current.incarnations.has(voter)))
    return err('unbound');
  if (next.length === before.length && next.every((voter) => before.includes(voter))) return err('noChange');
  return ok(enterJoint(current, next));
}

/** Both majorities are needed from now on. Outgoing voters keep address and incarnation until the joint one is left. */
function enterJoint(current: Membership, voters: readonly MemberId[]): Membership {
  return {
    ...current,
    voterSets: [ascending(voters), currentVoters(current)],
    learners: current.learners.filter((learner) => !voters.includes(learner)),
  };
}

/** Forgets `gone`, who are in no list of `membership` any more, except that they were removed. */
function withoutMembers(membership: Membership, gone: readonly MemberId[]): Membership {
  const { addresses, incarnations, removed } = membership;
  const told = gone.map((member) => ({ member, incarnation: incarnations.get(member) ?? null }));
  return {
    ...membership,
    addresses: new Map([...addresses].filter(([member]) => !gone.includes(member))),
    incarnations: new Map([...incarnations].filter(([member]) => !gone.includes(member))),
    removed: [...removed, ...told].slice(-REMOVED_MAX),
  };
}

function ascending(members: readonly MemberId[]): readonly MemberId[] {
  return [...members].sort((left, right) => left - right);
}
