// How the sources of a migration are to send: asked for with it, shown with it.

import { describe, expect, test } from 'vitest';

import { MIGRATE_SPEED_MAX } from '../../../src/topology/tuning.ts';
import { testApi, type TestApi } from './support.ts';

const ROOT = '/api/v1/namespaces';
const CLUSTER = `${ROOT}/ns/clusters/c`;

async function scene(): Promise<TestApi> {
  const api = testApi();
  const nodes = ['127.0.0.1:1', '127.0.0.1:2'];
  api.fleet.add(...nodes);
  await api.call('POST', ROOT, { namespace: 'ns' });
  await api.call('POST', `${ROOT}/ns/clusters`, { name: 'c', nodes });
  return api;
}

async function migrations(api: TestApi): Promise<readonly Record<string, unknown>[]> {
  const { body } = await api.call('GET', `${CLUSTER}/migrations`);
  return (body as { data: { migrations: Record<string, unknown>[] } }).data.migrations;
}

describe('speed and type', () => {
  test.each([
    [{}, { speed: null, type: null }],
    [
      { speed: null, type: null },
      { speed: null, type: null },
    ],
    [{ speed: 0 }, { speed: 0, type: null }],
    [
      { speed: MIGRATE_SPEED_MAX, type: 'raw-key-value' },
      { speed: MIGRATE_SPEED_MAX, type: 'raw-key-value' },
    ],
    [{ type: 'redis-command' }, { speed: null, type: 'redis-command' }],
  ])('%j are kept and shown', async (wanted, shown) => {
    const api = await scene();
    const body = { slot: '0-9', target: 1, ...wanted };
    expect((await api.call('POST', `${CLUSTER}/migrate`, body)).status).toBe(200);
    expect(await migrations(api)).toMatchObject([shown]);
    const { body: single } = await api.call('GET', `${CLUSTER}/migrations/1`);
    expect(single).toMatchObject({ data: { migration: { ...shown, tuned: [] } } });
  });

  test('hold the first job back until the source was told', async () => {
    const api = await scene();
    await api.call('POST', `${CLUSTER}/migrate`, { slot: '0-9', target: 1, speed: 5 });
    expect(await migrations(api)).toMatchObject([{ state: 'pending', running: [] }]);
  });

  test.each([
    [{ speed: -1 }, 'speed: expected 0 (no limit) or more'],
    [{ speed: MIGRATE_SPEED_MAX + 1 }, `speed: expected at most ${MIGRATE_SPEED_MAX}`],
    [{ speed: '5' }, 'speed: expected a number of keys per second, or 0 for no limit'],
    [{ speed: 1.5 }, 'speed: expected a number of keys per second, or 0 for no limit'],
    [{ type: 'fast' }, 'type: expected "redis-command" or "raw-key-value"'],
    [{ type: 1 }, 'type: expected "redis-command" or "raw-key-value"'],
    [{ speed: 5, slot_only: true }, 'speed: nothing is sent with "slot_only"'],
    [{ type: 'redis-command', slotOnly: 'true' }, 'type: nothing is sent with "slot_only"'],
  ])('%j are refused', async (wanted, message) => {
    const api = await scene();
    const answer = await api.call('POST', `${CLUSTER}/migrate`, { slot: '0-9', target: 1, ...wanted });
    expect(answer).toMatchObject({ status: 400, body: { error: { message } } });
    expect(await migrations(api)).toEqual([]);
  });

  test('are not passed over where members of an earlier release take part', async () => {
    const api = await scene();
    api.featureLevel = 5;
    for (const wanted of [{ speed: 5 }, { batch: 2 }]) {
      const answer = await api.call('POST', `${CLUSTER}/migrate`, { slot: '0-9', target: 1, ...wanted });
      expect(answer.status).toBe(409);
    }
    expect((await api.call('POST', `${CLUSTER}/migrate`, { slot: '0-9', target: 1 })).status).toBe(200);
  });
});
