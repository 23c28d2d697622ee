// Partitions and one-way cuts by the kernel: packets vanish, connections hang, nobody is told.

import { NetworkNamespaces, type Seat } from '../../lib/network-namespaces.ts';
import { between, chance } from '../choose.ts';
import { MEMBER_COUNT, type Place } from '../group.ts';
import { allPairs, oneWayCuts, type Pair, partition } from '../link-faults.ts';
import type { Scenario } from '../scenario.ts';

const PORT = 9379;

export const namespaces: Scenario = {
  name: 'namespaces',
  summary: 'partitions and one-way cuts of the kernel between network namespaces (root)',
  missing: async () => NetworkNamespaces.missing(),
  async prepare({ random, wait }) {
    const network = await NetworkNamespaces.open();
    const seats: Seat[] = [];
    while (seats.length < MEMBER_COUNT) seats.push(await network.add());
    const pairs = allPairs(MEMBER_COUNT);
    const drop = async ([from, to]: Pair): Promise<void> => {
      const [source, target] = [seats[from - 1], seats[to - 1]];
      if (source !== undefined && target !== undefined)
        await network.drop({ from: source.host, to: target.host });
    };
    return {
      places: seats.map(({ host, launcher }, index): Place => ({
        id: index + 1,
        address: `${host}:${PORT}`,
        launcher: () => launcher,
      })),
      async round() {
        const cuts = chance(random, 50) ? partition(random, pairs) : oneWayCuts(random, pairs);
        for (const pair of cuts) await drop(pair);
        await wait(between(random, 300, 5000));
        await network.heal();
        await wait(between(random, 200, 2500));
      },
      heal: async () => network.heal(),
      close: async () => network.close(),
    };
  },
};
