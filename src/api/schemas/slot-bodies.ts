// The shapes of bodies that ask for moves of slots, or change who owns them.

import { z } from 'zod';

import { MIGRATE_SPEED_MAX, MIGRATE_TYPES } from '../../topology/tuning.ts';
import { SLOT_COUNT } from '../../topology/types.ts';
import { addresses, dry_run, listOf, OBJECT, password, remake } from './fields.ts';

const flag = z.union(
  [z.boolean(), z.enum(['true', 'false']).transform((word) => word === 'true')],
  'expected true or false',
);

const slot = z.union(
  [z.number(), z.string()],
  'expected a slot such as 123 or "123", or a range such as "100-200"',
);

const slots = listOf('slots', z.string('expected a slot such as "5" or a range such as "5-9"'), {
  least: 'expected at least one slot',
  countMax: SLOT_COUNT,
}).describe('Slots such as `"5"` and ranges such as `"5-9"`.');

const batch = z
  .int('expected a number of slots')
  .min(1, 'expected at least 1')
  .max(SLOT_COUNT, `expected at most ${SLOT_COUNT}`)
  .optional()
  .describe('The most slots of one job.');

const speed = z
  .int('expected a number of keys per second, or 0 for no limit')
  .min(0, 'expected 0 (no limit) or more')
  .max(MIGRATE_SPEED_MAX, `expected at most ${MIGRATE_SPEED_MAX}`)
  .nullable()
  .default(null)
  .describe('Keys per second that a source sends, 0 for no limit; left out: as it is set.');

const type = z
  .enum(MIGRATE_TYPES, `expected ${MIGRATE_TYPES.map((word) => `"${word}"`).join(' or ')}`)
  .nullable()
  .default(null)
  .describe('How a source sends; left out: as it is set.');

/** All forms in use: integer or text slots, booleans as booleans or words, `slotOnly` beside `slot_only`. */
export const migrateBody = z.object(
  {
    target: z
      .int('expected the index of the target shard, a whole number')
      .describe('Index of the shard they go to.'),
    slot: slot
      .optional()
      .describe('A slot such as `123` or `"123"`, or a range such as `"100-200"`; or else `slots`.'),
    slots: slots.optional(),
    batch,
    speed,
    type,
    slot_only: flag.optional().describe('Moves ownership at once, without data.'),
    slotOnly: flag.optional().describe('The same as `slot_only`.'),
  },
  OBJECT,
);

/** Whether a number is a weight is for the plan to say. */
const weights = z
  .record(z.string(), z.number('expected a number'), 'expected an object such as {"0": 2}')
  .default({})
  .describe('By the index of the shard, such as `{"0": 2}`; 1 for every other.');

export const rebalanceBody = z.object({ weights, batch, speed, type, dry_run }, OBJECT);

export const drainBody = z.object({ batch, speed, type, dry_run }, OBJECT);

export const scaleInBody = z.object(
  {
    shards: listOf('shards', z.int('expected the index of a shard, a whole number'), {
      least: 'expected at least one shard',
      countMax: SLOT_COUNT,
    }).describe('Indexes of the shards that are emptied and removed.'),
    batch,
    speed,
    type,
    dry_run,
  },
  OBJECT,
);

export const scaleOutBody = z.object(
  {
    nodes: addresses.describe('`host:port` of each; the first of each new shard is its master.'),
    replicas: z
      .int('expected a number of nodes')
      .min(1, 'expected at least 1')
      .default(1)
      .describe('Nodes of a new shard, *including* its master.'),
    password,
    remake,
    weights,
    batch,
    speed,
    type,
    dry_run,
  },
  OBJECT,
);

export const cancelBody = z.object(
  {
    slot: slot.optional().describe('Only what moves this slot or range.'),
    source: z
      .int('expected the index of the source shard, a whole number')
      .optional()
      .describe('Only what moves slots out of this shard.'),
  },
  OBJECT,
);

export const slotsBody = z.object({ slots }, OBJECT);
