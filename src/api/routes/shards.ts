// Shards of a cluster, named by their index: create, list, read, delete, fail over, slots.

import { type Context, Hono } from 'hono';

import { unreachable } from '../../base/assert.ts';
import { Secret } from '../../base/secret.ts';
import type { FailoverDone, FailoverRefusal, FailoverRequest } from '../../control/failover-request.ts';
import { addShard, removeShard } from '../../topology/change-nodes.ts';
import { addSlots, removeSlots } from '../../topology/change-slots.ts';
import { factsFor } from '../../topology/facts.ts';
import { parseNodeId } from '../../topology/node.ts';
import type { ClusterPlace } from '../../topology/record.ts';
import { parseSlotSet, printSlotSet } from '../../topology/slot.ts';
import { taskAtShard, taskOver } from '../../topology/task.ts';
import type { Cluster, Shard } from '../../topology/types.ts';
import { seeNewcomers, waivesChecks } from '../admission/admit.ts';
import { factsOfNewShards } from '../admission/taken.ts';
import { answer, answerChange } from '../answers.ts';
import { readBody, readNoBody, readOptionalBody } from '../body.ts';
import { changeCluster, changed, changeRecord, readCluster } from '../change-cluster.ts';
import { type ApiDependencies, type TakingDependencies, wallSeconds } from '../dependencies.ts';
import { ApiError, missing } from '../errors.ts';
import { addressList, clustersRefusal, shardParam, valid } from '../parse.ts';
import type { Clusters } from '../ports.ts';
import { renderCluster, renderPlan, renderShard, renderShards, type ShardBody } from '../render.ts';
import { createShardBody, failoverBody } from '../schemas/bodies.ts';
import { slotsBody } from '../schemas/slot-bodies.ts';
import { clusterPath } from './clusters.ts';

const SHARDS = '/namespaces/:namespace/clusters/:cluster/shards';

export function shardRoutes(dependencies: TakingDependencies): Hono {
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
      await changeRecord(clusters, clusterPath(context), ({ cluster }, tasks) => {
        const task = taskAtShard(tasks, shardOf(cluster, index).id);
        if (task !== null) {
          const why = `migration ${task.id} moves slots from or to shard ${index}; wait for it, or cancel it first`;
          throw new ApiError('conflict', why);
        }
        const event = {
          kind: 'shardRemoved',
          text: `shard ${index} was removed`,
          shardIndex: index,
        } as const;
        return { cluster: changed(removeShard(cluster, index)), event };
      });
      return answer(context, 'ok');
    })
    .post(`${SHARDS}/:shard/failover`, (context) => failover(dependencies, context))
    .post(`${SHARDS}/:shard/slots`, async (context) => {
      const index = shardParam(context);
      const slots = valid(parseSlotSet((await readBody(context, slotsBody)).slots));
      const text = `slots ${printSlotSet(slots).join(' ')} were given to shard ${index}`;
      const event = { kind: 'slotsAdded', text, shardIndex: index } as const;
      const change = (cluster: Cluster) => addSlots(cluster, index, slots);
      const next = await changeCluster(clusters, clusterPath(context), change, event);
      return answerChange(context, { word: 'ok', object: { cluster: renderCluster(next) }, status: 200 });
    })
    .delete(`${SHARDS}/:shard/slots`, async (context) => {
      const index = shardParam(context);
      const slots = valid(parseSlotSet((await readBody(context, slotsBody)).slots));
      const text = `slots ${printSlotSet(slots).join(' ')} were taken away from shard ${index}`;
      const event = { kind: 'slotsRemoved', text, shardIndex: index } as const;
      const next = await changeRecord(clusters, clusterPath(context), ({ cluster }, tasks) => {
        const task = taskOver(tasks, slots);
        if (task !== null) {
          const why = `migration ${task.id} moves some of these slots; wait for it, or cancel it first`;
          throw new ApiError('conflict', why);
        }
        return { cluster: changed(removeSlots(cluster, index, slots)), event };
      });
      return answerChange(context, { word: 'ok', object: { cluster: renderCluster(next) }, status: 200 });
    });
}

/** The shard at `index`; 404 when there is none. */
export function shardOf(cluster: Cluster, index: number): Shard {
  const shard = cluster.shards[index];
  if (shard === undefined) throw missing();
  return shard;
}

async function create(dependencies: TakingDependencies, context: Context): Promise<Response> {
  const { clusters, admissions, random } = dependencies;
  const body = await readBody(context, createShardBody);
  const addresses = addressList(body.nodes);
  const password = new Secret(body.password);
  const path = clusterPath(context);
  const abandoned = context.req.raw.signal;
  const isWaived = waivesChecks(context);
  return admissions.run(abandoned, async () => {
    const { cluster: joined } = await readCluster(clusters, path);
    const request = { addresses, password, isWaived, joined, abandoned };
    const newcomers = await seeNewcomers(dependencies, request);
    const nowSeconds = wallSeconds(dependencies);
    const { with_data: withData, remake } = body;
    const wishes = { newcomers, withData, remake, isWaived, nowSeconds };
    const next = await changeRecord(clusters, path, (record) => {
      const cluster = changed(addShard(record.cluster, { addresses, password, random, nowSeconds }));
      const added = cluster.shards.slice(record.cluster.shards.length);
      const text = `a shard of ${addresses.join(' ')} was added`;
      return {
        cluster,
        facts: factsOfNewShards(factsFor(record.facts, cluster), added, wishes),
        event: { kind: 'shardAdded', text, shardIndex: record.cluster.shards.length },
      };
    });
    const added = shardOf(next, next.shards.length - 1);
    return answerChange(context, {
      word: 'created',
      object: { shard: renderShard(next, added) },
      status: 201,
    });
  });
}

async function failover({ clusters, failovers }: ApiDependencies, context: Context): Promise<Response> {
  const shardIndex = shardParam(context);
  const body = await readOptionalBody(context, failoverBody);
  const text = body.preferred_node_id ?? '';
  const preferred = text === '' ? null : valid(parseNodeId(text, 'preferred_node_id'));
  const path = clusterPath(context);
  const { cluster } = await readCluster(clusters, path);
  shardOf(cluster, shardIndex);
  const request = { ...path, shardIndex, preferred, isForced: body.force };
  if (body.dry_run) {
    const plan = await failovers.planFailover(request);
    if (!plan.ok) throw failoverRefusal(plan.error);
    return answer(context, { plan: renderPlan(plan.value) });
  }
  const { newMaster, warning } = await failOver({ failovers }, request);
  return answerChange(context, {
    word: { new_master_id: newMaster, ...(warning === null ? {} : { warning }) },
    object: { shard: shardAfter(clusters, path, shardIndex) },
    status: 200,
  });
}

/** Throws the answer when it is refused. */
export async function failOver(
  { failovers }: Pick<ApiDependencies, 'failovers'>,
  request: FailoverRequest,
): Promise<FailoverDone> {
  const outcome = await failovers.failover(request);
  if (!outcome.ok) throw failoverRefusal(outcome.error);
  return outcome.value;
}

/**
 * The shard as this member knows it, which committed the failover. Nothing is asked for once more: whoever loses the lead now has done what was
 * wished all the same, and must not say that nothing happened.
 */
function shardAfter(clusters: Clusters, path: ClusterPlace, shardIndex: number): ShardBody | null {
  const cluster = clusters.getCluster(path.namespace, path.cluster)?.cluster;
  const shard = cluster?.shards[shardIndex];
  return cluster === undefined || shard === undefined ? null : renderShard(cluster, shard);
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
    case 'observed':
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
