// The configuration of a member by HTTP: read, read again, louder for a while, here or at the member that is meant.

import { describe, expect, test } from 'vitest';

import { err, ok } from '../../../src/base/result.ts';
import type { NodeAddress } from '../../../src/topology/types.ts';
import { failure, testApi, type TestApi } from './support.ts';

const CONFIG = '/api/v1/controller/config';
const RELOAD = '/api/v1/controller/reload';
const LOG_LEVEL = '/api/v1/controller/log-level';
const OTHER = '127.0.0.1:9380' as NodeAddress;

/** Member 1, a follower of nobody, which knows member 2. */
function followerOfNobody(): TestApi {
  const api = testApi();
  api.status = { ...api.status, leader: null };
  api.members = {
    ...api.members,
    members: [
      ...api.members.members,
      { id: 2, address: OTHER, role: 'voter', lagEntries: null, lastContactMs: null, featureLevel: null },
    ],
  };
  return api;
}

describe('GET /api/v1/controller/config', () => {
  test('tells every setting, who has set it, and what waits for a restart; no leader is needed', async () => {
    const api = followerOfNobody();
    api.configuration = {
      settings: [
        { path: 'raft.id', value: 1, source: { kind: 'line', text: 'c.yaml:2:3' }, isLive: false },
        { path: 'log.level', value: 'info', source: { kind: 'default', text: 'default' }, isLive: true },
      ],
      withoutEffect: ['etcd'],
      needsRestart: [{ path: 'raft.id', from: 1, to: 2 }],
      logLevel: { level: 'debug', untilSeconds: 60, configured: 'info' },
      reload: { isGood: true, readAtSeconds: 0, problems: [] },
    };
    expect((await api.call('GET', CONFIG)).body).toEqual({
      data: {
        member: 1,
        settings: [
          { path: 'raft.id', value: 1, source: { kind: 'line', text: 'c.yaml:2:3' }, reloadable: false },
          {
            path: 'log.level',
            value: 'info',
            source: { kind: 'default', text: 'default' },
            reloadable: true,
          },
        ],
        without_effect: ['etcd'],
        needs_restart: [{ path: 'raft.id', from: 1, to: 2 }],
        log_level: { level: 'debug', until: '1970-01-01T00:01:00Z', configured: 'info' },
        last_reload: { succeeded: true, read_at: '1970-01-01T00:00:00Z', problems: [] },
      },
    });
  });
});

describe('?member=', () => {
  test.each([
    ['GET', CONFIG, undefined],
    ['POST', RELOAD, undefined],
    ['PUT', LOG_LEVEL, { level: 'debug' }],
  ])('%s %s is redirected to the member that is meant', async (method, path, body) => {
    const api = followerOfNobody();
    const { status, headers } = await api.call(method, `${path}?member=2`, body);
    expect([status, headers.get('location')]).toEqual([307, `http://${OTHER}${path}?member=2`]);
    expect((await api.call(method, `${path}?member=1`, body)).status).toBe(200);
  });

  test('is refused for what is no number, and for a member that the group does not have', async () => {
    const api = followerOfNobody();
    expect((await api.call('GET', `${CONFIG}?member=two`)).status).toBe(400);
    expect(await api.call('GET', `${CONFIG}?member=3`)).toMatchObject({
      status: 404,
      body: failure('the group has no member 3'),
    });
  });
});

describe('POST /api/v1/controller/reload', () => {
  test('tells what counts now and what needs a restart', async () => {
    const api = testApi();
    api.reload = () =>
      Promise.resolve(
        ok({
          applied: [{ path: 'log.level', from: 'info', to: 'debug' }],
          needsRestart: [{ path: 'raft.id', from: 1, to: 2 }],
        }),
      );
    expect(await api.call('POST', RELOAD)).toMatchObject({
      status: 200,
      body: {
        data: {
          member: 1,
          applied: [{ path: 'log.level', from: 'info', to: 'debug' }],
          needs_restart: [{ path: 'raft.id', from: 1, to: 2 }],
        },
      },
    });
  });

  test('answers 422 with every problem and its place where the file is not valid', async () => {
    const api = testApi();
    const problem = { file: 'c.yaml', line: 2, column: 3, path: null, message: 'unknown key "a"' };
    api.reload = () => Promise.resolve(err([{ ...problem, text: 'c.yaml:2:3: unknown key "a"' }]));
    expect(await api.call('POST', RELOAD)).toMatchObject({
      status: 422,
      body: {
        error: { message: 'nothing was changed: c.yaml:2:3: unknown key "a"', problems: [problem] },
      },
    });
  });

  test('takes no body', async () => {
    expect((await testApi().call('POST', RELOAD, { file: 'x' })).status).toBe(400);
  });
});

describe('PUT /api/v1/controller/log-level', () => {
  test('lasts for ten minutes unless it says otherwise', async () => {
    const { body } = await testApi().call('PUT', LOG_LEVEL, { level: 'debug' });
    expect(body).toEqual({
      data: { member: 1, level: 'debug', until: '1970-01-01T00:10:00Z', configured: 'info' },
    });
  });

  test.each([
    [{}, 'level: expected "debug", "info", "warn" or "error"'],
    [{ level: 'loud' }, 'level: expected "debug", "info", "warn" or "error"'],
    [{ level: 'debug', seconds: 0 }, 'seconds: expected at least 1'],
    [{ level: 'debug', seconds: 3601 }, 'seconds: expected at most 3600'],
    [{ level: 'debug', second: 5 }, 'unknown key "second"; did you mean "seconds"?'],
  ])('%j is refused', async (body, message) => {
    expect(await testApi().call('PUT', LOG_LEVEL, body)).toMatchObject({
      status: 400,
      body: failure(message),
    });
  });
});
