// What is pure of the scenarios of failing nodes: where a lost write belongs, how soon writes go on, and the line of verdict.

import { describe, expect, it } from 'vitest';

import type { ShardSeen } from '../../../../scripts/failure-injection/hostile-operator/fleet-seen.ts';
import type { Write } from '../../../../scripts/failure-injection/hostile-operator/ledger.ts';
import { Acknowledgements } from '../../../../scripts/failure-injection/node-faults/acknowledgements.ts';
import { heaviestHost } from '../../../../scripts/failure-injection/node-faults/host.ts';
import {
  type Fault,
  LossCounts,
  placeOf,
  tellLoss,
} from '../../../../scripts/failure-injection/node-faults/losses.ts';
import { describeSeen, verdictLine } from '../../../../scripts/failure-injection/node-faults/verdict.ts';

const DEATH: Fault = { kind: 'death', node: 'a', atMs: 10_000, replacedAtMs: 11_200, backAtMs: 14_000 };

function write(atMs: number, node = 'a'): Write {
  return { key: 'w1:7', value: 3, previous: 2, atMs, node };
}

describe('a lost write', () => {
  it.each([
    [8500, 'before', '1500 ms before its death'],
    [10_100, 'meanwhile', '100 ms after its death'],
    [11_300, 'replaced', '100 ms after it was replaced'],
    [14_050, 'returned', '50 ms after its return'],
    [8499, 'unrelated', 'long before any fault of it'],
    [15_501, 'unrelated', 'long before any fault of it'],
  ])('of %d ms is %s', (atMs, phase, words) => {
    expect(placeOf(write(atMs), [DEATH])).toEqual({ phase, words });
  });

  it('is not put down to the fault of another node', () => {
    expect(placeOf(write(9900, 'b'), [DEATH]).phase).toBe('unrelated');
  });

  it('belongs to the fault it lies in and not to the one that comes soon', () => {
    const cuts: readonly Fault[] = [
      { kind: 'cut', node: 'a', atMs: 1000, replacedAtMs: null, backAtMs: 2500 },
      { kind: 'cut', node: 'a', atMs: 3000, replacedAtMs: null, backAtMs: 4500 },
    ];
    expect(placeOf(write(2000), cuts)).toEqual({ phase: 'meanwhile', words: '1000 ms after its cut' });
    expect(placeOf(write(3200), cuts)).toEqual({ phase: 'meanwhile', words: '200 ms after its cut' });
  });

  it('is told with key, value, node and time', () => {
    expect(tellLoss(write(9988), [DEATH])).toBe('w1:7 = 3, acknowledged by a 12 ms before its death');
  });
});

describe('losses of a run', () => {
  it('are counted by phase, with the longest time before a fault', () => {
    const counts = new LossCounts();
    counts.add([write(9988), write(9700), write(14_010)], [DEATH]);
    counts.add([write(100)], []);
    expect(counts.total).toBe(4);
    expect(counts.describe()).toBe(
      '2 up to 300 ms before the fault, 1 by the old master after its return, 1 UNRELATED TO ANY FAULT',
    );
  });

  it('are no words when there are none', () => {
    expect(new LossCounts().describe()).toBe('');
  });
});

describe('acknowledged writes', () => {
  const all = new Acknowledgements();
  for (const [key, atMs, node] of [
    ['w1:1', 100, 'a'],
    ['w1:2', 150, 'a'],
    ['w1:3', 950, 'b'],
    ['w2:1', 120, 'a'],
    ['w2:2', 420, 'b'],
    ['w2:3', 430, 'b'],
  ] as const)
    all.acknowledge({ key, atMs, node });

  it('tell when a node took the first one and the last one', () => {
    expect(all.firstAt('b', 200)).toBe(420);
    expect(all.firstAt('a', 200)).toBeNull();
    expect(all.lastAt('a', 0)).toBe(150);
    expect(all.lastAt('a', 150)).toBeNull();
  });

  it('tell the longest gap of any one client that touches a time', () => {
    expect(all.longestGapMs({ fromMs: 0, toMs: 1000 })).toBe(800);
    expect(all.longestGapMs({ fromMs: 0, toMs: 130 })).toBe(300);
    expect(all.longestGapMs({ fromMs: 951, toMs: 2000 })).toBe(0);
  });
});

describe('the host that dies', () => {
  function shard(index: number, master: string, replica: string): ShardSeen {
    const node = (address: string) => ({ id: address, address });
    return { index, master: node(master), replicas: [node(replica)], ranges: [], migrating: null };
  }
  const hostOf = (address: string): number => Number(address.charAt(0));

  it('is the one with most masters that have a replica elsewhere; its masters come back first', () => {
    const shards = [shard(0, '2a', '1a'), shard(1, '1b', '2b'), shard(2, '2c', '1c'), shard(3, '2d', '2e')];
    const load = heaviestHost(shards, hostOf);
    expect(load).toMatchObject({
      host: 2,
      masters: ['2a', '2c', '2d'],
      nodes: ['2a', '2c', '2d', '2b', '2e'],
    });
    expect(load.replaceable.map(({ index }) => index)).toEqual([0, 2]);
  });
});

describe('the verdict', () => {
  it('counts outcomes and tells median and worst of every time', () => {
    const times = [1000, 1300, 1900].map((ms) => ({ of: 'first write after', ms }));
    expect(
      describeSeen([
        { outcomes: ['replaced', 'replaced'], times },
        { outcomes: ['kept'], times: [] },
      ]),
    ).toBe('2x replaced, 1x kept; first write after 1300 ms (worst 1900 ms)');
    expect(describeSeen([])).toBe('nothing');
  });

  it('is one line: scenario, expected, seen, acknowledged writes lost', () => {
    const verdict = {
      name: 'node-kill',
      expected: 'replaced once',
      seen: '1x replaced',
      lostCount: 0,
      losses: '',
      unexcusedCount: 0,
      acknowledgedCount: 900,
    };
    expect(verdictLine(verdict)).toBe('node-kill | replaced once | 1x replaced | 0 of 900');
    expect(
      verdictLine({ ...verdict, lostCount: 2, losses: '2 up to 5 ms before the fault', unexcusedCount: 1 }),
    ).toBe(
      'node-kill | replaced once | 1x replaced | 2 of 900 (2 up to 5 ms before the fault), 1 OUTSIDE THE RULES',
    );
  });
});
