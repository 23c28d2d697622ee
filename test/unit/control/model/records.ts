// What is committed: the cluster, the facts about its copies, and every version there ever was.

import { present } from '../../../../src/base/assert.ts';
import { type NodePlace, allNodes, masterOf } from '../../../../src/topology/cluster.ts';
import { type Departures, departuresAfter } from '../../../../src/topology/departure.ts';
import { type ClusterFacts, factsFor, initialFacts } from '../../../../src/topology/facts.ts';
import { setNodesText } from '../../../../src/topology/setnodes-text.ts';
import type { Cluster, Node, NodeAddress, Shard, Slot } from '../../../../src/topology/types.ts';
import { NOW_SECONDS } from '../../topology/arbitrary.ts';
import type { World } from './world.ts';

export class Records {
  cluster: Cluster;
  facts: ClusterFacts;
  departures: Departures = [];
  readonly committed = new Map<number, Cluster>();
  readonly #world: World;
  readonly #texts = new WeakMap<Cluster, string>();
  #places = new Map<NodeAddress, NodePlace>();
  #owners = new Map<Slot, Shard>();

  constructor(world: World, cluster: Cluster) {
    this.#world = world;
    this.cluster = cluster;
    this.facts = initialFacts(cluster);
    this.install(cluster, this.facts);
  }

  /** Makes `cluster` the committed one, with what is known of its copies. */
  install(cluster: Cluster, facts: ClusterFacts): void {
    this.facts = factsFor(facts, cluster);
    this.#world.isContested = facts.contestedVersion !== null;
    if (cluster === this.cluster && this.#places.size > 0) return;
    const nowSeconds = NOW_SECONDS + Math.floor(this.#world.nowMs / 1000);
    const change = { before: this.cluster, after: cluster, nowSeconds };
    this.departures = departuresAfter(this.departures, change).departures;
    this.cluster = cluster;
    this.committed.set(cluster.version, cluster);
    this.#places = new Map(allNodes(cluster).map((place) => [place.node.address, place]));
    this.#owners = new Map();
    for (const shard of cluster.shards) {
      for (const range of shard.slots)
        for (const slot of this.#world.slotsIn(range)) this.#owners.set(slot, shard);
    }
  }

  placeAt(where: NodeAddress): NodePlace | null {
    return this.#places.get(where) ?? null;
  }

  ownerOf(slot: Slot): Shard {
    return present(this.#owners.get(slot), 'every slot has an owner');
  }

  masterAddressOf(shard: Shard): NodeAddress {
    return masterOf(shard).address;
  }

  get places(): Iterable<NodePlace> {
    return this.#places.values();
  }

  /** Whether the node is a master in a cluster about to be committed and a replica in this one. */
  isPromoted(node: Node): boolean {
    return node.role === 'master' && this.placeAt(node.address)?.node.role === 'replica';
  }

  textOf(cluster: Cluster): string {
    const known = this.#texts.get(cluster) ?? setNodesText(cluster);
    this.#texts.set(cluster, known);
    return known;
  }
}

/** What no change may do, whatever it is for. */
export function checkCommit(before: Cluster, next: Cluster): void {
  if (next.version < before.version) throw new Error('a version was lowered');
  if (next.version === before.version && next !== before && setNodesText(next) !== setNodesText(before)) {
    throw new Error('a changed topology needs a higher version');
  }
  for (const shard of next.shards) {
    if (shard.nodes.filter((node) => node.role === 'master').length !== 1)
      throw new Error('not exactly one master');
  }
}
