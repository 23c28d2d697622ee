// Measures the Raft module alone: three members in this process, real logs on disk, HTTP over the loopback interface.
// Usage: node scripts/bench-raft.ts [seconds per measurement, default 5] [folder for the logs, default the temporary one]

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { present } from '../src/base/assert.ts';
import type { RaftDriver } from '../src/raft/driver.ts';
import { RealGroup } from '../test/unit/raft/driver/real-group.ts';

const COMMAND_BYTES = 256;
const CONCURRENCIES = [1, 64, 512];

interface Measurement {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly failed: number;
}

/** `concurrency` callers, each with one proposal under way at any time, for `seconds`. */
async function measure(driver: RaftDriver, concurrency: number, seconds: number): Promise<Measurement> {
  const latenciesMs: number[] = [];
  let failed = 0;
  const startMs = performance.now();
  const endMs = startMs + seconds * 1000;
  const caller = async (): Promise<void> => {
    while (performance.now() < endMs) {
      const beforeMs = performance.now();
      const outcome = await driver.propose(Buffer.alloc(COMMAND_BYTES, 1), { deadlineMs: 5000 });
      if (outcome.ok) latenciesMs.push(performance.now() - beforeMs);
      else failed += 1;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, caller));
  const tookSeconds = (performance.now() - startMs) / 1000;
  latenciesMs.sort((left, right) => left - right);
  const quantile = (share: number): number =>
    latenciesMs[Math.floor(latenciesMs.length * share)] ?? Number.NaN;
  return { perSecond: latenciesMs.length / tookSeconds, p50Ms: quantile(0.5), p99Ms: quantile(0.99), failed };
}

async function leaderOf(group: RealGroup): Promise<RaftDriver> {
  for (let attempt = 0; attempt < 500 && group.leader() === null; attempt += 1) {
    await new Promise((resolve) => {
      setTimeout(resolve, 20);
    });
  }
  return present(group.leader(), 'a leader within ten seconds').driver;
}

async function main(): Promise<void> {
  const seconds = Number(process.argv[2] ?? 5);
  const folder = await mkdtemp(join(process.argv[3] ?? tmpdir(), 'bench-raft-'));
  const group = new RealGroup(folder, 3);
  try {
    await group.start();
    const driver = await leaderOf(group);
    for (const concurrency of CONCURRENCIES) {
      const { perSecond, p50Ms, p99Ms, failed } = await measure(driver, concurrency, seconds);
      const { disk } = driver.status();
      console.log(
        `${String(concurrency).padStart(4)} in flight: ${perSecond.toFixed(0)} commands/s, ` +
          `p50 ${p50Ms.toFixed(2)} ms, p99 ${p99Ms.toFixed(2)} ms, ${failed} failed; ` +
          `leader's disk ${(disk.totalMs / disk.operations).toFixed(2)} ms a group`,
      );
    }
    for (const error of group.fatal) console.error(error);
  } finally {
    await group.end();
    await rm(folder, { recursive: true, force: true });
  }
}

await main();
