// The plan: every kind of action comes up where it can, with victims that leave the fleet whole.

import { describe, expect, it } from 'vitest';

import { describeAction } from '../../../../scripts/failure-injection/hostile-operator/describe-action.ts';
import type {
  FleetSeen,
  ShardSeen,
} from '../../../../scripts/failure-injection/hostile-operator/fleet-seen.ts';
import {
  type Action,
  ACTION_KINDS,
  actionOf,
  kindsNamed,
  nextAction,
} from '../../../../scripts/failure-injection/hostile-operator/plan.ts';
import { createSeededRandom } from '../../../../src/base/random.ts';

function shard(index: number, replicaCount: number, ranges: ShardSeen['ranges']): ShardSeen {
  const node = (number: number): ShardSeen['master'] => ({
    id: `id-${index}-${number}`,
    address: `127.0.0.1:7${index}0${number}`,
  });
  return {
    index,
    master: node(0),
    replicas: Array.from({ length: replicaCount }, (_, number) => node(number + 1)),
    ranges,
    migrating: null,
  };
}

/** Two shards of three, and one of a single node that was added. */
const FLEET: FleetSeen = {
  version: 5,
  shards: [
    shard(0, 2, [{ start: 0, stop: 8191 }]),
    shard(1, 1, [{ start: 8192, stop: 16_383 }]),
    shard(2, 0, []),
  ],
  spares: ['127.0.0.1:7999'],
  firstShardCount: 2,
  canCut: true,
};

function actionsOf(fleet: FleetSeen, count: number): readonly Action[] {
  const random = createSeededRandom(1);
  return Array.from({ length: count }, () => nextAction(random, ACTION_KINDS, fleet)).filter(
    (action) => action !== null,
  );
}

describe('the plan of the hostile operator', () => {
  it('is the same for the same seed', () => {
    const draw = (seed: number): readonly (Action | null)[] => {
      const random = createSeededRandom(seed);
      return Array.from({ length: 50 }, () => nextAction(random, ACTION_KINDS, FLEET));
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
  });

  it('comes to every kind of action, and has words for each', () => {
    const actions = actionsOf(FLEET, 2000);
    expect(new Set(actions.map(({ kind }) => kind))).toEqual(new Set(ACTION_KINDS));
    for (const action of actions) expect(describeAction(action)).toMatch(new RegExp(`^${action.kind}`));
  });

  it('ends a master only where a replica can take its place', () => {
    const kinds = new Set(['wipe-master', 'kill-master', 'kill-successor', 'power-cut', 'outage']);
    const ends = actionsOf(FLEET, 2000).filter(({ kind }) => kinds.has(kind));
    expect(ends.length).toBeGreaterThan(100);
    for (const end of ends) expect('shard' in end && end.shard).not.toBe(2);
  });

  it('moves replicas from shards that have some to another', () => {
    const moves = actionsOf(FLEET, 2000).flatMap((action) =>
      action.kind === 'move-replica' ? [action] : [],
    );
    expect(moves.length).toBeGreaterThan(10);
    expect(new Set(moves.map(({ from }) => from))).toEqual(new Set([0, 1]));
    expect(moves.every(({ from, to }) => from !== to)).toBe(true);
  });

  it('migrates slots that the source owns, to another shard', () => {
    const moves = actionsOf(FLEET, 2000).flatMap((action) => (action.kind === 'migrate' ? [action] : []));
    for (const { from, to, range } of moves) {
      expect(to).not.toBe(from);
      const [owned = { start: 1, stop: 0 }] = FLEET.shards[from]?.ranges ?? [];
      expect(owned.start <= range.start && range.start <= range.stop && range.stop <= owned.stop).toBe(true);
    }
  });

  it('removes added shards only', () => {
    const removals = actionsOf(FLEET, 2000).flatMap((action) =>
      action.kind === 'remove-shard' ? [action.shard] : [],
    );
    expect(new Set(removals)).toEqual(new Set([2]));
  });

  it('leaves out what the fleet does not allow', () => {
    const random = createSeededRandom(1);
    const alone: FleetSeen = { ...FLEET, shards: [shard(0, 0, [])], firstShardCount: 1, canCut: false };
    for (const kind of [
      'kill-master',
      'failover',
      'hang-replica',
      'migrate',
      'move-replica',
      'remove-shard',
      'cut',
    ] as const)
      expect(actionOf(random, kind, alone)).toBeNull();
    expect(nextAction(random, ['cut', 'migrate'], alone)).toBeNull();
    const full: FleetSeen = { ...FLEET, shards: [0, 1, 2, 3].map((index) => shard(index, 0, [])) };
    expect(actionOf(random, 'add-shard', full)).toBeNull();
    expect(actionOf(random, 'add-shard', { ...FLEET, spares: [] })).toEqual({
      kind: 'add-shard',
      spare: null,
    });
  });

  it('takes words of the command line for kinds, or for the beginnings of several', () => {
    expect(kindsNamed(['kill', 'failover'])).toEqual([
      'kill-master',
      'kill-replica',
      'kill-successor',
      'failover',
      'failover-preferred',
    ]);
    expect(kindsNamed(['wipe-master'])).toEqual(['wipe-master']);
    expect(kindsNamed(['kill', 'nonsense'])).toBeNull();
  });
});
