// The plan: every kind of action comes up where it can, with victims that leave the fleet whole.

import { describe, expect, it } from 'vitest';

import { describeAction } from '../../../../scripts/failure-injection/hostile-operator/describe-action.ts';
import {
  type FleetSeen,
  ownerOf,
  type ShardSeen,
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

  it('migrates ranges of their own, which other shards than the target own', () => {
    const moves = actionsOf(FLEET, 3000).flatMap((action) => (action.kind === 'migrate' ? [action] : []));
    expect(moves.some(({ ranges, sources }) => ranges.length > 1 && sources.length > 1)).toBe(true);
    for (const { to, ranges, sources } of moves) {
      const slots = ranges.flatMap(({ start, stop }) =>
        Array.from({ length: stop - start + 1 }, (_, index) => start + index),
      );
      expect(new Set(slots).size).toBe(slots.length);
      const owners = new Set(slots.map((slot) => ownerOf(FLEET, slot)));
      expect(new Set([...owners].map((owner) => owner?.master.address))).toEqual(new Set(sources));
      expect([...owners].map((owner) => owner?.index)).not.toContain(to);
    }
  });

  it('lets everything come in between, and hurts no shard then that cannot bear it or is about to go', () => {
    const moves = actionsOf(FLEET, 3000).flatMap((action) => ('meanwhile' in action ? [action] : []));
    expect(new Set(moves.map(({ meanwhile }) => meanwhile.kind))).toEqual(
      new Set([
        'nothing',
        'pause',
        'cancel',
        'cancel-and-retry',
        'leader-kill',
        'failover',
        'kill-master',
        'hang-master',
      ]),
    );
    for (const { meanwhile } of moves) expect('shard' in meanwhile && meanwhile.shard).not.toBe(2);
  });

  it('removes added shards only', () => {
    const removals = actionsOf(FLEET, 2000).flatMap((action) =>
      action.kind === 'remove-shard' || action.kind === 'scale-in' ? [action.shard] : [],
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
      'rebalance',
      'scale-in',
      'move-replica',
      'remove-shard',
      'cut',
    ] as const)
      expect(actionOf(random, kind, alone)).toBeNull();
    expect(nextAction(random, ['cut', 'migrate'], alone)).toBeNull();
    const full: FleetSeen = { ...FLEET, shards: [0, 1, 2, 3].map((index) => shard(index, 0, [])) };
    expect(actionOf(random, 'add-shard', full)).toBeNull();
    expect(actionOf(random, 'scale-out', full)).toBeNull();
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
