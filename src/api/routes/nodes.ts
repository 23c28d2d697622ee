// Nodes of a shard: create, list, delete.

import { type Context, Hono } from 'hono';

import { Secret } from '../../base/secret.ts';
import { addNode, removeNode } from '../../topology/change-nodes.ts';
import { newNodeId, parseAddress, parseNodeId, parseRole } from '../../topology/node.ts';
import { answer, answerChange } from '../answers.ts';
import { readBody, readNoBody } from '../body.ts';
import { changeCluster, readCluster } from '../change-cluster.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { missing } from '../errors.ts';
import { checkJoiningNode, checkUnclaimed, skipsChecks } from '../node-checks.ts';
import { shardParam, valid } from '../parse.ts';
import { renderNode } from '../render.ts';
import { createNodeBody } from '../schemas/bodies.ts';
import { clusterPath } from './clusters.ts';
import { shardOf } from './shards.ts';

const NODES = '/namespaces/:namespace/clusters/:cluster/shards/:shard/nodes';

export function nodeRoutes(dependencies: ApiDependencies): Hono {
  const { clusters } = dependencies;
  return new Hono()
    .get(NODES, async (context) => {
      const index = shardParam(context);
      const { cluster } = await readCluster(clusters, clusterPath(context));
      return answer(context, { nodes: shardOf(cluster, index).nodes.map((node) => renderNode(node)) });
    })
    .post(NODES, (context) => create(dependencies, context))
    .delete(`${NODES}/:node`, async (context) => {
      await readNoBody(context);
      const index = shardParam(context);
      const id = parseNodeId(context.req.param('node'));
      if (!id.ok) throw missing();
      await changeCluster(clusters, clusterPath(context), (cluster) => removeNode(cluster, index, id.value));
      return answer(context, 'ok');
    });
}

async function create(dependencies: ApiDependencies, context: Context): Promise<Response> {
  const { clusters, inspector, random, clock } = dependencies;
  const index = shardParam(context);
  const body = await readBody(context, createNodeBody);
  const address = valid(parseAddress(body.addr, 'addr'));
  const role = valid(parseRole(body.role, 'role'));
  const password = new Secret(body.password);
  const path = clusterPath(context);
  const { cluster: joining } = await readCluster(clusters, path);
  shardOf(joining, index);
  checkUnclaimed(clusters, [address]);
  const known = skipsChecks(context)
    ? null
    : await checkJoiningNode({ inspector, clusters, password }, address, joining);
  const id = known ?? newNodeId(random);
  const createdAtSeconds = Math.floor(clock.wallMs() / 1000);
  const next = await changeCluster(clusters, path, (cluster) =>
    addNode(cluster, index, { id, address, role, password, createdAtSeconds }),
  );
  const added = shardOf(next, index).nodes.find((node) => node.id === id);
  return answerChange(context, {
    word: 'created',
    object: { node: added === undefined ? null : renderNode(added) },
    status: 201,
  });
}
