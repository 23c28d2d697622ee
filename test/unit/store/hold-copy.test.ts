// A copy that is held is nobody else's, and is told how far it is.

import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { holdCopy } from '../../../src/store/level-open.ts';
import { entry, flushed, openMachine, put, temporaryDirectory } from './support.ts';

test('a copy that is held is opened by nobody else, and is as far as it was written', async () => {
  const directory = join(temporaryDirectory(), 'state');
  const { machine } = await openMachine(directory);
  expect(await holdCopy(directory)).toEqual({ ok: false, error: { kind: 'dataDirectoryInUse', directory } });
  machine.apply([entry(1, put(1, 'a', 'x')), entry(2, 'noop')]);
  expect(await flushed(machine)).toBeNull();
  await machine.close();
  const held = await holdCopy(directory);
  if (!held.ok) throw new Error(held.error.kind);
  expect(held.value.position).toEqual({ index: 2, term: 1 });
  expect(await holdCopy(directory)).toMatchObject({ ok: false, error: { kind: 'dataDirectoryInUse' } });
  await held.value.release();
  const again = await openMachine(directory);
  expect(again.machine.applied).toBe(2);
  await again.machine.close();
});

test('a copy that cannot be used is told nothing of, and stays as it is', async () => {
  const directory = join(temporaryDirectory(), 'state');
  const { machine } = await openMachine(directory);
  await machine.close();
  writeFileSync(join(directory, 'CURRENT'), 'no manifest\n');
  const held = await holdCopy(directory);
  expect(held).toMatchObject({ ok: true, value: { position: null } });
  expect(readdirSync(join(directory, '..'))).toEqual(['state']);
});
