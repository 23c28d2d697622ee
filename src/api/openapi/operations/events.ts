// What has happened, and who is told.

import { z } from 'zod';

import { eventsAnswer, webhooksAnswer } from '../../schemas/answers/events.ts';
import { webhooksBody } from '../../schemas/bodies.ts';
import { EVENT_SEVERITIES, EVENTS } from '../../../topology/event.ts';
import { EVENT, TIME } from '../examples.ts';
import { data, type Operation, type QueryParameter } from '../operation.ts';

const PAGE: Readonly<Record<string, QueryParameter>> = {
  limit: { description: 'At most so many; 50 where it is left out.', schema: z.int().min(1).max(1000) },
  cursor: { description: 'Only what is older: `next_cursor` of the page before.', schema: z.string() },
  kind: {
    description: `One or more of these, with commas between: ${Object.keys(EVENTS).join(', ')}.`,
    schema: z.string(),
  },
  severity: { description: 'This one and above.', schema: z.enum(EVENT_SEVERITIES) },
  since: {
    description: 'Only from this time on; with its zone.',
    schema: z.string().meta({ format: 'date-time' }),
  },
};

const HOOK = { name: 'pager', url: 'http://127.0.0.1:8080/events', severity: 'error' };

function events(id: string, path: string, whose: string): Operation {
  return {
    id,
    method: 'get',
    path,
    tag: 'Events',
    summary: `What has happened ${whose}, the newest first`,
    description: 'The newest 200 of each cluster and of the group are kept.',
    answeredBy: 'leader',
    query: PAGE,
    success: { status: 200, description: 'One page.', answers: [eventsAnswer] },
    refusals: ['badRequest'],
    examples: {
      newest: { summary: 'The newest', answer: data({ events: [EVENT], next_cursor: null }) },
      chosen: {
        summary: 'Some kinds, since a time',
        query: { kind: 'failover,switchover', severity: 'warning', since: TIME, limit: '10' },
        answer: data({ events: [], next_cursor: null }),
      },
    },
  };
}

export const EVENT_OPERATIONS: readonly Operation[] = [
  events('listEvents', '/api/v1/events', 'to all clusters and the group'),
  events('listClusterEvents', '/api/v1/namespaces/{namespace}/clusters/{cluster}/events', 'to a cluster'),
  {
    id: 'getWebhooks',
    method: 'get',
    path: '/api/v1/webhooks',
    tag: 'Events',
    summary: 'Who is told of events by HTTP',
    answeredBy: 'leader',
    success: { status: 200, description: 'Without their secrets.', answers: [webhooksAnswer] },
    examples: {
      one: {
        summary: 'One receiver',
        answer: data({ webhooks: [{ ...HOOK, signed: true, pending: 0 }] }),
      },
    },
  },
  {
    id: 'setWebhooks',
    method: 'put',
    path: '/api/v1/webhooks',
    tag: 'Events',
    summary: 'Say who is told of events',
    answeredBy: 'leader',
    body: { schema: webhooksBody, isRequired: true },
    success: { status: 200, description: 'Who is told from now on.', answers: [webhooksAnswer] },
    refusals: ['conflict'],
    examples: {
      one: {
        summary: 'One receiver',
        body: { webhooks: [{ ...HOOK, secret: 'known to the receiver, too' }] },
        answer: data({ webhooks: [{ ...HOOK, signed: true, pending: 0 }] }),
      },
    },
  },
];
