// The moves of scenario `node-migration`: every way to ask for one, in turn, each with all or most of the cargo.

import { oneOf } from '../choose.ts';
import { type ClusterSeen, membersOf } from '../hostile-operator/fleet-seen.ts';
import type { Told } from '../hostile-operator/operator-api.ts';
import { newestAsked, type TaskSeen } from '../hostile-operator/task-seen.ts';
import { cargoAt, cargoOutside } from './cargo.ts';
import type { Around } from './node-fault.ts';
import { clusterNow } from './parts.ts';

/** Slots of one job; with 50 keys a slot, it takes a second or more at the default speed of Kvrocks (4096 keys a second). */
const BATCH = 100;
export const NODES_PER_SHARD = 2;
const FIRST_SHARD_COUNT = 3;

/** In turn: after each of them the next one has something to move. */
const WAYS = ['migrate', 'rebalance', 'scale-out', 'migrate', 'scale-in'] as const;

/** The task that was asked for, or why there is none. */
export type Begun =
  | {
      readonly kind: 'begun';
      readonly task: TaskSeen;
      readonly words: string;
      readonly removed: readonly string[];
    }
  | { readonly kind: 'refused'; readonly words: string };

/** Asks for the next move. `onlyMigrate`: all of the cargo, to one shard, and nothing else. */
export async function beginMove(around: Around, onlyMigrate: boolean): Promise<Begun> {
  const cluster = await clusterNow(around);
  const way = onlyMigrate ? 'migrate' : (WAYS[around.round % WAYS.length] ?? 'migrate');
  const before = newestAsked((await around.api.tasks()) ?? [])?.id ?? 0;
  const asked = await ask(way, cluster, around);
  if (!asked.told.ok) return { kind: 'refused', words: `${asked.words}: ${asked.told.words}` };
  const task = newestAsked((await around.api.tasks()) ?? []);
  if (task === null || task.id <= before)
    return { kind: 'refused', words: `${asked.words}: no migration is shown` };
  around.note(`migration ${task.id}: ${asked.words}, ${task.total} slots`);
  return { kind: 'begun', task, words: asked.words, removed: asked.removed };
}

interface Asked {
  readonly told: Told;
  readonly words: string;
  /** Nodes that belong to no shard once it has succeeded. */
  readonly removed: readonly string[];
}

async function ask(way: (typeof WAYS)[number], cluster: ClusterSeen, around: Around): Promise<Asked> {
  const { api } = around;
  const last = cluster.shards.at(-1);
  switch (way) {
    case 'migrate': {
      const target = targetOf(cluster, around);
      const ranges = cargoOutside(cluster, target);
      const told = await api.migrate({ ranges, target, batch: BATCH });
      return { told, words: `${ranges.length} ranges to shard ${target}`, removed: [] };
    }
    case 'rebalance': {
      const weights = emptying(cluster);
      const told = await api.rebalance({ weights, batch: BATCH });
      return { told, words: `rebalance, with weights ${JSON.stringify(weights)}`, removed: [] };
    }
    case 'scale-out': {
      const addresses = await freshNodes(around);
      const weights = emptying(cluster);
      const told = await api.scaleOut(addresses, { nodesPerShard: NODES_PER_SHARD, weights, batch: BATCH });
      const words = `scale-out by ${addresses.join(' ')}, with weights ${JSON.stringify(weights)}`;
      return { told, words, removed: [] };
    }
    case 'scale-in': {
      if (last === undefined) throw new Error('the cluster has no shard');
      const told = await api.scaleIn([last.index], BATCH);
      const removed = membersOf(last).map(({ address }) => address);
      return { told, words: `scale-in of shard ${last.index}`, removed };
    }
  }
}

/** A shard that was added, since a scale-in takes it away; else, or where that one has all of the cargo, one that has least. */
function targetOf(cluster: ClusterSeen, { random }: Around): number {
  const { shards } = cluster;
  const counts = shards.map(({ index }) => cargoAt(cluster, index));
  const added = shards.length > FIRST_SHARD_COUNT ? shards.length - 1 : -1;
  if (added !== -1 && counts.some((count, index) => index !== added && count > 0)) return added;
  const least = Math.min(...counts);
  const emptiest = shards.filter((_, index) => counts[index] === least);
  return oneOf(random, emptiest).index;
}

/** Weights that take everything from the shard with most of the cargo: a plan moves as little as it can, and nothing of the cargo otherwise. */
function emptying(cluster: ClusterSeen): Readonly<Record<string, number>> {
  const counts = cluster.shards.map(({ index }) => cargoAt(cluster, index));
  return { [String(counts.indexOf(Math.max(...counts)))]: 0 };
}

/** Those that a scale-in has left, on new data directories, or new ones. */
async function freshNodes({ fleet, site, spares }: Around): Promise<readonly string[]> {
  const known = [...spares].slice(0, NODES_PER_SHARD);
  for (const address of known) {
    await fleet.startOnNewDisk(address);
    spares.delete(address);
  }
  while (known.length < NODES_PER_SHARD)
    known.push(await fleet.start(await site.seat(fleet.addresses.length)));
  return known;
}
