// The group of controllers itself: who leads, who belongs to it, and changes of both.

import { Hono } from 'hono';

import { unreachable } from '../../base/assert.ts';
import type { Result } from '../../base/result.ts';
import { parseControllerAddress } from '../../topology/controller-address.ts';
import type { NodeAddress } from '../../topology/types.ts';
import { answer } from '../answers.ts';
import { readBody, readOptionalBody } from '../body.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { ApiError, badRequest, noLeader } from '../errors.ts';
import type { GroupChangeError, GroupMember } from '../ports.ts';
import { changePeersBody, transferBody } from '../schemas/group-bodies.ts';

/** Answered by every member from what it knows. */
export function groupRoutes({ group }: Pick<ApiDependencies, 'group'>): Hono {
  return new Hono()
    .get('/controller/leader', (context) => {
      const { leader, term } = group.current();
      return answer(context, {
        leader: leader === null ? null : { id: leader.id, addr: leader.address },
        term,
      });
    })
    .get('/raft/peers', (context) => {
      const { leader } = group.current();
      const { members, changing, featureLevel } = group.members();
      return answer(context, {
        // 0 where nobody leads: clients of earlier controllers decode an unsigned integer.
        leader: leader?.id ?? 0,
        peers: Object.fromEntries(members.map(({ id, address }) => [id, address])),
        members: members.map((member) => renderMember(member)),
        featureLevel,
        ...(changing === null ? {} : { changing }),
      });
    });
}

/** Changes of the group, for the leader. */
export function groupChangeRoutes({ groupChanges }: ApiDependencies): Hono {
  return new Hono()
    .post('/raft/peers', async (context) => {
      const { id, peer, operation } = await readBody(context, changePeersBody);
      if (operation === 'add') changed(await groupChanges.add({ id, address: parsePeer(peer) }));
      else changed(await groupChanges.remove({ id, address: peer === '' ? null : parsePeer(peer) }));
      return answer(context, 'ok');
    })
    .post('/controller/leader/transfer', async (context) => {
      const { to } = await readOptionalBody(context, transferBody);
      const { id, address, term } = changed(await groupChanges.transferLead(to ?? null));
      return answer(context, { leader: { id, addr: address }, term });
    });
}

function parsePeer(text: string): NodeAddress {
  const address = parseControllerAddress(text);
  if (!address.ok) throw badRequest(`peer: ${address.error}`);
  return address.value;
}

function renderMember(member: GroupMember): unknown {
  const { id, address, role, lagEntries, lastContactMs, featureLevel } = member;
  return {
    id,
    addr: address,
    role,
    lag: lagEntries,
    lastContactMs: lastContactMs === null ? null : Math.round(lastContactMs),
    featureLevel,
  };
}

/** The value, or the answer for a change of the group that was not made. */
export function changed<T>(result: Result<T, GroupChangeError>): T {
  if (result.ok) return result.value;
  const { error } = result;
  switch (error.kind) {
    case 'invalid':
      throw badRequest(`${error.field}: ${error.reason}`);
    case 'conflict':
    case 'unavailable':
      throw new ApiError(error.kind, error.reason);
    case 'unknown':
      throw new ApiError(
        'unknownOutcome',
        `the outcome is not known (${error.reason}); it may still take effect, see GET /api/v1/raft/peers before you retry`,
      );
    case 'notLeader':
      throw noLeader();
    default:
      return unreachable(error);
  }
}
