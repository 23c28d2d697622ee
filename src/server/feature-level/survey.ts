// What every member of a configuration says that it supports, asked one by one.

import type { Clock } from '../../base/clock.ts';
import type { Result } from '../../base/result.ts';
import type { ClusterId } from '../../raft/cluster-id.ts';
import { allMembers } from '../../raft/core/membership.ts';
import type { Incarnation, MemberId, Membership } from '../../raft/core/types.ts';
import type { AppliedLevel } from './applied-level.ts';

/** What a member says of itself. */
export interface ToldLevel {
  readonly clusterId: ClusterId;
  readonly memberId: number;
  readonly incarnation: Incarnation;
  readonly featureLevel: number;
  /** Null of a release that does not say which one it is. */
  readonly release: string | null;
}

/** Asks the member at an address; has a deadline of its own, ends early when `abandoned` fires, never rejects. */
export type AskMember<Told extends ToldLevel = ToldLevel> = (
  address: string,
  abandoned: AbortSignal,
) => Promise<Result<Told, string>>;

export interface SurveyParts<Told extends ToldLevel = ToldLevel> {
  readonly self: MemberId;
  readonly clusterId: ClusterId;
  readonly applied: Pick<AppliedLevel, 'supported'>;
  /** Which release this member runs. */
  readonly release: string;
  readonly ask: AskMember<Told>;
  /** A member answered, so long after it was asked. Not called once `abandoned` has fired. */
  readonly onTold?: (member: MemberId, told: Told, elapsedMs: number) => void;
  readonly clock: Clock;
}

export interface MemberSupport {
  readonly id: MemberId;
  readonly address: string;
  /** Null of one that did not say. */
  readonly level: number | null;
  readonly release: string | null;
  /** Why it did not say; null when it did. */
  readonly fault: string | null;
}

/** Of every member, learners and this one included, ascending by id. Never rejects. */
export function surveyMembers<Told extends ToldLevel>(
  membership: Membership,
  parts: SurveyParts<Told>,
  abandoned: AbortSignal,
): Promise<readonly MemberSupport[]> {
  return Promise.all(
    allMembers(membership).map(async (id) => {
      const address = membership.addresses.get(id) ?? '';
      if (id === parts.self)
        return { id, address, level: parts.applied.supported, release: parts.release, fault: null };
      const askedAtMs = parts.clock.monotonicMs();
      const told = await parts.ask(address, abandoned);
      if (!told.ok) return { id, address, level: null, release: null, fault: told.error };
      const stranger = strangerAt(id, { membership, clusterId: parts.clusterId, told: told.value });
      if (stranger !== null) return { id, address, level: null, release: null, fault: stranger };
      if (!abandoned.aborted) parts.onTold?.(id, told.value, parts.clock.monotonicMs() - askedAtMs);
      const { featureLevel: level, release } = told.value;
      return { id, address, level, release, fault: null };
    }),
  );
}

/** Why whoever answered does not speak for the member; null when it does. Only the data directory that is bound to the member does. */
function strangerAt(
  id: MemberId,
  {
    membership,
    clusterId,
    told,
  }: { readonly membership: Membership; readonly clusterId: ClusterId; readonly told: ToldLevel },
): string | null {
  if (told.clusterId !== clusterId) return 'a process of another group answers there';
  if (told.memberId !== id) return `member ${told.memberId} answers there`;
  const bound = membership.incarnations.get(id);
  return bound === undefined || bound === told.incarnation
    ? null
    : 'a process with another data directory answers there';
}

/** Whether both name the same members at the same addresses: what was asked of one counts for the other. */
export function isSame(one: Membership, other: Membership): boolean {
  const members = allMembers(one);
  const others = allMembers(other);
  return (
    members.length === others.length &&
    members.every(
      (member, position) =>
        member === others[position] && one.addresses.get(member) === other.addresses.get(member),
    )
  );
}
