// What has left a cluster: nodes that have to hear of it, and what those that have heard were before.

import type { Secret } from '../base/secret.ts';
import { allNodes, masterOf } from './cluster.ts';
import type { Cluster, ClusterVersion, Node, NodeAddress, NodeId, NodeRole } from './types.ts';

/** What a node said of itself before it was cut off: to which history its copy belongs. */
export interface CopyBefore {
  readonly version: number;
  readonly role: NodeRole;
  /** Whom a replica followed; null on a master. */
  readonly master: NodeAddress | null;
}

/**
 * The topology under which a node is told that it has left: from then on it is a master without slots, which says nothing of its data any
 * more. Written down before it is told.
 */
export interface CutOff {
  readonly version: ClusterVersion;
  readonly before: CopyBefore;
}

/** One node that has left. */
export interface Departure {
  readonly id: NodeId;
  readonly address: NodeAddress;
  /** What it is asked with. */
  readonly password: Secret;
  /** Its role when it left. */
  readonly role: NodeRole;
  /** The master of its shard when it left; itself for a master. */
  readonly masterId: NodeId;
  /** Seconds since the Unix epoch. */
  readonly leftAtSeconds: number;
  /** Null until it is about to be told. */
  readonly cutOff: CutOff | null;
  /** When it was known to have heard, seconds since the Unix epoch; null while it has to be told. */
  readonly toldAtSeconds: number | null;
}

/** Of one cluster, oldest first. */
export type Departures = readonly Departure[];

/** Departures kept of one cluster. Those that have heard make room first. */
export const DEPARTURES_MAX = 64;

export interface DeparturesAfter {
  /** The same object as before where nothing has changed. */
  readonly departures: Departures;
  /** Those that made room and were never told. */
  readonly forgotten: Departures;
}

/**
 * What has left after a change of the cluster. Whoever is back under its id or its address is not told any more; what was written down of how
 * it was cut off stays, since it may still be so.
 */
export function departuresAfter(
  known: Departures,
  {
    before,
    after,
    nowSeconds,
  }: { readonly before: Cluster; readonly after: Cluster; readonly nowSeconds: number },
): DeparturesAfter {
  const members = allNodes(after).map(({ node }) => node);
  const ids = new Set(members.map(({ id }) => id));
  const addresses = new Set(members.map(({ address }) => address));
  const left = allNodes(before)
    .filter(({ node }) => !ids.has(node.id) && !addresses.has(node.address))
    .map(({ node, shard }) => departed(node, masterOf(shard).id, nowSeconds));
  const leaving = new Set(left.map(({ id }) => id));
  const staying = known.flatMap((departure) => {
    if (ids.has(departure.id)) return departure.cutOff === null ? [] : [closed(departure, nowSeconds)];
    return addresses.has(departure.address) || leaving.has(departure.id) ? [] : [departure];
  });
  const isSame = left.length === 0 && staying.length === known.length;
  if (isSame && staying.every((departure, index) => departure === known[index]))
    return { departures: known, forgotten: [] };
  return bounded([...staying, ...left]);
}

function departed(node: Node, masterId: NodeId, nowSeconds: number): Departure {
  const { id, address, password, role } = node;
  return {
    id,
    address,
    password,
    role,
    masterId,
    leftAtSeconds: nowSeconds,
    cutOff: null,
    toldAtSeconds: null,
  };
}

/** The departure of a node that need not be told any more, and may come back. */
export function closed(departure: Departure, nowSeconds: number): Departure {
  return departure.toldAtSeconds === null ? { ...departure, toldAtSeconds: nowSeconds } : departure;
}

function bounded(all: Departures): DeparturesAfter {
  const excess = Math.max(0, all.length - DEPARTURES_MAX);
  const told = all.filter(({ toldAtSeconds }) => toldAtSeconds !== null);
  const open = all.filter(({ toldAtSeconds }) => toldAtSeconds === null);
  const dropped = new Set([...told, ...open].slice(0, excess));
  return {
    departures: all.filter((departure) => !dropped.has(departure)),
    forgotten: open.filter((departure) => dropped.has(departure)),
  };
}

/** Those that have to be told still. */
export function untold(departures: Departures): Departures {
  return departures.filter(({ toldAtSeconds }) => toldAtSeconds === null);
}

/** `departures` with what `change` makes of one of them, null removing it; null when there is no such one. */
export function withDeparture(
  departures: Departures,
  id: NodeId,
  change: (departure: Departure) => Departure | null,
): Departures | null {
  const known = departures.find((departure) => departure.id === id);
  if (known === undefined) return null;
  const changed = change(known);
  return departures.flatMap((departure) => {
    if (departure !== known) return [departure];
    return changed === null ? [] : [changed];
  });
}

/** How nodes were cut off when they left, by their ids. */
export function cutOffsOf(departures: Departures): ReadonlyMap<NodeId, CutOff> {
  return new Map(departures.flatMap(({ id, cutOff }) => (cutOff === null ? [] : [[id, cutOff] as const])));
}
