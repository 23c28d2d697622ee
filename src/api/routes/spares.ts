// Nodes in reserve: who they are, up to how many copies they make shards up, and what is known of them.

import { type Context, Hono } from 'hono';
import type { z } from 'zod';

import { Secret } from '../../base/secret.ts';
import type { EventDraft } from '../../topology/event.ts';
import type { ClusterPolicy } from '../../topology/policy.ts';
import type { ClusterPlace } from '../../topology/record.ts';
import type { Spare, SparesPolicy } from '../../topology/spares.ts';
import type { Cluster, NodeAddress } from '../../topology/types.ts';
import { checkNoController, checkUnclaimed } from '../admission/identity.ts';
import { answer } from '../answers.ts';
import { readBody } from '../body.ts';
import { readCluster } from '../change-cluster.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { badRequest } from '../errors.ts';
import { nodeAddress, settled } from '../parse.ts';
import { renderSpares } from '../render-spares.ts';
import { sparesBody } from '../schemas/bodies.ts';
import { clusterPath } from './clusters.ts';

const SPARES = '/namespaces/:namespace/clusters/:cluster/spares';

export function spareRoutes(dependencies: ApiDependencies): Hono {
  const { clusters } = dependencies;
  return new Hono()
    .get(SPARES, async (context) => {
      const path = clusterPath(context);
      const { cluster } = await readCluster(clusters, path);
      return answerSpares(context, dependencies, { path, cluster });
    })
    .put(SPARES, (context) => setSpares(dependencies, context));
}

/** What a body names: no password, or no zone, leaves that of a spare as it is. */
interface NamedSpare {
  readonly address: NodeAddress;
  readonly password: Secret | undefined;
  readonly zone: string | undefined;
}

/** What is not named stays. Spares need not run yet: whether one can be used is looked at all the time, and again right before. */
async function setSpares(dependencies: ApiDependencies, context: Context): Promise<Response> {
  const { clusters, policies, group } = dependencies;
  const body = await readBody(context, sparesBody);
  const { copies, replace_after_seconds: replaceAfterSeconds } = body;
  if (body.nodes === undefined && copies === undefined && replaceAfterSeconds === undefined)
    throw badRequest('expected at least one of "nodes", "copies" and "replace_after_seconds"');
  const named = body.nodes === undefined ? null : namedSpares(body.nodes);
  const path = clusterPath(context);
  const { cluster } = await readCluster(clusters, path);
  if (named !== null) {
    const known = new Set(policies.ofCluster(path).spares.nodes.map(({ address }) => address));
    const addresses = named.map(({ address }) => address);
    checkNoController(group, addresses);
    checkUnclaimed(
      clusters,
      addresses.filter((address) => !known.has(address)),
    );
  }
  const change = ({ spares, ...policy }: ClusterPolicy): ClusterPolicy => ({
    ...policy,
    spares: {
      nodes: named === null ? spares.nodes : named.map((spare) => merged(spare, spares)),
      copies: copies === undefined ? spares.copies : copies,
      replaceAfterSeconds: replaceAfterSeconds ?? spares.replaceAfterSeconds,
    },
  });
  settled(await policies.changeCluster(path, change, eventOf(change(policies.ofCluster(path)).spares)));
  return answerSpares(context, dependencies, { path, cluster });
}

function namedSpares(nodes: NonNullable<z.output<typeof sparesBody>['nodes']>): readonly NamedSpare[] {
  const addresses = new Set<NodeAddress>();
  return nodes.map(({ addr, password, zone }, index) => {
    const address = nodeAddress(addr, `nodes[${index}]`);
    if (addresses.has(address)) throw badRequest(`nodes[${index}]: ${address} is listed twice`);
    addresses.add(address);
    return { address, zone, password: password === undefined ? undefined : new Secret(password) };
  });
}

function merged({ address, password, zone }: NamedSpare, { nodes }: SparesPolicy): Spare {
  const known = nodes.find((spare) => spare.address === address);
  return {
    address,
    password: password ?? known?.password ?? Secret.none,
    zone: zone ?? known?.zone ?? '',
    lost: known?.lost ?? null,
  };
}

function eventOf({ nodes, copies, replaceAfterSeconds }: SparesPolicy): EventDraft {
  const who = nodes.length === 0 ? 'there are no spares' : `spares are ${nodes.map(nameOf).join(', ')}`;
  const what =
    copies === null
      ? 'nobody is replaced'
      : `a shard that has fewer than ${copies} nodes for ${replaceAfterSeconds} s gets one`;
  return { kind: 'sparesChanged', text: `${who}; ${what}` };
}

function nameOf({ address, zone }: Spare): string {
  return zone === '' ? address : `${address} (zone ${zone})`;
}

/** What is known by now; whoever asks has it renewed, and sees that when asking again. */
function answerSpares(
  context: Context,
  { policies, insight, attention, clock }: ApiDependencies,
  { path, cluster }: { readonly path: ClusterPlace; readonly cluster: Cluster },
): Response {
  attention.lookAtSpares(path);
  const { spares } = policies.ofCluster(path);
  return answer(context, {
    spares: renderSpares(spares, cluster, {
      seen: insight.status(path)?.spares ?? null,
      nowMs: clock.wallMs(),
    }),
  });
}
