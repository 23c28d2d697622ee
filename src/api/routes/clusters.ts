// Clusters: create, list, import, read, delete; their password and what becomes of divergence, and who manages them.

import { type Context, Hono } from 'hono';

import { Secret } from '../../base/secret.ts';
import { allNodes, findNode } from '../../topology/cluster.ts';
import { createCluster } from '../../topology/create-cluster.ts';
import { initialFacts } from '../../topology/facts.ts';
import { parseName } from '../../topology/name.ts';
import type { ClusterRecord } from '../../topology/record.ts';
import { openTasks, type TaskBook } from '../../topology/task.ts';
import { tuningText } from '../../topology/tuning.ts';
import type { Cluster, Name } from '../../topology/types.ts';
import { seeNewcomers, waivesChecks } from '../admission/admit.ts';
import { checkNoController, checkUnclaimed } from '../admission/identity.ts';
import { factsOfNewShards } from '../admission/taken.ts';
import { answer, answerChange } from '../answers.ts';
import { readBody, readNoBody } from '../body.ts';
import { readCluster, told } from '../change-cluster.ts';
import { type ApiDependencies, type TakingDependencies, wallSeconds } from '../dependencies.ts';
import { ApiError, badRequest, exists, missing } from '../errors.ts';
import { importCluster, type ImportedCluster } from '../import/import-cluster.ts';
import { NameLists } from '../name-lists.ts';
import { addressList, checkStored, confirmed, nameParam, settled, topologyRefusal, valid } from '../parse.ts';
import { storePassword } from '../passwords.ts';
import type { Clusters } from '../ports.ts';
import { renderCluster } from '../render.ts';
import { changeClusterBody, createClusterBody, importClusterBody } from '../schemas/bodies.ts';

const CLUSTERS = '/namespaces/:namespace/clusters';
const CLUSTER = `${CLUSTERS}/:cluster`;

export function clusterRoutes(dependencies: TakingDependencies): Hono {
  const { clusters } = dependencies;
  const names = new NameLists(dependencies.clock);
  return new Hono()
    .get(CLUSTERS, async (context) => {
      const namespace = await existingNamespace(clusters, context);
      return names.answer(context, 'clusters', (after) => clusters.listClusters(namespace, after));
    })
    .post(CLUSTERS, (context) => create(dependencies, context))
    .post(`${CLUSTER}/import`, (context) => takeOver(dependencies, context))
    .get(CLUSTER, async (context) => {
      const record = await readCluster(clusters, clusterPath(context));
      return answer(context, { cluster: renderCluster(record.cluster) });
    })
    .patch(CLUSTER, (context) => changeWishes(dependencies, context))
    .delete(CLUSTER, async (context) => {
      await readNoBody(context);
      const record = await readCluster(clusters, clusterPath(context));
      if (record.facts.observedSinceSeconds === null) {
        refuseWhileDrained(record.cluster);
        refuseWhileMoving(clusters.tasks.ofCluster(clusterPath(context)));
      }
      const text = `${printPlace(record)} was deleted${leftText(record.cluster, clusters.tasks.ofCluster(clusterPath(context)))}`;
      const event = { kind: 'clusterDeleted', text } as const;
      settled(await clusters.deleteCluster(record, told(event)));
      return answer(context, 'ok');
    });
}

/** What a migration changed at its nodes is set back, and its job ended, by whoever leads: of a cluster that is forgotten nobody does. */
function refuseWhileMoving(tasks: TaskBook): void {
  const [task] = openTasks(tasks);
  if (task === undefined) return;
  const why = `migration ${task.id} has not ended: cancel it first, POST .../migrations/${task.id}/cancel`;
  throw new ApiError('conflict', why);
}

/** What migrations that have ended changed at nodes that could not be told yet: nobody sets it back any more. */
function leftText(cluster: Cluster, tasks: TaskBook): string {
  const left = tasks.flatMap(({ id, tuned }) =>
    tuned.map(({ node, before }) => {
      const address = findNode(cluster, node)?.node.address ?? node;
      return `; ${address} keeps what migration ${id} set there, it had ${tuningText(before)} before`;
    }),
  );
  return left.join('');
}

/** Nodes stay as they are when their cluster is forgotten: a master that turns its clients away would do so for ever. */
function refuseWhileDrained({ shards }: Cluster): void {
  const shardIndex = shards.findIndex(({ drain }) => drain !== null);
  if (shardIndex !== -1) throw topologyRefusal({ kind: 'drainRunning', shardIndex });
}

/** The namespace and cluster the path names. */
export function clusterPath(context: Context): { namespace: Name; cluster: Name } {
  return { namespace: nameParam(context, 'namespace'), cluster: nameParam(context, 'cluster') };
}

async function existingNamespace(clusters: Clusters, context: Context): Promise<Name> {
  const namespace = nameParam(context, 'namespace');
  confirmed(await clusters.linearize());
  if (!clusters.hasNamespace(namespace)) throw missing();
  return namespace;
}

async function create(dependencies: TakingDependencies, context: Context): Promise<Response> {
  const { clusters, admissions, random } = dependencies;
  const body = await readBody(context, createClusterBody);
  const name = valid(parseName(body.name, 'name'));
  const addresses = addressList(body.nodes);
  const password = new Secret(body.password);
  const { replicas } = body;
  const nowSeconds = wallSeconds(dependencies);
  const cluster = valid(createCluster({ name, addresses, replicas, password, random, nowSeconds }));
  const abandoned = context.req.raw.signal;
  return admissions.run(abandoned, async () => {
    const namespace = await existingNamespace(clusters, context);
    if (clusters.getCluster(namespace, name) !== null) throw exists();
    const isWaived = waivesChecks(context);
    const request = { addresses, password, isWaived, joined: null, abandoned };
    const newcomers = await seeNewcomers(dependencies, request);
    const { with_data: withData, remake } = body;
    const wishes = { newcomers, withData, remake, isWaived, nowSeconds };
    const facts = factsOfNewShards(initialFacts(cluster), cluster.shards, wishes);
    return store(clusters, context, { namespace, cluster, facts, kind: 'clusterCreated' });
  });
}

async function takeOver(dependencies: TakingDependencies, context: Context): Promise<Response> {
  const { clusters, admissions, group, inspector, clock } = dependencies;
  const body = await readBody(context, importClusterBody);
  const seeds = addressList(body.nodes);
  const name = valid(parseName(context.req.param('cluster') ?? '', 'cluster'));
  const password = new Secret(body.password);
  const nowSeconds = wallSeconds(dependencies);
  const abandoned = context.req.raw.signal;
  return admissions.run(abandoned, async () => {
    const namespace = await existingNamespace(clusters, context);
    if (clusters.getCluster(namespace, name) !== null) throw exists();
    checkUnclaimed(clusters, seeds);
    checkNoController(group, seeds);
    const request = { inspector, clock, abandoned, name, seeds, password, nowSeconds };
    const { cluster, facts } = await importCluster(request);
    const members = allNodes(cluster).map(({ node }) => node.address);
    checkUnclaimed(clusters, members);
    checkNoController(group, members);
    return store(clusters, context, { namespace, cluster, facts, kind: 'clusterImported' });
  });
}

type MadeCluster = ImportedCluster & {
  readonly namespace: Name;
  readonly kind: 'clusterCreated' | 'clusterImported';
};

function printPlace({ namespace, cluster }: Pick<ClusterRecord, 'namespace' | 'cluster'>): string {
  return `cluster ${namespace}/${cluster.name}`;
}

async function store(
  clusters: Clusters,
  context: Context,
  { namespace, cluster, facts, kind }: MadeCluster,
): Promise<Response> {
  const what = kind === 'clusterCreated' ? 'created' : 'taken over as its nodes had it';
  const text = `${printPlace({ namespace, cluster })} was ${what}: ${cluster.shards.length} shards, ${allNodes(cluster).length} nodes`;
  settled(await clusters.createCluster(namespace, cluster, facts, told({ kind, text })));
  return answerChange(context, { word: 'created', object: { cluster: renderCluster(cluster) }, status: 201 });
}

/** One password for all nodes: they share one, since they authenticate at each other with their own (facts section 4). */
async function changeWishes(dependencies: ApiDependencies, context: Context): Promise<Response> {
  const { password, force, on_divergence: onDivergence } = await readBody(context, changeClusterBody);
  if (password === undefined && onDivergence === undefined)
    throw badRequest('expected at least one of "password" and "on_divergence"');
  if (onDivergence !== undefined) checkStored(dependencies.policies);
  const path = clusterPath(context);
  const { cluster } = await readCluster(dependencies.clusters, path);
  if (password !== undefined) {
    const nodes = allNodes(cluster).map(({ node }) => node);
    const change = { nodes, password: new Secret(password), isForced: force };
    await storePassword(dependencies, path, { ...change, abandoned: context.req.raw.signal });
  }
  if (onDivergence !== undefined) {
    const what =
      onDivergence === 'resync' ? 'is made anew by itself' : 'is kept until somebody says that it may go';
    const event = { kind: 'clusterWished', text: `what diverges ${what} from now on` } as const;
    settled(
      await dependencies.policies.changeCluster(path, (policy) => ({ ...policy, onDivergence }), event),
    );
  }
  return answer(context, 'ok');
}
