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
import { MIGRATE_SPEED_MAX, MIGRATE_TYPES } from '../../topology/tuning.ts';
import { SLOT_COUNT } from '../../topology/types.ts';

/**
 * Addresses in one request: a thousand shards of five nodes. Larger clusters grow by requests for shards; the record of a cluster,
 * which has at most 1 MiB, ends not far above.
 */
export const NODES_MAX = 5000;

const OBJECT = 'expected a JSON object';
const MEMBER_NUMBER = "expected a member's number, a positive integer";
const LEVEL = 'expected a feature level, a positive integer';

const text = z.string('expected text');
const addresses = listOf('"host:port" texts', z.string('expected a "host:port" text'), {
  least: 'expected at least one "host:port"',
  countMax: NODES_MAX,
});
const password = z.string('expected text').default('');

/** A wish of the client that is off unless it says so. */
const wish = z.boolean('expected true or false').default(false);

/** Masters bring the data of their shards with them. */
const with_data = wish;

/** Replicas bring data that is thrown away and made anew from their masters. */
const remake = wish;

const zone = z
  .string('expected text')
  .regex(/^[\w.:/-]*$/, 'expected letters, digits and the signs . _ : / -')
  .max(ZONE_LENGTH_MAX, `expected at most ${ZONE_LENGTH_MAX} characters`)
  .optional();

/** The length is checked before any element: a megabyte of wrong ones would make as many complaints. */
function listOf<Element extends z.ZodType>(
  what: string,
  element: Element,
  { least, countMax }: { readonly least: string; readonly countMax: number },
) {
  return z
    .array(z.unknown(), `expected a list of ${what}`)
    .min(1, least)
    .max(countMax, `expected at most ${countMax} in one request`)
    .pipe(z.array(element));
}

/** For routes without a body: clients that always send one send an empty object. */
export const noBody = z.object({}, OBJECT);

export const createNamespaceBody = z.object({ namespace: text }, OBJECT);

export const createClusterBody = z.object(
  {
    name: text,
    nodes: addresses,
    /** Nodes a shard *including* its master; 0 means 1. */
    replicas: z
      .int('expected a whole number')
      .min(0, 'expected 0 or more')
      .max(1000, 'expected at most 1000')
      .default(1),
    password,
    with_data,
    remake,
  },
  OBJECT,
);

export const importClusterBody = z.object({ nodes: addresses, password }, OBJECT);

/** `name` is what upstream's kvctl sends along: the cluster, which the path names too. */
export const createShardBody = z.object(
  { nodes: addresses, password, name: text.optional(), with_data, remake },
  OBJECT,
);

export const createNodeBody = z.object({ addr: text, role: text.default('slave'), password, remake }, OBJECT);

/** All webhooks there are to be from now on. One without a `secret` keeps what it has under its name. */
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
            secret: z.string('expected text').max(200, 'expected at most 200 characters').optional(),
            severity: z.enum(EVENT_SEVERITIES, 'expected "info", "warning" or "error"').default('warning'),
          },
          'expected objects with "name" and "url", and perhaps "secret" and "severity"',
        ),
        'expected a list of webhooks',
      )
      .max(WEBHOOKS_MAX, `expected at most ${WEBHOOKS_MAX}`),
  },
  OBJECT,
);

/** At least one of password and policy, which `PATCH` of a cluster sees to. `force` stores a password also where a node that answers refuses it. */
export const changeClusterBody = z.object(
  {
    password: z.string('expected text').optional(),
    force: wish,
    on_divergence: z.enum(DIVERGENCE_MODES, 'expected "resync" or "quarantine"').optional(),
  },
  OBJECT,
);

/** One node, or all without. */
export const syncBody = z.object({ node: z.string('expected a node id').optional() }, OBJECT);

/** `force`: as it is recorded, whatever its nodes say. */
export const acceptBody = z.object({ force: wish }, OBJECT);

/** `force`: also a copy that is proven. */
export const resyncBody = z.object({ force: wish }, OBJECT);

/** At least one of the four, which `PATCH` of a node sees to. */
export const changeNodeBody = z.object(
  {
    addr: z.string('expected a "host:port" text').optional(),
    password: z.string('expected text').optional(),
    force: wish,
    failover_priority: z
      .int('expected a whole number')
      .min(0, 'expected 0 (never takes over by itself) or more')
      .max(FAILOVER_PRIORITY_MAX, `expected at most ${FAILOVER_PRIORITY_MAX}`)
      .optional(),
    zone,
  },
  OBJECT,
);

const SPARE = 'expected a "host:port" text, or an object with "addr", and perhaps "password" and "zone"';

/** At least one of the three, which `PUT` sees to. */
export const sparesBody = z.object(
  {
    nodes: z
      .array(
        z.preprocess(
          (spare) => (typeof spare === 'string' ? { addr: spare } : spare),
          z.strictObject(
            {
              addr: z.string('expected a "host:port" text'),
              password: z.string('expected text').optional(),
              zone,
            },
            { error: SPARE },
          ),
        ),
        'expected a list of spares',
      )
      .max(SPARES_MAX, `expected at most ${SPARES_MAX}`)
      .optional(),
    /** Null: nobody is replaced. */
    copies: z
      .int('expected a whole number, or null')
      .min(1, 'expected 1 or more, or null')
      .max(COPIES_MAX, `expected at most ${COPIES_MAX}`)
      .nullable()
      .optional(),
    replace_after_seconds: z
      .int('expected a whole number of seconds')
      .min(1, 'expected 1 or more')
      .max(REPLACE_AFTER_SECONDS_MAX, `expected at most ${REPLACE_AFTER_SECONDS_MAX}`)
      .optional(),
  },
  OBJECT,
);

export const failoverBody = z.object(
  { preferred_node_id: z.string('expected a node id').optional(), force: wish, dry_run: wish },
  OBJECT,
);

/** A time until which something is wanted; its form is checked where it is read. */
const until = z.string('expected a time with its zone, such as "2026-01-31T12:00:00Z"').optional();

const reason = z
  .string('expected text')
  .max(REASON_LENGTH_MAX, `expected at most ${REASON_LENGTH_MAX} characters`)
  .default('');

/** What is wanted of automatic failovers. */
export const automationBody = z.object(
  {
    failover: z.enum(FAILOVER_MODES, 'expected "on", "dry-run" or "paused"'),
    until,
    reason,
    ignore_mass_failure: wish,
  },
  OBJECT,
);

/** `force`: a master that nobody takes over from goes into maintenance as it is. */
export const maintenanceBody = z.object({ until, reason, force: wish }, OBJECT);

const flag = z.union(
  [z.boolean(), z.enum(['true', 'false']).transform((word) => word === 'true')],
  'expected true or false',
);

const slot = z.union(
  [z.number(), z.string()],
  'expected a slot such as 123 or "123", or a range such as "100-200"',
);

const batch = z
  .int('expected a number of slots')
  .min(1, 'expected at least 1')
  .max(SLOT_COUNT, `expected at most ${SLOT_COUNT}`);

/** How the sources are to send; as they are set where it is left out. */
const speed = z
  .int('expected a number of keys per second, or 0 for no limit')
  .min(0, 'expected 0 (no limit) or more')
  .max(MIGRATE_SPEED_MAX, `expected at most ${MIGRATE_SPEED_MAX}`)
  .nullable()
  .default(null);

const type = z
  .enum(MIGRATE_TYPES, `expected ${MIGRATE_TYPES.map((word) => `"${word}"`).join(' or ')}`)
  .nullable()
  .default(null);

/** All forms in use: integer or text slots, booleans as booleans or words, `slotOnly` beside `slot_only`. */
export const migrateBody = z.object(
  {
    target: z.int('expected the index of the target shard, a whole number'),
    slot: slot.optional(),
    slots: listOf('slots', z.string('expected a slot such as "5" or a range such as "5-9"'), {
      least: 'expected at least one slot',
      countMax: SLOT_COUNT,
    }).optional(),
    batch: batch.optional(),
    speed,
    type,
    slot_only: flag.optional(),
    slotOnly: flag.optional(),
  },
  OBJECT,
);

/** By the index of the shard; 1 for every other. Whether a number is a weight is for the plan to say. */
const weights = z
  .record(z.string(), z.number('expected a number'), 'expected an object such as {"0": 2}')
  .default({});

export const rebalanceBody = z.object(
  { weights, batch: batch.optional(), speed, type, dry_run: wish },
  OBJECT,
);

export const drainBody = z.object({ batch: batch.optional(), speed, type, dry_run: wish }, OBJECT);

export const scaleInBody = z.object(
  {
    shards: listOf('shards', z.int('expected the index of a shard, a whole number'), {
      least: 'expected at least one shard',
      countMax: SLOT_COUNT,
    }),
    batch: batch.optional(),
    speed,
    type,
    dry_run: wish,
  },
  OBJECT,
);

export const scaleOutBody = z.object(
  {
    nodes: addresses,
    replicas: z.int('expected a number of nodes').min(1, 'expected at least 1').default(1),
    password,
    remake,
    weights,
    batch: batch.optional(),
    speed,
    type,
    dry_run: wish,
  },
  OBJECT,
);

/** Which migrations are to be given up: that of a slot, that out of a shard, or all. */
export const cancelBody = z.object(
  {
    slot: slot.optional(),
    source: z.int('expected the index of the source shard, a whole number').optional(),
  },
  OBJECT,
);

export const slotsBody = z.object(
  {
    slots: listOf('slots', z.string('expected a slot such as "5" or a range such as "5-9"'), {
      least: 'expected at least one slot',
      countMax: SLOT_COUNT,
    }),
  },
  OBJECT,
);

/** `peer` may be left out of a removal. */
export const changePeersBody = z.object(
  {
    id: z.int(MEMBER_NUMBER).min(1, MEMBER_NUMBER),
    peer: z.string('expected a "host:port" text').default(''),
    operation: z.enum(['add', 'remove'], 'expected "add" or "remove"'),
  },
  OBJECT,
);

/** How long another log level lasts, seconds: nobody has to remember to put it back. */
const LOG_LEVEL_SECONDS_MAX = 3600;
const LOG_LEVEL_SECONDS_DEFAULT = 600;

export const logLevelBody = z.object(
  {
    level: z.enum(['debug', 'info', 'warn', 'error'], 'expected "debug", "info", "warn" or "error"'),
    seconds: z
      .int('expected a whole number of seconds')
      .min(1, 'expected at least 1')
      .max(LOG_LEVEL_SECONDS_MAX, `expected at most ${LOG_LEVEL_SECONDS_MAX}`)
      .default(LOG_LEVEL_SECONDS_DEFAULT),
  },
  OBJECT,
);

/** Without `to` the lead goes to whoever has most of the log. */
export const transferBody = z.object({ to: z.int(MEMBER_NUMBER).min(1, MEMBER_NUMBER).optional() }, OBJECT);

/** Without `level` the group rises to what its newest member supports. */
export const finalizeBody = z.object({ level: z.int(LEVEL).min(1, LEVEL).optional(), dry_run: wish }, OBJECT);
