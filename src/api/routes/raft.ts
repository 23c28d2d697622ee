// The group of controllers itself: who leads, who belongs to it.

import { Hono } from 'hono';

import { answer } from '../answers.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { ApiError } from '../errors.ts';

/** Answered by every member from what it knows. */
export function groupRoutes({ group }: ApiDependencies): Hono {
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
      // 0 where nobody leads: clients of earlier controllers decode an unsigned integer.
      return answer(context, { leader: leader?.id ?? 0, peers: Object.fromEntries(group.peers()) });
    });
}

/** Changes of the membership, for the leader. */
export function membershipRoutes(): Hono {
  return new Hono().post('/raft/peers', () => {
    throw new ApiError('notSupported', 'the members of the group are fixed by raft.peers in this release');
  });
}
