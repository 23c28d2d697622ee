// Whoever looks after the cluster: founds it, asks for failovers, adds replicas and takes them out.

import type { Random } from '../../../src/base/random.ts';
import { Secret } from '../../../src/base/secret.ts';
import { addNode, removeNode } from '../../../src/topology/change-nodes.ts';
import { allNodes, replicasOf } from '../../../src/topology/cluster.ts';
import { createCluster } from '../../../src/topology/create-cluster.ts';
import { openPromotion, UNSEEN_NODE, factsFor, withNodeFacts } from '../../../src/topology/facts.ts';
import { newNodeId } from '../../../src/topology/node.ts';
import {
  type ClusterPolicy,
  type Maintenance,
  NO_CLUSTER_POLICY,
  type NodePolicy,
  nodePolicy,
  withNodePolicy,
} from '../../../src/topology/policy.ts';
import type { ClusterRecord } from '../../../src/topology/record.ts';
import type { Cluster, NodeAddress } from '../../../src/topology/types.ts';
import { name, valueOf } from '../../unit/topology/arbitrary.ts';
import { chance, childRandom, pick } from '../prng.ts';
import type { Trace } from '../trace.ts';
import type { Controller } from './controller.ts';
import type { Fleet } from './fleet.ts';
import type { FleetNode } from './fleet-node.ts';
import type { Knobs } from './knobs.ts';

export const NAMESPACE = name('ns');
export const CLUSTER = name('c');

/** The wall clocks of members differ, so no wish ends by one. */
const LASTING: Maintenance = { untilSeconds: null, reason: '', setAtSeconds: 1 };

/** Nodes one run may have. */
const NODES_MAX = 10;

export interface OperatorParts {
  readonly seed: number;
  readonly trace: Trace;
  readonly knobs: Knobs;
  readonly fleet: Fleet;
  readonly leader: () => Controller | null;
}

export class Operator {
  readonly #parts: OperatorParts;
  readonly #random: Random;
  #isFounding = false;
  failoversDone = 0;

  constructor(parts: OperatorParts) {
    this.#parts = parts;
    this.#random = childRandom(parts.seed, 'fleet operator');
  }

  /** Creates the cluster on the nodes there are, once the group is at its level. One attempt; call it again. */
  found(): void {
    const leader = this.#parts.leader();
    if (leader === null || this.#isFounding) return;
    this.#isFounding = true;
    leader.process.enter(() => {
      void this.#found(leader).then(() => {
        this.#isFounding = false;
      });
    });
  }

  async #found({ registry }: Controller): Promise<void> {
    const { fleet, knobs } = this.#parts;
    const created = await registry.createNamespace(NAMESPACE);
    if (!created.ok && created.error.kind !== 'exists') return;
    const addresses = fleet.nodes.map(({ address }) => address);
    const cluster = createCluster({
      name: CLUSTER,
      addresses: addresses.slice(0, knobs.shards * knobs.nodes),
      replicas: knobs.nodes,
      password: Secret.none,
      random: this.#random,
      nowSeconds: 1,
    });
    await registry.createCluster(NAMESPACE, valueOf(cluster));
    const nodes = addresses
      .slice(knobs.shards * knobs.nodes)
      .map((address) => ({ address, password: Secret.none, zone: '', lost: null }));
    if (nodes.length === 0) return;
    const { replaceAfterSeconds } = knobs;
    await registry.policies.changeCluster(
      { namespace: NAMESPACE, cluster: CLUSTER },
      (policy) => ({ ...policy, spares: { nodes, copies: knobs.nodes, replaceAfterSeconds } }),
      { kind: 'sparesChanged', text: 'there are spares' },
    );
  }

  failOver(isForced: boolean): void {
    const leader = this.#parts.leader();
    const cluster = leader?.registry.getCluster(NAMESPACE, CLUSTER)?.cluster;
    if (leader === null || cluster === undefined) return;
    const shard = pick(this.#random, cluster.shards);
    const replicas = replicasOf(shard);
    const preferred =
      replicas.length === 0 || chance(this.#random, 0.5) ? null : pick(this.#random, replicas).id;
    const request = {
      namespace: NAMESPACE,
      cluster: CLUSTER,
      shardIndex: cluster.shards.indexOf(shard),
      preferred,
      isForced,
    };
    this.#parts.trace.say(0, () => `operator asks ${leader.id}: ${JSON.stringify(request)}`);
    leader.process.deliver(() => {
      leader.byHand += 1;
      if (isForced) leader.byForce += 1;
      void leader.terms.failover(request).then((answer) => {
        leader.byHand -= 1;
        if (isForced) leader.byForce -= 1;
        if (answer.ok) this.failoversDone += 1;
        this.#parts.trace.say(leader.id, () => `failover: ${JSON.stringify(answer)}`);
      });
    });
  }

  /** A fresh node, as the API takes it in. */
  addReplica(): void {
    const { fleet } = this.#parts;
    if (fleet.nodes.length >= NODES_MAX) return;
    const { address } = fleet.add();
    const id = newNodeId(this.#random);
    const fresh = { id, address, role: 'replica', password: Secret.none, createdAtSeconds: 1 } as const;
    this.#change(`adds ${address}`, ({ cluster, facts }) => {
      const next = addNode(cluster, this.#shardIndex(cluster), fresh);
      if (!next.ok) return null;
      return { next: next.value, facts: withNodeFacts(factsFor(facts, next.value), id, UNSEEN_NODE) };
    });
  }

  removeReplica(): void {
    this.#change('removes a replica', ({ cluster, facts }) => {
      const index = this.#shardIndex(cluster);
      const shard = cluster.shards[index];
      if (shard === undefined || shard.nodes.length < 3) return null;
      const { id } = pick(this.#random, replicasOf(shard));
      if (openPromotion(facts, shard.id)?.from === id) return null;
      const next = removeNode(cluster, index, id);
      return next.ok ? { next: next.value } : null;
    });
  }

  /** Automatic failover is held back; returns the way to let it go on. */
  setAutomation(): () => void {
    const failover = pick(this.#random, ['paused', 'dry-run'] as const);
    this.#wish(`wants ${failover}`, (policy) => ({
      ...policy,
      automation: { failover, ignoresMassFailure: false, ...LASTING },
    }));
    return () => this.#wish('wants failovers', (policy) => ({ ...policy, automation: null }));
  }

  /** Somebody works on the node; returns the way to have it back. Masters stay in office: handing over is what `failOver` asks for. */
  setMaintenance({ model, address }: FleetNode): () => void {
    const set = (what: string, maintenance: Maintenance | null): void =>
      this.#wishOf(address, what, { maintenance });
    set(`works on ${model.name}`, LASTING);
    return () => set(`is done with ${model.name}`, null);
  }

  setPriority({ model, address }: FleetNode): void {
    const failoverPriority = pick(this.#random, [0, 50, 100, 200]);
    this.#wishOf(address, `gives ${model.name} the priority ${failoverPriority}`, { failoverPriority });
  }

  /** Nothing is held back any more. */
  takeBack(): void {
    this.#wish('wants nothing', () => NO_CLUSTER_POLICY);
  }

  #wishOf(address: NodeAddress, what: string, wish: Partial<NodePolicy>): void {
    const cluster = this.#parts.leader()?.registry.getCluster(NAMESPACE, CLUSTER)?.cluster;
    const place =
      cluster === undefined ? undefined : allNodes(cluster).find(({ node }) => node.address === address);
    if (place === undefined) return;
    const { id } = place.node;
    this.#wish(what, (policy) => withNodePolicy(policy, id, { ...nodePolicy(policy, id), ...wish }));
  }

  #wish(what: string, change: (policy: ClusterPolicy) => ClusterPolicy): void {
    const { leader: leading, trace } = this.#parts;
    const leader = leading();
    if (leader === null) return;
    trace.say(0, () => `operator ${what}`);
    leader.process.deliver(() => {
      const event = { kind: 'clusterWished', text: what } as const;
      const place = { namespace: NAMESPACE, cluster: CLUSTER };
      void leader.registry.policies.changeCluster(place, change, event).then((answer) => {
        trace.say(leader.id, () => `${what}: ${JSON.stringify(answer)}`);
      });
    });
  }

  #shardIndex({ shards }: Cluster): number {
    return shards.indexOf(pick(this.#random, shards));
  }

  #change(
    what: string,
    plan: (
      record: ClusterRecord,
    ) => { readonly next: Cluster; readonly facts?: ClusterRecord['facts'] } | null,
  ): void {
    const { leader: leading, trace } = this.#parts;
    const leader = leading();
    const record = leader?.registry.getCluster(NAMESPACE, CLUSTER) ?? null;
    if (leader === null || record === null) return;
    const planned = plan(record);
    if (planned === null) return;
    const { next, ...options } = planned;
    trace.say(0, () => `operator ${what}`);
    leader.process.deliver(() => {
      void leader.registry.replaceCluster(record, next, options).then((answer) => {
        trace.say(leader.id, () => `${what}: ${JSON.stringify(answer)}`);
      });
    });
  }
}
