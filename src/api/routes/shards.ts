// Shards of a cluster, named by their index: create, list, read, delete, fail over, slots.

import { type Context, Hono } from 'hono';

import { unreachable } from '../../base/assert.ts';
import { Secret } from '../../base/secret.ts';
import type { FailoverRefusal } from '../../control/failover-request.ts';
import { addShard, removeShard } from '../../topology/change-nodes.ts';
import { addSlots, removeSlots } from '../../topology/change-slots.ts';
import { parseNodeId } from '../../topology/node.ts';
import { parseSlotSet } from '../../topology/slot.ts';
import type { Cluster, Shard } from '../../topology/types.ts';
import { answer, answerChange } from '../answers.ts';
import { readBody, readNoBody, readOptionalBody } from '../body.ts';
import { changeCluster, readCluster } from '../change-cluster.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { ApiError, missing } from '../errors.ts';
import { checkNodes, checkUnclaimed, skipsChecks } from '../node-checks.ts';
import { addressList, clustersRefusal, shardParam, valid } from '../parse.ts';
import { renderCluster, renderShard, renderShards } from '../render.ts';
import { createShardBody, failoverBody, slotsBody } from '../schemas/bodies.ts';
import { clusterPath } from './clusters.ts';

const SHARDS = '/namespaces/:namespace/clusters/:cluster/shards';

export function shardRoutes(dependencies: ApiDependencies): Hono {
  const { clusters } = dependencies;
  return new Hono()
    .get(SHARDS, async (context) => {
      const { cluster } = await readCluster(clusters, clusterPath(context));
      return answer(context, { shards: renderShards(cluster) });
    })
    .post(SHARDS, (context) => create(dependencies, context))
    .get(`${SHARDS}/:shard`, async (context) => {
      const index = shardParam(context);
      const { cluster } = await readCluster(clusters, clusterPath(context));
      return answer(context, { shard: renderShard(cluster, shardOf(cluster, index)) });
    })
    .delete(`${SHARDS}/:shard`, async (context) => {
      await readNoBody(context);
      const index = shardParam(context);
      await changeCluster(clusters, clusterPath(context), (cluster) => removeShard(cluster, index));
      return answer(context, 'ok');
    })
    .post(`${SHARDS}/:shard/failover`, (context) => failover(dependencies, context))
    .post(`${SHARDS}/:shard/slots`, async (context) => {
      const index = shardParam(context);
      const slots = valid(parseSlotSet((await readBody(context, slotsBody)).slots));
      const next = await changeCluster(clusters, clusterPath(context), (cluster) =>
        addSlots(cluster, index, slots),
      );
      return answerChange(context, { word: 'ok', object: { cluster: renderCluster(next) }, status: 200 });
    })
    .delete(`${SHARDS}/:shard/slots`, async (context) => {
      const index = shardParam(context);
      const slots = valid(parseSlotSet((await readBody(context, slotsBody)).slots));
      const next = await changeCluster(clusters, clusterPath(context), (cluster) =>
        removeSlots(cluster, index, slots),
      );
      return answerChange(context, { word: 'ok', object: { cluster: renderCluster(next) }, status: 200 });
    });
}

/** The shard at `index`; 404 when there is none. */
export function shardOf(cluster: Cluster, index: number): Shard {
  const shard = cluster.shards[index];
  if (shard === undefined) throw missing();
  return shard;
}

async function create(dependencies: ApiDependencies, context: Context): Promise<Response> {
  const { clusters, inspector, random, clock } = dependencies;
  const body = await readBody(context, createShardBody);
  const addresses = addressList(body.nodes);
  const password = new Secret(body.password);
  const path = clusterPath(context);
  await readCluster(clusters, path);
  checkUnclaimed(clusters, addresses);
  if (!skipsChecks(context)) await checkNodes({ inspector, clusters, addresses, password });
  const nowSeconds = Math.floor(clock.wallMs() / 1000);
  const next = await changeCluster(clusters, path, (cluster) =>
    addShard(cluster, { addresses, password, random, nowSeconds }),
  );
  const added = shardOf(next, next.shards.length - 1);
  return answerChange(context, { word: 'created', object: { shard: renderShard(next, added) }, status: 201 });
}

async function failover({ clusters, failovers }: ApiDependencies, context: Context): Promise<Response> {
  const shardIndex = shardParam(context);
  const body = await readOptionalBody(context, failoverBody);
  const text = body.preferred_node_id ?? '';
  const preferred = text === '' ? null : valid(parseNodeId(text, 'preferred_node_id'));
  const path = clusterPath(context);
  const { cluster } = await readCluster(clusters, path);
  shardOf(cluster, shardIndex);
  const outcome = await failovers.failover({ ...path, shardIndex, preferred, isForced: false });
  if (!outcome.ok) throw failoverRefusal(outcome.error);
  const { cluster: next } = await readCluster(clusters, path);
  return answerChange(context, {
    word: { new_master_id: outcome.value },
    object: { shard: renderShard(next, shardOf(next, shardIndex)) },
    status: 200,
  });
}

function failoverRefusal(refusal: FailoverRefusal): ApiError {
  switch (refusal.kind) {
    case 'refused':
      return new ApiError('conflict', refusal.reason);
    case 'exists':
    case 'missing':
    case 'conflict':
    case 'namespaceNotEmpty':
    case 'addressTaken':
    case 'notLeader':
    case 'overloaded':
    case 'tooLarge':
    case 'featureLevel':
    case 'unknown':
      return clustersRefusal(refusal);
    default:
      return unreachable(refusal);
  }
}
