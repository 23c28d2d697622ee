// Crashes, partitions, slow disks and snapshots at random: what was acknowledged stays, once, in one order, everywhere.

import * as fc from 'fast-check';
import { expect, it } from 'vitest';

import { createSeededRandom, randomBelow, type Random } from '../../../../src/base/random.ts';
import { memberId, type MemberId } from '../../../../src/raft/core/types.ts';
import type { ProposalOutcome } from '../../../../src/raft/outcome.ts';
import { World } from './world.ts';

const stats = { snap: 0, lines: 0, ok: 0 };
const MEMBERS = [1, 2, 3].map((id) => memberId(id));

/** True when every list is a beginning of the longest. */
function oneHistory(lists: readonly (readonly string[])[]): boolean {
  const longest = lists.reduce((best, list) => (list.length > best.length ? list : best), []);
  return lists.every((list) => list.every((line, at) => longest[at] === line));
}

function disturb(world: World, random: Random): void {
  const id: MemberId = MEMBERS[randomBelow(random, 3)]!;
  switch (randomBelow(random, 8)) {
    case 0:
    case 1:
      if (world.members.has(id)) world.crash(id);
      break;
    case 2:
    case 3:
      if (!world.members.has(id)) world.boot(id);
      break;
    case 4:
      world.isolate(id);
      break;
    case 5:
      world.cut.add(`${id}>${MEMBERS[randomBelow(random, 3)]!}`);
      break;
    case 6:
      world.heal();
      break;
    default:
      world.fault(id).latencyMs = [0.5, 1, 20, 150, 400][randomBelow(random, 5)]!;
  }
}

it('acknowledged commands survive anything short of a lost disk', { timeout: 120_000 }, () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const random = createSeededRandom(seed);
      const world = new World(3, { snapshotEntries: 15, trailingEntries: 4, applyEntriesMax: 5 }, seed);
      const outcomes = new Map<string, ProposalOutcome[]>();
      for (let round = 0; round < 60; round += 1) {
        if (randomBelow(random, 3) === 0) disturb(world, random);
        for (const { driver } of world.members.values()) {
          for (let count = randomBelow(random, 8); count > 0; count -= 1) {
            const line = `${round}/${driver.status().id}/${count}`;
            const mine: ProposalOutcome[] = [];
            outcomes.set(line, mine);
            driver.submit(Buffer.from(line), { deadlineMs: 2000 }, (outcome) => void mine.push(outcome));
          }
        }
        world.loop.run(randomBelow(random, 200));
        expect(oneHistory([...world.members.values()].map(({ machine }) => machine.lines))).toBe(true);
      }
      world.heal();
      for (const id of MEMBERS) {
        world.fault(id).latencyMs = 1;
        if (!world.members.has(id)) world.boot(id);
      }
      world.loop.run(15_000);
      const lists = [...world.members.values()].map(({ machine }) => machine.lines);
      expect(new Set(lists.map((list) => list.join())).size).toBe(1);
      const final = lists[0] ?? [];
      expect(new Set(final).size).toBe(final.length);
      for (const { fatal } of world.members.values()) expect(fatal).toEqual([]);
      stats.snap += world.snapshotsSent; stats.lines += final.length; stats.ok += [...outcomes.values()].filter((o) => o[0]?.ok).length;
      const present = new Set(final);
      for (const [line, mine] of outcomes) {
        expect(mine.length).toBeLessThanOrEqual(1);
        if (mine[0]?.ok === true) expect(present.has(line)).toBe(true);
        if (mine[0]?.ok === false && mine[0].error.kind !== 'unknown') expect(present.has(line)).toBe(false);
      }
    }),
    { numRuns: 2500 },
  );
});

it('stats', () => console.log(stats));
