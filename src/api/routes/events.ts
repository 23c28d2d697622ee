// What has happened, newest first: to one cluster, or to all of them and the group.

import { type Context, Hono } from 'hono';

import { parseTime } from '../../base/wall-time.ts';
import {
  type ClusterEvent,
  EVENT_SEVERITIES,
  eventBody,
  type EventCursor,
  EVENTS,
  type EventSeverity,
  isAtLeast,
  parseEventCursor,
} from '../../topology/event.ts';
import type { ClusterPlace } from '../../topology/record.ts';
import { answer } from '../answers.ts';
import { readCluster } from '../change-cluster.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { badRequest } from '../errors.ts';
import { confirmed } from '../parse.ts';
import { clusterPath } from './clusters.ts';

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 1000;

export function eventRoutes({ clusters, events }: Pick<ApiDependencies, 'clusters' | 'events'>): Hono {
  const page = (context: Context, place: ClusterPlace | null): Response => {
    const { events: found, next } = events.page({ place, ...queryOf(context) });
    return answer(context, { events: found.map((event) => eventBody(event)), next_cursor: next });
  };
  return new Hono()
    .get('/events', async (context) => {
      confirmed(await clusters.linearize());
      return page(context, null);
    })
    .get('/namespaces/:namespace/clusters/:cluster/events', async (context) => {
      const path = clusterPath(context);
      await readCluster(clusters, path);
      return page(context, path);
    });
}

interface Wanted {
  readonly cursor: EventCursor | null;
  readonly limit: number;
  readonly isWanted: (event: ClusterEvent) => boolean;
}

const PARAMETERS = ['limit', 'cursor', 'kind', 'severity', 'since'];

/** `severity`: that one and above. `kind`: one or more, with commas between. `since`: a time. */
function queryOf(context: Context): Wanted {
  const query = context.req.query();
  for (const name of Object.keys(query))
    if (!PARAMETERS.includes(name)) throw badRequest(`unknown parameter; known are ${PARAMETERS.join(', ')}`);
  const kinds = query['kind']?.split(',') ?? null;
  for (const kind of kinds ?? [])
    if (!Object.hasOwn(EVENTS, kind))
      throw badRequest(`kind: expected one or more of ${Object.keys(EVENTS).join(', ')}`);
  const least = severityOf(query['severity']);
  const sinceMs = sinceOf(query['since']);
  return {
    cursor: cursorOf(query['cursor']),
    limit: limitOf(query['limit']),
    isWanted: ({ kind, severity, atMs }) =>
      (kinds === null || kinds.includes(kind)) && isAtLeast(severity, least) && atMs >= sinceMs,
  };
}

function severityOf(text: string | undefined): EventSeverity {
  if (text === undefined) return 'info';
  const severity = EVENT_SEVERITIES.find((each) => each === text);
  if (severity === undefined) throw badRequest(`severity: expected ${EVENT_SEVERITIES.join(', ')}`);
  return severity;
}

function sinceOf(text: string | undefined): number {
  if (text === undefined) return 0;
  const seconds = parseTime(text);
  if (seconds === null)
    throw badRequest('since: expected a time with its zone, such as "2026-01-31T12:00:00Z"');
  return seconds * 1000;
}

function cursorOf(text: string | undefined): EventCursor | null {
  if (text === undefined) return null;
  const cursor = parseEventCursor(text);
  if (cursor === null) throw badRequest('cursor: expected the next_cursor of an earlier answer');
  return cursor;
}

function limitOf(text: string | undefined): number {
  const limit = text === undefined ? LIMIT_DEFAULT : Number(text);
  if (!Number.isInteger(limit) || limit < 1 || limit > LIMIT_MAX)
    throw badRequest(`limit: expected a whole number from 1 to ${LIMIT_MAX}`);
  return limit;
}
