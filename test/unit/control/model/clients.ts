// Clients that write wherever they are let, and remember what was acknowledged.

import type { Slot } from '../../../../src/topology/types.ts';
import type { Controller } from './controller.ts';
import type { ModelNode } from './node.ts';
import type { World } from './world.ts';

/** One round: some clients of every slot write to every node that takes it; two nodes may. */
export function writeAll(world: World, controller: Controller): void {
  for (const slot of world.slots) {
    for (const node of world.nodes) {
      if (!node.serves(slot, world.nowMs) || !world.chance(world.weather.writePercent)) continue;
      write(world, controller, { node, slot });
    }
  }
}

function write(
  world: World,
  controller: Controller,
  { node, slot }: { readonly node: ModelNode; readonly slot: Slot },
): void {
  const id = world.ledger.nextId();
  const end = node.log.put(id, slot);
  const place = controller.records.placeAt(node.address);
  world.ledger.acknowledged({
    id,
    slot,
    ackedAtMs: world.nowMs,
    node,
    shard: place?.shard.id ?? controller.records.ownerOf(slot).id,
    end,
    isImported: node.imported.has(slot),
    isStale: isStale(controller, { node, slot }),
  });
}

/**
 * An old master takes writes until it is told, one that somebody else made a master does so, and a restarted source of a move takes them
 * beside the target: Kvrocks has no fence against any of these.
 */
function isStale(
  controller: Controller,
  { node, slot }: { readonly node: ModelNode; readonly slot: Slot },
): boolean {
  const arrival = node.imported.get(slot);
  if (arrival !== undefined) {
    // A target takes slots over before any topology says so, but only as long as it is a master; and a move that nobody asked for any more
    // is seen by the next look that can reach it.
    return (
      controller.records.placeAt(node.address)?.node.role !== 'master' ||
      !controller.knowsMove(slot, {
        ...arrival,
        node,
        sinceMs: Math.max(arrival.atMs, node.reachedMs),
      })
    );
  }
  const isOwner = controller.records.masterAddressOf(controller.records.ownerOf(slot)) === node.address;
  // A new master whose data a fault took is replaced as soon as a better one is there.
  const isReplaceable = node.hollow !== null && controller.isPromotionOpen(node.address);
  return !isOwner || isReplaceable || controller.isServedElsewhere(slot, node);
}

/** What clients had sent to a node that hung is executed when it goes on; nobody hears of it. */
export function queueWrites(world: World, node: ModelNode): void {
  for (const slot of world.slots) {
    if (!node.serves(slot, world.nowMs) || !world.chance(50)) continue;
    node.queue.push(() => {
      if (node.serves(slot, world.nowMs)) node.log.put(world.ledger.nextId(), slot);
    });
  }
}
