// How people ask the leading controller for something in a simulated run, by the functions of the API; and what they take in with that.

import { err } from '../../../src/base/result.ts';
import { ApiError } from '../../../src/api/errors.ts';
import type { NodeInspector } from '../../../src/api/ports.ts';
import type { NodeEndpoint } from '../../../src/control/node-commands.ts';
import { masterOf } from '../../../src/topology/cluster.ts';
import {
  type ClusterFacts,
  UNSEEN_NODE,
  factsFor,
  withFactsOfNodes,
  withReadMasters,
} from '../../../src/topology/facts.ts';
import type { Cluster } from '../../../src/topology/types.ts';
import type { Trace } from '../trace.ts';
import type { Controller } from './controller.ts';
import { CLUSTER, NAMESPACE } from './operator.ts';

/** Nodes one run in which slots move may have, those of added shards included. */
export const NODES_MAX = 15;
const INSPECT_MS = 1000;

export const PLACE = { namespace: NAMESPACE, cluster: CLUSTER };

export interface AskingParts {
  readonly trace: Trace;
  readonly leader: () => Controller | null;
}

/** The cluster as the leader knows it; null where there is none. */
export function clusterSeen({ leader }: Pick<AskingParts, 'leader'>): Cluster | null {
  return leader()?.registry.getCluster(NAMESPACE, CLUSTER)?.cluster ?? null;
}

/** One request at whoever leads; its refusals are answers. */
export function ask(
  { trace, leader: whoLeads }: AskingParts,
  what: string,
  run: (leader: Controller) => Promise<void>,
): void {
  const leader = whoLeads();
  if (leader === null) return;
  trace.say(0, () => `mover asks ${leader.id}: ${what}`);
  leader.process.deliver(() => {
    void run(leader).then(
      () => trace.say(leader.id, () => `${what}: done`),
      (error: unknown) => {
        if (!(error instanceof ApiError)) throw error;
        trace.say(leader.id, () => `${what}: ${error.message}`);
      },
    );
  });
}

export function inspectorOf(leader: Controller): NodeInspector {
  const client = leader.inspector();
  return {
    inspect: async (endpoint: NodeEndpoint) => {
      const result = await client.probe(endpoint, INSPECT_MS);
      return result.kind === 'answered' ? { ok: true, value: result.report } : err(result.error);
    },
    slotServices: (endpoint, slots) => client.slotServices(endpoint, slots, INSPECT_MS),
    clusterNodes: () => Promise.reject(new Error('not asked for here')),
    sameProcess: () => Promise.reject(new Error('not asked for here')),
  };
}

/** What is known of the fresh nodes by which `after` is larger than `before`, as the API takes them in. */
export function factsOfAdded(facts: ClusterFacts, before: Cluster, after: Cluster): ClusterFacts {
  const added = after.shards.slice(before.shards.length);
  const replicas = added.flatMap(({ nodes }) => nodes.slice(1).map(({ id }) => [id, UNSEEN_NODE] as const));
  const read = new Map(added.map((shard) => [masterOf(shard).id, 0] as const));
  return withFactsOfNodes(withReadMasters(factsFor(facts, after), added, read, 1), replicas);
}
