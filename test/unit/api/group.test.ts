// Who belongs to the group and who leads it, as the API tells and changes it.

import { describe, expect, test } from 'vitest';

import type { GroupChangeError, GroupStatus } from '../../../src/api/ports.ts';
import { err, ok } from '../../../src/base/result.ts';
import type { NodeAddress } from '../../../src/topology/types.ts';
import { failure, SELF, testApi, type TestApi } from './support.ts';

const PEERS = '/api/v1/raft/peers';
const TRANSFER = '/api/v1/controller/leader/transfer';
const OTHER = '127.0.0.1:9380' as NodeAddress;

function refusing(refusal: GroupChangeError): TestApi {
  const api = testApi();
  api.changes = {
    add: () => Promise.resolve(err(refusal)),
    remove: () => Promise.resolve(err(refusal)),
    transferLead: () => Promise.resolve(err(refusal)),
  };
  return api;
}

describe('GET /api/v1/raft/peers', () => {
  test('tells roles, lag, last contact and feature levels, and the change under way', async () => {
    const api = testApi();
    api.members = {
      members: [
        { id: 1, address: SELF, role: 'voter', lagEntries: 0, lastContactMs: null, featureLevel: 3 },
        { id: 4, address: OTHER, role: 'learner', lagEntries: 12, lastContactMs: 3.7, featureLevel: null },
      ],
      changing: { from: [1], to: [1, 4] },
      featureLevel: 2,
    };
    expect((await api.call('GET', PEERS)).body).toEqual({
      data: {
        leader: 1,
        peers: { 1: SELF, 4: OTHER },
        members: [
          { id: 1, addr: SELF, role: 'voter', lag: 0, lastContactMs: null, featureLevel: 3 },
          { id: 4, addr: OTHER, role: 'learner', lag: 12, lastContactMs: 4, featureLevel: null },
        ],
        featureLevel: 2,
        changing: { from: [1], to: [1, 4] },
      },
    });
  });

  test('has no member "changing" while nothing changes', async () => {
    const { body } = await testApi().call('GET', PEERS);
    expect(Object.keys((body as { data: object }).data)).toEqual([
      'leader',
      'peers',
      'members',
      'featureLevel',
    ]);
  });
});

describe('POST /api/v1/raft/peers', () => {
  test('adds a member at its address in canonical form', async () => {
    const api = testApi();
    const seen: unknown[] = [];
    api.changes = {
      ...api.changes,
      add: (member) => {
        seen.push(member);
        return Promise.resolve(ok(undefined));
      },
    };
    const answer = await api.call('POST', PEERS, { id: 4, peer: '127.0.0.1:9380', operation: 'add' });
    expect(answer).toMatchObject({ status: 200, body: { data: 'ok' } });
    expect(seen).toEqual([{ id: 4, address: OTHER }]);
  });

  test('KD8: takes the address as a URL, too, and none that nobody can reach', async () => {
    const api = testApi();
    const seen: unknown[] = [];
    api.changes = {
      ...api.changes,
      add: (member) => {
        seen.push(member);
        return Promise.resolve(ok(undefined));
      },
    };
    const url = { id: 4, peer: 'http://127.0.0.1:9380/', operation: 'add' };
    expect(await api.call('POST', PEERS, url)).toMatchObject({ status: 200, body: { data: 'ok' } });
    for (const peer of ['0.0.0.0:9380', '[::]:9380', '*:9380', 'http://0.0.0.0:9380/']) {
      const answer = await api.call('POST', PEERS, { id: 4, peer, operation: 'add' });
      const reason = expect.stringContaining('stands for every address of a machine');
      expect([answer.status, answer.body]).toEqual([400, failure(reason)]);
    }
    expect(seen).toEqual([{ id: 4, address: OTHER }]);
  });

  test('removes a member with or without its address', async () => {
    const api = testApi();
    const seen: unknown[] = [];
    api.changes = {
      ...api.changes,
      remove: (member) => {
        seen.push(member);
        return Promise.resolve(ok(undefined));
      },
    };
    for (const body of [
      { id: 4, operation: 'remove' },
      { id: 4, peer: '127.0.0.1:9380', operation: 'remove' },
    ])
      expect(await api.call('POST', PEERS, body)).toMatchObject({ status: 200, body: { data: 'ok' } });
    expect(seen).toEqual([
      { id: 4, address: null },
      { id: 4, address: OTHER },
    ]);
  });

  test.each([
    ['', 'the body is empty'],
    [{}, 'id: '],
    [{ id: 'x', peer: OTHER, operation: 'add' }, 'id: '],
    [{ id: 0, peer: OTHER, operation: 'add' }, 'id: '],
    [{ id: 1.5, peer: OTHER, operation: 'add' }, 'id: '],
    [{ id: 4, peer: OTHER, operation: 'replace' }, 'operation: expected "add" or "remove"'],
    [{ id: 4, peer: OTHER }, 'operation: '],
    [{ id: 4, operation: 'add' }, 'peer: '],
    [{ id: 4, peer: 'nowhere', operation: 'add' }, 'peer: '],
    [{ id: 4, peer: '127.0.0.1:99999', operation: 'add' }, 'peer: '],
    [{ id: 4, peer: 'nowhere', operation: 'remove' }, 'peer: '],
  ])('body %j is refused with the field and the reason', async (body, reason) => {
    const answer = await testApi().call('POST', PEERS, body);
    expect(answer.status).toBe(400);
    expect((answer.body as { error: { message: string } }).error.message).toContain(reason);
  });

  test.each<[GroupChangeError, number, string, string | null]>([
    [{ kind: 'invalid', field: 'id', reason: 'is there' }, 400, 'id: is there', null],
    [{ kind: 'conflict', reason: 'member 5 is being removed' }, 409, 'member 5 is being removed', null],
    [{ kind: 'unavailable', reason: 'just elected' }, 503, 'just elected', '1'],
    [{ kind: 'notLeader' }, 503, 'no leader now, please retry later', '1'],
    [
      { kind: 'unknown', reason: 'deadline passed' },
      504,
      'the outcome is not known (deadline passed); it may still take effect, see GET /api/v1/raft/peers before you retry',
      null,
    ],
  ])('KD5: a refusal %j has its status and text', async (error, status, message, retryAfter) => {
    for (const operation of ['add', 'remove']) {
      const answer = await refusing(error).call('POST', PEERS, { id: 4, peer: OTHER, operation });
      expect(answer).toMatchObject({ status, body: failure(message) });
      expect(answer.headers.get('Retry-After')).toBe(retryAfter);
    }
  });
});

describe('POST /api/v1/controller/leader/transfer', () => {
  test.each([
    ['', null],
    ['{}', null],
    [{ to: null }, null],
    [{ to: 2 }, 2],
  ])('body %j asks for %j and answers with the new leader', async (body, asked) => {
    const api = testApi();
    api.changes = {
      ...api.changes,
      transferLead: (to) => {
        expect(to).toBe(asked);
        return Promise.resolve(ok({ id: 2, address: OTHER, term: 9 }));
      },
    };
    expect(await api.call('POST', TRANSFER, body)).toMatchObject({
      status: 200,
      body: { data: { leader: { id: 2, addr: OTHER }, term: 9 } },
    });
  });

  test('a member number that is none is refused, and a refusal keeps its reason', async () => {
    expect((await testApi().call('POST', TRANSFER, { to: 'two' })).status).toBe(400);
    const api = refusing({ kind: 'invalid', field: 'to', reason: 'member 1 leads already' });
    expect(await api.call('POST', TRANSFER, { to: 1 })).toMatchObject({
      status: 400,
      body: failure('to: member 1 leads already'),
    });
  });

  test('is redirected by a follower', async () => {
    const api = testApi();
    api.status = { self: 1, term: 3, leader: { id: 2, address: OTHER } };
    const answer = await api.call('POST', TRANSFER, { to: 1 });
    expect([answer.status, answer.headers.get('Location')]).toEqual([307, `http://${OTHER}${TRANSFER}`]);
  });
});

describe('GET /api/v1/raft/snapshot', () => {
  test('is a download with a name', async () => {
    const answer = await testApi().call('GET', '/api/v1/raft/snapshot');
    expect([answer.status, answer.body]).toEqual([200, 'the state']);
    expect(answer.headers.get('Content-Disposition')).toBe('attachment; filename="copy-7.snapshot"');
  });

  test('answers HEAD without beginning a download, which nobody would read or end', async () => {
    const api = testApi();
    const answer = await api.call('HEAD', '/api/v1/raft/snapshot');
    expect([answer.status, answer.body]).toEqual([200, '']);
    expect(answer.headers.get('Content-Type')).toBe('application/octet-stream');
    expect(api.backups).toBe(0);
  });

  test('is not taken from a leader that cannot confirm its lead', async () => {
    const api = testApi();
    api.group.isLeader = false;
    expect((await api.call('GET', '/api/v1/raft/snapshot')).status).toBe(503);
  });
});

test('a leader deposed while it handles a request sends the client to its successor', async () => {
  const api = testApi();
  api.group.isLeader = false;
  const { status } = api;
  // The redirect looked before the lead was lost, the refusal comes after.
  Object.defineProperty(api, 'status', {
    get: () => {
      Object.defineProperty(api, 'status', { value: { ...status, leader: { id: 2, address: OTHER } } });
      return status;
    },
    configurable: true,
  });
  const answer = await api.call('POST', '/api/v1/namespaces', { namespace: 'a' });
  expect([answer.status, answer.headers.get('Location')]).toEqual([307, `http://${OTHER}/api/v1/namespaces`]);
});

describe('a request that comes between two leaders', () => {
  const LEADERLESS: GroupStatus = { self: 1, term: 3, leader: null };
  const NAMESPACES = '/api/v1/namespaces';

  test.each([
    ['the next leader', { id: 2, address: OTHER }, 307],
    ['this member, once it leads', { id: 1, address: SELF }, 200],
  ])('waits for and is answered by %s', async (_who, leader, status) => {
    const api = testApi();
    api.status = LEADERLESS;
    api.untilKnown = () => {
      api.status = { self: 1, term: 4, leader };
      return Promise.resolve();
    };
    const answer = await api.call('GET', NAMESPACES);
    expect(answer.status).toBe(status);
    if (status === 307) expect(answer.headers.get('Location')).toBe(`http://${OTHER}${NAMESPACES}`);
  });

  test('is answered 503 as ever when none is known after the wait, and own routes never wait', async () => {
    const api = testApi();
    let waits = 0;
    api.status = LEADERLESS;
    api.untilKnown = () => {
      waits += 1;
      return Promise.resolve();
    };
    const answer = await api.call('POST', NAMESPACES, { namespace: 'a' });
    expect(answer).toMatchObject({ status: 503, body: failure('no leader now, please retry later') });
    expect(answer.headers.get('Retry-After')).toBe('1');
    for (const path of ['/healthz', '/readyz', '/metrics', PEERS, '/api/v1/controller/leader'])
      await api.call('GET', path);
    expect(waits).toBe(1);
  });

  test.each([
    ['with a body of known length', { 'content-length': '17' }],
    ['with a chunked body', { 'transfer-encoding': 'chunked' }],
  ])('%s can be given up by its client', async (_what, headers) => {
    const api = testApi();
    const client = new AbortController();
    api.status = LEADERLESS;
    api.untilKnown = (abandoned) => {
      client.abort();
      expect(abandoned.aborted).toBe(true);
      return Promise.resolve();
    };
    const body = '{"namespace":"a"}';
    const answer = await api.app.request(NAMESPACES, {
      method: 'POST',
      headers,
      body,
      signal: client.signal,
    });
    expect(answer.status).toBe(503);
  });
});
