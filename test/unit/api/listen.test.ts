// The HTTP server of a member: who gets a request, how long one may take, what outlives an error.

import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { Server } from 'node:http';
import { connect as connectSocket } from 'node:net';

import { Hono } from 'hono';
import { Client, request } from 'undici';
import { afterEach, describe, expect, it } from 'vitest';

import {
  listen,
  type HttpServer,
  type HttpServerOptions,
  type HttpServerParts,
} from '../../../src/api/listen.ts';
import type { Logger } from '../../../src/base/logger.ts';
import { term } from '../../../src/raft/core/types.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { chunksOf, connect, inboxOf, origin, until } from '../raft/transport/real-http.ts';
import { META, TWO } from '../raft/transport/wire.ts';
import { silentLogger } from '../../support/silent-logger.ts';

const opened: HttpServer[] = [];

afterEach(async () => {
  for (const server of opened.splice(0)) await server.close(0);
});

/** Two bytes of five; the rest never comes. */
const SLOW_REQUEST = 'POST /raft/messages HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nab';

function app(): Hono {
  return new Hono().get('/hello', (context) => context.text('hello'));
}

async function start(
  parts: Partial<HttpServerParts> = {},
  options: Partial<HttpServerOptions> = {},
): Promise<HttpServer> {
  const server = await listen(
    { host: '127.0.0.1', port: 0, ...options },
    { app: app(), peers: () => false, clock: systemClock, logger: silentLogger, ...parts },
  );
  if (!server.ok) throw new Error(server.error);
  opened.push(server.value);
  return server.value;
}

async function get(server: HttpServer, path: string): Promise<string> {
  const { body } = await request(`http://127.0.0.1:${server.port}${path}`);
  return body.text();
}

describe('the HTTP server of a member', () => {
  it('asks the peers’ side first and gives the rest to the application', async () => {
    const server = await start({
      peers: (incoming, response) => {
        if (incoming.url !== '/raft/x') return false;
        response.end('peer');
        return true;
      },
    });
    expect(await get(server, '/raft/x')).toBe('peer');
    expect(await get(server, '/hello')).toBe('hello');
  });

  it('says in a sentence why it cannot listen', async () => {
    const server = await start();
    const second = await listen(
      { host: '127.0.0.1', port: server.port },
      { app: app(), peers: () => false, clock: systemClock, logger: silentLogger },
    );
    expect(second).toEqual({
      ok: false,
      error: `cannot listen on 127.0.0.1:${server.port}: another process listens there; stop it or change addr`,
    });
  });

  it('outlives any number of failures to accept a connection, with one line a minute', async () => {
    let nowMs = 0;
    const lines: string[] = [];
    const logger: Logger = { ...silentLogger, error: (event) => void lines.push(event) };
    const made: Server[] = [];
    const onListen = (event: unknown): void => {
      if (typeof event === 'object' && event !== null && 'server' in event && event.server instanceof Server)
        made.push(event.server);
    };
    subscribe('tracing:net.server.listen:asyncStart', onListen);
    const server = await start({ logger, clock: { ...systemClock, monotonicMs: () => nowMs } });
    unsubscribe('tracing:net.server.listen:asyncStart', onListen);
    expect(made).toHaveLength(1);
    // What Node emits when the process is out of file descriptors.
    for (let count = 0; count < 5; count += 1) made[0]?.emit('error', new Error('accept EMFILE'));
    nowMs = 60_000;
    made[0]?.emit('error', new Error('accept EMFILE'));
    expect(lines).toEqual(['http.server_problem', 'http.server_problem']);
    expect(await get(server, '/hello')).toBe('hello');
  });

  it('cuts off who sends a request too slowly', async () => {
    const server = await start({ peers: inboxOf(TWO).requests.take }, { requestTimeoutMs: 100 });
    const socket = connectSocket(server.port, '127.0.0.1');
    let answer = '';
    socket.on('data', (bytes) => {
      answer += bytes.toString();
    });
    const closed = new Promise((resolve) => {
      socket.on('close', resolve);
    });
    socket.write(SLOW_REQUEST);
    await closed;
    expect(answer).toMatch(/^HTTP\/1.1 408 /);
  });

  it('lets a snapshot take longer than one request may', async () => {
    const requestTimeoutMs = 250;
    const inbox = inboxOf(TWO);
    const server = await start({ peers: inbox.requests.take }, { requestTimeoutMs });
    const startMs = systemClock.monotonicMs();
    const state = Array.from({ length: 12 }, (_, place) => String(place).repeat(32 * 1024));
    async function* slow(): AsyncGenerator<Uint8Array> {
      for await (const chunk of chunksOf(...state)()) {
        await new Promise((resolve) => {
          systemClock.setTimer(requestTimeoutMs / 4, () => resolve(null));
        });
        yield chunk;
      }
    }
    const { transport } = connect(origin(server.port), { chunks: slow });
    const delivered = await new Promise<boolean>((resolve) => {
      transport.sendSnapshot(TWO, term(4), { meta: META, bytes: 1_000_000, path: 'file' }, resolve);
    });
    expect(delivered).toBe(true);
    expect(systemClock.monotonicMs() - startMs).toBeGreaterThan(2 * requestTimeoutMs);
    expect(inbox.snapshots[0]?.chunks).toEqual(state);
  });

  it('keeps an idle connection longer than any client of ours', async () => {
    const server = await start();
    const response = await request(`http://127.0.0.1:${server.port}/hello`);
    await response.body.dump();
    expect(response.headers['keep-alive']).toBe('timeout=75');
  });

  it('is unused once the last connection has closed, or after the time given', async () => {
    const server = await start();
    const ask = async () => {
      const { body } = await request(`http://127.0.0.1:${server.port}/hello`, { reset: true });
      return body.text();
    };
    await server.unused(60_000);
    const socket = connectSocket(server.port, '127.0.0.1');
    await new Promise((resolve) => {
      socket.once('connect', resolve);
    });
    expect(await ask()).toBe('hello');
    await server.unused(20);
    const unused = server.unused(60_000);
    expect(await ask()).toBe('hello');
    socket.destroy();
    await unused;
  });

  it('that accepts nobody any more serves the connections it has', async () => {
    const server = await start();
    const client = new Client(`http://127.0.0.1:${server.port}`);
    const ask = async () => (await client.request({ path: '/hello', method: 'GET' })).body.text();
    expect(await ask()).toBe('hello');
    server.stopAccepting();
    expect(await ask()).toBe('hello');
    const refused = request(`http://127.0.0.1:${server.port}/hello`, { reset: true });
    await expect(refused).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    const unused = server.unused(60_000);
    await client.close();
    await unused;
  });

  it('stops accepting when it closes, and cuts what does not end', async () => {
    const server = await start({ peers: inboxOf(TWO).requests.take });
    const socket = connectSocket(server.port, '127.0.0.1');
    let closed = false;
    socket.on('close', () => {
      closed = true;
    });
    socket.on('error', () => undefined);
    socket.write(SLOW_REQUEST);
    await new Promise((resolve) => {
      socket.once('connect', resolve);
    });
    await server.close(50);
    await until(() => closed);
  });
});
