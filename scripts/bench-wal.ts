// Measures the durable log on the real disk: latency of one group write with its sync, for small and for full groups.

import { mkdtempSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

import { foundingClusterId } from '../src/raft/cluster-id.ts';
import { foundingMembership } from '../src/raft/core/membership.ts';
import { type Entry, type SnapshotMeta, logIndex, memberId, term } from '../src/raft/core/types.ts';
import type { DurableLog, LogGroup } from '../src/raft/ports.ts';
import { nodeFileSystem } from '../src/raft/wal/node-file-system.ts';
import { openWal } from '../src/raft/wal/open.ts';
import { systemClock } from '../src/system/clock.ts';
import { createSystemRandom } from '../src/system/random.ts';

const BASE: SnapshotMeta = {
  index: logIndex(0),
  term: term(0),
  membership: foundingMembership(new Map([[memberId(1), '127.0.0.1:9379']])),
};
const TERM = term(1);

interface Shape {
  readonly name: string;
  readonly groups: number;
  readonly entriesPerGroup: number;
  /** Payload of one entry; a frame adds 58 bytes and ends on a multiple of 8. */
  readonly entryBytes: number;
}

const { values } = parseArgs({
  options: {
    directory: { type: 'string', default: '.' },
    groups: { type: 'string', default: '4000' },
  },
});
const groups = Number(values.groups);
const shapes: readonly Shape[] = [
  { name: '1 entry, 272 bytes on disk', groups, entriesPerGroup: 1, entryBytes: 213 },
  { name: '256 entries of 256 bytes', groups: Math.ceil(groups / 4), entriesPerGroup: 256, entryBytes: 256 },
];

for (const shape of shapes) await measure(shape);

async function measure(shape: Shape): Promise<void> {
  const directory = mkdtempSync(join(resolve(values.directory), 'bench-wal-'));
  try {
    const { log } = await openWal({
      fileSystem: nodeFileSystem,
      directory,
      memberId: memberId(1),
      clusterId: foundingClusterId(['127.0.0.1:9379']),
      initialBase: BASE,
      clock: systemClock,
      random: createSystemRandom(),
    });
    await completed((done) => log.write({ ...noGroup(), hardState: { term: TERM, votedFor: null } }, done));
    report(shape, await run(log, shape));
    await completed((done) => log.close(done));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** Milliseconds of each group, one after the other. */
async function run(log: DurableLog, shape: Shape): Promise<number[]> {
  const latenciesMs: number[] = [];
  for (let group = 0; group < shape.groups; group += 1) {
    const append = entriesFrom(group * shape.entriesPerGroup + 1, shape);
    const startMs = performance.now();
    await completed((done) => log.write({ ...noGroup(), append }, done));
    latenciesMs.push(performance.now() - startMs);
    // As a running member does: old segments go, so that the disk does not fill up.
    if (group % 1000 === 999) await compactTo(log, append);
  }
  return latenciesMs;
}

async function compactTo(log: DurableLog, entries: readonly Entry[]): Promise<void> {
  const last = entries.at(-1);
  if (last === undefined) return;
  await completed((done) => log.compact({ ...BASE, index: last.index, term: last.term }, done));
}

function entriesFrom(first: number, shape: Shape): Entry[] {
  const data = new Uint8Array(shape.entryBytes).fill(first);
  return Array.from({ length: shape.entriesPerGroup }, (_, place) => ({
    index: logIndex(first + place),
    term: TERM,
    kind: 'command',
    data,
  }));
}

function report(shape: Shape, latenciesMs: readonly number[]): void {
  const sorted = latenciesMs.toSorted((left, right) => left - right);
  const at = (part: number): string => (sorted[Math.floor((sorted.length - 1) * part)] ?? 0).toFixed(3);
  const totalMs = sorted.reduce((sum, each) => sum + each, 0);
  const entriesPerSecond = Math.round((shape.groups * shape.entriesPerGroup * 1000) / totalMs);
  console.log(
    `${shape.name}: ${shape.groups} groups, p50 ${at(0.5)} ms, p90 ${at(0.9)} ms, p99 ${at(0.99)} ms, p99.9 ${at(0.999)} ms, max ${at(1)} ms, ${entriesPerSecond} entries/s`,
  );
}

function noGroup(): LogGroup {
  return { hardState: null, truncateFrom: null, append: [] };
}

function completed(start: (done: (error: Error | null) => void) => void): Promise<void> {
  return new Promise((fulfil, reject) => {
    start((error) => (error === null ? fulfil() : reject(error)));
  });
}
