// Partitions and one-way cuts by the kernel: packets vanish, connections hang, nobody is told.

import { between, chance } from '../choose.ts';
import { MEMBER_COUNT } from '../group.ts';
import { allPairs, oneWayCuts, partition } from '../link-faults.ts';
import { NetworkNamespaces } from '../network-namespaces.ts';
import type { Scenario } from '../scenario.ts';

export const namespaces: Scenario = {
  name: 'namespaces',
  summary: 'partitions and one-way cuts by nftables drops between network namespaces (root)',
  missing: async () => NetworkNamespaces.missing(),
  async prepare({ random, wait }) {
    const network = await NetworkNamespaces.open();
    const pairs = allPairs(MEMBER_COUNT);
    return {
      places: network.places,
      async round() {
        const cuts = chance(random, 50) ? partition(random, pairs) : oneWayCuts(random, pairs);
        for (const pair of cuts) await network.drop(pair);
        await wait(between(random, 300, 5000));
        await network.heal();
        await wait(between(random, 200, 2500));
      },
      heal: async () => network.heal(),
      close: async () => network.close(),
    };
  },
};
