// Moves of slots that the hostile operator asks for, and what comes in between. Pure.

import { type Random, randomBelow } from '../../../src/base/random.ts';
import { between, chance, oneOf } from '../choose.ts';
import { type FleetSeen, membersOf, type ShardSeen, type SlotRange } from './fleet-seen.ts';

/** What is done to a task while it goes on. */
export type Meanwhile =
  | { readonly kind: 'nothing' | 'pause' | 'cancel' | 'cancel-and-retry' }
  | { readonly kind: 'leader-kill'; readonly downMs: number }
  | { readonly kind: 'failover'; readonly shard: number }
  | {
      readonly kind: 'kill-master' | 'hang-master';
      readonly shard: number;
      readonly address: string;
      readonly forMs: number;
    };

interface Move {
  /** The most slots of one job. */
  readonly batch: number;
  readonly meanwhile: Meanwhile;
  /** When it comes, after the task was asked for. */
  readonly afterMs: number;
}

export type MoveAction =
  | (Move & {
      readonly kind: 'migrate';
      readonly to: number;
      readonly ranges: readonly SlotRange[];
      /** Masters that own them. */
      readonly sources: readonly string[];
      /** Null leaves the speed as it is. */
      readonly keysPerSecond: number | null;
    })
  | (Move & { readonly kind: 'rebalance'; readonly weights: Readonly<Record<string, number>> })
  /** One shard more. `spares` join on new data directories; where they are not enough, new nodes do. */
  | (Move & {
      readonly kind: 'scale-out';
      readonly nodeCount: number;
      readonly spares: readonly string[];
    })
  | (Move & { readonly kind: 'scale-in'; readonly shard: number; readonly addresses: readonly string[] });

export const SHARDS_MAX = 4;
const RANGES_MAX = 4;
const MIGRATED_SLOTS_MAX = 400;
const SLOW_KEYS_PER_SECOND = 64;
const BATCH = { min: 50, max: 800 } as const;
const AFTER_MS_MAX = 2500;
const KINDS = [
  'nothing',
  'pause',
  'cancel',
  'cancel-and-retry',
  'leader-kill',
  'failover',
  'kill-master',
  'hang-master',
] as const;

export function migrate(random: Random, fleet: FleetSeen): MoveAction | null {
  const sources = fleet.shards.filter((shard) => shard.ranges.length > 0);
  if (sources.length === 0 || fleet.shards.length < 2) return null;
  const first = oneOf(random, sources);
  const to = oneOf(
    random,
    fleet.shards.filter((shard) => shard !== first),
  );
  const owned = sources.filter((shard) => shard !== to);
  const ranges = new Map<number, SlotRange & { readonly source: string }>();
  for (let count = between(random, 1, RANGES_MAX); count > 0; count -= 1) {
    const { master, ranges: all } = oneOf(random, owned);
    const range = partOf(random, oneOf(random, all));
    const isApart = [...ranges.values()].every(({ start, stop }) => range.stop < start || stop < range.start);
    if (isApart) ranges.set(range.start, { ...range, source: master.address });
  }
  const chosen = [...ranges.values()];
  return {
    kind: 'migrate',
    to: to.index,
    ranges: chosen.map(({ start, stop }) => ({ start, stop })),
    sources: [...new Set(chosen.map(({ source }) => source))],
    keysPerSecond: chance(random, 50) ? SLOW_KEYS_PER_SECOND : null,
    ...moveOf(random, fleet),
  };
}

export function rebalance(random: Random, fleet: FleetSeen): MoveAction | null {
  if (fleet.shards.length < 2) return null;
  const weights = Object.fromEntries(
    fleet.shards.flatMap(({ index }) =>
      index > 0 && chance(random, 40) ? [[String(index), randomBelow(random, 3)]] : [],
    ),
  );
  return { kind: 'rebalance', weights, ...moveOf(random, fleet) };
}

export function scaleOut(random: Random, fleet: FleetSeen): MoveAction | null {
  if (fleet.shards.length >= SHARDS_MAX) return null;
  const nodeCount = between(random, 1, 2);
  return {
    kind: 'scale-out',
    nodeCount,
    spares: fleet.spares.slice(0, nodeCount),
    ...moveOf(random, fleet),
  };
}

/** Only a shard that was added: the first ones have the nodes that everything else needs. */
export function scaleIn(random: Random, fleet: FleetSeen): MoveAction | null {
  const added = fleet.shards.filter((shard) => shard.index >= fleet.firstShardCount);
  if (added.length === 0) return null;
  const shard = oneOf(random, added);
  const addresses = membersOf(shard).map(({ address }) => address);
  return { kind: 'scale-in', shard: shard.index, addresses, ...moveOf(random, fleet) };
}

function moveOf(random: Random, fleet: FleetSeen): Move {
  return {
    batch: between(random, BATCH.min, BATCH.max),
    meanwhile: meanwhileOf(random, fleet),
    afterMs: randomBelow(random, AFTER_MS_MAX),
  };
}

/** Nobody is hurt whose place nobody can take, nor a shard that may be about to go. */
function meanwhileOf(random: Random, fleet: FleetSeen): Meanwhile {
  const kind = oneOf(random, KINDS);
  const isSafe = ({ index, replicas }: ShardSeen): boolean =>
    index < fleet.firstShardCount && replicas.length > 0;
  const victims = fleet.shards.filter(isSafe);
  switch (kind) {
    case 'nothing':
    case 'pause':
    case 'cancel':
    case 'cancel-and-retry':
      return { kind };
    case 'leader-kill':
      return { kind, downMs: between(random, 200, 2500) };
    case 'failover':
    case 'kill-master':
    case 'hang-master': {
      if (victims.length === 0) return { kind: 'nothing' };
      const { index, master } = oneOf(random, victims);
      if (kind === 'failover') return { kind, shard: index };
      const forMs = kind === 'kill-master' ? between(random, 0, 800) : between(random, 500, 7000);
      return { kind, shard: index, address: master.address, forMs };
    }
  }
}

function partOf(random: Random, { start, stop }: SlotRange): SlotRange {
  const count = 1 + randomBelow(random, Math.min(MIGRATED_SLOTS_MAX, stop - start + 1));
  const first = between(random, start, stop - count + 1);
  return { start: first, stop: first + count - 1 };
}
