// A webhook is told everything once at least, in order, whatever its receiver and the lead do meanwhile.

import { createHmac } from 'node:crypto';

import { expect, test } from 'vitest';

import { createSeededRandom } from '../../../src/base/random.ts';
import { err, ok, type Result } from '../../../src/base/result.ts';
import { Secret } from '../../../src/base/secret.ts';
import type { ClusterEvent } from '../../../src/topology/event.ts';
import { Delivery } from '../../../src/webhooks/delivery.ts';
import { signatureHeaders } from '../../../src/webhooks/signature.ts';
import { FakeClock } from '../leader/fake-clock.ts';

function eventOf(number: number): ClusterEvent {
  return {
    id: `ns/c/${number}`,
    atMs: 1000 * number,
    kind: 'failover',
    severity: 'warning',
    actor: 'controller',
    text: `event ${number}`,
    shardIndex: 0,
    node: null,
    correlation: '',
    lost: null,
    details: '{"verdict":"due"}',
    versions: { before: 1, after: 2 },
  };
}

interface Told {
  readonly ids: readonly string[];
  readonly missed: boolean;
}

function world(count = 0) {
  const clock = new FakeClock();
  const made = {
    clock,
    count,
    /** Events up to this one were delivered, as the store has it. */
    cursor: 0,
    /** What the receiver says next, oldest first; then it takes everything. */
    answers: [] as Result<void, string>[],
    /** Whether the cursor can be written down. */
    leads: true,
    isGap: false,
    told: [] as Told[],
    log: [] as string[],
    delivery: null as unknown as Delivery,
  };
  const log = (event: string): void => void made.log.push(event);
  made.delivery = new Delivery(
    { name: 'pager', url: new Secret('http://x'), secret: new Secret('key'), severity: 'info' },
    {
      clock,
      random: createSeededRandom(1),
      logger: { debug: log, info: log, warn: log, error: log, child: () => null as never },
      next: (_, limit) => {
        const numbers = Array.from({ length: made.count }, (_unused, index) => index + 1)
          .filter((number) => number > made.cursor)
          .slice(0, limit);
        const last = numbers.at(-1);
        return {
          events: numbers.map(eventOf),
          cursor: last === undefined ? null : { revision: last, key: '' },
          isGap: made.isGap,
        };
      },
      delivered: (_, { revision }) => {
        if (!made.leads) return Promise.resolve(err('notLeader'));
        made.cursor = revision;
        return Promise.resolve(ok(undefined));
      },
      post: (_, body) => {
        const { events, missed } = JSON.parse(body) as { events: { id: string }[]; missed: boolean };
        made.told.push({ ids: events.map(({ id }) => id), missed });
        return Promise.resolve(made.answers.shift() ?? ok(undefined));
      },
    },
  );
  return made;
}

test('what is new is told in batches, and nothing when nothing is', async () => {
  const made = world(120);
  made.delivery.wake();
  await made.clock.advance(10);
  expect(made.told.map(({ ids }) => ids.length)).toEqual([50, 50, 20]);
  expect(made.told.flatMap(({ ids }) => ids)).toEqual(
    Array.from({ length: 120 }, (_, index) => `ns/c/${index + 1}`),
  );
  made.delivery.wake();
  await made.clock.advance(10);
  expect(made.told).toHaveLength(3);
  made.count = 121;
  made.isGap = true;
  made.delivery.wake();
  await made.clock.advance(10);
  expect(made.told.at(-1)).toEqual({ ids: ['ns/c/121'], missed: true });
});

test('a receiver that fails is asked again at a slower and slower pace, and told once in the log', async () => {
  const made = world(1);
  made.answers = Array.from({ length: 9 }, () => err('it answers 500'));
  made.delivery.wake();
  await made.clock.advance(10_000);
  const early = made.told.length;
  expect(early).toBeGreaterThanOrEqual(3);
  expect(early).toBeLessThanOrEqual(6);
  // What comes meanwhile is no reason to hurry.
  made.count = 2;
  for (let round = 0; round < 50; round += 1) made.delivery.wake();
  expect(made.told).toHaveLength(early);
  await made.clock.advance(600_000);
  expect(made.cursor).toBe(2);
  expect(made.told.at(-1)?.ids).toEqual(['ns/c/1', 'ns/c/2']);
  expect(made.log).toEqual(['webhook.failing', 'webhook.delivering']);
  await made.delivery.stop();
  expect(made.clock.pendingCount).toBe(0);
});

test('what could not be written down is told again, and a stopped delivery tells nothing more', async () => {
  const made = world(1);
  made.leads = false;
  made.delivery.wake();
  await made.clock.advance(5000);
  expect(made.told.length).toBeGreaterThanOrEqual(2);
  // That is nobody's fault.
  expect(made.log).toEqual([]);
  await made.delivery.stop();
  const before = made.told.length;
  made.leads = true;
  made.delivery.wake();
  await made.clock.advance(600_000);
  expect(made.told).toHaveLength(before);
  expect(made.clock.pendingCount).toBe(0);
});

test('a signature is over time and body, and there is none without a secret', () => {
  const mac = createHmac('sha256', 'key').update('17.{}').digest('hex');
  expect(signatureHeaders(new Secret('key'), '{}', 17)).toEqual({
    'x-kvrocks-controller-timestamp': '17',
    'x-kvrocks-controller-signature': `v1=${mac}`,
  });
  expect(signatureHeaders(Secret.none, '{}', 17)).toEqual({ 'x-kvrocks-controller-timestamp': '17' });
});
