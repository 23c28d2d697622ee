// What this member tells about its group: who belongs to it, and who leads it.

import type { GroupMember, GroupMembers, GroupStatus, GroupView } from '../api/ports.ts';
import { allMembers, currentVoters, isJoint, isVoter } from '../raft/core/membership.ts';
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

/** A sentence for people. */
export function describeAwaited(membership: Membership, awaited: readonly MemberId[]): string {
  const names = awaited.map((id) => `member ${id} (${membership.addresses.get(id) ?? 'address unknown'})`);
  return `a new group needs all of its members at its very first start, with the same raft.peers; not heard: ${names.join(', ')}`;
}
