// The shapes of request bodies. Extra members are ignored: clients of earlier controllers send some.

import { z } from 'zod';

const text = z.string('expected text');
const addresses = z
  .array(z.string('expected a "host:port" text'), 'expected a list of "host:port" texts')
  .min(1, 'expected at least one "host:port"');
const password = z.string('expected text').default('');

export const createNamespaceBody = z.object({ namespace: text }, 'expected a JSON object');

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
  },
  'expected a JSON object',
);

export const importClusterBody = z.object({ nodes: addresses, password }, 'expected a JSON object');

export const createShardBody = z.object({ nodes: addresses, password }, 'expected a JSON object');

export const createNodeBody = z.object(
  { addr: text, role: text.default('slave'), password },
  'expected a JSON object',
);

export const failoverBody = z.object(
  { preferred_node_id: z.string('expected a node id').nullish() },
  'expected a JSON object',
);

const flag = z.union(
  [z.boolean(), z.enum(['true', 'false']).transform((word) => word === 'true')],
  'expected true or false',
);

/** All forms in use: integer or text slots, booleans as booleans or words, `slotOnly` beside `slot_only`. */
export const migrateBody = z.object(
  {
    target: z.int('expected the index of the target shard, a whole number'),
    slot: z.union(
      [z.int(), z.string()],
      'expected a slot such as 123 or "123", or a range such as "100-200"',
    ),
    slot_only: flag.optional(),
    slotOnly: flag.optional(),
  },
  'expected a JSON object',
);

export const slotsBody = z.object(
  {
    slots: z
      .array(z.string('expected a slot such as "5" or a range such as "5-9"'), 'expected a list of slots')
      .min(1, 'expected at least one slot'),
  },
  'expected a JSON object',
);

/** `peer` may be left out of a removal. */
export const changePeersBody = z.object(
  {
    id: z
      .int("expected a member's number, a positive integer")
      .min(1, "expected a member's number, a positive integer"),
    peer: z.string('expected a "host:port" text').default(''),
    operation: z.enum(['add', 'remove'], 'expected "add" or "remove"'),
  },
  'expected a JSON object',
);

/** Without `to` the lead goes to whoever has most of the log. */
export const transferBody = z.object(
  {
    to: z
      .int("expected a member's number, a positive integer")
      .min(1, "expected a member's number, a positive integer")
      .nullish(),
  },
  'expected a JSON object',
);
