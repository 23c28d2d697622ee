// How a source sends slots, as a real server tells it and takes it.

import { describe, expect, test } from 'vitest';

import { err, ok } from '../../../../src/base/result.ts';
import { migrateSpeed, migrateType, setTuning } from '../../../../src/kvrocks/commands/tuning.ts';

test('both settings are read as the server writes them', () => {
  expect(migrateSpeed.words).toEqual(['CONFIG', 'GET', 'migrate-speed']);
  expect(migrateSpeed.parse(ok(['migrate-speed', '4096']))).toEqual(ok(4096));
  expect(migrateSpeed.parse(ok(['migrate-speed', '0']))).toEqual(ok(0));
  expect(migrateType.parse(ok(['migrate-type', 'redis-command']))).toEqual(ok('redis-command'));
  // What a later release calls it is set back as it was.
  expect(migrateType.parse(ok(['migrate-type', 'by_file-2']))).toEqual(ok('by_file-2'));
});

test('a server that does not know one says so in our words', () => {
  expect(migrateType.parse(ok([]))).toEqual(
    err({ kind: 'refused', message: 'this server has no setting migrate-type' }),
  );
});

test.each([
  ['-1', migrateSpeed],
  ['fast', migrateSpeed],
  ['', migrateType],
  ['two words', migrateType],
])('%j is no value', (text, command) => {
  expect(command.parse(ok([command.words[2], text]))).toMatchObject({
    ok: false,
    error: { kind: 'malformedReply' },
  });
});

test("what is refused keeps the node's own words", () => {
  const text = 'ERR only administrators may do that';
  expect(migrateSpeed.parse(err(text))).toEqual(err({ kind: 'refused', message: text }));
  const [set] = setTuning({ speed: 7, type: null });
  expect(set?.parse(err(text))).toEqual(err({ kind: 'refused', message: text }));
});

describe('setting', () => {
  test('asks for what is wanted, and nothing else', () => {
    expect(setTuning({ speed: 0, type: 'raw-key-value' }).map(({ words }) => words)).toEqual([
      ['CONFIG', 'SET', 'migrate-type', 'raw-key-value'],
      ['CONFIG', 'SET', 'migrate-speed', '0'],
    ]);
    expect(setTuning({ speed: null, type: null })).toEqual([]);
  });

  test('is done by OK and nothing else', () => {
    const [set] = setTuning({ speed: 7, type: null });
    expect(set?.parse(ok('OK'))).toEqual(ok(undefined));
    expect(set?.parse(ok('QUEUED'))).toMatchObject({ ok: false });
  });
});
