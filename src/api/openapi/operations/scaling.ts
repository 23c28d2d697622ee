// Growing, shrinking and evening out.

import { z } from 'zod';

import { placementAnswer, slotPlanAnswer } from '../../schemas/answers/tasks.ts';
import { drainBody, rebalanceBody, scaleInBody, scaleOutBody } from '../../schemas/slot-bodies.ts';
import { addressOf, migrationExample } from '../examples.ts';
import { data, type Operation, type Success } from '../operation.ts';

const CLUSTER = '/api/v1/namespaces/{namespace}/clusters/{cluster}';

const PLANNED: Success = {
  status: 200,
  description: 'The plan, and the migration that carries it out.',
  answers: [slotPlanAnswer],
};

const NOT_BEGUN = {
  state: 'pending',
  batch: 4096,
  slots_per_second: null,
  seconds_left: null,
  running: [],
  started_at: null,
  percent: 0,
};

const GROWN = {
  slots_moved: 5461,
  slots_unowned: 0,
  moves: [
    { source: 0, target: 2, slots: ['5461-8191'] },
    { source: 1, target: 2, slots: ['13654-16383'] },
  ],
  shards: [
    { shard: 0, before: 8192, after: 5461 },
    { shard: 1, before: 8192, after: 5462 },
    { shard: 2, before: 0, after: 5461 },
  ],
};

const EMPTIED = {
  slots_moved: 5461,
  slots_unowned: 0,
  moves: [
    { source: 2, target: 0, slots: ['5461-8191'] },
    { source: 2, target: 1, slots: ['13654-16383'] },
  ],
  shards: [
    { shard: 0, before: 5461, after: 8192 },
    { shard: 1, before: 5462, after: 8192 },
    { shard: 2, before: 5461, after: 0 },
  ],
};

const EVEN = {
  slots_moved: 0,
  slots_unowned: 0,
  moves: [],
  shards: [
    { shard: 0, before: 8192, after: 8192 },
    { shard: 1, before: 8192, after: 8192 },
  ],
};

export const SCALING_OPERATIONS: readonly Operation[] = [
  {
    id: 'scaleOut',
    method: 'post',
    path: `${CLUSTER}/scale-out`,
    tag: 'Scaling',
    summary: 'Add shards and give them their part of the slots',
    answeredBy: 'leader',
    headers: ['X-Dont-Check-Cluster-Mode'],
    body: { schema: scaleOutBody, isRequired: true },
    success: PLANNED,
    refusals: ['exists', 'conflict', 'nodeUnreachable'],
    examples: {
      dryRun: {
        summary: 'Only the plan',
        body: { nodes: [addressOf(7)], dry_run: true },
        answer: data({ plan: GROWN, migration: null }),
      },
      one: {
        summary: 'A shard of one node',
        body: { nodes: [addressOf(7)], replicas: 1, batch: 4096 },
        answer: data({
          plan: GROWN,
          migration: migrationExample({
            ...NOT_BEGUN,
            kind: 'scaleOut',
            slots: { total: 5461, moved: 0, left: 5461 },
          }),
        }),
      },
    },
  },
  {
    id: 'scaleIn',
    method: 'post',
    path: `${CLUSTER}/scale-in`,
    tag: 'Scaling',
    summary: 'Empty shards and remove them',
    answeredBy: 'leader',
    body: { schema: scaleInBody, isRequired: true },
    success: PLANNED,
    refusals: ['conflict', 'nodeUnreachable'],
    examples: {
      last: {
        summary: 'The last shard',
        body: { shards: [2], batch: 4096 },
        answer: data({
          plan: EMPTIED,
          migration: migrationExample({
            ...NOT_BEGUN,
            id: 2,
            kind: 'drain',
            removes: [2],
            slots: { total: 5461, moved: 0, left: 5461 },
          }),
        }),
      },
    },
  },
  {
    id: 'rebalanceCluster',
    method: 'post',
    path: `${CLUSTER}/rebalance`,
    tag: 'Scaling',
    summary: 'Spread the slots evenly, or by weights',
    answeredBy: 'leader',
    body: { schema: rebalanceBody, isRequired: false },
    success: PLANNED,
    refusals: ['conflict', 'nodeUnreachable'],
    examples: {
      dryRun: {
        summary: 'Only the plan, by weights',
        body: { weights: { '0': 2 }, dry_run: true },
        answer: data({
          plan: {
            slots_moved: 2730,
            slots_unowned: 0,
            moves: [{ source: 1, target: 0, slots: ['8192-10921'] }],
            shards: [
              { shard: 0, before: 8192, after: 10922 },
              { shard: 1, before: 8192, after: 5462 },
            ],
          },
          migration: null,
        }),
      },
      even: {
        summary: 'Evenly, where that is so already',
        body: {},
        answer: data({ plan: EVEN, migration: null }),
      },
    },
  },
  {
    id: 'drainShard',
    method: 'post',
    path: `${CLUSTER}/shards/{shard}/drain`,
    tag: 'Scaling',
    summary: 'Spread the slots of one shard over the others',
    description: 'It stays, without slots. To have it removed, too: `scale-in`.',
    answeredBy: 'leader',
    body: { schema: drainBody, isRequired: false },
    success: PLANNED,
    refusals: ['conflict', 'nodeUnreachable'],
    examples: {
      dryRun: {
        summary: 'Only the plan',
        body: { dry_run: true },
        answer: data({
          plan: {
            slots_moved: 8192,
            slots_unowned: 0,
            moves: [{ source: 0, target: 1, slots: ['0-8191'] }],
            shards: [
              { shard: 0, before: 8192, after: 0 },
              { shard: 1, before: 8192, after: 16384 },
            ],
          },
          migration: null,
        }),
      },
    },
  },
  {
    id: 'getPlacement',
    method: 'get',
    path: `${CLUSTER}/placement`,
    tag: 'Scaling',
    summary: 'Shards and zones that stand badly, with remedies',
    answeredBy: 'leader',
    query: {
      zone: {
        description: 'The failovers that bring masters into this zone, instead of those that spread them.',
        schema: z.string(),
      },
    },
    success: {
      status: 200,
      description: 'What is wrong, and the failovers that mend it.',
      answers: [placementAnswer],
    },
    refusals: ['badRequest'],
    examples: {
      none: {
        summary: 'Nobody said where nodes stand',
        answer: data({ placement: { faults: [], failovers: [] } }),
      },
    },
  },
];
