// Moves of slots, and the tasks that carry them out.

import { migrationAnswer, migrationsAnswer } from '../../schemas/answers/tasks.ts';
import { clusterAnswer, okAnswer } from '../../schemas/answers/topology.ts';
import { cancelBody, migrateBody } from '../../schemas/slot-bodies.ts';
import { migrationExample, migrationWithRanges, TIME } from '../examples.ts';
import { data, type Operation } from '../operation.ts';

const CLUSTER = '/api/v1/namespaces/{namespace}/clusters/{cluster}';
const ONE = `${CLUSTER}/migrations/{migration}`;

/** What can be wanted of one migration. */
function wished(
  wish: 'pause' | 'resume' | 'cancel' | 'retry',
  { summary, after }: { readonly summary: string; readonly after: object },
): Operation {
  return {
    id: `${wish}Migration`,
    method: 'post',
    path: `${ONE}/${wish}`,
    tag: 'Migrations',
    summary,
    answeredBy: 'leader',
    success: { status: 200, description: 'As it stands now.', answers: [migrationAnswer] },
    refusals: ['conflict'],
    examples: {
      one: { summary: 'A migration', answer: data({ migration: migrationWithRanges(after) }) },
    },
  };
}

export const MIGRATION_OPERATIONS: readonly Operation[] = [
  {
    id: 'migrateSlots',
    method: 'post',
    path: `${CLUSTER}/migrate`,
    tag: 'Migrations',
    summary: 'Move slots to a shard',
    description:
      'Answers when the wish is recorded; whoever leads carries it out, job by job of `batch` slots at most. Exactly one of `slot` and `slots`.',
    answeredBy: 'leader',
    headers: ['Prefer'],
    body: { schema: migrateBody, isRequired: true },
    success: { status: 200, description: 'The wish is recorded.', answers: [okAnswer, clusterAnswer] },
    refusals: ['conflict', 'nodeUnreachable'],
    examples: {
      slots: {
        summary: 'Many slots, in jobs of ten',
        body: { target: 1, slots: ['0-99'], batch: 10 },
        answer: data('ok'),
      },
      slot: {
        summary: 'One slot',
        body: { target: 1, slot: 123, slot_only: 'false' },
        answer: data('ok'),
      },
    },
  },
  {
    id: 'cancelMigrations',
    method: 'post',
    path: `${CLUSTER}/migrate/cancel`,
    tag: 'Migrations',
    summary: 'Give up migrations that have not ended: all, of one slot, or out of one shard',
    answeredBy: 'leader',
    headers: ['Prefer'],
    body: { schema: cancelBody, isRequired: false },
    success: {
      status: 200,
      description: 'They end as soon as that is safe.',
      answers: [okAnswer, clusterAnswer],
    },
    refusals: ['conflict'],
    examples: {
      source: { summary: 'All out of the first shard', body: { source: 0 }, answer: data('ok') },
    },
  },
  {
    id: 'listMigrations',
    method: 'get',
    path: `${CLUSTER}/migrations`,
    tag: 'Migrations',
    summary: 'All migrations that are kept',
    answeredBy: 'leader',
    success: { status: 200, description: 'The newest first.', answers: [migrationsAnswer] },
    examples: { all: { summary: 'One', answer: data({ migrations: [migrationExample()] }) } },
  },
  {
    id: 'getMigration',
    method: 'get',
    path: ONE,
    tag: 'Migrations',
    summary: 'One migration with its ranges',
    answeredBy: 'leader',
    success: { status: 200, description: 'How far it is.', answers: [migrationAnswer] },
    examples: { one: { summary: 'Under way', answer: data({ migration: migrationWithRanges() }) } },
  },
  wished('pause', {
    summary: 'Begin no more of its jobs for now',
    after: { state: 'paused', slots_per_second: null, seconds_left: null },
  }),
  wished('resume', {
    summary: 'Let a paused one go on',
    after: { slots_per_second: null, seconds_left: null },
  }),
  wished('cancel', {
    summary: 'Give it up: what has come stays',
    after: {
      state: 'cancelled',
      reason: 'given up with 10 of 100 slots moved',
      running: [],
      slots_per_second: null,
      seconds_left: null,
      ended_at: TIME,
    },
  }),
  wished('retry', {
    summary: 'Try again what is left of one that failed or was cancelled',
    after: { state: 'pending', running: [], slots_per_second: null, seconds_left: null, started_at: null },
  }),
];
