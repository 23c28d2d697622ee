// A configuration file that is read again by a process that has other things to do.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, expect, test } from 'vitest';

import { CONFIG_BYTES_MAX } from '../../../src/config/file.ts';
import { readConfigFileAgain } from '../../../src/main/config-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'config-file-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('is read as it is by now, and no further than one can be long', async () => {
  const path = join(folder, 'c.yaml');
  writeFileSync(path, 'log: {level: warn}');
  expect(await readConfigFileAgain(path)).toEqual({
    ok: true,
    value: { name: path, text: 'log: {level: warn}' },
  });
  writeFileSync(path, '#'.repeat(10 * CONFIG_BYTES_MAX));
  const long = await readConfigFileAgain(path);
  expect(long.ok && long.value.text.length).toBe(CONFIG_BYTES_MAX + 1);
});

test('is refused where it is away, or can be read only once: nobody waits for a pipe', async () => {
  const pipe = join(folder, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const reasons = await Promise.all(
    [join(folder, 'none'), folder, pipe].map(async (path) => {
      const read = await readConfigFileAgain(path);
      return read.ok ? '' : read.error.message;
    }),
  );
  expect(reasons).toEqual([
    expect.stringContaining('cannot be read: ENOENT'),
    'is no regular file, so it cannot be read a second time',
    'is no regular file, so it cannot be read a second time',
  ]);
});
