// What the hostile operator does next: one action, chosen by the seed among those that the fleet as it is now allows. Pure.

import { type Random, randomBelow } from '../../../src/base/random.ts';
import { between, chance, oneOf } from '../choose.ts';
import type { FleetSeen, NodeSeen, ShardSeen, SlotRange } from './fleet-seen.ts';
import { migrate, type MoveAction, rebalance, scaleIn, scaleOut, SHARDS_MAX } from './plan-moves.ts';

export const ACTION_KINDS = [
  'kill-master',
  'kill-replica',
  'hang-master',
  'hang-replica',
  'wipe-master',
  'wipe-replica',
  'kill-successor',
  'power-cut',
  'failover',
  'failover-preferred',
  'migrate',
  'rebalance',
  'scale-out',
  'scale-in',
  'move-replica',
  'add-shard',
  'remove-shard',
  'cut',
  'leader-kill',
  'leader-transfer',
  'outage',
] as const;

export type ActionKind = (typeof ACTION_KINDS)[number];

export type Action =
  /** SIGKILL, on an emptied disk when it is wiped; restarted after `downMs`, or once a replica was promoted. */
  | {
      readonly kind: 'kill-master' | 'wipe-master';
      readonly shard: number;
      readonly address: string;
      readonly awaitsFailover: boolean;
      readonly downMs: number;
    }
  | { readonly kind: 'kill-replica' | 'wipe-replica'; readonly address: string; readonly downMs: number }
  | { readonly kind: 'hang-master' | 'hang-replica'; readonly address: string; readonly hangMs: number }
  /** The replica that takes over dies `afterMs` after it is shown as the master. */
  | {
      readonly kind: 'kill-successor';
      readonly shard: number;
      readonly address: string;
      readonly afterMs: number;
    }
  /**
   * All nodes and controllers at once; the master at `address` is back on an empty disk as the first node (once controllers run) or as the last,
   * or not before it was replaced.
   */
  | {
      readonly kind: 'power-cut';
      readonly shard: number;
      readonly address: string;
      readonly isWiped: boolean;
      readonly isFirst: boolean;
      readonly masters: readonly string[];
      readonly replicas: readonly string[];
    }
  | { readonly kind: 'failover'; readonly shard: number; readonly address: string }
  | {
      readonly kind: 'failover-preferred';
      readonly shard: number;
      readonly address: string;
      readonly preferred: NodeSeen;
    }
  | MoveAction
  | {
      readonly kind: 'move-replica';
      readonly from: number;
      readonly to: number;
      readonly replica: NodeSeen;
    }
  /** Null takes a new node, else one that belonged to the cluster before, as it is. */
  | { readonly kind: 'add-shard'; readonly spare: string | null }
  | {
      readonly kind: 'remove-shard';
      readonly shard: number;
      readonly to: number;
      readonly ranges: readonly SlotRange[];
      readonly addresses: readonly string[];
    }
  | {
      readonly kind: 'cut';
      readonly shard: number;
      readonly master: string;
      readonly replica: NodeSeen;
      readonly cutMs: number;
      /** What is done while the cut lasts, at its end. */
      readonly ending: 'nothing' | 'failover' | 'kill-master';
    }
  | { readonly kind: 'leader-kill'; readonly downMs: number }
  | { readonly kind: 'leader-transfer' }
  | { readonly kind: 'outage'; readonly shard: number; readonly address: string; readonly downMs: number };

const DRAWS_MAX = 200;

/** The next action; null when none of `kinds` is possible now. */
export function nextAction(random: Random, kinds: readonly ActionKind[], fleet: FleetSeen): Action | null {
  for (let draw = 0; draw < DRAWS_MAX; draw += 1) {
    const action = actionOf(random, oneOf(random, kinds), fleet);
    if (action !== null) return action;
  }
  return null;
}

/** An action of this kind, with its victim and its times; null where the fleet has no victim for it. */
export function actionOf(random: Random, kind: ActionKind, fleet: FleetSeen): Action | null {
  switch (kind) {
    case 'kill-master':
    case 'wipe-master':
      return endOfMaster(random, kind, fleet);
    case 'kill-successor':
      return withReplicas(random, fleet, ({ index, master }) => ({
        kind,
        shard: index,
        address: master.address,
        afterMs: between(random, 0, 300),
      }));
    case 'power-cut':
      return powerCut(random, fleet);
    case 'hang-master':
      return {
        kind,
        address: oneOf(random, fleet.shards).master.address,
        hangMs: between(random, 500, 7000),
      };
    case 'kill-replica':
    case 'wipe-replica':
    case 'hang-replica':
      return troubleOfReplica(random, kind, fleet);
    case 'failover':
    case 'failover-preferred':
      return failover(random, kind, fleet);
    case 'migrate':
      return migrate(random, fleet);
    case 'rebalance':
      return rebalance(random, fleet);
    case 'scale-out':
      return scaleOut(random, fleet);
    case 'scale-in':
      return scaleIn(random, fleet);
    case 'move-replica':
      return moveReplica(random, fleet);
    case 'add-shard':
      if (fleet.shards.length >= SHARDS_MAX) return null;
      return { kind, spare: fleet.spares.length === 0 ? null : oneOf(random, fleet.spares) };
    case 'remove-shard':
      return removeShard(random, fleet);
    case 'cut':
      return cut(random, fleet);
    case 'leader-kill':
      return { kind, downMs: between(random, 200, 2500) };
    case 'leader-transfer':
      return { kind };
    case 'outage':
      return withReplicas(random, fleet, (shard) => ({
        kind,
        shard: shard.index,
        address: shard.master.address,
        downMs: between(random, 1000, 5000),
      }));
  }
}

/** An action on a shard whose master can be replaced; null when there is none. */
function withReplicas(
  random: Random,
  fleet: FleetSeen,
  make: (shard: ShardSeen, replica: NodeSeen) => Action,
): Action | null {
  const shards = fleet.shards.filter((shard) => shard.replicas.length > 0);
  if (shards.length === 0) return null;
  const shard = oneOf(random, shards);
  return make(shard, oneOf(random, shard.replicas));
}

function endOfMaster(random: Random, kind: 'kill-master' | 'wipe-master', fleet: FleetSeen): Action | null {
  return withReplicas(random, fleet, (shard) => ({
    kind,
    shard: shard.index,
    address: shard.master.address,
    awaitsFailover: chance(random, 60),
    downMs: between(random, 0, 800),
  }));
}

function powerCut(random: Random, fleet: FleetSeen): Action | null {
  return withReplicas(random, fleet, ({ index, master }) => ({
    kind: 'power-cut',
    shard: index,
    address: master.address,
    isWiped: chance(random, 60),
    isFirst: chance(random, 50),
    masters: fleet.shards.map((shard) => shard.master.address),
    replicas: fleet.shards.flatMap(({ replicas }) => replicas.map(({ address }) => address)),
  }));
}

function troubleOfReplica(
  random: Random,
  kind: 'kill-replica' | 'wipe-replica' | 'hang-replica',
  fleet: FleetSeen,
): Action | null {
  return withReplicas(random, fleet, (_, { address }) =>
    kind === 'hang-replica'
      ? { kind, address, hangMs: between(random, 500, 7000) }
      : { kind, address, downMs: between(random, 0, 4000) },
  );
}

function failover(random: Random, kind: 'failover' | 'failover-preferred', fleet: FleetSeen): Action | null {
  return withReplicas(random, fleet, ({ index, master }, preferred) => {
    const victim = { shard: index, address: master.address };
    return kind === 'failover' ? { kind, ...victim } : { kind, ...victim, preferred };
  });
}

/** A shard may be left alone with its master: that one is spared what needs a replica. */
function moveReplica(random: Random, fleet: FleetSeen): Action | null {
  if (fleet.shards.length < 2) return null;
  return withReplicas(random, fleet, ({ index }, replica) => {
    const others = fleet.shards.filter((shard) => shard.index !== index);
    return { kind: 'move-replica', from: index, to: oneOf(random, others).index, replica };
  });
}

/** Only a shard that was added: the first ones have the nodes that everything else needs. */
function removeShard(random: Random, fleet: FleetSeen): Action | null {
  const added = fleet.shards.filter((shard) => shard.index >= fleet.firstShardCount);
  if (added.length === 0) return null;
  const { index, ranges, master, replicas } = oneOf(random, added);
  const to = randomBelow(random, fleet.firstShardCount);
  const addresses = [master, ...replicas].map(({ address }) => address);
  return { kind: 'remove-shard', shard: index, to, ranges, addresses };
}

function cut(random: Random, fleet: FleetSeen): Action | null {
  if (!fleet.canCut) return null;
  return withReplicas(random, fleet, ({ index, master }, replica) => ({
    kind: 'cut',
    shard: index,
    master: master.address,
    replica,
    cutMs: between(random, 2000, 13_000),
    ending: oneOf(random, ['nothing', 'failover', 'kill-master'] as const),
  }));
}

/** The kinds that a word of the command line means: a kind, or the beginning of several (`kill`, `wipe`). */
export function kindsNamed(words: readonly string[]): readonly ActionKind[] | null {
  const found = words.map((word) =>
    ACTION_KINDS.filter((kind) => kind === word || kind.startsWith(`${word}-`)),
  );
  return found.some((kinds) => kinds.length === 0) ? null : [...new Set(found.flat())];
}
