// What must hold when all faults have ended: nothing acknowledged is lost, every replica is a copy, and nothing is left unsettled.

import { allNodes, masterOf, migrationsOf, replicasOf } from '../../../../src/topology/cluster.ts';
import { isCondemned } from '../../../../src/topology/facts.ts';
import type { Node, NodeId, Shard, Slot } from '../../../../src/topology/types.ts';
import { type Controller, LAG_MAX } from './controller.ts';
import { BUMP_WRITE } from './log.ts';
import type { ModelNode } from './node.ts';
import type { World } from './world.ts';

/** Problems that say of a node that it may not be relied on as a copy. */
const NO_COPY: ReadonlySet<string> = new Set(['foreignNode', 'foreignVersion', 'replicaLinkDown']);

/** What keeps the fleet from being as committed; null when it is. */
export function unsettled(world: World, controller: Controller): string | null {
  for (const { node, shard } of allNodes(controller.records.cluster)) {
    const why = faultOf(world, controller, { node, shard });
    if (why !== null) return `${world.nodeAt(node.address).name} ${why}`;
  }
  if (migrationsOf(controller.records.cluster).length > 0) return 'a migration is under way';
  if (controller.last === null || controller.last.actions.length > 0) return 'something is being done';
  for (const slot of world.slots) {
    const owner = world.nodeAt(controller.records.masterAddressOf(controller.records.ownerOf(slot)));
    if (!owner.serves(slot, world.nowMs))
      return `slot ${slot} takes no writes: ${owner.name} ${whyClosed(owner, slot)}`;
  }
  return null;
}

function whyClosed(owner: ModelNode, slot: Slot): string {
  if (owner.handedOver.has(slot)) return 'has handed it over';
  return owner.isForbidden(slot) ? 'forbids them' : 'does not own it';
}

function faultOf(
  world: World,
  controller: Controller,
  { node, shard }: { readonly node: Node; readonly shard: Shard },
): string | null {
  const model = world.nodeAt(node.address);
  const { version } = controller.records.cluster;
  if (model.life === 'dead') return 'is dead';
  if (model.id !== node.id) return 'does not know who it is';
  if (model.version !== version) return `has v${model.version} instead of v${version}`;
  const master = node.role === 'master' ? null : masterOf(shard).address;
  if (model.link?.state === 'syncing') return 'is synchronising';
  if (isCondemned(controller.records.facts, node.id)) return 'is to be made anew';
  if (model.follows !== master) return `follows ${model.follows} instead of ${master}`;
  if (master !== null && model.log.sequence !== world.nodeAt(master).log.sequence) return 'has not caught up';
  return null;
}

/** The first thing that is wrong with the data of a fleet that has settled; null when nothing is. */
export function faultOfData(world: World, controller: Controller): string | null {
  return lostWrites(world, controller) ?? unequalCopies(world, controller);
}

function lostWrites(world: World, controller: Controller): string | null {
  const held = new Map(
    controller.records.cluster.shards.map((shard) => [
      shard.id,
      world.nodeAt(masterOf(shard).address).log.writes(),
    ]),
  );
  const lost = world.ledger.writes.filter((write) => {
    const owner = controller.records.ownerOf(write.slot).id;
    if (held.get(owner)?.has(write.id) === true) return false;
    return world.ledger.excuse(write, LAG_MAX) === null;
  });
  const [first] = lost;
  if (first === undefined) return null;
  const where = world.nodes.filter((node) => node.log.writes().has(first.id)).map(({ name }) => name);
  const gone = world.ledger.gone.get(first.id)?.why ?? 'not the last copy';
  return (
    `${lost.length} acknowledged writes are lost, the first: ${first.id} of slot ${first.slot}, taken by ${first.node.name} ` +
    `at ${first.ackedAtMs / 1000} s, now at [${where.join(' ')}] (${gone})`
  );
}

function unequalCopies(world: World, controller: Controller): string | null {
  const doubted = doubtedNodes(controller);
  for (const shard of controller.records.cluster.shards) {
    const master = world.nodeAt(masterOf(shard).address);
    // By force, and by others, a node may become a master, or be followed by one, that was on its way to be made anew.
    const isByForce = world.ledger.changes.some((change) => change.isForced && change.shard === shard.id);
    if (!isByForce && world.ledger.meddledWith.size === 0 && master.log.writes().has(BUMP_WRITE)) {
      return `${master.name} is a master and holds the key of an outrun`;
    }
    if (world.ledger.meddledWith.has(master)) continue;
    for (const { id, address } of replicasOf(shard)) {
      const replica = world.nodeAt(address);
      if (!doubted.has(id) && !isCopy(replica, master))
        return `${replica.name} is no copy of ${master.name}: ${difference(replica, master)}`;
    }
  }
  return null;
}

function doubtedNodes(controller: Controller): ReadonlySet<NodeId> {
  const problems = controller.last?.problems ?? [];
  return new Set(problems.flatMap(({ kind, node }) => (node !== null && NO_COPY.has(kind) ? [node] : [])));
}

function isCopy(replica: ModelNode, master: ModelNode): boolean {
  if (replica.log.equals(master.log)) return true;
  const [left, right] = [replica.log.writes(), master.log.writes()];
  return left.size === right.size && [...left].every((write) => right.has(write));
}

function difference(replica: ModelNode, master: ModelNode): string {
  const [left, right] = [replica.log.writes(), master.log.writes()];
  const missing = [...right].filter((write) => !left.has(write));
  const extra = [...left].filter((write) => !right.has(write));
  return `it lacks [${missing.slice(0, 5).join(' ')}] and has [${extra.slice(0, 5).join(' ')}] besides`;
}
