// Masters that are cut off: from one controller, from all but their clients, or every other second; and masters that are only slow.

import { between, oneOf } from '../choose.ts';
import { RETURN_WINDOW_MS, excuseBefore } from '../hostile-operator/verdicts.ts';
import { MEMBER_COUNT } from '../group.ts';
import { POLL_MS } from '../hostile-operator/surroundings.ts';
import type { Around, Finding, NodeFault } from './node-fault.ts';
import { anyShard, hostsOf, timeOf, unwantedChanges, until, untilReplaced } from './parts.ts';

const QUICK = { pingIntervalSeconds: 0.5, maxPingCount: 8, coolDownSeconds: 0 } as const;
const LEAD_DEADLINE_MS = 45_000;
const SLOW_MS = 12_000;
const SLOW_KILOBYTES = { min: 3, max: 12 } as const;

export const nodeSlow: NodeFault = {
  name: 'node-slow',
  summary:
    'a master that is throttled (SIGSTOP in slices), or whose host has a slow and thin link (root, tc)',
  expected: 'no failover',
  needsNetwork: false,
  nodesPerShard: 3,
  failover: QUICK,
  async round(around): Promise<Finding> {
    const shard = await anyShard(around);
    const { address } = shard.master;
    const fromMs = around.now();
    const isThin = around.round % 2 === 0 && (await thin(address, around));
    if (!isThin) await throttle(address, around);
    await around.site.heal();
    await around.wait(POLL_MS * 4);
    const complaints = unwantedChanges(fromMs, around);
    const word = complaints.length === 0 ? 'kept its office' : 'REPLACED';
    return {
      outcomes: [`${word} (${isThin ? 'thin link' : 'throttled'})`],
      complaints,
      faults: [],
      times: timeOf(
        'longest gap of a client',
        around.acknowledgements.longestGapMs({ fromMs, toMs: around.now() }),
      ),
    };
  },
};

/** False where links cannot be made slow. */
async function thin(address: string, around: Around): Promise<boolean> {
  const kilobytes = between(around.random, SLOW_KILOBYTES.min, SLOW_KILOBYTES.max);
  const complaint = await around.site.slow(around.fleet.at(address).host, kilobytes);
  if (complaint !== null) {
    around.note(`no link can be made slow here: ${complaint}`);
    return false;
  }
  around.note(`${kilobytes} KB/s to and from ${address}, half a second of queue`);
  await around.wait(SLOW_MS);
  return true;
}

/** It runs a fifth of the time, and never rests as long as half the window. */
async function throttle(address: string, around: Around): Promise<void> {
  const node = around.fleet.at(address);
  const endMs = around.now() + SLOW_MS;
  around.note(`${address} runs a fifth of the time`);
  while (around.now() < endMs && !around.signal.aborted) {
    node.pause();
    await around.wait(between(around.random, 200, around.windowMs * 0.4));
    node.resume();
    await around.wait(between(around.random, 50, 400));
  }
}

export const nodeCutOne: NodeFault = {
  name: 'node-cut-one',
  summary: 'a master is cut off from one controller, in turn the leading one and another (root)',
  expected: 'no failover; the lead moves when it is the leader that is cut off',
  needsNetwork: true,
  nodesPerShard: 3,
  failover: QUICK,
  async round(around): Promise<Finding> {
    const isLeader = around.round % 2 === 0;
    const { leader } = around.watch;
    if (leader === null) throw new Error('no controller leads');
    const others = Array.from({ length: MEMBER_COUNT }, (_, index) => index + 1).filter(
      (id) => id !== leader,
    );
    const id = isLeader ? leader : oneOf(around.random, others);
    const shard = await anyShard(around);
    const { address } = shard.master;
    const atMs = around.now();
    around.note(`${address} is cut off from controller ${id}, which ${isLeader ? 'leads' : 'does not lead'}`);
    await around.site.cut(around.fleet.at(address).host, [around.site.controller(id)]);
    const moved = (): number | null =>
      around.watch.leadChangesSince(atMs).find(({ from }) => from === leader)?.atMs ?? null;
    if (isLeader) await until(() => moved() !== null, { endMs: atMs + LEAD_DEADLINE_MS, around });
    await around.wait(around.windowMs * 2);
    const movedAtMs = moved();
    const missing =
      isLeader && movedAtMs === null
        ? [`controller ${id} still leads ${LEAD_DEADLINE_MS} ms after it lost sight of ${address}`]
        : [];
    return {
      outcomes: [wordsOf(isLeader, movedAtMs !== null)],
      complaints: [...missing, ...unwantedChanges(atMs, around)],
      faults: [],
      times: timeOf('lead moved after', isLeader && movedAtMs !== null ? movedAtMs - atMs : null),
    };
  },
};

function wordsOf(isLeader: boolean, hasMoved: boolean): string {
  if (isLeader) return hasMoved ? 'lead moved, master stayed (leader cut)' : 'lead did not move (leader cut)';
  return hasMoved ? 'lead moved by itself (follower cut)' : 'nothing changed (follower cut)';
}

export const nodeCutAll: NodeFault = {
  name: 'node-cut-all-but-clients',
  summary:
    'a master is cut off from all controllers and its replicas, and clients go on writing to it (root)',
  expected: 'replaced once after the window (4 s); what clients write to it until it is told is lost',
  needsNetwork: true,
  nodesPerShard: 3,
  failover: QUICK,
  async round(around): Promise<Finding> {
    const shard = await anyShard(around);
    const { address } = shard.master;
    const atMs = around.now();
    await isolate(
      address,
      shard.replicas.map((replica) => replica.address),
      around,
    );
    const { successor, seenAtMs, complaints } = await untilReplaced(shard, around);
    await around.wait(between(around.random, 2000, 5000));
    const backAtMs = around.now();
    await around.site.heal();
    const healedAtMs = around.now();
    await around.wait(RETURN_WINDOW_MS);
    if (successor !== null)
      around.excuse(excuseBefore('cut', address, { fromMs: atMs, toMs: healedAtMs + RETURN_WINDOW_MS }));
    const lastMs = around.acknowledgements.lastAt(address, atMs);
    return {
      outcomes: successor === null ? [] : ['replaced'],
      complaints: [
        ...complaints,
        ...unwantedChanges(atMs, around, (index) => (index === shard.index ? 1 : 0)),
      ],
      faults: [{ kind: 'cut', node: address, atMs, replacedAtMs: seenAtMs, backAtMs }],
      times: [
        ...timeOf('another was master after', seenAtMs === null ? null : seenAtMs - atMs),
        ...timeOf(
          'two took writes for',
          seenAtMs === null || lastMs === null ? null : Math.max(0, lastMs - seenAtMs),
        ),
        ...timeOf(
          'told after the cut was mended, within',
          lastMs === null ? null : Math.max(0, lastMs - backAtMs),
        ),
      ],
    };
  },
};

async function isolate(address: string, replicas: readonly string[], around: Around): Promise<void> {
  around.note(`${address} is cut off from all but its clients`);
  const others = [...around.site.controllers, ...hostsOf(around, replicas)];
  await around.site.cut(around.fleet.at(address).host, others);
}
