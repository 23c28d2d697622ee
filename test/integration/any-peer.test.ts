// Every member answers every request: itself, by sending the client to the leader, or by saying that there is none.

import { connect } from 'node:net';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { ControllerProcess, Trio } from '../support/controller-process.ts';
import { startTrio } from '../support/controller-process.ts';
import { useTrio } from '../support/use-trio.ts';
import { waitUntil, notYet } from '../support/wait-until.ts';

/** Sends bytes as they are and returns everything that comes back until the member closes. */
async function raw(member: ControllerProcess, text: string): Promise<string> {
  const [host, port] = member.address.split(':');
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), host);
    let received = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => {
      received += String(chunk);
    });
    socket.on('error', reject);
    socket.on('close', () => resolve(received));
    socket.end(text);
  });
}

async function redirectOf(
  member: ControllerProcess,
  target: string,
  method = 'GET',
): Promise<string | undefined> {
  const answer = await raw(
    member,
    `${method} ${target} HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: close\r\n\r\n`,
  );
  expect(answer).toMatch(/^HTTP\/1\.1 307 /);
  return /^location: (.*)$/im.exec(answer)?.[1]?.trim();
}

describe('with a leader', () => {
  const trio = useTrio();

  test('a follower sends the client to the leader, raw target and query unchanged', async () => {
    const leader = await trio().leader();
    for (const follower of await trio().followers()) {
      for (const target of [
        '/api/v1/namespaces',
        '/api/v1/namespaces/a%2Fb/clusters?x=1&y=%20+%C3%A4&x=2',
        '/api/v1/namespaces/%41/clusters/c/shards/0?',
        '/api/v1/namespaces/n/clusters/c/shards/0/nodes?next=http://elsewhere.example/',
      ])
        expect(await redirectOf(follower, target)).toBe(`http://${leader.address}${target}`);
    }
  });

  test('a request target cannot make the redirect point elsewhere', async () => {
    const leader = await trio().leader();
    const [follower] = await trio().followers();
    if (follower === undefined) throw new Error('two members follow');
    for (const target of [
      '//elsewhere.example/api/v1/namespaces',
      '/\\elsewhere.example/api/v1/namespaces',
    ]) {
      const answer = await raw(follower, `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
      const location = /^location: (.*)$/im.exec(answer)?.[1]?.trim();
      if (location !== undefined) expect(location.startsWith(`http://${leader.address}/`)).toBe(true);
    }
    const absolute = await raw(
      follower,
      'GET http://elsewhere.example/api/v1/namespaces HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: close\r\n\r\n',
    );
    expect(absolute).not.toMatch(/^location: http:\/\/elsewhere/im);
  });

  test('method and body survive: a create sent to each member succeeds', async () => {
    for (const member of trio().members) {
      const namespace = `via-${member.id}`;
      const answer = await trio().api.sendTo(member.url, 'POST', '/api/v1/namespaces', {
        body: { namespace },
      });
      expect([answer.status, answer.body]).toEqual([201, { data: 'created' }]);
    }
    for (const member of trio().members) {
      const answer = await trio().api.sendTo(member.url, 'GET', '/api/v1/namespaces');
      expect(answer.body.data.namespaces.toSorted()).toEqual(['via-1', 'via-2', 'via-3']);
    }
    for (const member of trio().members)
      expect(
        (await trio().api.sendTo(member.url, 'DELETE', `/api/v1/namespaces/via-${member.id}`)).status,
      ).toBe(200);
  });

  test('S63: what was acknowledged at one member is seen at every other one right after, while the lead moves', async () => {
    const { members } = trio();
    /** A member may have no leader to name for a moment, or name one that has just handed over. */
    const answerOf = async (member: ControllerProcess, method: string, path: string, body: unknown) =>
      waitUntil(`${method} ${path} at member ${member.id}`, async () => {
        const answer = await trio().api.sendTo(member.url, method, path, { body });
        return answer.status === 503 ? notYet(answer.text) : answer.status;
      });
    const seen: unknown[] = [];
    await Promise.all(
      members.map(async (writer) => {
        for (let round = 0; round < 20; round += 1) {
          // Refused when another writer is just having the lead moved: then it moves all the same.
          if (round % 4 === 0)
            await trio().api.sendTo(writer.url, 'POST', '/api/v1/controller/leader/transfer');
          const namespace = `seen-${writer.id}-${round}`;
          const created = await answerOf(writer, 'POST', '/api/v1/namespaces', { namespace });
          const reader = members[(writer.id + round) % members.length] ?? writer;
          const path = `/api/v1/namespaces/${namespace}`;
          const found = await answerOf(reader, 'GET', path, undefined);
          const deleted = await answerOf(reader, 'DELETE', path, undefined);
          const gone = await answerOf(writer, 'GET', path, undefined);
          seen.push([created, found, deleted, gone]);
        }
      }),
    );
    expect(seen).toEqual(Array.from({ length: 60 }, () => [201, 200, 200, 404]));
  });

  test('every member itself tells health, metrics, the leader and the peers', async () => {
    const leader = await trio().leader();
    const once = { followRedirects: false };
    for (const member of trio().members) {
      const ask = async (path: string) => trio().api.sendTo(member.url, 'GET', path, once);
      expect((await ask('/healthz')).status).toBe(200);
      expect((await ask('/readyz')).status).toBe(200);
      const shown = await ask('/api/v1/controller/leader');
      expect(shown.body.data.leader).toEqual({ id: leader.id, addr: leader.address });
      expect(shown.body.data.term).toBeGreaterThan(0);
      const whatever = { asymmetricMatch: () => true };
      const peers = await ask('/api/v1/raft/peers');
      expect(peers.body).toEqual({
        data: {
          leader: leader.id,
          peers: Object.fromEntries(trio().members.map(({ id, address }) => [String(id), address])),
          members: trio().members.map(({ id, address }) => ({
            id,
            addr: address,
            role: 'voter',
            lag: member === leader ? expect.any(Number) : null,
            // Followers hear from each other at elections only.
            lastContactMs: member === leader && id !== member.id ? expect.any(Number) : whatever,
            // A follower knows only its own.
            featureLevel: whatever,
          })),
          featureLevel: expect.any(Number),
        },
      });
      const metrics = await ask('/metrics');
      expect(metrics.status).toBe(200);
      for (const name of [
        'request_latency',
        'http_code',
        'http_payload',
        'raft_term',
        'raft_elections_total',
      ])
        expect(metrics.text).toContain(`kvrocks_controller_${name}`);
      for (const [name, value] of [
        ['members{role="voter"}', 3],
        ['members{role="learner"}', 0],
        ['membership_changing', 0],
        ['disk_space_low', 0],
        ['messages_refused_total{reason="foreignCluster"}', 0],
      ])
        expect(metrics.text).toContain(`kvrocks_controller_raft_${name} ${value}\n`);
      expect(metrics.text).toContain(`kvrocks_controller_raft_is_leader ${member === leader ? 1 : 0}`);
    }
  });

  test('a follower answers unknown routes and wrong methods itself', async () => {
    const [follower] = await trio().followers();
    if (follower === undefined) throw new Error('two members follow');
    const once = { followRedirects: false };
    const unknown = await trio().api.sendTo(follower.url, 'GET', '/api/v1/nothing', once);
    expect([unknown.status, typeof unknown.body.error.message]).toEqual([404, 'string']);
    const wrong = await trio().api.sendTo(follower.url, 'PUT', '/api/v1/namespaces', once);
    expect([wrong.status, typeof wrong.body.error.message]).toEqual([405, 'string']);
    expect(wrong.headers['allow']).toBe('GET, HEAD, POST');
  });

  test('what is not a peer message is refused by /raft/messages and disturbs nobody', async () => {
    const leader = await trio().leader();
    const before = (await trio().api.sendTo(leader.url, 'GET', '/api/v1/controller/leader')).body.data.term;
    const header = Buffer.from([0x4b, 0x52, 1, 1, 0, 0, 0, 4, 0, 0, 0, 0, 1, 2, 3, 4]);
    const bodies = [
      Buffer.alloc(0),
      Buffer.from('hello'),
      Buffer.alloc(64 * 1024, 0xff),
      header,
      Buffer.from([0x4b, 0x52, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
      Buffer.from([0x4b, 0x52, 1, 1, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]),
      Buffer.alloc(9 * 1024 * 1024, 1),
    ];
    for (const member of trio().members) {
      for (const path of ['/raft/messages', '/raft/snapshot', '/raft/nothing']) {
        for (const rawBody of bodies) {
          const answer = await trio()
            .api.sendTo(member.url, 'POST', path, {
              rawBody,
              headers: { 'content-type': 'application/octet-stream' },
              followRedirects: false,
            })
            // A body that is far too long may be cut off by closing the connection.
            .catch(() => null);
          if (answer !== null) expect(answer.status, `${path} ${rawBody.length}`).toBeGreaterThanOrEqual(400);
          if (answer !== null) expect(answer.status, `${path} ${rawBody.length}`).toBeLessThan(500);
        }
        expect(
          (await trio().api.sendTo(member.url, 'GET', path, { followRedirects: false })).status,
        ).toBeOneOf([404, 405]);
      }
    }
    for (const text of [
      '\x16\x03\x01\x02\x00',
      'NONSENSE\r\n\r\n',
      `GET / HTTP/1.1\r\nX: ${'y'.repeat(100_000)}\r\n\r\n`,
    ])
      for (const member of trio().members) await raw(member, text).catch(() => '');
    expect((await trio().api.post('/api/v1/namespaces', { namespace: 'alive' })).status).toBe(201);
    const after = (await trio().api.sendTo(leader.url, 'GET', '/api/v1/controller/leader')).body.data;
    expect(after).toEqual({ leader: { id: leader.id, addr: leader.address }, term: before });
  });
});

describe('without a leader', () => {
  let trio: Trio;
  let left: ControllerProcess;

  beforeAll(async () => {
    trio = await startTrio();
    const [one, two, three] = trio.members;
    if (one === undefined || two === undefined || three === undefined) throw new Error('three members');
    left = one;
    await two.kill();
    await three.kill();
    await waitUntil('the last member to know no leader', async () => {
      const answer = await trio.api.sendTo(left.url, 'GET', '/api/v1/controller/leader');
      return answer.body.data.leader === null ? true : notYet(answer.text);
    });
  });
  afterAll(async () => {
    await trio.stop();
  });

  test.each([
    ['GET', '/api/v1/namespaces'],
    ['POST', '/api/v1/namespaces'],
    ['DELETE', '/api/v1/namespaces/n'],
    ['GET', '/api/v1/namespaces/n/clusters/c'],
    ['POST', '/api/v1/raft/peers'],
  ])('%s %s is answered 503, with the text clients compare and when to retry', async (method, path) => {
    const answer = await trio.api.sendTo(left.url, method, path, { body: { namespace: 'n' } });
    expect(answer.status).toBe(503);
    expect(answer.headers['retry-after']).toBe('1');
    expect(answer.headers['content-type']).toMatch(/^application\/json/);
    expect(answer.body).toEqual({ error: { message: 'no leader now, please retry later' } });
  });

  test('the member is alive but not ready', async () => {
    expect((await trio.api.sendTo(left.url, 'GET', '/healthz')).status).toBe(200);
    const ready = await trio.api.sendTo(left.url, 'GET', '/readyz');
    expect(ready.status).toBe(503);
    expect(ready.body.error.message).toMatch(/leader/);
    expect((await trio.api.sendTo(left.url, 'GET', '/metrics')).text).toContain(
      'kvrocks_controller_raft_has_leader 0',
    );
  });
});
