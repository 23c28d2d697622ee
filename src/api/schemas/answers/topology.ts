// Answers about namespaces, clusters, shards and nodes as they are recorded.

import { z } from 'zod';

import { address, answerOf, named, nodeId, oneOf, slotRange } from '../named.ts';

export const okAnswer = answerOf('OkAnswer', z.literal('ok'));
export const createdAnswer = answerOf('CreatedAnswer', z.literal('created'));

const moving = z
  .union([z.int(), z.string()])
  .describe('-1 while nothing moves; the slot while one moves; text such as `5-9` while a range does.');

export const node = named(
  'Node',
  z.object({
    id: nodeId,
    addr: address,
    role: oneOf<'master' | 'slave'>({ master: true, slave: true }),
    password: z.literal('').describe('Always empty: passwords come in and never go out.'),
    master_auth: z.literal('').describe('Always empty.'),
    created_at: z.int().describe('Seconds since the Unix epoch.'),
  }),
);

export const shard = named(
  'Shard',
  z.object({
    nodes: z.array(node),
    slot_ranges: z.array(slotRange).nullable().describe('Null where it owns no slots.'),
    target_shard_index: z.int().describe('Where its slots are moving to; -1 while none are.'),
    migrating_slot: moving,
    import_slot: moving,
  }),
);

export const cluster = named(
  'Cluster',
  z.object({
    name: z.string(),
    version: z.int().describe('Rises with every change of the topology, and is never used twice.'),
    shards: z.array(shard),
  }),
);

const nextCursor = z
  .string()
  .nullable()
  .optional()
  .describe('The `cursor` of the next page, null at the end; only where `limit` or `cursor` was given.');

export const namespacesAnswer = answerOf(
  'NamespacesAnswer',
  z.object({ namespaces: z.array(z.string()), next_cursor: nextCursor }),
);
export const namespaceAnswer = answerOf('NamespaceAnswer', z.object({ namespace: z.string() }));
export const clustersAnswer = answerOf(
  'ClustersAnswer',
  z.object({ clusters: z.array(z.string()), next_cursor: nextCursor }),
);
export const clusterAnswer = answerOf('ClusterAnswer', z.object({ cluster }));
export const acceptAnswer = answerOf(
  'AcceptAnswer',
  z.object({
    accept: z.object({
      version: z.int().describe('What its nodes are told from now on.'),
      overridden: z.array(z.string()).describe('What spoke against it; empty without `force`.'),
    }),
  }),
);
export const shardsAnswer = answerOf('ShardsAnswer', z.object({ shards: z.array(shard) }));
export const shardAnswer = answerOf('ShardAnswer', z.object({ shard }));
export const nodesAnswer = answerOf('NodesAnswer', z.object({ nodes: z.array(node) }));
export const nodeAnswer = answerOf('NodeAnswer', z.object({ node: node.nullable() }));

export const newMasterAnswer = answerOf(
  'NewMasterAnswer',
  z.object({
    new_master_id: nodeId,
    warning: z.string().optional().describe('What may be lost by it; absent where nothing is.'),
  }),
);

/** The shard as this member knows it: null where it is no more. */
export const shardAfterAnswer = answerOf('ShardAfterFailoverAnswer', z.object({ shard: shard.nullable() }));

const sequence = z
  .int()
  .nullable()
  .describe('Sequence number, about one a write; null where it is not known.');

export const failoverPlanAnswer = answerOf(
  'FailoverPlanAnswer',
  z.object({
    plan: named(
      'FailoverPlan',
      z.object({
        kind: oneOf<'drain' | 'failover' | 'acceptance' | 'none'>({
          drain: true,
          failover: true,
          acceptance: true,
          none: true,
        }).describe(
          '`drain`: a living master lets its clients go first. `failover`: the new one takes over at once. `acceptance`: the master stays, without the data it lost. `none`: it would be refused.',
        ),
        new_master_id: nodeId.nullable(),
        reason: z.string(),
        may_be_lost: z.string().nullable().describe('A sentence; null where nothing can be.'),
        master: z.object({ id: nodeId, addr: address, answers: z.boolean(), sequence }),
        candidates: z.array(
          z.object({
            id: nodeId,
            addr: address,
            sequence,
            behind: sequence,
            eligible: z.boolean(),
            reason: z.string(),
          }),
        ),
      }),
    ),
  }),
);
