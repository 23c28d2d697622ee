// Answers about moves of slots: plans, tasks, and where nodes stand.

import { z } from 'zod';

import type { PlacementFaultKind } from '../../../planning/placement.ts';
import { type TaskKind, type TaskState } from '../../../topology/task.ts';
import { MIGRATE_TYPES } from '../../../topology/tuning.ts';
import { answerOf, named, nodeId, oneOf, shardIndex, slotRange, time } from '../named.ts';

const goneShard = shardIndex.nullable().describe('Index of a shard; null for one that is no more.');

const rangeOfTask = z.object({
  slots: slotRange,
  source: goneShard,
  target: goneShard,
  moved: z.int(),
  left: z.int(),
  state: oneOf<'pending' | 'running' | 'done' | 'failed'>({
    pending: true,
    running: true,
    done: true,
    failed: true,
  }),
  attempts: z.int().describe('Jobs that failed since it last came on.'),
  last_error: z.string().describe('In the words of the nodes where they had some; empty when none failed.'),
});

const tuned = z.object({
  node: nodeId,
  before: z.object({ speed: z.int().nullable(), type: z.string().nullable() }),
});

const taskFields = {
  id: z.int().min(1),
  kind: oneOf<TaskKind>({
    migrate: true,
    rebalance: true,
    scaleOut: true,
    drain: true,
    lend: true,
    giveBack: true,
  }),
  state: oneOf<TaskState>({
    pending: true,
    running: true,
    paused: true,
    succeeded: true,
    failed: true,
    cancelled: true,
  }),
  reason: z.string().describe('How it ended or what it waits for; empty where there is nothing to say.'),
  actor: z.string(),
  batch: z.int().describe('The most slots of one job.'),
  speed: z.int().nullable().describe('Keys per second, 0 for no limit; null: as the sources are set.'),
  type: z.enum(MIGRATE_TYPES).nullable().describe('Null: as the sources are set.'),
  removes: z.array(shardIndex).describe('Shards that are removed once all of it has come.'),
  slots: z.object({ total: z.int(), moved: z.int(), left: z.int() }),
  percent: z.number(),
  slots_per_second: z.number().nullable(),
  seconds_left: z.number().nullable(),
  retries: z.int(),
  running: z.array(
    z.object({
      slots: slotRange,
      source: goneShard,
      target: goneShard,
      since: time,
      stage: oneOf<'planned' | 'started' | 'cancelling'>({ planned: true, started: true, cancelling: true }),
    }),
  ),
  created_at: time,
  started_at: time.nullable(),
  ended_at: time.nullable(),
};

export const migration = named('Migration', z.object(taskFields));

const migrationWithRanges = named(
  'MigrationWithRanges',
  z.object({
    ...taskFields,
    ranges: z.array(rangeOfTask),
    tuned: z
      .array(tuned)
      .describe('Nodes that have its settings, or may have them, with what they had before.'),
  }),
);

export const migrationsAnswer = answerOf(
  'MigrationsAnswer',
  z.object({ migrations: z.array(migration).describe('The newest first.') }),
);
export const migrationAnswer = answerOf('MigrationAnswer', z.object({ migration: migrationWithRanges }));

export const slotPlanAnswer = answerOf(
  'SlotPlanAnswer',
  z.object({
    plan: named(
      'SlotPlan',
      z.object({
        slots_moved: z.int(),
        slots_unowned: z.int().describe('Slots that nobody owns, which no plan moves.'),
        moves: z.array(z.object({ source: shardIndex, target: shardIndex, slots: z.array(slotRange) })),
        shards: z
          .array(z.object({ shard: shardIndex, before: z.int(), after: z.int() }))
          .describe('How many slots each has, and will have.'),
      }),
    ),
    migration: migration
      .nullable()
      .describe('What carries it out; null where nothing has to be done, or only the plan was wanted.'),
  }),
);

export const placementAnswer = answerOf(
  'PlacementAnswer',
  z.object({
    placement: z.object({
      faults: z.array(
        z.object({
          kind: oneOf<PlacementFaultKind>({ oneZone: true, crowdedZone: true, zoneUnknown: true }),
          severity: z.literal('warning'),
          shards: z.array(shardIndex),
          nodes: z.array(nodeId),
          detail: z.string(),
          remedy: z.string(),
        }),
      ),
      failovers: z
        .array(
          z.object({
            shard: shardIndex,
            from: nodeId,
            from_zone: z.string(),
            to: nodeId,
            to_zone: z.string(),
            request: z.object({
              method: z.literal('POST'),
              path: z.string(),
              body: z.object({ preferred_node_id: nodeId }),
            }),
          }),
        )
        .describe('Those that would bring masters to better places, each with the request that does it.'),
    }),
  }),
);
