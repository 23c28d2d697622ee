// A link that comes and goes every second or two.

import { between } from '../choose.ts';
import { membersOf, type ShardSeen } from '../hostile-operator/fleet-seen.ts';
import { RETURN_WINDOW_MS, excuseBefore } from '../hostile-operator/verdicts.ts';
import type { Fault } from './losses.ts';
import type { Around, Finding, NodeFault } from './node-fault.ts';
import { anyShard, clusterNow, hostsOf, timeOf, unwantedChanges } from './parts.ts';
import type { MasterChange } from './watch.ts';

/** Shorter than the cool-down, so that one failover is all that may be. */
const FLAPPING_MS = 25_000;
const DOWN_MS = { min: 1000, max: 2500 } as const;
const UP_MS = { min: 700, max: 1500 } as const;
const HELD_BACK = 'failoverRestrained';

export const nodeFlapping: NodeFault = {
  name: 'node-flapping',
  summary:
    "a master's link to the controllers goes up and down; in every other round whoever is master is hit, and replicas do not hear it either (root)",
  expected: 'no failover while replicas hear it; else at most one within the cool-down (30 s)',
  needsNetwork: true,
  nodesPerShard: 3,
  // A window of 1.5 s: shorter than some of the gaps. The cool-down is the product's.
  failover: { pingIntervalSeconds: 0.5, maxPingCount: 3 },
  async round(around): Promise<Finding> {
    const follows = around.round % 2 === 1;
    const shard = await anyShard(around);
    const fromMs = around.now();
    around.note(
      follows
        ? `whoever is master of shard ${shard.index} is cut off from controllers and replicas again and again`
        : `${shard.master.address} is cut off from the controllers again and again`,
    );
    const { faults, isHeldBack } = await flap(shard, follows, around);
    await around.wait(RETURN_WINDOW_MS);
    const changes = around.watch.changesOf(shard.index, fromMs);
    // Without a failover nothing can be lost.
    if (changes.length > 0)
      for (const { node, atMs } of faults)
        around.excuse(excuseBefore('cut', node, { fromMs: atMs, toMs: around.now() }));
    const words = changes.length === 0 ? 'no failover' : `${changes.length} failover`;
    return {
      outcomes: [
        `${words} (${follows ? 'whoever is master' : 'controllers only'}${isHeldBack ? ', next one held back' : ''})`,
      ],
      complaints: unwantedChanges(fromMs, around, (index) => (follows && index === shard.index ? 1 : 0)),
      faults: faults.map((fault) => replacedBy(fault, changes)),
      times: timeOf(
        'longest gap of a client',
        around.acknowledgements.longestGapMs({ fromMs, toMs: around.now() }),
      ),
    };
  },
};

function replacedBy(fault: Fault, changes: readonly MasterChange[]): Fault {
  const change = changes.find(({ from, atMs }) => from === fault.node && atMs >= fault.atMs);
  return { ...fault, replacedAtMs: change?.atMs ?? null };
}

async function flap(
  shard: ShardSeen,
  follows: boolean,
  around: Around,
): Promise<{ readonly faults: readonly Fault[]; readonly isHeldBack: boolean }> {
  const faults: Fault[] = [];
  let isHeldBack = false;
  const endMs = around.now() + FLAPPING_MS;
  while (around.now() < endMs && !around.signal.aborted) {
    const seen = follows ? ((await clusterNow(around)).shards[shard.index] ?? shard) : shard;
    const { address } = seen.master;
    const others = membersOf(seen).map((node) => node.address);
    const deaf = follows
      ? hostsOf(
          around,
          others.filter((other) => other !== address),
        )
      : [];
    const atMs = around.now();
    await around.site.cut(around.fleet.at(address).host, [...around.site.controllers, ...deaf]);
    await around.wait(between(around.random, DOWN_MS.min, DOWN_MS.max));
    isHeldBack ||= (await around.api.problems()).includes(HELD_BACK);
    await around.site.heal();
    faults.push({ kind: 'cut', node: address, atMs, replacedAtMs: null, backAtMs: around.now() });
    await around.wait(between(around.random, UP_MS.min, UP_MS.max));
  }
  return { faults, isHeldBack };
}
