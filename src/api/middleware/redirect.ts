// Any peer answers: what only the leader can do is redirected to it.

import type { Context, MiddlewareHandler } from 'hono';

import type { ApiDependencies } from '../dependencies.ts';
import { ApiError, noLeader } from '../errors.ts';
import type { GroupView } from '../ports.ts';
import { rawTarget } from '../request-target.ts';

/**
 * Lets a request through on the leader; elsewhere answers 307 to the leader's recorded address with the raw request
 * target, which keeps method and body, or 503 while no leader is known (contract, *Any peer*). A request that comes
 * between two leaders waits for the next one first.
 */
export function redirectToLeader({
  group,
  leaderWait,
}: Pick<ApiDependencies, 'group' | 'leaderWait'>): MiddlewareHandler {
  return async (context, next) => {
    let { self, leader } = group.current();
    if (leader === null) {
      await leaderWait.untilKnown(context.req.raw.signal);
      ({ self, leader } = group.current());
    }
    if (leader === null) throw noLeader();
    if (leader.id === self) {
      await next();
      return undefined;
    }
    const target = rawTarget(context);
    if (target === null) throw new ApiError('badRequest', 'the request target must start with "/"');
    return sendTo(context, leader.address, target);
  };
}

/**
 * The redirect for a request that came to the leader and found it deposed before anything happened; null when no other
 * leader is known yet. So a planned change of the lead costs clients a redirect and no failure.
 */
export function redirectToSuccessor(context: Context, group: GroupView): Response | null {
  const { self, leader } = group.current();
  const target = rawTarget(context);
  if (leader === null || leader.id === self || target === null) return null;
  return sendTo(context, leader.address, target);
}

/** Answers that the member at `address` is to be asked the same. */
export function sendTo(context: Context, address: string, target: string): Response {
  return context.body(null, 307, { Location: `http://${address}${target}` });
}
