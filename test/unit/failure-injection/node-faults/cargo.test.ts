// The keys that move: where they lie, which of them have changed hands, and which are missed.

import { describe, expect, it } from 'vitest';

import type {
  ClusterSeen,
  ShardSeen,
  SlotRange,
} from '../../../../scripts/failure-injection/hostile-operator/fleet-seen.ts';
import {
  cargoAt,
  cargoOutside,
  keysMoved,
  missingCargo,
} from '../../../../scripts/failure-injection/node-faults/cargo.ts';

function shard(index: number, name: string, ranges: readonly SlotRange[]): ShardSeen {
  const node = (part: string): ShardSeen['master'] => ({
    id: `${name}-${part}`,
    address: `127.0.0.1:7${index}`,
  });
  return { index, master: node('a'), replicas: [node('b')], ranges, migrating: null };
}

function cluster(...shards: readonly ShardSeen[]): ClusterSeen {
  return { version: 1, shards };
}

/** All of the cargo is in the first shard of three. */
const BEFORE = cluster(
  shard(0, 'x', [{ start: 0, stop: 5460 }]),
  shard(1, 'y', [{ start: 5461, stop: 10_922 }]),
  shard(2, 'z', [{ start: 10_923, stop: 16_383 }]),
);
/** Its first 300 slots are elsewhere: 200 of them in one range, and none of the next. */
const AFTER = cluster(
  shard(0, 'x', [{ start: 300, stop: 5460 }]),
  shard(1, 'y', [
    { start: 0, stop: 299 },
    { start: 5461, stop: 10_922 },
  ]),
  shard(2, 'z', [{ start: 10_923, stop: 16_383 }]),
);

describe('the cargo', () => {
  it('is 2,000 slots in ten ranges, and is asked for where it is elsewhere', () => {
    expect(cargoAt(BEFORE, 0)).toBe(2000);
    expect(cargoOutside(BEFORE, 0)).toEqual([]);
    expect(cargoOutside(BEFORE, 1)).toHaveLength(10);
    expect(cargoOutside(AFTER, 0)).toEqual([{ start: 0, stop: 199 }]);
    expect(cargoAt(AFTER, 1)).toBe(200);
  });

  it('counts the keys of slots that have changed hands, whoever is master there', () => {
    expect(keysMoved(BEFORE, AFTER)).toBe(10_000);
    const failedOver = cluster(
      ...BEFORE.shards.map((each) => ({
        ...each,
        master: each.replicas[0] ?? each.master,
        replicas: [each.master],
      })),
    );
    expect(keysMoved(BEFORE, failedOver)).toBe(0);
  });

  it('is missed where a key is gone or has another value', () => {
    const valueOf = (key: string): number => Number(key.slice(key.indexOf(':') + 1));
    expect(missingCargo({ valueOf })).toEqual([]);
    const [words] = missingCargo({ valueOf: (key) => (valueOf(key) === 7 ? null : valueOf(key)) });
    expect(words).toMatch(/^1 of 100000 keys that moved are gone or changed: \{t\d+\}:7 \(slot 7\)$/);
    expect(missingCargo({ valueOf: (key) => valueOf(key) + 1 })[0]).toMatch(/^100000 of 100000 keys/);
  });
});
