// A planned restart of every member, one after the other, as an update of the program is rolled out.

import { performance } from 'node:perf_hooks';

import { between } from '../choose.ts';
import { localPlaces } from '../places.ts';
import type { Group } from '../group.ts';
import { GroupView } from '../group-view.ts';
import type { Scenario } from '../scenario.ts';

/** Milliseconds until a restarted member serves again. */
const READY_DEADLINE_MS = 20_000;

export const rollingRestart: Scenario = {
  name: 'rolling-restart',
  summary:
    'SIGTERM of one member after the other, the leader last in one round and first in the next; no request may fail',
  promisesNoFailure: true,
  missing: async () => null,
  async prepare({ random, wait, say }) {
    let leaderFirst = false;
    return {
      places: await localPlaces(),
      async round(group) {
        const view = new GroupView(group);
        try {
          leaderFirst = !leaderFirst;
          for (const member of await inOrder(group, view, leaderFirst)) {
            const start = performance.now();
            await member.stop();
            member.start();
            if (!(await view.ready(READY_DEADLINE_MS))) say(`member ${member.id} does not serve again`);
            say(`member ${member.id} restarted within ${Math.round(performance.now() - start)} ms`);
            await wait(between(random, 200, 1500));
          }
        } finally {
          await view.close();
        }
      },
      heal: async () => undefined,
      close: async () => undefined,
    };
  },
};

async function inOrder(group: Group, view: GroupView, leaderFirst: boolean): Promise<Group['members']> {
  const leader = (await view.leader()).id;
  const rank = (id: number): number => ((id === leader) === leaderFirst ? 0 : 1);
  return group.members.toSorted((left, right) => rank(left.id) - rank(right.id));
}
