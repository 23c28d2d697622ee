// Answers about what has happened, and who is told.

import { z } from 'zod';

import { EVENT_SEVERITIES, type EventActor, EVENTS } from '../../../topology/event.ts';
import { answerOf, growing, named, nodeId, oneOf, shardIndex, time } from '../named.ts';

export const event = named(
  'Event',
  z.object({
    id: z
      .string()
      .describe(
        'Unique for ever: `<namespace>/<cluster>/<number>`, or `group/<number>` for those of the group.',
      ),
    time,
    kind: growing(Object.keys(EVENTS)),
    severity: z.enum(EVENT_SEVERITIES),
    actor: oneOf<EventActor>({ api: true, controller: true }).describe(
      '`api`: somebody asked for it. `controller`: the controllers did it by themselves.',
    ),
    text: z.string(),
    shard: shardIndex.nullable(),
    node: nodeId.nullable(),
    correlation: z.string().describe('Names what belongs together, such as the steps of one switchover.'),
    lost: z
      .int()
      .nullable()
      .describe('Sequence numbers known to be lost by it; null where that is not known.'),
    version: z
      .object({ before: z.int(), after: z.int() })
      .nullable()
      .describe('Of the cluster; null for events of the group.'),
    details: z.unknown().describe('Why it was decided so, of a shape of its own; null for most.'),
  }),
);

export const eventsAnswer = answerOf(
  'EventsAnswer',
  z.object({
    events: z.array(event).describe('The newest first.'),
    next_cursor: z.string().nullable().describe('The `cursor` of the next page; null at the end.'),
  }),
);

export const webhooksAnswer = answerOf(
  'WebhooksAnswer',
  z.object({
    webhooks: z.array(
      z.object({
        name: z.string(),
        url: z.string().describe('Without user and password.'),
        signed: z.boolean().describe('Whether it has a secret.'),
        severity: z.enum(EVENT_SEVERITIES).describe('The least that is told.'),
        pending: z.int().describe('Of the next 1,000 events, those it is still to be told.'),
      }),
    ),
  }),
);
