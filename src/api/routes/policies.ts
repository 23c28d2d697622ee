// What people want of the automation: pauses and dry runs of automatic failover, and nodes that somebody works on.

import { type Context, Hono } from 'hono';

import { parseTime, printTime } from '../../base/wall-time.ts';
import type { FailoverDone } from '../../control/failover-request.ts';
import { wishText } from '../../control/restraint.ts';
import { findNode, masterOf } from '../../topology/cluster.ts';
import type { EventDraft } from '../../topology/event.ts';
import { parseNodeId } from '../../topology/node.ts';
import {
  type Automation,
  type ClusterPolicy,
  effectiveAutomation,
  type GroupPolicy,
  type Maintenance,
  NO_CLUSTER_POLICY,
  nodePolicy,
  withNodePolicy,
  wishAt,
} from '../../topology/policy.ts';
import type { ClusterPlace } from '../../topology/record.ts';
import type { Node, Shard } from '../../topology/types.ts';
import { answer } from '../answers.ts';
import { readBody, readNoBody } from '../body.ts';
import { readCluster } from '../change-cluster.ts';
import { type ApiDependencies, wallSeconds } from '../dependencies.ts';
import { ApiError, badRequest, missing } from '../errors.ts';
import { checkStored, confirmed, settled, shardParam } from '../parse.ts';
import { automationBody, maintenanceBody } from '../schemas/bodies.ts';
import { clusterPath } from './clusters.ts';
import { failOver, shardOf } from './shards.ts';

const GROUP = '/automation';
const CLUSTER = '/namespaces/:namespace/clusters/:cluster';
const MAINTENANCE = `${CLUSTER}/shards/:shard/nodes/:node/maintenance`;

export function policyRoutes(dependencies: ApiDependencies): Hono {
  const { clusters, policies } = dependencies;
  return new Hono()
    .get(GROUP, async (context) => {
      confirmed(await clusters.linearize());
      return answerAutomation(context, dependencies, null);
    })
    .put(GROUP, async (context) => {
      const automation = await readAutomation(dependencies, context);
      settled(
        await policies.changeGroup((policy) => ({ ...policy, automation }), automationEvent(automation)),
      );
      return answerAutomation(context, dependencies, null);
    })
    .get(`${CLUSTER}/automation`, async (context) => {
      const path = clusterPath(context);
      await readCluster(clusters, path);
      return answerAutomation(context, dependencies, path);
    })
    .put(`${CLUSTER}/automation`, async (context) => {
      const path = clusterPath(context);
      const automation = await readAutomation(dependencies, context);
      await readCluster(clusters, path);
      settled(
        await policies.changeCluster(
          path,
          (policy) => ({ ...policy, automation }),
          automationEvent(automation),
        ),
      );
      return answerAutomation(context, dependencies, path);
    })
    .get(MAINTENANCE, async (context) => {
      const { path, node } = await nodeOf(dependencies, context);
      return answerMaintenance(context, dependencies, { path, node });
    })
    .put(MAINTENANCE, (context) => beginMaintenance(dependencies, context))
    .delete(MAINTENANCE, async (context) => {
      await readNoBody(context);
      const { path, node } = await nodeOf(dependencies, context);
      await setMaintenance(dependencies, { path, node }, null);
      return answer(context, 'ok');
    });
}

/** `on` without more is what holds where nobody says anything: nothing is kept of it. */
async function readAutomation(dependencies: ApiDependencies, context: Context): Promise<Automation | null> {
  const body = await readBody(context, automationBody);
  const { failover, reason, ignore_mass_failure: ignoresMassFailure } = body;
  const wish = { ...wishOf(dependencies, body.until), reason };
  return failover === 'on' && !ignoresMassFailure ? null : { failover, ignoresMassFailure, ...wish };
}

function automationEvent(automation: Automation | null): EventDraft {
  const ignoring = automation?.ignoresMassFailure === true ? ', also while very many nodes are missed' : '';
  const text = `automatic failover is ${automation?.failover ?? 'on'}${ignoring}${automation === null ? '' : wishText(automation)}`;
  return { kind: 'automationChanged', text };
}

function wishOf(
  dependencies: Pick<ApiDependencies, 'clock'>,
  until: string | undefined,
): Pick<Maintenance, 'untilSeconds' | 'setAtSeconds'> {
  const setAtSeconds = wallSeconds(dependencies);
  if (until === undefined) return { untilSeconds: null, setAtSeconds };
  const untilSeconds = parseTime(until);
  if (untilSeconds === null)
    throw badRequest('until: expected a time with its zone, such as "2026-01-31T12:00:00Z"');
  if (untilSeconds <= setAtSeconds)
    throw badRequest(
      `until: this is in the past; the clock of this controller says ${printTime(setAtSeconds)}`,
    );
  return { untilSeconds, setAtSeconds };
}

function answerAutomation(
  context: Context,
  dependencies: ApiDependencies,
  path: ClusterPlace | null,
): Response {
  const { policies } = dependencies;
  const nowSeconds = wallSeconds(dependencies);
  const group = policies.ofGroup();
  const cluster = path === null ? NO_CLUSTER_POLICY : policies.ofCluster(path);
  const own: GroupPolicy | ClusterPolicy = path === null ? group : cluster;
  const effective = effectiveAutomation(group, cluster, nowSeconds);
  return answer(context, {
    automation: renderAutomation(wishAt(own.automation, nowSeconds)),
    effective: { ...renderAutomation(effective?.automation ?? null), by: effective?.by ?? null },
  });
}

export function renderAutomation(automation: Automation | null): object {
  return {
    failover: automation?.failover ?? 'on',
    ignore_mass_failure: automation?.ignoresMassFailure ?? false,
    ...renderWish(automation),
  };
}

export function renderWish(wish: Maintenance | null): object {
  const untilSeconds = wish?.untilSeconds ?? null;
  return {
    until: untilSeconds === null ? null : printTime(untilSeconds),
    reason: wish?.reason ?? '',
    set_at: wish === null ? null : printTime(wish.setAtSeconds),
  };
}

interface NodeOfCluster {
  readonly path: ClusterPlace;
  readonly shardIndex: number;
  readonly shard: Shard;
  readonly node: Node;
}

async function nodeOf({ clusters }: ApiDependencies, context: Context): Promise<NodeOfCluster> {
  const path = clusterPath(context);
  const shardIndex = shardParam(context);
  const id = parseNodeId(context.req.param('node') ?? '');
  const shard = shardOf((await readCluster(clusters, path)).cluster, shardIndex);
  const node = id.ok ? shard.nodes.find((each) => each.id === id.value) : undefined;
  if (node === undefined) throw missing();
  return { path, shardIndex, shard, node };
}

/** A master hands its shard over first: what is not replaced while it is away must not serve anybody. */
async function beginMaintenance(dependencies: ApiDependencies, context: Context): Promise<Response> {
  const body = await readBody(context, maintenanceBody);
  const wish = { ...wishOf(dependencies, body.until), reason: body.reason };
  // Before the master is changed for it.
  checkStored(dependencies.policies);
  const { path, node } = await nodeOf(dependencies, context);
  const done = body.force ? null : await handOver(dependencies, context);
  await setMaintenance(dependencies, { path, node }, wish);
  return answerMaintenance(context, dependencies, { path, node }, done);
}

/** How often a hand-over is tried again whose shard changed in the midst of it. */
const HAND_OVERS_MAX = 3;

/** Who leads the shard of a node from now on, if that was its master until now. A node that is none any more has nothing to hand over. */
async function handOver(dependencies: ApiDependencies, context: Context): Promise<FailoverDone | null> {
  for (let attempt = 1; ; attempt += 1) {
    const { path, shardIndex, shard, node } = await nodeOf(dependencies, context);
    if (masterOf(shard).id !== node.id) return null;
    const request = { ...path, shardIndex, preferred: null, isForced: false, onlyFrom: node.id };
    try {
      return await failOver(dependencies, request);
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 'conflict') throw error;
      const after = await nodeOf(dependencies, context);
      if (masterOf(after.shard).id !== node.id) return null;
      const isPassing = error.message.includes('please retry');
      if (isPassing && attempt < HAND_OVERS_MAX) continue;
      throw isPassing ? error : new ApiError('conflict', `${error.message}; ${STAYS}`);
    }
  }
}

const STAYS =
  'the node stays in service. With "force": true it goes into maintenance as a master, which is then not replaced while it is away';

type NodeRef = Pick<NodeOfCluster, 'path' | 'node'>;

async function setMaintenance(
  { policies, clusters }: ApiDependencies,
  { path, node: { id, address } }: NodeRef,
  maintenance: Maintenance | null,
): Promise<void> {
  const change = (policy: ClusterPolicy): ClusterPolicy =>
    withNodePolicy(policy, id, { ...nodePolicy(policy, id), maintenance });
  const event: EventDraft =
    maintenance === null
      ? { kind: 'maintenanceEnded', text: `the maintenance of ${address} is over`, node: id }
      : { kind: 'maintenanceBegun', text: `${address} is in maintenance${wishText(maintenance)}`, node: id };
  settled(await policies.changeCluster(path, change, event));
  // One that left meanwhile took what was said of it along, or will with the next change.
  const record = clusters.getCluster(path.namespace, path.cluster);
  if (record === null || findNode(record.cluster, id) === null)
    throw new ApiError('missing', 'the node was removed meanwhile');
}

function answerMaintenance(
  context: Context,
  dependencies: ApiDependencies,
  { path, node }: NodeRef,
  done: FailoverDone | null = null,
): Response {
  const { maintenance } = nodePolicy(dependencies.policies.ofCluster(path), node.id);
  const wish = wishAt(maintenance, wallSeconds(dependencies));
  return answer(context, {
    maintenance: wish === null ? null : renderWish(wish),
    ...(done === null ? {} : { new_master_id: done.newMaster }),
    ...(done === null || done.warning === null ? {} : { warning: done.warning }),
  });
}
