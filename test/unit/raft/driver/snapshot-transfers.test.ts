// Snapshots on their way: a member that is sent one finds the log behind it when it has it.

import { describe, expect, it } from 'vitest';

import { logIndex, memberId } from '../../../../src/raft/core/types.ts';
import { SnapshotTransfers } from '../../../../src/raft/snapshot-transfers.ts';
import { others, propose, write } from './actions.ts';
import { World } from './world.ts';

describe('C3: snapshots on their way', () => {
  const [two, three] = [memberId(2), memberId(3)];

  it('count from their beginning, and for a while after they have arrived', () => {
    const transfers = new SnapshotTransfers(1000);
    transfers.begin(two, logIndex(10));
    transfers.begin(three, logIndex(20));
    expect(transfers.indexes(1_000_000)).toEqual([10, 20]);
    transfers.end(two, { index: logIndex(10), delivered: true }, 5000);
    transfers.end(three, { index: logIndex(20), delivered: false }, 5000);
    expect(transfers.indexes(5999)).toEqual([10]);
    expect(transfers.indexes(6000)).toEqual([]);
  });

  it('give way to the next one to the same member, whose end alone is theirs', () => {
    const transfers = new SnapshotTransfers(1000);
    transfers.begin(two, logIndex(10));
    transfers.begin(two, logIndex(20));
    transfers.end(two, { index: logIndex(10), delivered: false }, 0);
    expect(transfers.indexes(0)).toEqual([20]);
  });

  it('that take longer than the next own snapshot do not have to be followed by another under steady writes', () => {
    const world = new World(3, { snapshotEntries: 20, trailingEntries: 2, snapshotBytes: 1_000_000 });
    write(world, 5);
    const leader = world.elect();
    const [behind] = others(world, leader.id);
    world.isolate(behind!.id);
    write(world, 60, 'missed');
    world.loop.run(500);
    world.snapshotMs = 300;
    world.heal();
    const outcomes = [];
    for (let round = 0; round < 600; round += 1) {
      // About three snapshots of the leader's own while one is on its way.
      outcomes.push(propose(world.elect(), `line ${round}`));
      world.loop.run(5);
    }
    expect(world.elect().id).toBe(leader.id);
    expect(world.snapshotsSent).toBe(1);
    const { last } = leader.driver.status();
    expect(behind!.driver.status().applied).toBeGreaterThan(last.index - 20);
    world.loop.run(1000);
    expect(outcomes.every(([outcome]) => outcome?.ok === true)).toBe(true);
    expect(behind!.machine.lines).toEqual(leader.machine.lines);
    // Nobody needs more than the trailing window any more.
    expect(leader.driver.status().last.index - leader.driver.status().base).toBeLessThanOrEqual(2 + 2 * 20);
  });
});
