// Nodes of a shard: create, list, delete; their addresses, passwords, priorities and zones.

import { type Context, Hono } from 'hono';

import { Secret } from '../../base/secret.ts';
import { isFormerMember, type Newcomer, type Standing, standingOfReplica } from '../../control/joining.ts';
import { addNode, moveNode, removeNode } from '../../topology/change-nodes.ts';
import type { ClusterPlace, ClusterRecord } from '../../topology/record.ts';
import { findNode, masterOf } from '../../topology/cluster.ts';
import type { EventDraft } from '../../topology/event.ts';
import {
  type ClusterFacts,
  factsFor,
  openPromotion,
  UNSEEN_NODE,
  withNodeFacts,
} from '../../topology/facts.ts';
import { ASKED_TO_REMAKE, type ClusterPolicy, nodePolicy, withNodePolicy } from '../../topology/policy.ts';
import { newNodeId, parseNodeId, parseRole } from '../../topology/node.ts';
import type { Cluster, Node, NodeId } from '../../topology/types.ts';
import { admitReplica, seeNewcomers, waivesChecks } from '../admission/admit.ts';
import { answer, answerChange } from '../answers.ts';
import { readBody, readNoBody, readOptionalBody } from '../body.ts';
import { checkMoved, type Move } from '../admission/moved.ts';
import { changed, changeCluster, changeRecord, readCluster } from '../change-cluster.ts';
import { type TakingDependencies, wallSeconds } from '../dependencies.ts';
import { ApiError, badRequest, missing } from '../errors.ts';
import { checkStored, nodeAddress, settled, shardParam, valid } from '../parse.ts';
import { storePassword } from '../passwords.ts';
import type { NodeInspector } from '../ports.ts';
import { renderNode } from '../render.ts';
import { changeNodeBody, createNodeBody, resyncBody } from '../schemas/bodies.ts';
import { clusterPath } from './clusters.ts';
import { shardOf } from './shards.ts';

const NODES = '/namespaces/:namespace/clusters/:cluster/shards/:shard/nodes';

/** Until its successor was seen, the shard may need it back, and replicas follow it still. */
const STILL_REPLACED = new ApiError(
  'conflict',
  'the node was the master of this shard until a moment ago, and its successor was not seen as master yet; ask again in a moment',
);

export function nodeRoutes(dependencies: TakingDependencies): Hono {
  const { clusters } = dependencies;
  return new Hono()
    .get(NODES, async (context) => {
      const index = shardParam(context);
      const { cluster } = await readCluster(clusters, clusterPath(context));
      return answer(context, { nodes: shardOf(cluster, index).nodes.map((node) => renderNode(node)) });
    })
    .post(NODES, (context) => create(dependencies, context))
    .patch(`${NODES}/:node`, (context) => changeNode(dependencies, context))
    .post(`${NODES}/:node/resync`, (context) => resync(dependencies, context))
    .delete(`${NODES}/:node`, async (context) => {
      await readNoBody(context);
      const index = shardParam(context);
      const id = parseNodeId(context.req.param('node'));
      if (!id.ok) throw missing();
      await changeRecord(clusters, clusterPath(context), (record) => {
        const { cluster, facts } = record;
        if (openPromotion(facts, shardOf(cluster, index).id)?.from === id.value) throw STILL_REPLACED;
        const address = findNode(cluster, id.value)?.node.address ?? id.value;
        const text = `node ${address} was removed from shard ${index}`;
        return {
          cluster: changed(removeNode(cluster, index, id.value)),
          event: { kind: 'nodeRemoved', text, shardIndex: index, node: id.value },
        };
      });
      return answer(context, 'ok');
    });
}

async function create(dependencies: TakingDependencies, context: Context): Promise<Response> {
  const { clusters, departures, inspector, admissions, random } = dependencies;
  const index = shardParam(context);
  const body = await readBody(context, createNodeBody);
  const address = nodeAddress(body.addr, 'addr');
  const role = valid(parseRole(body.role, 'role'));
  const password = new Secret(body.password);
  const { remake } = body;
  const path = clusterPath(context);
  const abandoned = context.req.raw.signal;
  const isWaived = waivesChecks(context);
  return admissions.run(abandoned, async () => {
    const { cluster: joined } = await readCluster(clusters, path);
    const master = masterOf(shardOf(joined, index));
    const request = { addresses: [address], password, isWaived, joined, abandoned };
    const newcomers = await seeNewcomers(dependencies, request);
    const newcomer = newcomers.get(address) ?? null;
    const masterSequence = await sequenceOf(inspector, master, newcomer);
    const id = ownId(newcomer, joined) ?? newNodeId(random);
    const createdAtSeconds = wallSeconds(dependencies);
    const next = await changeRecord(clusters, path, (record) => {
      const shard = shardOf(record.cluster, index);
      const cluster = changed(
        addNode(record.cluster, index, { id, address, role, password, createdAtSeconds }),
      );
      // A master elected meanwhile was not asked where it stands; what is written down of it has to do.
      const joining = {
        record,
        departures: departures.ofCluster(path),
        shard,
        masterSequence: masterOf(shard).id === master.id ? masterSequence : null,
      };
      const standingOf = (node: Newcomer): Standing => standingOfReplica(node, joining);
      const why = admitReplica(newcomers, address, { remake, isWaived, standingOf });
      const text = `node ${address} was added to shard ${index}`;
      return {
        cluster,
        facts: withNodeFacts(factsFor(record.facts, cluster), id, { ...UNSEEN_NODE, remake: why }),
        event: { kind: 'nodeAdded', text, shardIndex: index, node: id },
      };
    });
    const added = findNode(next, id);
    return answerChange(context, {
      word: 'created',
      object: { node: added === null ? null : renderNode(added.node) },
      status: 201,
    });
  });
}

/**
 * The id a former member still has: the supervisor leaves nodes alone that have a topology and another id than the one recorded. Null for any
 * other node, which gets a new one.
 */
function ownId(newcomer: Newcomer | null, joined: Cluster): NodeId | null {
  if (newcomer === null || newcomer.version < 0) return null;
  return isFormerMember(newcomer, joined) ? newcomer.id : null;
}

/** Where the master stands, asked after the newcomer so that a copy of it cannot seem ahead; null when that is of no use or not known. */
async function sequenceOf(
  inspector: NodeInspector,
  master: Node,
  newcomer: Newcomer | null,
): Promise<number | null> {
  if (newcomer === null || newcomer.version < 0 || newcomer.sequence === 0) return null;
  const inspection = await inspector.inspect(master);
  return inspection.ok ? inspection.value.sequence : null;
}

async function changeNode(dependencies: TakingDependencies, context: Context): Promise<Response> {
  const index = shardParam(context);
  const id = parseNodeId(context.req.param('node') ?? '');
  if (!id.ok) throw missing();
  const {
    addr,
    password,
    force,
    failover_priority: priority,
    zone,
  } = await readBody(context, changeNodeBody);
  if (addr === undefined && password === undefined && priority === undefined && zone === undefined)
    throw badRequest('expected at least one of "addr", "password", "failover_priority" and "zone"');
  if (priority !== undefined || zone !== undefined) checkStored(dependencies.policies);
  const address = addr === undefined ? null : nodeAddress(addr, 'addr');
  const path = clusterPath(context);
  const { cluster } = await readCluster(dependencies.clusters, path);
  const nodes = shardOf(cluster, index).nodes.filter((node) => node.id === id.value);
  if (nodes.length === 0) throw missing();
  const [node] = nodes;
  if (address !== null && node !== undefined && node.address !== address)
    await move(dependencies, context, { path, shardIndex: index, node, address });
  if (password !== undefined) {
    const change = { nodes, password: new Secret(password), isForced: force };
    await storePassword(dependencies, path, { ...change, abandoned: context.req.raw.signal });
  }
  if (priority !== undefined || zone !== undefined) {
    const change = (policy: ClusterPolicy): ClusterPolicy => {
      const before = nodePolicy(policy, id.value);
      const failoverPriority = priority ?? before.failoverPriority;
      return withNodePolicy(policy, id.value, { ...before, failoverPriority, zone: zone ?? before.zone });
    };
    const said = [
      priority === undefined ? '' : `failover_priority ${priority}`,
      zone === undefined ? '' : `zone "${zone}"`,
    ];
    const text = `node ${nodes[0]?.address ?? id.value} has ${said.filter((part) => part !== '').join(' and ')} now`;
    const event = { kind: 'nodeWished', text, shardIndex: index, node: id.value } as const;
    settled(await dependencies.policies.changeCluster(path, change, event));
  }
  return answer(context, 'ok');
}

interface MoveRequest extends Move {
  readonly path: ClusterPlace;
  readonly shardIndex: number;
}

/** The node is told its new place like any other change; what was seen of its copy counts on, since it is the same one. */
async function move(
  dependencies: TakingDependencies,
  context: Context,
  { path, shardIndex, node, address }: MoveRequest,
): Promise<void> {
  const { clusters, admissions } = dependencies;
  await admissions.run(context.req.raw.signal, async () => {
    const { id } = node;
    // What the topology refuses is refused without asking anybody.
    changed(moveNode((await readCluster(clusters, path)).cluster, shardIndex, { id, address }));
    await checkMoved(dependencies, { node, address });
    const text = `node ${node.address} is at ${address} now`;
    const event = { kind: 'nodeMoved', text, shardIndex, node: id } as const;
    await changeCluster(clusters, path, (cluster) => moveNode(cluster, shardIndex, { id, address }), event);
  });
}

/** What a copy has may go: one that is none is made anew if it was kept until now, and by force also one that is. */
async function resync(dependencies: TakingDependencies, context: Context): Promise<Response> {
  const { clusters, policies, attention } = dependencies;
  const index = shardParam(context);
  const { force } = await readOptionalBody(context, resyncBody);
  const id = parseNodeId(context.req.param('node') ?? '');
  if (!id.ok) throw missing();
  const path = clusterPath(context);
  const { cluster, facts } = await readCluster(clusters, path);
  const node = shardOf(cluster, index).nodes.find((each) => each.id === id.value);
  if (node === undefined) throw missing();
  if (node.role === 'master')
    throw new ApiError(
      'conflict',
      `${node.address} is the master of its shard: fail over to a replica first`,
    );
  const remake = facts.nodes.get(node.id)?.remake ?? null;
  if (remake === null && !force)
    throw new ApiError(
      'conflict',
      `the copy of ${node.address} is a proven one; with "force": true it is made anew all the same, and cannot take over meanwhile`,
    );
  const event: EventDraft = {
    kind: 'resyncRequested',
    text: `the copy of ${node.address} may go and is made anew: ${remake ?? ASKED_TO_REMAKE}`,
    shardIndex: index,
    node: node.id,
  };
  if (remake === null) await changeRecord(clusters, path, (record) => condemned(record, node.id, event));
  else {
    const release = (policy: ClusterPolicy): ClusterPolicy =>
      withNodePolicy(policy, node.id, { ...nodePolicy(policy, node.id), released: remake });
    settled(await policies.changeCluster(path, release, event));
  }
  attention.nudge(path.namespace, path.cluster);
  return answer(context, 'ok');
}

/** What is known of a replica that left meanwhile is nobody's business any more. */
function condemned({ cluster, facts }: ClusterRecord, id: NodeId, event: EventDraft): Condemnation {
  const before = facts.nodes.get(id);
  if (before === undefined || findNode(cluster, id)?.node.role !== 'replica') throw missing();
  return {
    cluster,
    event,
    facts: withNodeFacts(facts, id, { ...before, following: null, remake: ASKED_TO_REMAKE }),
  };
}

interface Condemnation {
  readonly cluster: Cluster;
  readonly facts: ClusterFacts;
  readonly event: EventDraft;
}
