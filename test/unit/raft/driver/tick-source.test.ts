// Ticks: even when time is, one at a time when it is not.

import { describe, expect, it } from 'vitest';

import { createSeededRandom } from '../../../../src/base/random.ts';
import { TickSource } from '../../../../src/raft/tick-source.ts';
import { VirtualLoop } from './virtual-loop.ts';

function start(): { readonly loop: VirtualLoop; readonly ticks: TickSource; readonly atMs: number[] } {
  const loop = new VirtualLoop();
  const atMs: number[] = [];
  const parts = { clock: loop.clock, scheduler: loop.scheduler, random: createSeededRandom(7) };
  const ticks = new TickSource(25, parts, () => void atMs.push(loop.nowMs));
  ticks.start();
  return { loop, ticks, atMs };
}

describe('ticks', () => {
  it('come evenly, the first within one tick', () => {
    const { loop, atMs } = start();
    loop.run(1000);
    expect(atMs[0]).toBeLessThanOrEqual(25);
    expect(atMs).toHaveLength(40);
    expect(atMs.slice(1).map((at, index) => Math.round(at - (atMs[index] ?? 0)))).toEqual(Array(39).fill(25));
  });

  it('missed by a frozen process are one', () => {
    const { loop, atMs } = start();
    loop.run(100);
    const before = atMs.length;
    loop.nowMs += 5000;
    loop.run(26);
    expect(atMs.length - before).toBeLessThanOrEqual(2);
  });

  it('let input that arrived during a freeze go first', () => {
    const { loop, atMs } = start();
    loop.run(100);
    const before = atMs.length;
    loop.nowMs += 500;
    // The tick is due first; the request's head is read in the first turn after the freeze, its body in the next.
    const ticksWhenHeard: number[] = [];
    loop.scheduler.afterPoll(() => loop.scheduler.afterPoll(() => void ticksWhenHeard.push(atMs.length)));
    loop.run(1);
    expect(ticksWhenHeard).toEqual([before]);
    expect(atMs).toHaveLength(before + 1);
  });

  it('end with stop, even when one is due', () => {
    const { loop, ticks, atMs } = start();
    loop.run(100);
    const before = atMs.length;
    loop.nowMs += 25;
    ticks.stop();
    loop.run(1000);
    expect(atMs).toHaveLength(before);
  });
});
