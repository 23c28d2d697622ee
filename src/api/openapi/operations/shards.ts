// Shards, named by their index.

import {
  clusterAnswer,
  createdAnswer,
  failoverPlanAnswer,
  newMasterAnswer,
  okAnswer,
  shardAfterAnswer,
  shardAnswer,
  shardsAnswer,
} from '../../schemas/answers/topology.ts';
import { createShardBody, failoverBody } from '../../schemas/bodies.ts';
import { slotsBody } from '../../schemas/slot-bodies.ts';
import { addressOf, MASTER_0, REPLICA_0, SHARD_0, SHARDS as SHARDS_EXAMPLE } from '../examples.ts';
import { data, type Operation } from '../operation.ts';

const SHARDS = '/api/v1/namespaces/{namespace}/clusters/{cluster}/shards';
const ONE = `${SHARDS}/{shard}`;

export const SHARD_OPERATIONS: readonly Operation[] = [
  {
    id: 'listShards',
    method: 'get',
    path: SHARDS,
    tag: 'Shards',
    summary: 'All shards of a cluster',
    answeredBy: 'leader',
    success: { status: 200, description: 'In the order of their indexes.', answers: [shardsAnswer] },
    examples: { all: { summary: 'Two shards', answer: data({ shards: SHARDS_EXAMPLE }) } },
  },
  {
    id: 'createShard',
    method: 'post',
    path: SHARDS,
    tag: 'Shards',
    summary: 'Add a shard of new nodes; it owns no slots yet',
    answeredBy: 'leader',
    headers: ['Prefer', 'X-Dont-Check-Cluster-Mode'],
    body: { schema: createShardBody, isRequired: true },
    success: { status: 201, description: 'It is the last one now.', answers: [createdAnswer, shardAnswer] },
    refusals: ['exists', 'conflict', 'nodeUnreachable'],
    examples: {
      one: {
        summary: 'A shard of one node',
        body: { nodes: [addressOf(4)], password: '' },
        answer: data('created'),
      },
    },
  },
  {
    id: 'getShard',
    method: 'get',
    path: ONE,
    tag: 'Shards',
    summary: 'One shard',
    answeredBy: 'leader',
    success: { status: 200, description: 'As it is recorded.', answers: [shardAnswer] },
    examples: { one: { summary: 'The first', answer: data({ shard: SHARD_0 }) } },
  },
  {
    id: 'deleteShard',
    method: 'delete',
    path: ONE,
    tag: 'Shards',
    summary: 'Remove a shard that owns no slots',
    description: 'Shards behind it move up: their indexes fall by one.',
    answeredBy: 'leader',
    success: { status: 200, description: 'It is gone, and its nodes are told.', answers: [okAnswer] },
    refusals: ['conflict'],
    at: { shard: '2' },
    examples: { one: { summary: 'The last one', answer: data('ok') } },
  },
  {
    id: 'failoverShard',
    method: 'post',
    path: `${ONE}/failover`,
    tag: 'Shards',
    summary: 'Make a replica the master',
    description:
      'A living master is drained first: its clients wait until the replica has everything, and nothing is lost. What would lose writes is refused unless `force` says otherwise.',
    answeredBy: 'leader',
    headers: ['Prefer'],
    body: { schema: failoverBody, isRequired: false },
    success: {
      status: 200,
      description: 'It is done; with `dry_run`, what would be.',
      answers: [newMasterAnswer, failoverPlanAnswer, shardAfterAnswer],
    },
    refusals: ['conflict'],
    examples: {
      dryRun: {
        summary: 'Only the plan',
        body: { dry_run: true },
        answer: data({
          plan: {
            kind: 'drain',
            new_master_id: REPLICA_0,
            reason: `replica ${REPLICA_0.slice(0, 8)} at ${addressOf(1)} takes over once it has everything`,
            may_be_lost: null,
            master: { id: MASTER_0, addr: addressOf(0), answers: true, sequence: 120 },
            candidates: [
              {
                id: REPLICA_0,
                addr: addressOf(1),
                sequence: 120,
                behind: 0,
                eligible: true,
                reason: 'it has everything that the master was seen at',
              },
            ],
          },
        }),
      },
      preferred: {
        summary: 'To a node of your choice',
        body: { preferred_node_id: REPLICA_0 },
        answer: data({ new_master_id: REPLICA_0 }),
      },
      best: { summary: 'To the best replica', body: {}, answer: data({ new_master_id: MASTER_0 }) },
    },
  },
  {
    id: 'addSlots',
    method: 'post',
    path: `${ONE}/slots`,
    tag: 'Shards',
    summary: 'Give a shard slots that nobody owns',
    answeredBy: 'leader',
    headers: ['Prefer'],
    body: { schema: slotsBody, isRequired: true },
    success: { status: 200, description: 'They are its own.', answers: [okAnswer, clusterAnswer] },
    refusals: ['conflict'],
    examples: {
      some: { summary: 'Slots and a range', body: { slots: ['1', '3-4'] }, answer: data('ok') },
    },
  },
  {
    id: 'removeSlots',
    method: 'delete',
    path: `${ONE}/slots`,
    tag: 'Shards',
    summary: 'Take slots away from a shard: nobody owns them then',
    description:
      'This DELETE has a body, which OpenAPI has no meaning for and some generators leave out: take a client that sends it.',
    answeredBy: 'leader',
    headers: ['Prefer'],
    body: { schema: slotsBody, isRequired: true },
    success: { status: 200, description: 'Nobody owns them.', answers: [okAnswer, clusterAnswer] },
    refusals: ['conflict'],
    examples: {
      some: { summary: 'Slots and a range', body: { slots: ['1', '3-4'] }, answer: data('ok') },
    },
  },
];
