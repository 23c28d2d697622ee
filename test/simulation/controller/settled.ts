// What has to hold when everything was healed: every node in its committed place, whoever has left told so, every replica a copy, every slot served.

import { allNodes, masterOf, replicasOf } from '../../../src/topology/cluster.ts';
import { isCondemned, openPromotion } from '../../../src/topology/facts.ts';
import type { ClusterRecord } from '../../../src/topology/record.ts';
import { containsSlot, printSlotRange } from '../../../src/topology/slot.ts';
import type { Cluster, Node, NodeAddress, Shard, ShardId } from '../../../src/topology/types.ts';
import { BUMP_WRITE } from '../../unit/control/model/log.ts';
import type { Fleet } from './fleet.ts';

/** What keeps the fleet from being as committed; null when it is. `writeForbidden`: masters of which people are told that they refuse writes of slots. */
export function unsettled(
  fleet: Fleet,
  record: ClusterRecord,
  writeForbidden: ReadonlySet<NodeAddress> = new Set(),
): string | null {
  const { cluster, facts } = record;
  for (const { node, shard } of allNodes(cluster)) {
    const why = faultOf(fleet, record, { node, shard });
    if (why !== null) return `${fleet.at(node.address).name} ${why}`;
  }
  for (const shard of cluster.shards) {
    if (shard.drain !== null) return `shard ${shard.id} is drained`;
    if (openPromotion(facts, shard.id) !== null) return `the promotion in shard ${shard.id} is open`;
    const master = fleet.at(masterOf(shard).address);
    const slot = fleet.world.slots.find(
      (each) =>
        shard.slots.some(({ start, stop }) => each >= start && each <= stop) &&
        !master.model.serves(each, fleet.nowMs) &&
        !(writeForbidden.has(master.address) && fleet.serviceOf(master, each).kind === 'writeForbidden'),
    );
    if (slot !== undefined) return `${master.name} does not serve slot ${slot}`;
    if (shard.migration !== null)
      return `slots ${printSlotRange(shard.migration.range)} of shard ${shard.id} are on their way`;
  }
  const twice = fleet.jobs === null ? null : servedTwice(fleet, cluster);
  if (twice !== null) return twice;
  const members = new Set(allNodes(cluster).map(({ node }) => node.address));
  const follower = fleet.nodes.find(
    ({ address, model }) => !members.has(address) && model.life === 'up' && model.follows !== null,
  );
  return follower === undefined ? null : `${follower.name} has left and follows ${follower.model.follows}`;
}

/** Who serves a slot beside its owner; null when nobody does. */
function servedTwice(fleet: Fleet, { shards }: Cluster): string | null {
  for (const node of fleet.nodes) {
    const own = shards.find((shard) => masterOf(shard).address === node.address)?.slots;
    const slot = fleet.world.slots.find(
      (each) => node.model.serves(each, fleet.nowMs) && (own === undefined || !containsSlot(own, each)),
    );
    if (slot !== undefined) return `${node.name} serves slot ${slot}, which is not its own`;
  }
  return null;
}

function faultOf(
  fleet: Fleet,
  { cluster, facts }: ClusterRecord,
  { node, shard }: { readonly node: Node; readonly shard: Shard },
): string | null {
  const { model } = fleet.at(node.address);
  if (model.life !== 'up') return `is ${model.life}`;
  if (model.id !== node.id) return 'does not know who it is';
  if (model.version !== cluster.version) return `has v${model.version} instead of v${cluster.version}`;
  const master = node.role === 'master' ? null : masterOf(shard).address;
  if (isCondemned(facts, node.id)) return 'is to be made anew';
  if (model.follows !== master) return `follows ${model.follows} instead of ${master}`;
  if (master === null) return null;
  if (model.link?.state !== 'live') return `is not linked: ${model.link?.state}`;
  const { sequence } = fleet.at(master).model.log;
  return model.log.sequence === sequence ? null : `stands at ${model.log.sequence} of ${sequence}`;
}

/** The first replica of a settled fleet that is no copy of its master; null when all are. `forced`: shards in which a master was chosen by force. */
export function unequalCopy(
  fleet: Fleet,
  { cluster }: ClusterRecord,
  forced: ReadonlySet<ShardId>,
): string | null {
  for (const shard of cluster.shards) {
    const master = fleet.at(masterOf(shard).address);
    const right = master.model.log.writes();
    if (right.has(BUMP_WRITE) && !forced.has(shard.id))
      return `${master.name} is a master and holds the key of an outrun`;
    for (const { address } of replicasOf(shard)) {
      const replica = fleet.at(address);
      const left = replica.model.log.writes();
      const lacking = [...right].filter((write) => !left.has(write));
      const besides = [...left].filter((write) => !right.has(write));
      if (lacking.length > 0 || besides.length > 0)
        return `${replica.name} lacks [${lacking.slice(0, 5).join(' ')}] of ${master.name} and has [${besides.slice(0, 5).join(' ')}] besides`;
    }
  }
  return null;
}
