// kill -9 of members and their restart: one, two, or all at once.

import { between, chance, someOf } from '../choose.ts';
import { GroupView } from '../group-view.ts';
import { localPlaces } from '../places.ts';
import type { Scenario } from '../scenario.ts';

/** Longest wait for a group that came back, milliseconds; a busy machine takes seconds to start a process. */
const READY_DEADLINE_MS = 15_000;

export const kill: Scenario = {
  name: 'kill',
  summary: 'kill -9 of one, two or all members, and their restart',
  missing: async () => null,
  async prepare({ random, wait }) {
    return {
      places: await localPlaces(),
      async round(group) {
        const victims = chance(random, 15) ? group.members : someOf(random, group.members);
        await Promise.all(victims.map(async (member) => member.kill()));
        await wait(between(random, 0, 1500));
        for (const member of victims) {
          member.start();
          await wait(between(random, 0, 300));
        }
        // In one of four rounds the next kill comes while members are still starting.
        if (chance(random, 75)) {
          const view = new GroupView(group);
          await view.ready(READY_DEADLINE_MS);
          await view.close();
        }
        await wait(between(random, 500, 2500));
      },
      heal: async () => undefined,
      close: async () => undefined,
    };
  },
};
