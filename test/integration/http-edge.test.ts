// A real member under clients that send half of things, and things that are no requests: it answers, and stays small.

import { readFileSync } from 'node:fs';

import { expect, test } from 'vitest';

import { RawHttp } from '../support/raw-http.ts';
import { useTrio } from '../support/use-trio.ts';
import { notYet, waitUntil } from '../support/wait-until.ts';

const trio = useTrio({ count: 1 });

const MIB = 1024 * 1024;
const FRAME_BYTES = 8 * MIB;
/** All rooms for bodies together, and as much again for what a process makes of a flood. */
const GROWTH_BYTES_MAX = 250 * MIB;

function member() {
  const [only] = trio().members;
  if (only === undefined) throw new Error('there is no member');
  return only;
}

function connect(): RawHttp {
  return new RawHttp(Number(new URL(member().url).port));
}

function residentBytes(): number {
  const status = readFileSync(`/proc/${member().pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}

function post(path: string, length: number): string {
  return `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`;
}

test('KD3d: posts without their last byte cost a bounded part of memory, and nobody else their answer', async () => {
  const before = residentBytes();
  const frame = Buffer.alloc(FRAME_BYTES - 1);
  const body = Buffer.alloc(MIB - 1, ' ');
  const stuck = [
    ...Array.from({ length: 60 }, () => connect().send(post('/raft/messages', FRAME_BYTES)).send(frame)),
    ...Array.from({ length: 150 }, () => connect().send(post('/api/v1/namespaces', MIB)).send(body)),
  ];
  let largest = 0;
  await waitUntil('everything to be sent', () => {
    largest = Math.max(largest, residentBytes());
    const waiting = stuck.filter(({ isSent, isClosed }) => !isSent && !isClosed).length;
    return waiting === 0 || notYet(waiting);
  });
  expect(largest - before).toBeLessThan(GROWTH_BYTES_MAX);
  const created = await trio().api.post('/api/v1/namespaces', { namespace: 'beside' });
  expect(created.status).toBe(201);
  await waitUntil('most of them to be refused', () => {
    const refused = stuck.filter(({ text }) => /^HTTP\/1.1 (429|503) /.test(text)).length;
    return refused > 100 || notYet(refused);
  });
  for (const connection of stuck) connection.leave();
  expect((await trio().api.delete('/api/v1/namespaces/beside')).status).toBe(200);
  const { text } = await trio().api.get('/metrics');
  expect(text).not.toContain('code="500"');
});

test('KD3f, KD3g, KD8b: answers what is no request, and health checks of every kind', async () => {
  const lines = [
    ['GET /healthz HTTP/1.0\r\n\r\n', 200],
    ['GET /readyz HTTP/1.1\r\nHost:\r\n\r\n', 200],
    ['GET http://a@b:c@d/healthz HTTP/1.1\r\nHost: x\r\n\r\n', 400],
    ['GET /raft/stream HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n', 404],
    [`GET /healthz HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(20_000)}\r\n\r\n`, 431],
    ['BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n', 400],
  ] as const;
  for (const [bytes, status] of lines) {
    const [answer] = await connect().send(bytes).answers();
    expect(answer?.status, bytes.slice(0, 60)).toBe(status);
    expect(Object.keys(JSON.parse(answer?.body ?? ''))).toEqual([status < 400 ? 'data' : 'error']);
  }
});
