import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import * as fc from 'fast-check';
import { Level } from 'level';
import { describe, expect, it } from 'vitest';

import type { StateMachine } from '../../../src/raft/ports.ts';
import { judgeRefusal } from '../../../src/store/level-refusal.ts';
import { type LogEntry, logPosition } from '../../../src/store/log-entry.ts';
import { type StoreStateMachine, openStateMachine } from '../../../src/store/state-machine.ts';
import type { StoreChange } from '../../../src/store/types.ts';
import { arbitraryCommand } from './commands.ts';
import { killedWriterEntry } from './killed-writer-log.ts';
import {
  WarningLog,
  bytes,
  copyDirectory,
  entry,
  flushed,
  memoryMachine,
  openMachine,
  put,
  restored,
  temporaryDirectory,
  transaction,
} from './support.ts';

/** Applies what of `log` the machine lacks, up to entry `end`. */
function catchUp(machine: StoreStateMachine, log: readonly LogEntry[], end: number): readonly unknown[] {
  return machine.apply(log.slice(machine.applied, end));
}

async function corrupt(
  directory: string,
  change: (database: Level<string, Uint8Array>) => Promise<void>,
): Promise<void> {
  const database = new Level<string, Uint8Array>(directory, { keyEncoding: 'utf8', valueEncoding: 'view' });
  await database.open();
  await change(database);
  await database.close();
}

/** What LevelDB may hold beside the state: two write buffers and the files of them that are not merged yet. */
const LEVEL_OVERHEAD_BYTES = 64 * 1024 * 1024;

function bytesIn(directory: string): number {
  const sizes = readdirSync(directory).map(
    (name) => statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0,
  );
  return sizes.reduce((sum, size) => sum + size, 0);
}

describe('state machine', () => {
  it('has the shape Raft asks for', () => {
    const machine: StateMachine = memoryMachine();
    expect(machine.applied).toBe(0);
  });

  it('gives one result an entry: outcomes for commands, null for the rest', () => {
    const machine = memoryMachine();
    const create = transaction(2, { compare: [{ key: 'a', revision: 0 }] });
    const results = machine.apply([
      entry(1, 'noop'),
      entry(2, put(1, 'a', 'x')),
      entry(3, create),
      entry(4, bytes('?')),
    ]);
    expect(results).toEqual([
      null,
      { kind: 'committed', revision: 2 },
      { kind: 'conflict', key: 'a', revision: 2 },
      { kind: 'refused', reason: 'the command is no msgpack array' },
    ]);
    expect(machine.applied).toBe(4);
    expect(machine.appliedTerm).toBe(1);
    expect(machine.apply([])).toEqual([]);
  });

  it('refuses a gap in the log as the bug it is', () => {
    expect(() => memoryMachine().apply([entry(2, 'noop')])).toThrow('entry 2 cannot follow entry 0');
  });

  it('tells watchers of each changing entry in order, after the change, until they stop', () => {
    const machine = memoryMachine();
    const seen: StoreChange[] = [];
    const stop = machine.watch((change) => {
      expect(machine.get('b')?.revision).toBe(2);
      seen.push(change);
    });
    const unchanging = transaction(3, { compare: [{ key: 'a', revision: 9 }], remove: ['a'] });
    machine.apply([
      entry(1, put(1, 'a', 'x')),
      entry(2, put(2, 'b', 'y')),
      entry(3, unchanging),
      entry(4, put(1, 'a', 'z')),
    ]);
    stop();
    machine.apply([entry(5, transaction(5, { remove: ['a'] }))]);
    expect(seen).toEqual([
      { kind: 'keys', revision: 1, keys: ['a'] },
      { kind: 'keys', revision: 2, keys: ['b'] },
    ]);
  });

  it('a snapshot stays what it was while entries are applied, and can be pulled twice', async () => {
    const machine = memoryMachine();
    machine.apply([entry(1, put(1, 'a', 'x')), entry(2, put(2, 'b', 'y'))]);
    const digest = machine.digest;
    const snapshot = machine.snapshot();
    machine.apply([entry(3, put(3, 'a', 'changed')), entry(4, transaction(4, { remove: ['b'] }))]);
    expect(Buffer.concat([...snapshot.chunks])).toEqual(Buffer.concat([...snapshot.chunks]));
    const other = memoryMachine();
    expect(await restored(other, logPosition(2, 1), snapshot.chunks)).toBeNull();
    expect(other.digest).toEqual(digest);
    expect(other.get('a')?.value).toEqual(bytes('x'));
  });

  it('equal states give equal snapshot bytes, whatever the way they came about', async () => {
    const first = memoryMachine();
    first.apply([entry(1, put(1, 'b', 'x')), entry(2, put(2, 'a', 'y'))]);
    const second = memoryMachine();
    await restored(second, logPosition(2, 1), first.snapshot().chunks);
    expect(Buffer.concat([...second.snapshot().chunks])).toEqual(Buffer.concat([...first.snapshot().chunks]));
  });

  it('a damaged or cut snapshot changes nothing', async () => {
    const source = memoryMachine();
    source.apply([entry(1, put(1, 'a', 'x'))]);
    const whole = Buffer.concat([...source.snapshot().chunks]);
    const machine = memoryMachine();
    machine.apply([entry(1, put(9, 'kept', 'x'))]);
    const before = machine.digest;
    const error = await restored(machine, logPosition(1, 1), [whole.subarray(0, -1)]);
    expect(error?.message).toBe('the snapshot ends early');
    machine.restore(logPosition(1, 1)).abort();
    expect(machine.digest).toEqual(before);
  });

  it('watchers hear of a restored snapshot', async () => {
    const machine = memoryMachine();
    const seen: StoreChange[] = [];
    machine.watch((change) => seen.push(change));
    const source = memoryMachine();
    source.apply([entry(1, put(1, 'a', 'x'))]);
    await restored(machine, logPosition(1, 7), source.snapshot().chunks);
    expect(seen).toEqual([{ kind: 'replaced' }]);
    expect(machine.appliedTerm).toBe(7);
  });

  it('S74: answers a repeated request with its first outcome, also after a snapshot', async () => {
    const source = memoryMachine();
    source.apply([entry(1, put(1, 'a', 'x'))]);
    const machine = memoryMachine();
    await restored(machine, logPosition(1, 1), source.snapshot().chunks);
    expect(machine.apply([entry(2, put(1, 'a', 'again'))])).toEqual([{ kind: 'committed', revision: 1 }]);
    expect(machine.get('a')?.value).toEqual(bytes('x'));
  });

  it('forgets requests at the same entry everywhere, also after a snapshot at the full table', async () => {
    const length = 10_050;
    const log = Array.from({ length }, (_, offset) =>
      entry(offset + 1, put(offset + 1, `k${offset % 7}`, 'x')),
    );
    const straight = memoryMachine();
    catchUp(straight, log, length);
    const source = memoryMachine();
    catchUp(source, log, 10_020);
    const machine = memoryMachine();
    await restored(machine, logPosition(10_020, 1), source.snapshot().chunks);
    catchUp(machine, log, length);
    expect(machine.digest).toEqual(straight.digest);
    const retries = [entry(length + 1, put(50, 'k', 'forgotten')), entry(length + 2, put(52, 'k', 'known'))];
    expect(machine.apply(retries)).toEqual([
      { kind: 'committed', revision: length + 1 },
      { kind: 'committed', revision: 52 },
    ]);
    expect(straight.apply(retries)).toHaveLength(2);
    expect(machine.digest).toEqual(straight.digest);
  });
});

describe('state machine on LevelDB', () => {
  it('comes to the same state, outcomes and listing through any restarts, power cuts and snapshots', async () => {
    const disturbance = fc.constantFrom('none', 'none', 'restart', 'powerCut', 'snapshot');
    const steps = fc.array(fc.record({ command: arbitraryCommand, disturbance }), { maxLength: 14 });
    await fc.assert(
      fc.asyncProperty(steps, async (plan) => {
        const log = plan.map(({ command }, offset) => entry(offset + 1, command));
        const reference = memoryMachine();
        const expected = reference.apply(log);
        const root = mkdtempSync(join(tmpdir(), 'store-property-'));
        const directory = join(root, 'state');
        // What the disk still has after a power cut: the copy as it was at the last restart.
        const synced = join(root, 'synced');
        mkdirSync(synced);
        let { machine } = await openMachine(directory);
        const results: unknown[] = [];
        for (const [offset, step] of plan.entries()) {
          results[offset] = catchUp(machine, log, offset + 1).at(-1);
          if (step.disturbance === 'restart' || step.disturbance === 'powerCut') {
            await machine.close();
            const isCut = step.disturbance === 'powerCut';
            copyDirectory(isCut ? synced : directory, isCut ? directory : synced);
            const reopened = await openMachine(directory);
            expect(reopened.verdict.kind).not.toBe('unusable');
            machine = reopened.machine;
          }
          if (step.disturbance === 'snapshot') {
            catchUp(machine, log, offset + 1);
            const position = logPosition(offset + 1, 1);
            expect(await restored(machine, position, [...machine.snapshot().chunks])).toBeNull();
          }
        }
        catchUp(machine, log, log.length);
        expect(results).toEqual(expected);
        expect(machine.digest).toEqual(reference.digest);
        expect(machine.list('')).toEqual(reference.list(''));
        await machine.close();
        const last = await openMachine(directory);
        expect(last.verdict.kind).toBe(log.length === 0 ? 'new' : 'verified');
        expect(last.machine.digest).toEqual(reference.digest);
        await last.machine.close();
        rmSync(root, { recursive: true });
      }),
      { numRuns: 25 },
    );
  });

  it('a killed process leaves a verified state of some entry, and the log brings it to the end', async () => {
    const directory = join(temporaryDirectory(), 'state');
    const script = fileURLToPath(new URL('killed-writer.ts', import.meta.url));
    const reference = memoryMachine();
    let previous = 0;
    for (let round = 0; round < 3; round += 1) {
      const child = spawn(process.execPath, [script, directory], { stdio: ['ignore', 'pipe', 'inherit'] });
      let applied = 0;
      for await (const line of createInterface({ input: child.stdout })) {
        applied = Number(line);
        if (applied > previous + 2000) child.kill('SIGKILL');
      }
      const { machine, verdict } = await openMachine(directory);
      expect(verdict).toEqual({ kind: 'verified' });
      expect(machine.applied).toBeGreaterThan(previous);
      expect(machine.applied).toBeLessThanOrEqual(applied);
      while (reference.applied < machine.applied) reference.apply([killedWriterEntry(reference.applied + 1)]);
      expect(machine.digest).toEqual(reference.digest);
      previous = machine.applied;
      await machine.close();
    }
  });

  const withOneKey = async (directory: string): Promise<void> => {
    const { machine } = await openMachine(directory);
    machine.apply([entry(1, put(1, 'a', 'x')), entry(2, put(2, 'b', 'y'))]);
    await machine.close();
  };

  it.each<[string, string, (database: Level<string, Uint8Array>) => Promise<void>]>([
    [
      'a changed value',
      'hashes to',
      async (database) => {
        const value = Uint8Array.from(await database.get('k/a'));
        value[value.length - 1]! ^= 1;
        await database.put('k/a', value);
      },
    ],
    ['a lost value', 'hashes to', (database) => database.del('k/b')],
    ['a lost request', 'hashes to', (database) => database.del('r/0000000000000001')],
    ['a lost summary', 'the summary record is missing', (database) => database.del('meta')],
    ['a foreign record', 'is damaged', (database) => database.put('other', bytes('x'))],
  ])('finds %s at the next start, sets the copy aside and starts at 0', async (_, reason, change) => {
    const root = temporaryDirectory();
    const directory = join(root, 'state');
    await withOneKey(directory);
    await corrupt(directory, change);
    const logger = new WarningLog();
    const { machine, verdict } = await openMachine(directory, logger);
    expect(verdict).toEqual({ kind: 'unusable', reason: expect.stringContaining(reason) });
    expect(logger.warnings).toHaveLength(1);
    expect(logger.warnings[0]?.event).toBe('store.copy.unusable');
    expect(readdirSync(root).toSorted()).toEqual(['state', 'state.unusable']);
    expect(machine.applied).toBe(0);
    expect(machine.list('')).toEqual([]);
    machine.apply([entry(1, put(1, 'a', 'x'))]);
    await machine.close();
    const again = await openMachine(directory);
    expect(again.verdict).toEqual({ kind: 'verified' });
    expect(again.machine.applied).toBe(1);
    await again.machine.close();
  });

  it('sets a copy aside that LevelDB itself refuses to open', async () => {
    const directory = join(temporaryDirectory(), 'state');
    await withOneKey(directory);
    writeFileSync(join(directory, 'CURRENT'), 'MANIFEST-999999\n');
    const { machine, verdict } = await openMachine(directory);
    expect(verdict.kind).toBe('unusable');
    expect(machine.applied).toBe(0);
    await machine.close();
  });

  it('keeps one unusable copy only', async () => {
    const directory = join(temporaryDirectory(), 'state');
    for (let round = 0; round < 2; round += 1) {
      await withOneKey(directory);
      await corrupt(directory, (database) => database.del('meta'));
      const { machine, verdict } = await openMachine(directory);
      expect(verdict.kind).toBe('unusable');
      await machine.close();
    }
  });

  it('takes a bounded part of the disk, however often the same keys are written', async () => {
    const directory = join(temporaryDirectory(), 'state');
    const { machine } = await openMachine(directory);
    const valueBytes = 64 * 1024;
    let most = 0;
    for (let index = 1; index <= 1600; index += 1) {
      const value = new Uint8Array(valueBytes).fill(index);
      machine.apply([entry(index, transaction(index, { put: [{ key: `k${index % 8}`, value }] }))]);
      if (index % 16 !== 0) continue;
      expect(await flushed(machine)).toBeNull();
      most = Math.max(most, bytesIn(directory));
    }
    const stateBytes = 8 * valueBytes + 1600 * 100;
    expect(1600 * valueBytes).toBeGreaterThan(LEVEL_OVERHEAD_BYTES + 2 * stateBytes);
    expect(most).toBeLessThan(LEVEL_OVERHEAD_BYTES + 2 * stateBytes);
    await machine.close();
  });

  it('is not opened by two at once, and the second leaves it alone', async () => {
    const root = temporaryDirectory();
    const directory = join(root, 'state');
    const { machine } = await openMachine(directory);
    const second = await openStateMachine({ directory, logger: new WarningLog(), onFault: () => undefined });
    expect(second).toEqual({ ok: false, error: { kind: 'dataDirectoryInUse', directory } });
    expect(readdirSync(root)).toEqual(['state']);
    machine.apply([entry(1, put(1, 'a', 'x'))]);
    expect(await flushed(machine)).toBeNull();
    await machine.close();
  });

  it('S10: leaves a good copy where it is when the disk has no room to open it, and uses it when there is room', async () => {
    const root = temporaryDirectory();
    const directory = join(root, 'state');
    await withOneKey(directory);
    // LevelDB writes a new manifest with every start.
    const manifests = Array.from({ length: 30 }, (_, number) =>
      join(directory, `MANIFEST-${String(number).padStart(6, '0')}`),
    ).filter((path) => !existsSync(path));
    for (const path of manifests) symlinkSync('/dev/full', path);
    const logger = new WarningLog();
    const refused = await openStateMachine({ directory, logger, onFault: () => undefined });
    expect(refused).toMatchObject({ ok: false, error: { kind: 'cannotOpen', directory } });
    if (!refused.ok && refused.error.kind === 'cannotOpen')
      expect(refused.error.cause.message).toMatch(/No space left on device; make room on the disk/u);
    expect(logger.warnings).toEqual([]);
    expect(readdirSync(root)).toEqual(['state']);
    for (const path of manifests) rmSync(path, { force: true });
    const { machine, verdict } = await openMachine(directory);
    expect(verdict).toEqual({ kind: 'verified' });
    expect(machine.applied).toBe(2);
    await machine.close();
  });

  it('S10: tells damage of the copy from an error of the system', () => {
    const refusal = (code: string | null, text: string): string => {
      const cause = Object.assign(new Error(text), code === null ? {} : { code });
      const verdict = judgeRefusal(
        Object.assign(new Error('Database failed to open', { cause }), { code: 'LEVEL_DATABASE_NOT_OPEN' }),
      );
      return verdict.kind === 'unavailable' ? verdict.remedy : verdict.kind;
    };
    expect(refusal('LEVEL_LOCKED', 'IO error: lock /d/LOCK: already held by process')).toBe('inUse');
    expect(refusal('LEVEL_CORRUPTION', 'Corruption: 1 missing files; e.g.: /d/000005.ldb')).toBe('damaged');
    expect(refusal('LEVEL_IO_ERROR', 'IO error: /d/MANIFEST-000009: No such file or directory')).toBe(
      'damaged',
    );
    expect(refusal(null, 'Invalid argument: another comparator')).toBe('damaged');
    expect(refusal('LEVEL_IO_ERROR', 'IO error: /d/CURRENT: Too many open files')).toMatch(/ulimit/u);
    expect(refusal('LEVEL_IO_ERROR', 'IO error: /d/LOCK: Permission denied')).toMatch(/read and write/u);
    expect(refusal('EACCES', "EACCES: permission denied, mkdir '/d'")).toMatch(/read and write/u);
    expect(refusal('ENOSPC', "ENOSPC: no space left on device, mkdir '/d'")).toMatch(/make room/u);
    expect(refusal('LEVEL_IO_ERROR', 'IO error: /d/000005.ldb: Input/output error')).toMatch(/mend/u);
    // Our own verification, and a scan that fails in the middle.
    expect(judgeRefusal(new Error('the summary record is missing')).kind).toBe('damaged');
    const scan = Object.assign(new Error('IO error: /d/000005.ldb: Too many open files'), {
      code: 'LEVEL_IO_ERROR',
    });
    expect(judgeRefusal(new Error('the records cannot be read', { cause: scan })).kind).toBe('unavailable');
  });

  it('says so when it can neither open the directory nor move it away', async () => {
    const opened = await openStateMachine({
      directory: '/proc/version/state',
      logger: new WarningLog(),
      onFault: () => undefined,
    });
    expect(!opened.ok && opened.error.kind).toBe('cannotOpen');
  });
});
