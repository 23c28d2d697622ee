// What commands make of words, and how plans and migrations read.

import { describe, expect, test } from 'vitest';

import { apiPath, bodyOf, errorText } from '../../../src/cli/commands/api-call.ts';
import { sizeText } from '../../../src/cli/commands/backup.ts';
import { durationMs, untilTime, waitDuration } from '../../../src/cli/durations.ts';
import { planRows as failoverRows, planSentence } from '../../../src/cli/commands/failovers.ts';
import { slotsOf } from '../../../src/cli/commands/moves.ts';
import { automationSentence } from '../../../src/cli/commands/pauses.ts';
import { planRows, tuningOf, weightsOf } from '../../../src/cli/commands/plans.ts';
import { progressText, spanText, type TaskBody } from '../../../src/cli/commands/task-view.ts';
import { waitOf } from '../../../src/cli/commands/task-wait.ts';

describe('words', () => {
  test.each([
    ['500ms', 500],
    ['30', 30_000],
    ['1.5s', 1500],
    ['2m', 120_000],
    ['8h', 28_800_000],
    ['1d', 86_400_000],
    ['0s', null],
    ['-1s', null],
    ['367d', null],
    ['2 h', null],
    ['', null],
  ])('%j is a duration of %j ms', (text, ms) => {
    expect(durationMs(text)).toBe(ms);
  });

  test('an end is a time with its zone, or so long from now on', () => {
    expect(untilTime('2026-01-31T12:00:00+01:00')).toBe('2026-01-31T12:00:00+01:00');
    const ms = Date.parse(untilTime('2h')) - Date.now();
    expect(ms).toBeGreaterThan(7_100_000);
    expect(ms).toBeLessThanOrEqual(7_200_000);
    expect(() => untilTime('2026-01-31 noon')).toThrow('expected a time');
    expect(() => waitDuration('soon')).toThrow('expected a duration');
  });

  test('nobody waits unless it is said, and for very long without a duration', () => {
    expect(waitOf({})).toBeNull();
    expect(waitOf({ wait: 5000 })).toBe(5000);
    expect(waitOf({ wait: true })).toBeGreaterThan(86_400_000);
  });

  test('weights are those of shards', () => {
    expect(weightsOf({})).toEqual({});
    expect(weightsOf({ weight: ['0=2', '3=0.5'] })).toEqual({ weights: { 0: 2, 3: 0.5 } });
    expect(() => weightsOf({ weight: ['a=2'] })).toThrow('--weight a=2');
    expect(() => weightsOf({ weight: ['1'] })).toThrow('--weight 1');
  });

  test('how slots move is said only where it is wanted', () => {
    expect(tuningOf({})).toEqual({});
    expect(tuningOf({ batch: '64', speed: '0', type: 'raw-key-value' })).toEqual({
      batch: 64,
      speed: 0,
      type: 'raw-key-value',
    });
    expect(() => tuningOf({ batch: 'x' })).toThrow('--batch x');
  });

  test('ranges are the slots in them', () => {
    expect([...slotsOf(['5', '7-9', 'none', '16383-99999'])]).toEqual([5, 7, 8, 9, 16_383]);
  });
});

describe('any request', () => {
  test('is below /api/v1 unless it says otherwise', () => {
    expect(apiPath('/namespaces')).toBe('/api/v1/namespaces');
    expect(apiPath('/api/v1/events?limit=1')).toBe('/api/v1/events?limit=1');
    expect(apiPath('/metrics')).toBe('/metrics');
    expect(apiPath('/apis')).toBe('/api/v1/apis');
    expect(() => apiPath('namespaces')).toThrow('expected a path');
  });

  test('takes a JSON object, or a file that holds one', () => {
    expect(bodyOf('{"a":1}')).toEqual({ a: 1 });
    expect(() => bodyOf('[1]')).toThrow('expected a JSON object');
    expect(() => bodyOf('{')).toThrow('no JSON');
    expect(() => bodyOf('@/no/such/file')).toThrow('-d @/no/such/file');
  });

  test('that fails says why', () => {
    expect(errorText('{"error":{"message":"no"}}', 404)).toBe('no');
    expect(errorText('<html>', 502)).toBe('HTTP 502');
  });
});

const TASK: TaskBody = {
  id: 3,
  kind: 'rebalance',
  state: 'running',
  reason: '',
  removes: [],
  slots: { total: 200, moved: 128, left: 72 },
  percent: 64,
  slots_per_second: 31.52,
  seconds_left: { least: 3, most: 125 },
  retries: 0,
  created_at: '2026-11-30T10:22:48Z',
  ended_at: null,
};

describe('a migration', () => {
  test('says how far it is, how fast, and what it waits for', () => {
    expect(progressText(TASK)).toBe(
      'migration 3 (rebalance): running, 64% (128 of 200 slots), 31.5 slots/s, 3s to 2m05s left',
    );
    const waiting = { ...TASK, slots_per_second: null, seconds_left: null, reason: 'a \u001B[2Jnode hangs' };
    expect(progressText(waiting)).toBe(
      'migration 3 (rebalance): running, 64% (128 of 200 slots): a \\u{1b}[2Jnode hangs',
    );
    expect(progressText({ ...TASK, state: 'succeeded', removes: [2] })).toContain('shard 2 is being removed');
  });

  test.each([
    [0.4, '0s'],
    [59, '59s'],
    [60, '1m00s'],
    [3599.6, '1h00m'],
    [7500, '2h05m'],
  ])('%d seconds are %s', (seconds, text) => {
    expect(spanText(seconds)).toBe(text);
  });
});

test('sizes are of bytes', () => {
  expect([0, 1023, 1024, 1_572_864].map(sizeText)).toEqual(['0 bytes', '1023 bytes', '1.0 KiB', '1.5 MiB']);
});

test('the plan of a rebalance is a row a shard', () => {
  const shards = [
    { shard: 0, before: 8192, after: 10_922 },
    { shard: 1, before: 8192, after: 5462 },
    { shard: 2, before: 0, after: 0 },
  ];
  expect(planRows({ slots_moved: 2730, slots_unowned: 0, moves: [], shards })).toEqual([
    ['0', '8192', '10922', { text: '+2730', colour: 'bold' }],
    ['1', '8192', '5462', { text: '-2730', colour: 'bold' }],
    ['2', '0', '0', ''],
  ]);
});

describe('the plan of a failover', () => {
  const candidate = { addr: 'b:1', sequence: 9, behind: 1, eligible: true, reason: 'sequence 9' };
  const plan = {
    kind: 'drain',
    new_master_id: 'bbbbbbbbbb',
    reason: 'asked for by hand',
    may_be_lost: null,
    master: { id: 'aaaaaaaaaa', addr: 'a:1', answers: true, sequence: 10 },
    candidates: [
      { ...candidate, id: 'bbbbbbbbbb' },
      { ...candidate, id: 'cccccccccc', addr: 'c:1', sequence: null, behind: null, eligible: false },
    ],
  } as const;

  test('is a row a node, the master first', () => {
    expect(failoverRows(plan, false)).toEqual([
      ['a:1', 'aaaaaaaa', 'replica', '10', '', 'the master, which answers'],
      ['b:1', 'bbbbbbbb', { text: 'master', colour: 'green' }, '9', '1', 'sequence 9'],
      ['c:1', 'cccccccc', 'replica', '?', '?', { text: 'no: sequence 9', colour: 'yellow' }],
    ]);
  });

  test.each([
    ['drain', 'the master would hand over first: '],
    ['failover', 'the new master would take over at once: '],
    ['acceptance', 'the master would stay, without the data it lost: '],
    ['none', 'this would be refused: '],
  ] as const)('of kind %s begins with %j', (kind, beginning) => {
    expect(planSentence({ ...plan, kind })).toBe(`${beginning}asked for by hand`);
  });
});

test('what is wished of automatic failovers is a sentence', () => {
  expect(
    automationSentence('of carts', { failover: 'paused', until: '2026-01-31T12:00:00Z', reason: 'racks' }),
  ).toBe('automatic failover of carts is paused until 2026-01-31T12:00:00Z: racks');
  expect(automationSentence('', { failover: 'on', until: null, reason: '' })).toBe(
    'automatic failover is on',
  );
});
