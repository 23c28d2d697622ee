// The disk of one member, two, or all runs full while clients write, and is given space again.

import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';

import { between, chance, someOf } from '../choose.ts';
import type { Group, Place } from '../group.ts';
import { localPlaces } from '../places.ts';
import type { Run, Scenario, Stage } from '../scenario.ts';
import { SmallDisk } from '../../lib/small-disk.ts';

/** Milliseconds a process takes from its last line to its end. */
const ENDING_MS = 1000;

export const fullDisk: Scenario = {
  name: 'full-disk',
  summary: 'the disk of one, two or all members runs full and is given space again (root, tmpfs)',
  missing: async () => SmallDisk.missing(),
  prepare,
};

async function prepare(run: Run): Promise<Stage> {
  const disks: SmallDisk[] = [];
  const places: Place[] = [];
  const close = async (): Promise<void> => {
    for (const disk of disks) await disk.unmount();
  };
  try {
    for (const place of await localPlaces()) {
      const disk = await SmallDisk.mount(join(run.folder, `disk-${place.id}`));
      disks.push(disk);
      places.push({ ...place, dataDir: join(disk.folder, 'data') });
    }
  } catch (error) {
    await close();
    throw error;
  }
  let running: Group | null = null;
  return {
    places,
    begin: (group) => {
      running = group;
    },
    round: async (group) => fillAndEmpty(run, disks, group),
    async heal() {
      for (const disk of disks) disk.empty();
      // Whoever met the full disk a moment ago is still on its way out.
      await setTimeout(ENDING_MS);
      if (running !== null) noteEnds(running, run.say);
    },
    close,
  };
}

async function fillAndEmpty(
  { random, wait, say }: Run,
  disks: readonly SmallDisk[],
  group: Group,
): Promise<void> {
  const victims = chance(random, 15) ? group.members : someOf(random, group.members);
  for (const { id } of victims) disks[id - 1]?.fill();
  await wait(between(random, 1000, 6000));
  noteEnds(group, say);
  // Started on a full disk it may serve or refuse, with its reason.
  for (const member of victims) if (!member.isRunning && chance(random, 50)) member.start();
  await wait(between(random, 500, 3000));
  for (const { id } of victims) disks[id - 1]?.empty();
  await wait(ENDING_MS);
  noteEnds(group, say);
  for (const member of group.members) if (!member.isRunning) member.start();
  await wait(between(random, 1000, 4000));
}

/** A member may give up, but it has to say that space is the reason: every other end stays a crash. */
function noteEnds(group: Group, say: Run['say']): void {
  for (const member of group.members) {
    const { crash } = member;
    if (crash === null || !/with code 1: .*(ENOSPC|no space|disk is full)/is.test(crash)) continue;
    member.takeCrash();
    say(crash);
  }
}
