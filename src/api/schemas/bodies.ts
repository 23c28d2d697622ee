// The shapes of request bodies. Whatever else a body has is refused, so everything that clients in use send is named here.

import { z } from 'zod';

import { EVENT_SEVERITIES } from '../../topology/event.ts';
import {
  DIVERGENCE_MODES,
  FAILOVER_MODES,
  FAILOVER_PRIORITY_MAX,
  REASON_LENGTH_MAX,
  WEBHOOKS_MAX,
  ZONE_LENGTH_MAX,
} from '../../topology/policy.ts';
import { COPIES_MAX, REPLACE_AFTER_SECONDS_MAX, SPARES_MAX } from '../../topology/spares.ts';
import { addresses, dry_run, OBJECT, password, remake, text, wish } from './fields.ts';

const NAME = '1 to 63 letters, digits, `.`, `_` or `-`, the first a letter or digit.';

const with_data = wish.describe('Masters bring the data of their shards with them.');

const zone = z
  .string('expected text')
  .regex(/^[\w.:/-]*$/, 'expected letters, digits and the signs . _ : / -')
  .max(ZONE_LENGTH_MAX, `expected at most ${ZONE_LENGTH_MAX} characters`)
  .optional()
  .describe('Where the node stands, such as a rack or a data centre.');

/** For routes without a body: clients that always send one send an empty object. */
export const noBody = z.object({}, OBJECT);

export const createNamespaceBody = z.object({ namespace: text.describe(NAME) }, OBJECT);

export const createClusterBody = z.object(
  {
    name: text.describe(NAME),
    nodes: addresses.describe('`host:port` of each; the first of each shard is its master.'),
    replicas: z
      .int('expected a whole number')
      .min(0, 'expected 0 or more')
      .max(1000, 'expected at most 1000')
      .default(1)
      .describe('Nodes of a shard, *including* its master; 0 means 1.'),
    password,
    with_data,
    remake,
  },
  OBJECT,
);

export const importClusterBody = z.object(
  { nodes: addresses.describe('`host:port` of some nodes of the cluster; the others are found.'), password },
  OBJECT,
);

export const createShardBody = z.object(
  {
    nodes: addresses.describe('`host:port` of each; the first is the master.'),
    password,
    name: text.optional().describe('Without meaning: what some clients send along.'),
    with_data,
    remake,
  },
  OBJECT,
);

export const createNodeBody = z.object(
  {
    addr: text.describe('`host:port`'),
    role: text.default('slave').describe('`slave`; a shard has its master already.'),
    password,
    remake,
  },
  OBJECT,
);

export const webhooksBody = z.object(
  {
    webhooks: z
      .array(
        z.strictObject(
          {
            name: z
              .string('expected text')
              .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'expected up to 63 small letters, digits and hyphens'),
            url: z.string('expected text').max(2000, 'expected at most 2000 characters'),
            secret: z
              .string('expected text')
              .max(200, 'expected at most 200 characters')
              .optional()
              .describe('Requests are signed with it; left out, the one under this name stays.'),
            severity: z
              .enum(EVENT_SEVERITIES, 'expected "info", "warning" or "error"')
              .default('warning')
              .describe('The least that is told.'),
          },
          'expected objects with "name" and "url", and perhaps "secret" and "severity"',
        ),
        'expected a list of webhooks',
      )
      .max(WEBHOOKS_MAX, `expected at most ${WEBHOOKS_MAX}`)
      .describe('All there are to be from now on.'),
  },
  OBJECT,
);

const newPassword = z
  .string('expected text')
  .optional()
  .describe('Stored once every node that answers accepts it.');

const forcePassword = wish.describe('Stores the password also where a node that answers refuses it.');

/** At least one of password and policy, which `PATCH` of a cluster sees to. */
export const changeClusterBody = z.object(
  {
    password: newPassword,
    force: forcePassword,
    on_divergence: z
      .enum(DIVERGENCE_MODES, 'expected "resync" or "quarantine"')
      .optional()
      .describe(
        'What becomes of writes that only an old master has: made anew, or kept until somebody looked.',
      ),
  },
  OBJECT,
);

export const syncBody = z.object(
  { node: z.string('expected a node id').optional().describe('The id of one node; left out: all nodes.') },
  OBJECT,
);

export const acceptBody = z.object(
  { force: wish.describe('As it is recorded, whatever its nodes say.') },
  OBJECT,
);

export const resyncBody = z.object({ force: wish.describe('Also a copy that is proven.') }, OBJECT);

/** At least one of the four, which `PATCH` of a node sees to. */
export const changeNodeBody = z.object(
  {
    addr: z
      .string('expected a "host:port" text')
      .optional()
      .describe('Where the same node answers from now on.'),
    password: newPassword,
    force: forcePassword,
    failover_priority: z
      .int('expected a whole number')
      .min(0, 'expected 0 (never takes over by itself) or more')
      .max(FAILOVER_PRIORITY_MAX, `expected at most ${FAILOVER_PRIORITY_MAX}`)
      .optional()
      .describe('The higher, the rather it takes over; 0: never by itself.'),
    zone,
  },
  OBJECT,
);

const SPARE = 'expected a "host:port" text, or an object with "addr", and perhaps "password" and "zone"';

/** Text is taken as an object with that address. */
export const spareBody = z.preprocess(
  (spare) => (typeof spare === 'string' ? { addr: spare } : spare),
  z.strictObject(
    {
      addr: z.string('expected a "host:port" text'),
      password: z
        .string('expected text')
        .optional()
        .describe('Left out, it stays; a spare without one has that of all members.'),
      zone,
    },
    { error: SPARE },
  ),
);

/** At least one of the three, which `PUT` sees to. */
export const sparesBody = z.object(
  {
    nodes: z
      .array(spareBody, 'expected a list of spares')
      .max(SPARES_MAX, `expected at most ${SPARES_MAX}`)
      .optional()
      .describe('All spares there are to be; left out, they stay.'),
    copies: z
      .int('expected a whole number, or null')
      .min(1, 'expected 1 or more, or null')
      .max(COPIES_MAX, `expected at most ${COPIES_MAX}`)
      .nullable()
      .optional()
      .describe('Nodes wanted in each shard, its master among them; null replaces nobody.'),
    replace_after_seconds: z
      .int('expected a whole number of seconds')
      .min(1, 'expected 1 or more')
      .max(REPLACE_AFTER_SECONDS_MAX, `expected at most ${REPLACE_AFTER_SECONDS_MAX}`)
      .optional()
      .describe('For so long a shard has to be short before a spare takes a place in it.'),
  },
  OBJECT,
);

export const failoverBody = z.object(
  {
    preferred_node_id: z
      .string('expected a node id')
      .optional()
      .describe('Who is to take over; left out or empty: the best replica.'),
    force: wish.describe('Also where writes may be lost by it.'),
    dry_run,
  },
  OBJECT,
);

/** Its form is checked where it is read. */
const until = z
  .string('expected a time with its zone, such as "2026-01-31T12:00:00Z"')
  .optional()
  .describe('A time with its zone, such as `2026-01-31T12:00:00Z`; left out: until it is taken back.');

const reason = z
  .string('expected text')
  .max(REASON_LENGTH_MAX, `expected at most ${REASON_LENGTH_MAX} characters`)
  .default('')
  .describe('For people.');

/** What is wanted of automatic failovers. */
export const automationBody = z.object(
  {
    failover: z.enum(FAILOVER_MODES, 'expected "on", "dry-run" or "paused"'),
    until,
    reason,
    ignore_mass_failure: wish.describe('Masters are replaced although very many nodes are missed at once.'),
  },
  OBJECT,
);

export const maintenanceBody = z.object(
  {
    until,
    reason,
    force: wish.describe('A master that nobody takes over from goes into maintenance as it is.'),
  },
  OBJECT,
);
