// What this member tells about its group: who belongs to it, who leads it, and why this member is not ready.

import type { GroupMember, GroupMembers, GroupStatus, GroupView } from '../api/ports.ts';
import { allMembers, currentVoters, isJoint, isMember, isVoter } from '../raft/core/membership.ts';
import type { MemberId, Membership } from '../raft/core/types.ts';
import type { DriverStatus } from '../raft/status.ts';
import { parseAddress } from '../topology/node.ts';
import type { NodeAddress } from '../topology/types.ts';

/** What the view looks at; a `RaftDriver`. */
export interface Observed {
  readonly membership: Membership;
  status(): DriverStatus;
}

export interface GroupViewOptions {
  readonly self: MemberId;
  readonly advertiseAddress: NodeAddress;
  /** Milliseconds after which a member that was heard counts as away. */
  readonly awayMs: number;
  /** What keeps a group that is being founded from it, beside members that are missing; null when nothing is known. */
  readonly foundingTrouble: () => string | null;
  readonly levels: Levels;
}

/** What is known of feature levels. */
export interface Levels {
  /** The group's. */
  readonly group: () => number;
  /** What a member supports; null while it has not said. */
  readonly of: (member: MemberId) => number | null;
}

/** Everything is read at the moment of the call. */
export function groupView(observed: Observed, options: GroupViewOptions): GroupView {
  return {
    members: () => describeMembers(observed.membership, observed.status(), options),
    current(): GroupStatus {
      const { membership } = observed;
      const status = observed.status();
      // A member that joins may hear its leader before it learns who belongs to the group.
      const text = status.leader === null ? undefined : membership.addresses.get(status.leader);
      const address = text === undefined ? null : addressOf(text);
      return {
        self: options.self,
        term: status.term,
        leader: status.leader === null || address === null ? null : { id: status.leader, address },
        notReady: reasonNotReady(membership, status, options),
      };
    },
  };
}

function describeMembers(
  membership: Membership,
  status: DriverStatus,
  { self, levels }: Pick<GroupViewOptions, 'self' | 'levels'>,
): GroupMembers {
  const members = allMembers(membership).flatMap((id) => {
    const address = addressOf(membership.addresses.get(id) ?? '');
    if (address === null) return [];
    return [{ ...describeMember(id, address, { membership, status, self }), featureLevel: levels.of(id) }];
  });
  const [to, from] = membership.voterSets;
  return {
    members,
    changing: isJoint(membership) && to !== undefined && from !== undefined ? { from, to } : null,
    featureLevel: levels.group(),
  };
}

function describeMember(
  id: MemberId,
  address: NodeAddress,
  {
    membership,
    status,
    self,
  }: { readonly membership: Membership; readonly status: DriverStatus; readonly self: MemberId },
): Omit<GroupMember, 'featureLevel'> {
  const role = isVoter(membership, id) ? 'voter' : 'learner';
  if (id === self) {
    const lagEntries = status.role === 'leader' ? 0 : null;
    return { id, address, role, lagEntries, lastContactMs: null };
  }
  const peer = status.peers.find((candidate) => candidate.id === id);
  return {
    id,
    address,
    role,
    lagEntries: peer?.lagEntries ?? null,
    lastContactMs: peer?.lastContactMs ?? null,
  };
}

/** Null for what is no address, which a membership made by this program does not hold. */
function addressOf(text: string): NodeAddress | null {
  const address = parseAddress(text);
  return address.ok ? address.value : null;
}

/**
 * Voters that a group founded for the first time still waits for: it takes all of them once, so that each is bound to its
 * data directory from the first entry on. Null once the group is founded.
 */
export function awaitedFounders(
  membership: Membership,
  status: DriverStatus,
  awayMs: number,
): readonly MemberId[] | null {
  if (status.last.index > 0 || !isVoter(membership, status.id)) return null;
  return currentVoters(membership).filter((voter) => {
    if (voter === status.id) return false;
    const contactMs = status.peers.find(({ id }) => id === voter)?.lastContactMs ?? null;
    return contactMs === null || contactMs > awayMs;
  });
}

/** Why this member cannot answer for the group yet; null when it can. */
function reasonNotReady(
  membership: Membership,
  status: DriverStatus,
  { self, advertiseAddress, awayMs, foundingTrouble }: GroupViewOptions,
): string | null {
  const { leader, term, applied, commit, installing, fault } = status;
  if (fault !== null) return `this member gave up: ${fault}`;
  if (!isMember(membership, self)) {
    const request = JSON.stringify({ id: self, peer: advertiseAddress, operation: 'add' });
    return `this member does not belong to the group yet, or has not heard of it: POST /api/v1/raft/peers ${request} to any member of the group`;
  }
  const awaited = awaitedFounders(membership, status, awayMs);
  if (awaited !== null && awaited.length > 0) {
    const trouble = foundingTrouble();
    return describeAwaited(membership, awaited) + (trouble === null ? '' : ` (${trouble})`);
  }
  if (leader === null)
    return 'no leader is known: fewer than a majority of the members can be reached, or an election is under way';
  if (installing) return 'a snapshot from the leader is being installed';
  // The leader's first entry comes after everything committed before its term: without it this member may be far behind.
  if (status.appliedTerm < term) return 'the leader has not yet said what is committed';
  return applied < commit ? `entries up to ${commit} are committed, up to ${applied} applied` : null;
}

/** A sentence for people. */
export function describeAwaited(membership: Membership, awaited: readonly MemberId[]): string {
  const names = awaited.map((id) => `member ${id} (${membership.addresses.get(id) ?? 'address unknown'})`);
  return `a new group needs all of its members at its very first start, with the same raft.peers; not heard: ${names.join(', ')}`;
}
