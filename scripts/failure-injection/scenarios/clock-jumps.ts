// Wall clocks that jump by seconds, days or years, each member's by itself, and monotonic clocks that are days apart.

import { join } from 'node:path';

import { between, chance, oneOf, someOf } from '../choose.ts';
import { complaintOf } from '../../lib/commands.ts';
import { type Group, MEMBER_COUNT, type Place } from '../group.ts';
import { localPlaces } from '../places.ts';
import type { Run, Scenario, Stage } from '../scenario.ts';
import { canMoveMonotonic, compileClock, monotonicAhead, verifyClock, WallClock } from '../wall-clock.ts';

const DAY_SECONDS = 86_400;
/** Seconds ahead of the true time. */
const JUMPS = [
  -20 * 365 * DAY_SECONDS,
  -DAY_SECONDS,
  -3600,
  -5,
  -0.5,
  0,
  0.5,
  5,
  3600,
  DAY_SECONDS,
  20 * 365 * DAY_SECONDS,
];
const MONOTONIC_DAYS_MAX = 400;

export const clockJumps: Scenario = {
  name: 'clock-jumps',
  summary:
    'wall clocks that jump by up to 20 years, monotonic clocks days apart (a C compiler; root for the latter)',
  missing: async () => {
    const complaint = await complaintOf('cc', '--version');
    return complaint === null
      ? null
      : `${complaint}: a wall clock is moved by a small library that has to be compiled`;
  },
  prepare,
};

async function prepare(run: Run): Promise<Stage> {
  const { random, folder, say } = run;
  const library = await compileClock(folder);
  const clocks = Array.from(
    { length: MEMBER_COUNT },
    (_, index) => new WallClock(library, join(folder, `clock-${index + 1}`)),
  );
  for (const clock of clocks) await verifyClock(clock);
  const movesMonotonic = await canMoveMonotonic();
  if (!movesMonotonic) say('monotonic clocks stay as they are: no time namespaces here (root needed)');
  const places: Place[] = [];
  for (const [index, place] of (await localPlaces()).entries())
    places.push({
      ...place,
      env: clocks[index]?.env ?? {},
      launcher: () =>
        movesMonotonic ? monotonicAhead(between(random, 0, MONOTONIC_DAYS_MAX) * DAY_SECONDS) : [],
    });
  return {
    places,
    round: async (group) => jump(run, clocks, group),
    heal: async () => {
      for (const clock of clocks) clock.set(0);
    },
    close: async () => {
      for (const clock of clocks) clock.close();
    },
  };
}

async function jump({ random, wait }: Run, clocks: readonly WallClock[], group: Group): Promise<void> {
  for (const clock of someOf(random, clocks)) clock.set(oneOf(random, JUMPS));
  await wait(between(random, 100, 1500));
  if (!chance(random, 20)) return;
  // Another process at this place has another monotonic clock.
  const member = oneOf(random, group.members);
  await member.kill();
  member.start();
  await wait(between(random, 500, 2000));
}
