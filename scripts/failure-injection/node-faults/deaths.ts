// Masters that end, and masters that hang.

import { between } from '../choose.ts';
import { hang, killMaster, startAgain } from '../hostile-operator/deaths.ts';
import type { ShardSeen } from '../hostile-operator/fleet-seen.ts';
import type { Excuse } from '../hostile-operator/verdicts.ts';
import type { Finding, NodeFault } from './node-fault.ts';
import { anyShard, timeOf, unwantedChanges, untilReplaced, untilWritten } from './parts.ts';

/** Silence counts after 4 s: see *What cannot be promised*. Hangs of one shard follow each other, so without a cool-down. */
const QUICK = { pingIntervalSeconds: 0.5, maxPingCount: 8, coolDownSeconds: 0 } as const;
const FIRST_WRITE = 'first write at the new master after';
/** For what comes only when everything seems to be over. */
const AFTERMATH_MS = 1500;

export const nodeKill: NodeFault = {
  name: 'node-kill',
  summary: 'kill -9 of a master under writes, back seconds after its replacement',
  expected: 'replaced once, by a copy',
  needsNetwork: false,
  nodesPerShard: 3,
  failover: QUICK,
  async round(around): Promise<Finding> {
    const shard = await anyShard(around);
    const { address } = shard.master;
    const atMs = around.now();
    await killMaster(address, 'death', around);
    const { successor, seenAtMs, complaints } = await untilReplaced(shard, around);
    const writtenMs = await untilWritten(successor, atMs, around);
    await around.wait(between(around.random, 500, 4000));
    const backAtMs = around.now();
    await startAgain(address, false, around);
    await around.wait(AFTERMATH_MS);
    return {
      outcomes: successor === null ? [] : ['replaced'],
      complaints: [...complaints, ...unwantedChanges(atMs, around, only(shard))],
      faults: [{ kind: 'death', node: address, atMs, replacedAtMs: seenAtMs, backAtMs }],
      times: timeOf(FIRST_WRITE, writtenMs),
    };
  },
};

export const nodeHang: NodeFault = {
  name: 'node-hang',
  summary: 'SIGSTOP and SIGCONT of a master under writes, in turn longer and shorter than the window',
  expected: 'replaced once after the window (4 s), and not when it is back before',
  needsNetwork: false,
  nodesPerShard: 3,
  failover: QUICK,
  async round(around): Promise<Finding> {
    const isLong = around.round % 2 === 0;
    const shard = await anyShard(around);
    const { address } = shard.master;
    const hangMs = isLong
      ? around.windowMs + between(around.random, 3000, 6000)
      : between(around.random, around.windowMs / 4, around.windowMs / 2);
    const excuses: Excuse[] = [];
    const atMs = around.now();
    await hang(
      { kind: 'hang-master', address, hangMs },
      { ...around, excuse: (excuse) => excuses.push(excuse) },
    );
    const backAtMs = around.now();
    await around.wait(AFTERMATH_MS);
    const change = around.watch.changesOf(shard.index, atMs)[0];
    // A master that nobody replaced loses nothing.
    if (change !== undefined) for (const excuse of excuses) around.excuse(excuse);
    const missing =
      isLong && change === undefined ? [`${address} hung for ${hangMs} ms and was not replaced`] : [];
    return {
      outcomes: [change === undefined ? keptOffice(isLong) : 'replaced'],
      complaints: [...missing, ...unwantedChanges(atMs, around, isLong ? only(shard) : undefined)],
      faults: [{ kind: 'hang', node: address, atMs, replacedAtMs: change?.atMs ?? null, backAtMs }],
      times: timeOf(FIRST_WRITE, await untilWritten(change?.to ?? null, atMs, around)),
    };
  },
};

function keptOffice(isLong: boolean): string {
  return isLong ? 'NOT REPLACED' : 'kept its office after a short hang';
}

function only(shard: ShardSeen): (index: number) => number {
  return (index) => (index === shard.index ? 1 : 0);
}
