// People: they move slots, add and remove nodes while all is well, and make the calls that problems name when it is not.

import { createSeededRandom } from '../../../../src/base/random.ts';
import { Secret } from '../../../../src/base/secret.ts';
import { addNode, removeNode } from '../../../../src/topology/change-nodes.ts';
import { cancelMigration, startMigration } from '../../../../src/topology/change-slots.ts';
import { migrationsOf, replicasOf } from '../../../../src/topology/cluster.ts';
import { newNodeId } from '../../../../src/topology/node.ts';
import { slotRange } from '../../../../src/topology/slot.ts';
import { NOW_SECONDS } from '../../topology/arbitrary.ts';
import type { Controller } from './controller.ts';
import type { World } from './world.ts';

export type ErrandKind = 'migrate' | 'cancel' | 'addReplica' | 'removeReplica' | 'replaceReplica';

const ERRANDS: ReadonlySet<string> = new Set<ErrandKind>([
  'migrate',
  'cancel',
  'addReplica',
  'removeReplica',
  'replaceReplica',
]);

const NODES_MAX = 14;

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

  run(kind: ErrandKind): void {
    switch (kind) {
      case 'migrate':
        this.#migrate();
        return;
      case 'cancel':
        this.#cancel();
        return;
      case 'addReplica':
        this.#addReplica(this.#world.below(this.#controller.cluster.shards.length));
        return;
      case 'removeReplica':
        this.#removeReplica();
        return;
      default: {
        const shardIndex = this.#removeReplica();
        if (shardIndex !== null) this.#addReplica(shardIndex);
      }
    }
  }

  #migrate(): void {
    const slot = this.#world.pick(this.#world.slots);
    const { cluster } = this.#controller;
    const next = startMigration(cluster, {
      range: slotRange(slot, this.#world.chance(50) ? slot : slot + 9),
      targetIndex: this.#world.below(cluster.shards.length),
      nowSeconds: NOW_SECONDS + Math.floor(this.#world.nowMs / 1000),
    });
    if (!next.ok) return;
    this.#world.note(() => `asked for: slots from ${slot}`);
    this.#controller.install(next.value);
  }

  #cancel(): void {
    const [place] = migrationsOf(this.#controller.cluster);
    if (place === undefined) return;
    const next = cancelMigration(this.#controller.cluster, place.sourceIndex);
    if (!next.ok) return;
    this.#world.note(() => `asked for: no more of slots from ${place.migration.range.start}`);
    this.#controller.install(next.value);
  }

  /** A node just made: nothing on its disk. */
  #addReplica(shardIndex: number): void {
    if (this.#world.nodes.length >= NODES_MAX) return;
    const id = newNodeId(createSeededRandom(1000 + this.#world.nodes.length));
    const node = this.#world.addNode();
    const next = addNode(this.#controller.cluster, shardIndex, {
      id,
      address: node.address,
      role: 'replica',
      password: Secret.none,
      createdAtSeconds: NOW_SECONDS,
    });
    if (!next.ok) return;
    this.#world.note(() => `asked for: ${node.name} joins shard ${shardIndex}`);
    this.#controller.install(next.value);
  }

  #removeReplica(): number | null {
    const { cluster } = this.#controller;
    const shardIndex = this.#world.below(cluster.shards.length);
    const shard = cluster.shards[shardIndex];
    const replica = shard === undefined ? null : this.#world.pickWhere(replicasOf(shard), () => true);
    if (replica === null) return null;
    const next = removeNode(cluster, shardIndex, replica.id);
    if (!next.ok) return null;
    this.#world.note(
      () => `asked for: ${this.#world.nodeAt(replica.address).name} leaves shard ${shardIndex}`,
    );
    this.#controller.install(next.value);
    return shardIndex;
  }
}
