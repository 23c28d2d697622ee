// What several scenarios of failing nodes do: choosing a master, waiting for its successor, naming hosts.

import { oneOf } from '../choose.ts';
import { successorOf } from '../hostile-operator/deaths.ts';
import type { ClusterSeen, ShardSeen } from '../hostile-operator/fleet-seen.ts';
import { POLL_MS } from '../hostile-operator/surroundings.ts';
import type { Around } from './node-fault.ts';

/** From the moment at which a replica is the master until a client has found it. */
const FIRST_WRITE_DEADLINE_MS = 20_000;

export async function clusterNow({ api }: Pick<Around, 'api'>): Promise<ClusterSeen> {
  const cluster = await api.cluster();
  if (cluster === null) throw new Error('no controller shows the cluster');
  return cluster;
}

/** A shard of the seed's choice. */
export async function anyShard(around: Around): Promise<ShardSeen> {
  const { shards } = await clusterNow(around);
  return oneOf(around.random, shards);
}

/** Where the nodes run; each host once. */
export function hostsOf({ fleet }: Pick<Around, 'fleet'>, addresses: readonly string[]): readonly string[] {
  return [...new Set(addresses.map((address) => fleet.at(address).host))];
}

/** What became of a shard whose master was to be replaced. */
export interface Replacement {
  /** Null when nobody took over: then the complaint says so. */
  readonly successor: string | null;
  readonly seenAtMs: number | null;
  readonly complaints: readonly string[];
}

export async function untilReplaced(shard: ShardSeen, around: Around): Promise<Replacement> {
  const successor = await successorOf(shard.index, shard.master.address, around);
  if (around.signal.aborted) return { successor: null, seenAtMs: null, complaints: [] };
  if (!successor.ok) return { successor: null, seenAtMs: null, complaints: [successor.error] };
  return { successor: successor.value, seenAtMs: around.now(), complaints: [] };
}

/** Milliseconds from `fromMs` until the successor has acknowledged a write; null when it does not. */
export async function untilWritten(
  successor: string | null,
  fromMs: number,
  around: Around,
): Promise<number | null> {
  if (successor === null) return null;
  const first = (): number | null => around.acknowledgements.firstAt(successor, fromMs);
  await until(() => first() !== null, { endMs: around.now() + FIRST_WRITE_DEADLINE_MS, around });
  const atMs = first();
  return atMs === null ? null : atMs - fromMs;
}

/** Waits for `condition`, until `endMs` at the latest. */
export async function until(
  condition: () => boolean,
  { endMs, around }: { readonly endMs: number; readonly around: Around },
): Promise<void> {
  while (!condition() && around.now() < endMs && !around.signal.aborted) await around.wait(POLL_MS);
}

/** A measured time, where there is one. */
export function timeOf(
  of: string,
  ms: number | null,
): readonly { readonly of: string; readonly ms: number }[] {
  return ms === null ? [] : [{ of, ms }];
}

/** Masters that changed since `fromMs` and should not have. */
export function unwantedChanges(
  fromMs: number,
  { watch }: Around,
  wanted: (shard: number) => number = () => 0,
): readonly string[] {
  const shards = [...new Set(watch.masterChanges.map(({ shard }) => shard))];
  return shards.flatMap((shard) => {
    const changes = watch.changesOf(shard, fromMs);
    if (changes.length <= wanted(shard)) return [];
    const words = changes.map(({ from, to }) => `${from} by ${to}`).join(', then ');
    return [`shard ${shard} had ${changes.length} failovers and not ${wanted(shard)}: ${words}`];
  });
}
