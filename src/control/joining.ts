// Who may be taken into a cluster: what a node has to be before it becomes a master or a copy of somebody's data.

import { allNodes, masterOf } from '../topology/cluster.ts';
import type { NodesLine } from '../topology/cluster-nodes-text.ts';
import type { Departure, Departures } from '../topology/departure.ts';
import { UNSEEN_NODE, isCondemned } from '../topology/facts.ts';
import type { ClusterRecord } from '../topology/record.ts';
import type { Cluster, NodeAddress, NodeId, NodeRole, Shard } from '../topology/types.ts';
import { wasCutOff } from './departure.ts';
import { historyOf } from './lineage.ts';

/** What a node that asks to be taken in says of itself. */
export interface Newcomer {
  readonly address: NodeAddress;
  readonly id: NodeId | null;
  /** -1 without a topology. */
  readonly version: number;
  readonly role: NodeRole;
  readonly master: NodeAddress | null;
  readonly sequence: number | null;
  /** The topology it holds; null when it holds none, or none that could be read. */
  readonly topology: readonly NodesLine[] | null;
}

/**
 * - `empty`: nothing was ever written to its data.
 * - `copy`: its data is, up to where it stands, that of the shard it is to join.
 * - `unproven`: it has data of which nothing is proven; it can be made anew from its master if that is wished.
 * - `foreign`: it belongs to another cluster. `impossible`: what it says cannot be true.
 */
export type Standing =
  | { readonly kind: 'empty' | 'copy' }
  | { readonly kind: 'unproven' | 'foreign' | 'impossible'; readonly why: string };

/** The shard a node is to join, and where its master stands by its own word; null when it gave none. */
export interface JoinedShard {
  readonly record: ClusterRecord;
  /** What has left the cluster. */
  readonly departures: Departures;
  readonly shard: Shard;
  readonly masterSequence: number | null;
}

/** The standing of a node that belongs to no cluster yet: what matters is only whether its data is empty. */
export function standingOfFresh(node: Newcomer): Standing {
  const fault = impossibility(node);
  if (fault !== null) return { kind: 'impossible', why: fault };
  if (node.version >= 0)
    return { kind: 'foreign', why: `it already has a cluster topology (version ${node.version})` };
  if (node.sequence === 0) return { kind: 'empty' };
  return { kind: 'unproven', why: `it has no topology, but ${positionText(node.sequence)}` };
}

/**
 * The standing of a node that is to follow the master of `joined`. No keys is not empty, and neither an id nor a link that is up proves
 * anything: PSYNC compares sequence numbers only (facts sections 3.5, 14). What proves a copy is the shard it belonged to by its own
 * topology, and a position that the history of that shard since then allows.
 */
export function standingOfReplica(node: Newcomer, joined: JoinedShard): Standing {
  if (node.version < 0) return standingOfFresh(node);
  const fault = impossibility(node);
  if (fault !== null) return { kind: 'impossible', why: fault };
  if (!isFormerMember(node, joined.record.cluster)) return standingOfFresh(node);
  if (node.sequence === 0) return { kind: 'empty' };
  const doubt = doubtAbout(node, joined);
  return doubt === null ? { kind: 'copy' } : { kind: 'unproven', why: doubt };
}

/** Whether the topology a node holds is one of `cluster`, now or earlier: it names some member. */
export function isFormerMember({ topology }: Newcomer, cluster: Cluster): boolean {
  const members = new Set(allNodes(cluster).map(({ node }) => node.id));
  return topology?.some(({ id }) => members.has(id)) === true;
}

/** What a node cannot say of itself unless something is wrong with it; null when there is nothing. */
export function impossibility({
  id,
  version,
  sequence,
  topology,
}: Pick<Newcomer, 'id' | 'version' | 'sequence' | 'topology'>): string | null {
  if (sequence !== null && sequence < 0) return `it reports the sequence ${sequence}`;
  if (version === 0) return 'it has a topology of version 0';
  const self = topology?.find(({ isMyself }) => isMyself);
  if (self === undefined || id === null || self.id === id) return null;
  return `it calls itself ${id}, but ${self.id} in its own topology`;
}

/** Why the data of a former member of the cluster is not proven to be that of the shard; null when it is. */
function doubtAbout(node: Newcomer, joined: JoinedShard): string | null {
  const { record, shard, masterSequence } = joined;
  const { id, version, sequence, topology } = node;
  if (id === null || sequence === null) return `its ${id === null ? 'id' : 'sequence'} could not be read`;
  if (version > record.cluster.version)
    return `its topology has version ${version}, the cluster only ${record.cluster.version}`;
  const known = record.facts.nodes.get(id) ?? UNSEEN_NODE;
  if (known.remake !== null) return `its copy was to be made anew when it left: ${known.remake}`;
  const shardFacts = record.facts.shards.get(shard.id);
  const master = masterOf(shard);
  const own = topology?.find((line) => line.isMyself);
  const departure = detachmentOf(node, joined);
  const followed = departure?.masterId ?? own?.masterId ?? own?.id ?? null;
  const promotions = shardFacts?.promotions ?? [];
  const isOfShard =
    followed === master.id || promotions.some(({ from, to }) => from === followed || to === followed);
  if (shardFacts === undefined || followed === null || !isOfShard)
    return `by its own topology it belonged to another shard, that of ${followed ?? 'nobody'}`;
  const before = departure?.cutOff?.before ?? null;
  const copy = before === null ? node : { ...before, sequence };
  const history = historyOf(copy, {
    id,
    facts: known,
    shard: shardFacts,
    masterAddress: master.address,
    // One that has left may be anything by now, and in another shard it has that one's data: who followed it there is no copy.
    addressOf: (wanted) => shard.nodes.find((other) => other.id === wanted)?.address ?? null,
    isCondemned: (wanted) => isCondemned(record.facts, wanted),
  });
  if (history.kind === 'unknown' || history.kind === 'diverged') return history.why;
  const position = masterSequence ?? record.facts.nodes.get(master.id)?.sequence ?? null;
  if (position === null) return `where its master ${master.address} stands is not known`;
  if (history.kind === 'current' && sequence > position)
    return `it stands at sequence ${sequence}, ahead of its master ${master.address} with ${position}`;
  return null;
}

/**
 * How the node left, if it was told so and has changed nothing since: what it says of itself is what it was told, and tells nothing of its
 * data. What it said before does, with where it stands now: it takes no writes and follows nobody.
 */
function detachmentOf(node: Newcomer, { departures }: JoinedShard): Departure | null {
  const own = node.topology?.find(({ isMyself }) => isMyself);
  if (own === undefined || own.slots.length > 0) return null;
  return departures.find(({ id, cutOff }) => id === node.id && wasCutOff(node, cutOff)) ?? null;
}

function positionText(sequence: number | null): string {
  return sequence === null ? 'its sequence could not be read' : `it stands at sequence ${sequence}`;
}
