// People: they move slots, add and remove nodes while all is well, and make the calls that problems name when it is not.

import { present } from '../../../../src/base/assert.ts';
import { Secret } from '../../../../src/base/secret.ts';
import { type Standing, standingOfReplica } from '../../../../src/control/joining.ts';
import { addNode, removeNode } from '../../../../src/topology/change-nodes.ts';
import { cancelMigration, startMigration } from '../../../../src/topology/change-slots.ts';
import { type NodePlace, allNodes, masterOf, migrationsOf } from '../../../../src/topology/cluster.ts';
import { UNSEEN_NODE, factsFor, openPromotion, withNodeFacts } from '../../../../src/topology/facts.ts';
import { newNodeId } from '../../../../src/topology/node.ts';
import { slotRange, slotSetOf } from '../../../../src/topology/slot.ts';
import { NOW_SECONDS } from '../../topology/arbitrary.ts';
import type { NodeAddress } from '../../../../src/topology/types.ts';
import { writeAll } from './clients.ts';
import type { Controller } from './controller.ts';
import type { ModelNode } from './node.ts';
import type { World } from './world.ts';

export type ErrandKind =
  | 'migrate'
  | 'cancel'
  | 'addReplica'
  | 'removeReplica'
  | 'replaceReplica'
  | 'rejoin'
  | 'failover';

const ERRANDS: ReadonlySet<string> = new Set<ErrandKind>([
  'migrate',
  'cancel',
  'addReplica',
  'removeReplica',
  'replaceReplica',
  'rejoin',
  'failover',
]);

const NODES_MAX = 14;

/** Decisions that follow a commit at once, at most. */
const TURNS_MAX = 8;

export function isErrand(kind: string): kind is ErrandKind {
  return ERRANDS.has(kind);
}

export class Operator {
  readonly #world: World;
  readonly #controller: Controller;

  constructor(world: World, controller: Controller) {
    this.#world = world;
    this.#controller = controller;
  }

  /** There is nobody to ask while no controller leads. */
  run(kind: ErrandKind): void {
    if (this.#controller.isOut) return;
    switch (kind) {
      case 'migrate':
        this.#migrate();
        return;
      case 'cancel':
        this.#cancel();
        return;
      case 'addReplica':
        if (this.#world.nodes.length < NODES_MAX)
          this.#addReplica(this.#world.below(this.#controller.records.cluster.shards.length));
        return;
      case 'removeReplica':
        this.#removeReplica();
        return;
      case 'replaceReplica': {
        const shardIndex = this.#removeReplica();
        if (shardIndex !== null) this.#addReplica(shardIndex);
        return;
      }
      case 'rejoin':
        this.#rejoin();
        return;
      default:
        this.#failOver();
    }
  }

  /** A replica whose host is lost makes room for a fresh one; whether that was possible now. */
  replace(where: NodeAddress): boolean {
    const place = this.#controller.records.placeAt(where);
    if (place === null || place.node.role !== 'replica') return false;
    if (!this.#remove(place)) return false;
    this.#addReplica(place.shardIndex);
    return true;
  }

  #failOver(): void {
    const { shards } = this.#controller.records.cluster;
    const shardIndex = this.#world.below(shards.length);
    const refusal = this.#controller.failOver(shardIndex, { preferred: null, isForced: false });
    this.#world.note(() => `asked for: a failover of shard ${shardIndex}: ${refusal ?? 'done'}`);
    // Whoever committed it tells the nodes at once; what has to be seen in between is seen now, or when other things have happened as well.
    if (refusal !== null) return;
    // Clients write on until the old master is told.
    if (this.#world.chance(50)) writeAll(this.#world, this.#controller);
    const isSeen = this.#world.chance(50);
    for (let turn = 0; turn < TURNS_MAX && this.#controller.turn(); turn += 1) {
      if (isSeen) this.#controller.lookAtExpectant();
    }
  }

  #migrate(): void {
    const slot = this.#world.pick(this.#world.slots);
    const { cluster } = this.#controller.records;
    const next = startMigration(cluster, {
      range: slotRange(slot, this.#world.chance(50) ? slot : slot + 9),
      targetIndex: this.#world.below(cluster.shards.length),
      nowSeconds: NOW_SECONDS + Math.floor(this.#world.nowMs / 1000),
    });
    if (!next.ok) return;
    this.#world.note(() => `asked for: slots from ${slot}`);
    this.#controller.records.install(next.value, this.#controller.records.facts);
  }

  #cancel(): void {
    const [place] = migrationsOf(this.#controller.records.cluster);
    if (place === undefined) return;
    const next = cancelMigration(this.#controller.records.cluster, place.sourceIndex);
    if (!next.ok) return;
    this.#world.note(() => `asked for: no more of slots from ${place.migration.range.start}`);
    this.#controller.records.install(next.value, this.#controller.records.facts);
  }

  /** A node just made: nothing on its disk. */
  #addReplica(shardIndex: number): void {
    const node = this.#world.addNode();
    this.#add(node, shardIndex, null);
  }

  /**
   * A node that was in the cluster before comes back with its data, with the topology it had or reset: taken as a copy where it is proven to be
   * one, else with the request to make it anew.
   */
  #rejoin(): void {
    const isFree = (node: ModelNode): boolean =>
      node.life === 'up' && this.#controller.records.placeAt(node.address) === null;
    const node = this.#world.pickWhere(this.#world.nodes, isFree);
    if (node === null) return;
    const shardIndex = this.#world.below(this.#controller.records.cluster.shards.length);
    if (this.#world.chance(70)) {
      node.forgetTopology();
      node.link = null;
    }
    const standing = this.#standingOf(node, shardIndex);
    this.#world.note(() => `asked for: ${node.name} (v${node.version}) comes back: ${standing.kind}`);
    switch (standing.kind) {
      case 'empty':
      case 'copy':
        this.#add(node, shardIndex, null);
        return;
      case 'unproven':
        // Whoever asks for that gives up what only this node has.
        this.#world.ledger.dropped(
          node.log.writes(),
          { why: `somebody had ${node.name} made anew`, isByFault: true },
          (other) => other !== node,
        );
        this.#add(node, shardIndex, 'it had data when it joined');
        return;
      default:
    }
  }

  /** By the rules of the API, from what the node and the master of that shard say of themselves. */
  #standingOf({ address, id, version, role, follows, log, rows }: ModelNode, shardIndex: number): Standing {
    const { cluster, facts, departures } = this.#controller.records;
    const shard = present(cluster.shards[shardIndex], 'no such shard');
    const topology = [...rows].map(([other, row]) => ({
      id: other,
      address: row.address,
      role: row.role,
      isMyself: other === id,
      masterId: row.master,
      version,
      slots: slotSetOf([]),
    }));
    const newcomer = {
      address,
      id,
      version,
      role,
      master: follows,
      sequence: log.sequence,
      topology: version < 0 ? null : topology,
    };
    const master = this.#world.nodeAt(masterOf(shard).address);
    const masterSequence = master.life === 'up' && master.stranger === null ? master.log.sequence : null;
    const record = { namespace: cluster.name, cluster, facts, revision: 1, factsRevision: 1 };
    return standingOfReplica(newcomer, { record, departures, shard, masterSequence });
  }

  /** One that has a topology is known by its id, and keeps it. */
  #add(node: ModelNode, shardIndex: number, remake: string | null): void {
    const id = (node.version >= 0 ? node.id : null) ?? newNodeId(this.#world.random);
    const next = addNode(this.#controller.records.cluster, shardIndex, {
      id,
      address: node.address,
      role: 'replica',
      password: Secret.none,
      createdAtSeconds: NOW_SECONDS,
    });
    if (!next.ok) return;
    this.#world.note(() => `asked for: ${node.name} at ${node.log.sequence} joins shard ${shardIndex}`);
    const facts = factsFor(this.#controller.records.facts, next.value);
    this.#controller.records.install(next.value, withNodeFacts(facts, id, { ...UNSEEN_NODE, remake }));
  }

  #removeReplica(): number | null {
    const { cluster } = this.#controller.records;
    const place = this.#world.pickWhere(allNodes(cluster), ({ node }) => node.role === 'replica');
    return place !== null && this.#remove(place) ? place.shardIndex : null;
  }

  #remove({ node, shard, shardIndex }: NodePlace): boolean {
    if (openPromotion(this.#controller.records.facts, shard.id)?.from === node.id) return false;
    const next = removeNode(this.#controller.records.cluster, shardIndex, node.id);
    if (!next.ok) return false;
    this.#world.note(() => `asked for: ${this.#world.nodeAt(node.address).name} leaves shard ${shardIndex}`);
    this.#controller.records.install(next.value, this.#controller.records.facts);
    return true;
  }
}
