// What the scenarios share whose faults are on the links between members, by a proxy before each of them.

import { existsSync } from 'node:fs';

import { createSeededRandom, type Random, randomBelow } from '../../../src/base/random.ts';
import { between, chance, someOf } from '../choose.ts';
import { MEMBER_COUNT } from '../group.ts';
import { allPairs, oneWayCuts, type Pair, partition } from '../link-faults.ts';
import { PeerNetwork } from '../peer-network.ts';
import type { Run, Scenario, Stage } from '../scenario.ts';

const PAIRS = allPairs(MEMBER_COUNT);

export const partitions: Scenario = {
  name: 'partition',
  summary:
    'members that hear nothing of each other for up to five seconds: one alone, all alone, or one link cut',
  missing: missingForProxies,
  prepare: async (run) => stageOf(run, cutting(partition)),
};

export const oneWay: Scenario = {
  name: 'one-way',
  summary: 'any set of one-way cuts between members for up to five seconds',
  missing: missingForProxies,
  prepare: async (run) => stageOf(run, cutting(oneWayCuts)),
};

export const delays: Scenario = {
  name: 'delay',
  summary: 'packets between members late by up to 400 ms, each direction by another amount',
  missing: missingForProxies,
  prepare: async (run) =>
    stageOf(run, async (network) => {
      // One round in four is slower than the election timeout allows: safe it has to be, not available.
      const most = chance(run.random, 25) ? 200 : 50;
      for (const pair of someOf(run.random, PAIRS)) {
        const min = randomBelow(run.random, most);
        network.setDelay(pair, { min, max: min + randomBelow(run.random, most) });
      }
      await run.wait(between(run.random, 1000, 5000));
    }),
};

type Fault = (network: PeerNetwork, run: Run) => Promise<void>;

function cutting(choose: (random: Random, pairs: readonly Pair[]) => readonly Pair[]): Fault {
  return async (network, { random, wait }) => {
    for (const pair of choose(random, PAIRS)) network.cut(pair);
    await wait(between(random, 300, 5000));
  };
}

/** Injects the fault, heals, and lets the group be for a while. */
async function stageOf(run: Run, fault: Fault): Promise<Stage> {
  const { random, wait } = run;
  // Packets draw their delays from a generator of their own: how many there are must not change the faults.
  const network = await PeerNetwork.open(createSeededRandom(random.uint32()));
  return {
    places: network.places,
    begin: (group) => network.watch(group),
    async round() {
      await fault(network, run);
      network.heal();
      await wait(between(random, 200, 2500));
    },
    heal: async () => network.heal(),
    close: async () => network.close(),
  };
}

async function missingForProxies(): Promise<string | null> {
  return existsSync('/proc/net/tcp')
    ? null
    : 'no /proc/net/tcp, by which the proxies know who connects (Linux has it)';
}
