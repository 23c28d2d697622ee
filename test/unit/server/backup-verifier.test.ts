// A backup that comes in piece by piece is judged as the same file is, one at a time, and its place is given back however it ends.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';

import * as fc from 'fast-check';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';

import { readBackupTask } from '../../../src/backup/read-backup.ts';
import { nodeFileSystem } from '../../../src/raft/wal/node-file-system.ts';
import { taskPromise } from '../../../src/raft/wal/task.ts';
import { createBackupVerifier } from '../../../src/server/backup-verifier.ts';
import { apply, backupOf, fullMachine, PASSWORD } from '../backup/support.ts';

let backup: Buffer;

beforeAll(async () => {
  backup = backupOf(await fullMachine());
});

/** `content` as it may come from a connection. */
function pieces(content: Buffer, bytes: number): Readable {
  const count = Math.ceil(content.length / bytes);
  return Readable.from(
    Array.from({ length: count }, (_, index) => content.subarray(index * bytes, (index + 1) * bytes)),
  );
}

test('what comes in pieces of any size is told as the same file is, and no password is', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'verify-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'backup');
  writeFileSync(file, backup);
  const read = await taskPromise(readBackupTask(nodeFileSystem, file));
  expect(read).toMatchObject({
    ok: true,
    value: {
      backup: {
        format: 2,
        bytes: backup.length,
        term: 3,
        members: [
          { id: 1, addr: '', role: 'voter' },
          { id: 2, addr: '', role: 'voter' },
          { id: 4, addr: '', role: 'learner' },
        ],
        clusters: 2,
        nodes: 3,
        open_tasks: 1,
      },
      finding_count: 0,
    },
  });
  expect(JSON.stringify(read)).not.toContain(PASSWORD);
  for (const bytes of [1, 7, 4096, backup.length])
    expect(await createBackupVerifier().verify(pieces(backup, bytes))).toEqual(read);
});

test('one flipped bit or a missing end is refused, with the byte', async () => {
  const verifier = createBackupVerifier();
  const refusal = {
    ok: false,
    error: { kind: 'refused', reason: expect.stringMatching(/damaged at byte \d+: |cannot be read/) },
  };
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: backup.length * 8 - 1 }), async (bit) => {
      const changed = Buffer.from(backup);
      changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(await verifier.verify(pieces(changed, 500))).toEqual(refusal);
      expect(await verifier.verify(pieces(backup.subarray(0, bit >> 3), 500))).toEqual(refusal);
    }),
    { numRuns: 100 },
  );
});

test('a whole file whose records contradict each other is refused, with the key', async () => {
  const machine = await fullMachine();
  apply(machine, { remove: ['namespace/ns'] });
  expect(await createBackupVerifier().verify(pieces(backupOf(machine), 500))).toEqual({
    ok: false,
    error: { kind: 'refused', reason: expect.stringContaining('cluster/ns/c: there is no namespace ns') },
  });
});

describe('the one place', () => {
  test('is taken while a backup is read, and free again when it was, was too large, or broke off', async () => {
    const verifier = createBackupVerifier({ bytesMax: backup.length });
    const slow = new Readable({ read: () => undefined });
    const first = verifier.verify(slow);
    slow.push(backup.subarray(0, 20));
    const overloaded = { ok: false, error: { kind: 'overloaded' } };
    expect(await verifier.verify(pieces(backup, 500))).toEqual(overloaded);
    slow.destroy(new Error('the client left'));
    await expect(first).rejects.toThrow('the client left');
    const tooLarge = { ok: false, error: { kind: 'tooLarge', bytesMax: backup.length } };
    expect(await verifier.verify(pieces(Buffer.concat([backup, Buffer.alloc(500)]), 500))).toEqual(tooLarge);
    expect(await verifier.verify(pieces(backup, 500))).toMatchObject({ ok: true });
  });

  test('is kept until a body that is no backup has come to its end: the answer must not meet a sender', async () => {
    const body = new Readable({ read: () => undefined });
    const judged = createBackupVerifier().verify(body);
    body.push(Buffer.alloc(64, 'no backup'));
    body.push(Buffer.alloc(64));
    body.push(null);
    expect(await judged).toMatchObject({ ok: false, error: { reason: expect.stringContaining('at byte') } });
    expect(body.readableEnded).toBe(true);
  });
});
