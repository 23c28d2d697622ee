// Clusters: create, list, import, read, delete.

import { type Context, Hono } from 'hono';

import { Secret } from '../../base/secret.ts';
import { allNodes } from '../../topology/cluster.ts';
import { createCluster } from '../../topology/create-cluster.ts';
import { parseName } from '../../topology/name.ts';
import type { Cluster, Name } from '../../topology/types.ts';
import { answer, answerChange } from '../answers.ts';
import { readBody, readNoBody } from '../body.ts';
import { readCluster } from '../change-cluster.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { exists, missing } from '../errors.ts';
import { importCluster } from '../import-cluster.ts';
import { checkNodes, checkUnclaimed, skipsChecks } from '../node-checks.ts';
import { addressList, confirmed, nameParam, settled, valid } from '../parse.ts';
import type { Clusters } from '../ports.ts';
import { renderCluster } from '../render.ts';
import { createClusterBody, importClusterBody } from '../schemas/bodies.ts';

export function clusterRoutes(dependencies: ApiDependencies): Hono {
  const { clusters } = dependencies;
  return new Hono()
    .get('/namespaces/:namespace/clusters', async (context) => {
      const namespace = await existingNamespace(clusters, context);
      return answer(context, { clusters: clusters.listClusters(namespace) });
    })
    .post('/namespaces/:namespace/clusters', (context) => create(dependencies, context))
    .post('/namespaces/:namespace/clusters/:cluster/import', (context) => takeOver(dependencies, context))
    .get('/namespaces/:namespace/clusters/:cluster', async (context) => {
      const record = await readCluster(clusters, clusterPath(context));
      return answer(context, { cluster: renderCluster(record.cluster) });
    })
    .delete('/namespaces/:namespace/clusters/:cluster', async (context) => {
      await readNoBody(context);
      settled(await clusters.deleteCluster(await readCluster(clusters, clusterPath(context))));
      return answer(context, 'ok');
    });
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

async function create(dependencies: ApiDependencies, context: Context): Promise<Response> {
  const { clusters, inspector, random, clock } = dependencies;
  const body = await readBody(context, createClusterBody);
  const name = valid(parseName(body.name, 'name'));
  const addresses = addressList(body.nodes);
  const password = new Secret(body.password);
  const cluster = valid(
    createCluster({
      name,
      addresses,
      replicas: body.replicas,
      password,
      random,
      nowSeconds: Math.floor(clock.wallMs() / 1000),
    }),
  );
  const namespace = await existingNamespace(clusters, context);
  if (clusters.getCluster(namespace, name) !== null) throw exists();
  checkUnclaimed(clusters, addresses);
  if (!skipsChecks(context)) await checkNodes({ inspector, clusters, addresses, password });
  return store(clusters, context, { namespace, cluster });
}

async function takeOver(dependencies: ApiDependencies, context: Context): Promise<Response> {
  const { clusters, inspector, clock } = dependencies;
  const body = await readBody(context, importClusterBody);
  const seeds = addressList(body.nodes);
  const name = valid(parseName(context.req.param('cluster') ?? '', 'cluster'));
  const namespace = await existingNamespace(clusters, context);
  if (clusters.getCluster(namespace, name) !== null) throw exists();
  checkUnclaimed(clusters, seeds);
  const cluster = await importCluster({
    inspector,
    name,
    seeds,
    password: new Secret(body.password),
    nowSeconds: Math.floor(clock.wallMs() / 1000),
  });
  checkUnclaimed(
    clusters,
    allNodes(cluster).map(({ node }) => node.address),
  );
  return store(clusters, context, { namespace, cluster });
}

async function store(
  clusters: Clusters,
  context: Context,
  { namespace, cluster }: { readonly namespace: Name; readonly cluster: Cluster },
): Promise<Response> {
  settled(await clusters.createCluster(namespace, cluster));
  return answerChange(context, { word: 'created', object: { cluster: renderCluster(cluster) }, status: 201 });
}
