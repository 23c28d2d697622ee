// SIGSTOP and SIGCONT: a member hangs with its sockets open, and wakes up in a world that went on.

import { between, someOf } from '../choose.ts';
import { localPlaces } from '../places.ts';
import type { Scenario } from '../scenario.ts';

export const pause: Scenario = {
  name: 'pause',
  summary: 'SIGSTOP of one or two members for up to four seconds, then SIGCONT',
  missing: async () => null,
  async prepare({ random, wait }) {
    return {
      places: await localPlaces(),
      async round(group) {
        const victims = someOf(random, group.members);
        for (const member of victims) member.pause();
        await wait(between(random, 100, 4000));
        for (const member of victims) {
          member.resume();
          await wait(between(random, 0, 500));
        }
        await wait(between(random, 200, 2000));
      },
      heal: async () => undefined,
      close: async () => undefined,
    };
  },
};
