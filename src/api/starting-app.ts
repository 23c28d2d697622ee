// What a member answers before it is part of a group: that it lives, and what it waits for.

import { Hono } from 'hono';

import { refuse } from './answers.ts';
import type { ApiDependencies } from './dependencies.ts';
import { STATUS_BY_CODE, TEXT_NO_LEADER } from './errors.ts';
import { descriptionRoutes } from './routes/description.ts';
import { groupRoutes } from './routes/group.ts';
import { healthRoutes } from './routes/health.ts';

/** The routes every member answers itself; for all others there is no leader yet. */
export function createStartingApp(
  dependencies: Pick<ApiDependencies, 'group' | 'health' | 'metrics' | 'description'>,
): Hono {
  return new Hono()
    .route('/', healthRoutes(dependencies))
    .route('/', descriptionRoutes(dependencies))
    .route('/api/v1', groupRoutes(dependencies))
    .all('*', (context) => {
      context.header('Retry-After', '1');
      return refuse(context, TEXT_NO_LEADER, STATUS_BY_CODE.noLeader);
    });
}
