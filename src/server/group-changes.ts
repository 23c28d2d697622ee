// Changes of the members and of the lead, as the API asks for them: what is asked of the new member first, and every refusal as a sentence.

import type { GroupChangeError, GroupChanges, NewLeader } from '../api/ports.ts';
import { unreachable } from '../base/assert.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { ClusterId } from '../raft/cluster-id.ts';
import { changedMembership, type MembershipChange } from '../raft/core/membership-change.ts';
import { currentVoters, isJoint, isMember } from '../raft/core/membership.ts';
import type { RoleView } from '../raft/core/step.ts';
import { memberId, type Incarnation, type MemberId, type Membership } from '../raft/core/types.ts';
import type {
  ChangeOutcome,
  ChangeRefusal,
  OverloadReason,
  TransferFailure,
  TransferOutcome,
} from '../raft/outcome.ts';
import { parseAddress } from '../topology/node.ts';
import type { NodeAddress } from '../topology/types.ts';

/** What changes the group; a `RaftDriver`. */
export interface Changeable {
  readonly membership: Membership;
  readonly role: RoleView;
  changeMembership(change: MembershipChange, deadlineMs: number): Promise<ChangeOutcome>;
  transferLead(to: MemberId | null): Promise<TransferOutcome>;
}

/** What the process at an address says of itself. */
export interface AskedIdentity {
  readonly clusterId: ClusterId;
  readonly memberId: number;
  readonly incarnation: Incarnation;
  readonly featureLevel: number;
}

export interface GroupChangesParts {
  readonly driver: Changeable;
  readonly self: MemberId;
  readonly clusterId: ClusterId;
  /** Asks whoever listens at `address`, with a short deadline; the error says why nothing was learnt. */
  readonly ask: (address: NodeAddress) => Promise<Result<AskedIdentity, string>>;
  /** Milliseconds a change may take until its outcome is reported as unknown. */
  readonly deadlineMs: number;
  /** The group's feature level. */
  readonly featureLevel: () => number;
  readonly onTransfer: (outcome: 'done' | 'refused' | 'aborted' | 'unknown') => void;
}

type Change = Result<void, GroupChangeError>;

export function groupChanges(parts: GroupChangesParts): GroupChanges {
  const { driver } = parts;
  return {
    async add({ id, address }) {
      const request: AddRequest = { id, address, incarnation: null };
      const problem = objection(driver.membership, request);
      if (problem !== null) return err(problem);
      const incarnation = await incarnationAt(request, parts);
      return incarnation.ok ? change(parts, { ...request, incarnation: incarnation.value }) : incarnation;
    },
    async remove({ id, address }) {
      const recorded = isId(id) ? driver.membership.addresses.get(memberId(id)) : undefined;
      if (address !== null && recorded !== undefined && recorded !== address) {
        return err({
          kind: 'invalid',
          field: 'peer',
          reason: `member ${id} is at ${recorded}, not at ${address}`,
        });
      }
      return change(parts, { id });
    },
    async transferLead(to) {
      const outcome = await driver.transferLead(to === null ? null : memberId(to));
      parts.onTransfer(outcome.ok ? 'done' : countedAs(outcome.error));
      return outcome.ok ? newLeader(parts, outcome.value) : err(transferError(parts, outcome.error, to));
    },
  };
}

interface RemoveRequest {
  readonly id: number;
}

interface AddRequest extends RemoveRequest {
  readonly address: NodeAddress;
  readonly incarnation: Incarnation | null;
}

function isId(id: number): boolean {
  return Number.isSafeInteger(id) && id > 0;
}

function toChange(request: AddRequest | RemoveRequest): MembershipChange {
  const member = memberId(request.id);
  if (!('address' in request)) return { kind: 'remove', member };
  return { kind: 'addLearner', member, address: request.address, incarnation: request.incarnation };
}

async function change(parts: GroupChangesParts, request: AddRequest | RemoveRequest): Promise<Change> {
  const { driver, deadlineMs } = parts;
  const before = driver.membership;
  const outcome = await driver.changeMembership(toChange(request), deadlineMs);
  if (outcome.ok) return ok(undefined);
  const { error } = outcome;
  switch (error.kind) {
    case 'notLeader':
      return err({ kind: 'notLeader' });
    case 'overloaded':
      return err({ kind: 'unavailable', reason: OVERLOADED[error.reason] });
    case 'unknown':
      return err({ kind: 'unknown', reason: error.reason });
    case 'refused':
      return err(changeError(before, request, error.reason));
    default:
      return unreachable(error);
  }
}

const OVERLOADED: Readonly<Record<OverloadReason, string>> = {
  tooMuchWaiting: 'too much is waiting or the lead is being handed over, please retry',
  tooLarge: 'the group has become too large to be recorded',
  noSpace: 'the disk of the leader is nearly full, please make room',
  diskStalled: 'the disk of the leader does not answer, please retry later',
};

/** Why `request` cannot be made of `membership`, before the new member is asked anything; null when it can. */
function objection(membership: Membership, request: AddRequest): GroupChangeError | null {
  if (isJoint(membership)) return changeError(membership, request, 'changePending');
  const next = changedMembership(membership, toChange(request));
  return next.ok ? null : changeError(membership, request, next.error);
}

/**
 * Which data directory the new member has, when its process runs already; null when nobody answers there yet: then it is
 * bound by its first words to the leader.
 */
async function incarnationAt(
  { id, address }: AddRequest,
  { ask, clusterId, featureLevel }: GroupChangesParts,
): Promise<Result<Incarnation | null, GroupChangeError>> {
  const told = await ask(address);
  if (!told.ok) return ok(null);
  if (told.value.clusterId !== clusterId) {
    const reason = `the process at ${address} belongs to another group; start it with raft.cluster_state "existing", members of this group in raft.peers and an empty data directory`;
    return err({ kind: 'invalid', field: 'peer', reason });
  }
  if (told.value.memberId !== id) {
    const reason = `the process at ${address} is member ${told.value.memberId}, not ${id}; correct its raft.id or the request`;
    return err({ kind: 'invalid', field: 'peer', reason });
  }
  if (told.value.featureLevel < featureLevel()) {
    const reason = `the process at ${address} supports feature level ${told.value.featureLevel} and the group works at level ${featureLevel()}; start the release that the other members run there, without raft.feature_level_max`;
    return err({ kind: 'conflict', reason });
  }
  return ok(told.value.incarnation);
}

function changeError(
  membership: Membership,
  request: AddRequest | RemoveRequest,
  reason: ChangeRefusal,
): GroupChangeError {
  const { id } = request;
  const address = 'address' in request ? request.address : '';
  switch (reason) {
    case 'alreadyMember':
      return invalid(
        'id',
        `member ${id} belongs to the group already, at ${membership.addresses.get(memberId(id)) ?? 'an unknown address'}`,
      );
    case 'wasMember':
      return invalid(
        'id',
        `member ${id} was removed from the group and its number is never used again; choose another`,
      );
    case 'notMember':
      return invalid('id', `there is no member ${id}`);
    case 'lastVoter':
      return invalid('id', `member ${id} is the last voter; add another member before you remove it`);
    case 'addressInUse':
      return invalid('peer', `${address} is the address of ${ownerOf(membership, address)}`);
    case 'notEstablished':
      return {
        kind: 'unavailable',
        reason: 'the leader was elected just now and takes changes in a moment, please retry',
      };
    case 'changePending':
      return { kind: 'conflict', reason: `${describePending(membership)}; please retry when that is done` };
    case 'noQuorum':
      return {
        kind: 'conflict',
        reason:
          'the voters that would be left have no majority that answers, and the group would stop; start the silent members or remove those first (lastContactMs in GET /api/v1/raft/peers)',
      };
    case 'notLearner':
    case 'alreadyBound':
    case 'unbound':
    case 'noChange':
      return { kind: 'conflict', reason: 'the group was changed meanwhile, please look and retry' };
    default:
      return unreachable(reason);
  }
}

function invalid(field: 'id' | 'peer' | 'to', reason: string): GroupChangeError {
  return { kind: 'invalid', field, reason };
}

function ownerOf(membership: Membership, address: string): string {
  const owner = [...membership.addresses].find(([, recorded]) => recorded === address);
  return owner === undefined ? 'another member' : `member ${owner[0]}`;
}

/** The change under way, as far as the membership tells. */
function describePending(membership: Membership): string {
  const [next = [], current = []] = membership.voterSets;
  const coming = next.filter((voter) => isJoint(membership) && !current.includes(voter));
  const leaving = current.filter((voter) => !next.includes(voter));
  const parts = [
    ...coming.map((member) => `member ${member} is becoming a voter`),
    ...leaving.map((member) => `member ${member} is being removed`),
  ];
  return parts.length === 0 ? 'an earlier change of the members is not committed yet' : parts.join(' and ');
}

function newLeader({ driver }: GroupChangesParts, leader: MemberId): Result<NewLeader, GroupChangeError> {
  const address = parseAddress(driver.membership.addresses.get(leader) ?? '');
  if (!address.ok) return err({ kind: 'unknown', reason: `member ${leader} leads, at an unknown address` });
  return ok({ id: leader, address: address.value, term: driver.role.term });
}

/** As which outcome a transfer that failed is counted. */
export function countedAs(failure: TransferFailure): 'refused' | 'aborted' | 'unknown' {
  return failure.kind === 'notLeader' ? 'refused' : failure.kind;
}

function transferError(
  { driver, self }: GroupChangesParts,
  failure: TransferFailure,
  to: number | null,
): GroupChangeError {
  const whom = to === null ? 'the other member' : `member ${to}`;
  switch (failure.kind) {
    case 'notLeader':
      return { kind: 'notLeader' };
    case 'aborted':
      return {
        kind: 'unavailable',
        reason: `${whom} did not take over within an election timeout, member ${self} still leads; see lag and lastContactMs in GET /api/v1/raft/peers`,
      };
    case 'unknown':
      return { kind: 'unknown', reason: failure.reason };
    case 'refused':
      return transferRefusal(driver.membership, { self, to }, failure.reason);
    default:
      return unreachable(failure);
  }
}

function transferRefusal(
  membership: Membership,
  { self, to }: { readonly self: MemberId; readonly to: number | null },
  reason: Extract<TransferFailure, { kind: 'refused' }>['reason'],
): GroupChangeError {
  switch (reason) {
    case 'isSelf':
      return invalid('to', `member ${self} leads already`);
    case 'notVoter':
      return to !== null && isMember(membership, memberId(to))
        ? invalid('to', `member ${to} is a learner and cannot lead until it has caught up`)
        : invalid('to', `there is no member ${to}`);
    case 'noTarget':
      return currentVoters(membership).length < 2
        ? { kind: 'conflict', reason: 'there is no other voter; add a member first' }
        : {
            kind: 'unavailable',
            reason: 'no other voter was heard lately; start the other members and wait until they are ready',
          };
    case 'notEstablished':
      return {
        kind: 'unavailable',
        reason: 'the leader was elected just now and can hand over in a moment, please retry',
      };
    case 'changePending':
      return { kind: 'conflict', reason: `${describePending(membership)}; please retry when that is done` };
    case 'transferring':
      return { kind: 'conflict', reason: 'the lead is being handed over already' };
    default:
      return unreachable(reason);
  }
}
