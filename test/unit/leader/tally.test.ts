// What is counted of one cluster: each change of masters and each job once, with its time.

import { expect, test } from 'vitest';

import { err, ok } from '../../../src/base/result.ts';
import type { CommitReason } from '../../../src/control/actions.ts';
import { Tally } from '../../../src/leader/tally.ts';
import type { ChangeError } from '../../../src/topology/record.ts';
import type { NodeId } from '../../../src/topology/types.ts';
import { NO_METRICS } from '../../support/no-metrics.ts';
import { FakeClock } from './fake-clock.ts';
import { nameOf } from './scene.ts';

const [A, B] = ['a' as NodeId, 'b' as NodeId];
const failover = (isDrained: boolean): CommitReason => ({
  kind: 'failover',
  shardIndex: 0,
  from: A,
  to: B,
  isDrained,
  lost: 0,
  text: '',
});
const drain = (kind: 'drainStarted' | 'drainUndone'): CommitReason => ({
  kind,
  shardIndex: 0,
  from: A,
  to: B,
  text: '',
});
const confirmed: CommitReason = { kind: 'promotionConfirmed', shardIndex: 0, node: B, text: '' };
const job = (kind: 'migrationStarted' | 'migrationFinished' | 'migrationGivenUp'): CommitReason => ({
  kind,
  sourceIndex: 0,
  targetIndex: 1,
  slots: '10-19',
  text: '',
});

function scene() {
  const clock = new FakeClock();
  const counted: unknown[][] = [];
  const place = { namespace: nameOf('ns'), cluster: nameOf('c') };
  const metrics = {
    ...NO_METRICS,
    failover: (_: unknown, ...rest: unknown[]) => void counted.push(rest),
    promoted: (_: unknown, ...rest: unknown[]) => void counted.push(['promoted', ...rest]),
    slots: (_: unknown, slots: unknown) => void counted.push([slots]),
  };
  return { clock, counted, tally: new Tally(place, { clock, metrics }) };
}

test('a switchover takes from its drain to the new master seen in office, a failover from its decision', async () => {
  const { clock, counted, tally } = scene();
  tally.committing(drain('drainStarted'));
  await clock.advance(100);
  tally.committing(failover(true));
  tally.committed(failover(true), ok(undefined));
  await clock.advance(50);
  tally.committed(confirmed, ok(undefined));
  tally.committed(confirmed, ok(undefined));
  tally.committing(failover(false));
  tally.committed(failover(false), ok(undefined));
  await clock.advance(30);
  tally.committed(confirmed, ok(undefined));
  expect(counted).toEqual([
    ['switchover', 'done', 0],
    ['promoted', 'switchover', 150],
    ['failover', 'done', 0],
    ['promoted', 'failover', 30],
  ]);
});

test('what is undone takes no time, and what is decided anew is no failure', () => {
  const { counted, tally } = scene();
  tally.committing(drain('drainStarted'));
  tally.committed(drain('drainUndone'), ok(undefined));
  tally.committed(confirmed, ok(undefined));
  const errors: ChangeError[] = [
    { kind: 'conflict' },
    { kind: 'notLeader' },
    { kind: 'unknown', reason: '' },
  ];
  for (const error of errors) tally.committed(failover(false), err(error));
  expect(counted).toEqual([
    ['switchover', 'undone'],
    ['failover', 'failed'],
  ]);
});

test('a job is counted with its slots, and with its time where its beginning was seen', async () => {
  const { clock, counted, tally } = scene();
  tally.committing(job('migrationStarted'));
  await clock.advance(200);
  tally.committed(job('migrationFinished'), ok(undefined));
  tally.committed(job('migrationGivenUp'), ok(undefined));
  expect(counted).toEqual([
    [{ outcome: 'moved', count: 10, elapsedMs: 200 }],
    [{ outcome: 'kept', count: 10, elapsedMs: null }],
  ]);
});
