// The real disk behind the port: the log opens, rolls, compacts and comes back from it.

import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { createSeededRandom } from '../../../../src/base/random.ts';
import { foundingClusterId } from '../../../../src/raft/cluster-id.ts';
import { memberId } from '../../../../src/raft/core/types.ts';
import type { DurableLog } from '../../../../src/raft/ports.ts';
import { nodeFileSystem } from '../../../../src/raft/wal/node-file-system.ts';
import { type OpenedWal, openWal } from '../../../../src/raft/wal/open.ts';
import { completion, outcome, taskPromise } from '../../../../src/raft/wal/task.ts';
import type { OpenFile } from '../../../../src/raft/wal/file-system.ts';
import { systemClock } from '../../../../src/system/clock.ts';
import { INITIAL_BASE, type LogOperation, SEGMENT_BYTES, randomScript } from '../../../support/log-script.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'wal-'));
});

afterEach(() => {
  rmSync(root, { recursive: true });
});

function open(directory: string): Promise<OpenedWal> {
  return openWal({
    fileSystem: nodeFileSystem,
    directory,
    memberId: memberId(1),
    clusterId: foundingClusterId(['127.0.0.1:9379']),
    initialBase: INITIAL_BASE,
    clock: systemClock,
    random: createSeededRandom(1),
    segmentBytes: SEGMENT_BYTES,
  });
}

async function perform(log: DurableLog, operation: LogOperation): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const done = (error: Error | null): void => (error === null ? resolve() : reject(error));
    if (operation.kind === 'write') log.write(operation.group, done);
    else log[operation.kind](operation.base, done);
  });
}

describe('on the real disk', () => {
  it('a log in a folder that does not exist yet is made, filled, closed and restored', async () => {
    const directory = join(root, 'deep', 'er');
    const script = randomScript(31, 80);
    const first = await open(directory);
    for (const operation of script.operations) await perform(first.log, operation);
    await promisify<void>((done) => first.log.close(done))();
    const second = await open(directory);
    expect(second.restored).toEqual(script.states.at(-1));
    expect(second.cuts).toEqual([]);
    await promisify<void>((done) => second.log.close(done))();
    const [segment] = readdirSync(join(directory, 'wal'));
    expect(statSync(join(directory, 'wal', segment!)).mode & 0o777).toBe(0o600);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
  });

  it('files open in their modes, and system errors keep their codes', async () => {
    const path = join(root, 'file');
    const openFile = (mode: 'create' | 'replace' | 'update' | 'read'): Promise<OpenFile> =>
      taskPromise(outcome((done) => nodeFileSystem.open(path, mode, done)));
    await expect(openFile('read')).rejects.toMatchObject({ code: 'ENOENT' });
    await expect(openFile('update')).rejects.toMatchObject({ code: 'ENOENT' });
    const file = await openFile('create');
    await taskPromise(completion((done) => file.write(Buffer.from('abcdef'), 0, done)));
    await taskPromise(completion((done) => file.close(done)));
    await expect(openFile('create')).rejects.toMatchObject({ code: 'EEXIST' });
    const updated = await openFile('update');
    await taskPromise(completion((done) => updated.write(Buffer.from('X'), 2, done)));
    await taskPromise(completion((done) => updated.datasync(done)));
    const into = Buffer.alloc(10);
    const count = await taskPromise(outcome<number>((done) => updated.read(into, 1, done)));
    expect(into.subarray(0, count).toString()).toBe('bXdef');
    await taskPromise(completion((done) => updated.close(done)));
    const replaced = await openFile('replace');
    expect(await taskPromise(outcome<number>((done) => replaced.sizeBytes(done)))).toBe(0);
    await taskPromise(completion((done) => replaced.close(done)));
    await taskPromise(completion((done) => nodeFileSystem.rename(path, `${path}2`, done)));
    await taskPromise(completion((done) => nodeFileSystem.syncDirectory(root, done)));
    await taskPromise(completion((done) => nodeFileSystem.remove(`${path}2`, done)));
    expect(readdirSync(root)).toEqual([]);
  });
});
