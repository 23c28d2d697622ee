// How long a large state holds the event loop: applying, saving a snapshot, building it again, writing LevelDB, loading.
// Usage: node scripts/bench-snapshots.ts [--keys 200000] [--value-bytes 100]

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { foundingMembership } from '../src/raft/core/membership.ts';
import { logIndex, memberId, term } from '../src/raft/core/types.ts';
import type { SnapshotFile } from '../src/raft/ports.ts';
import { openSnapshots } from '../src/raft/snapshot/directory.ts';
import { nodeFileSystem } from '../src/raft/wal/node-file-system.ts';
import { encodeTransaction } from '../src/store/codec.ts';
import { logPosition } from '../src/store/log-entry.ts';
import { openStateMachine, type StoreStateMachine } from '../src/store/state-machine.ts';

const { values } = parseArgs({
  options: {
    keys: { type: 'string', default: '200000' },
    'value-bytes': { type: 'string', default: '100' },
  },
});
const keyCount = Number(values.keys);
const valueBytes = Number(values['value-bytes']);
const KEYS_AN_ENTRY = 4;
const ENTRIES_A_TURN = 64;

interface Hold {
  readonly cpuMs: number;
  readonly wallMs: number;
}

/**
 * Turns of the event loop without a pause: what one of them took. The processor time of the main thread is what the work
 * costs; the time that passed counts the other processes of a busy machine as well.
 */
class Turns {
  #isRunning = false;
  readonly #holds: Hold[] = [];

  start(): void {
    this.#isRunning = true;
    let wallMs = performance.now();
    let cpuMs = threadCpuMs();
    const turn = (): void => {
      const nowMs = performance.now();
      const nowCpuMs = threadCpuMs();
      this.#holds.push({ cpuMs: nowCpuMs - cpuMs, wallMs: nowMs - wallMs });
      wallMs = nowMs;
      cpuMs = nowCpuMs;
      if (this.#isRunning) setImmediate(turn);
    };
    setImmediate(turn);
  }

  stop(): readonly Hold[] {
    this.#isRunning = false;
    return this.#holds;
  }
}

function threadCpuMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

async function measured<T>(what: string, work: () => Promise<T>): Promise<T> {
  const turns = new Turns();
  const startMs = performance.now();
  turns.start();
  const result = await work();
  const holds = turns.stop();
  const seconds = ((performance.now() - startMs) / 1000).toFixed(2);
  const longest = (measure: keyof Hold): string =>
    holds
      .reduce((most, hold) => Math.max(most, hold[measure]), 0)
      .toFixed(2)
      .padStart(8);
  const overFive = holds.filter(({ cpuMs }) => cpuMs > 5).length;
  process.stdout.write(
    `${what.padEnd(30)} ${seconds.padStart(7)} s  longest turn: ${longest('cpuMs')} ms of processor, ${longest('wallMs')} ms passed; over 5 ms of processor: ${overFive} of ${holds.length}\n`,
  );
  return result;
}

async function machineIn(directory: string): Promise<StoreStateMachine> {
  const logger = { debug() {}, info() {}, warn() {}, error() {}, child: () => logger };
  const opened = await openStateMachine({
    directory,
    logger,
    onFault: (error) => {
      throw error;
    },
  });
  if (!opened.ok) throw new Error(opened.error.kind);
  return opened.value.machine;
}

function settled<T>(start: (done: (result: T | Error) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    start((result) => {
      if (result instanceof Error) reject(result);
      else resolve(result);
    });
  });
}

async function fill(machine: StoreStateMachine): Promise<void> {
  const value = new Uint8Array(valueBytes).fill(7);
  for (let index = 1; index <= keyCount / KEYS_AN_ENTRY;) {
    const entries = [];
    for (let count = 0; count < ENTRIES_A_TURN && index <= keyCount / KEYS_AN_ENTRY; count += 1, index += 1) {
      const put = Array.from({ length: KEYS_AN_ENTRY }, (_, place) => {
        // Neighbouring numbers far apart, so that keys are inserted everywhere.
        const number = (index * KEYS_AN_ENTRY + place) * 7919;
        return { key: `cluster/${String(number % 100_000_007).padStart(9, '0')}`, value };
      });
      const requestId = index.toString(16).padStart(32, '0');
      const data = encodeTransaction({ requestId, compare: [], put, remove: [] });
      entries.push({ ...logPosition(index, 1), kind: 'command' as const, data });
    }
    machine.apply(entries);
    await new Promise(setImmediate);
  }
}

const root = mkdtempSync(join(tmpdir(), 'bench-snapshots-'));
try {
  process.stdout.write(`${keyCount} keys with values of ${valueBytes} bytes\n`);
  const machine = await machineIn(join(root, 'state'));
  await measured('apply', () => fill(machine));
  await measured('flush to LevelDB', () => settled<null>((done) => machine.flush((error) => done(error))));
  const { snapshots } = await openSnapshots({
    fileSystem: nodeFileSystem,
    directory: join(root, 'snapshots'),
  });
  const membership = foundingMembership(new Map([[memberId(1), '127.0.0.1:1']]));
  const meta = { index: logIndex(machine.applied), term: term(machine.appliedTerm), membership };
  const file = await measured('save a snapshot', () =>
    settled<SnapshotFile>((done) => snapshots.save(meta, machine.snapshot().chunks, done)),
  );
  await measured('verify it at a start', () =>
    openSnapshots({ fileSystem: nodeFileSystem, directory: join(root, 'snapshots') }),
  );
  const other = await machineIn(join(root, 'other'));
  const restore = other.restore(meta);
  await measured('build its state aside', () =>
    settled<null>((done) =>
      snapshots.load(
        file,
        (piece) => restore.chunk(piece),
        (error) => done(error),
      ),
    ),
  );
  const problem = restore.ready();
  if (problem !== null) throw new Error(problem);
  await measured('swap it in and write LevelDB', () =>
    settled<null>((done) => restore.swap((error) => done(error))),
  );
  await other.close();
  await machine.close();
  const loaded = await measured('load LevelDB at a start', () => machineIn(join(root, 'other')));
  if (loaded.digest.hash !== machine.digest.hash) throw new Error('the state is another');
  process.stdout.write(`snapshot file: ${(file.bytes / 1e6).toFixed(1)} MB\n`);
  await loaded.close();
} finally {
  rmSync(root, { recursive: true, force: true });
}
