// In what a topology that a node holds differs from ours: members, addresses, roles, slots. For people.

import { allNodes, masterOf } from './cluster.ts';
import type { NodesLine } from './cluster-nodes-text.ts';
import { differenceSlots, NO_SLOTS, printSlotSet, unionSlots } from './slot.ts';
import type { Cluster, NodeId, NodeRole, SlotSet } from './types.ts';

/** Differences named in one sentence; of more the number is told. */
const DIFFERENCES_TOLD = 4;

/** Characters of a list of slots that are told. */
const SLOTS_TEXT_MAX = 80;

/** Every difference, the most telling kinds first; empty where only the version, the order and the spelling can differ. */
export function differencesFrom(cluster: Cluster, lines: readonly NodesLine[]): readonly string[] {
  const held = new Map(lines.map((line) => [line.id, line]));
  const ours = new Map(allNodes(cluster).map((place) => [place.node.id, place]));
  const strangers = lines.filter(({ id }) => !ours.has(id));
  const missing = [...ours.values()].filter(({ node }) => !held.has(node.id));
  const kept = [...ours.values()].flatMap(({ node, shard }) => {
    const line = held.get(node.id);
    return line === undefined ? [] : [{ node, line, masterId: masterOf(shard).id }];
  });
  return [
    ...strangers.map(({ id, address }) => `${short(id)} at ${address} is in it and none of ours`),
    ...missing.map(({ node }) => `${short(node.id)} at ${node.address} is not in it`),
    ...kept.flatMap(({ node, line, masterId }) => {
      const master = node.role === 'master' ? null : masterId;
      const isSame = line.role === node.role && line.masterId === master;
      const seen = roleText(line.role, line.masterId);
      return isSame ? [] : [`${short(node.id)} is ${seen} instead of ${roleText(node.role, master)}`];
    }),
    ...slotDifferences(cluster, held),
    ...kept.flatMap(({ node, line }) =>
      line.address === node.address
        ? []
        : [`${short(node.id)} is at ${line.address} instead of ${node.address}`],
    ),
  ];
}

/** The end of a sentence that begins with what holds the topology. */
export function differenceText(differences: readonly string[]): string {
  if (differences.length === 0) return 'the same content as ours under another number';
  const told = differences.slice(0, DIFFERENCES_TOLD).join(', ');
  const more = differences.length - DIFFERENCES_TOLD;
  return `another content than ours: ${told}${more > 0 ? `, and ${more} more` : ''}`;
}

/** A shard's slots are those of whoever belongs to it by our record: that another of them is its master is told as such. */
function slotDifferences({ shards }: Cluster, held: ReadonlyMap<NodeId, NodesLine>): readonly string[] {
  return shards.flatMap((shard, index) => {
    let theirs: SlotSet = NO_SLOTS;
    for (const { id } of shard.nodes) theirs = unionSlots(theirs, held.get(id)?.slots ?? NO_SLOTS);
    const lacking = differenceSlots(shard.slots, theirs);
    const surplus = differenceSlots(theirs, shard.slots);
    return [
      ...(lacking.length === 0 ? [] : [`shard ${index} lacks slots ${slotsText(lacking)}`]),
      ...(surplus.length === 0 ? [] : [`shard ${index} has slots ${slotsText(surplus)} besides`]),
    ];
  });
}

function slotsText(slots: SlotSet): string {
  const text = printSlotSet(slots).join(' ');
  return text.length > SLOTS_TEXT_MAX ? `${text.slice(0, SLOTS_TEXT_MAX)}...` : text;
}

function roleText(role: NodeRole, masterId: NodeId | null): string {
  return role === 'master' ? 'a master' : `a replica of ${masterId === null ? 'nobody' : short(masterId)}`;
}

function short(id: NodeId): string {
  return id.slice(0, 8);
}
