// The client says honestly whether a request may have had an effect.

import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';

import { HttpClient } from '../../../scripts/failure-injection/http-client.ts';

const CREATE = { method: 'POST', path: '/api/v1/namespaces', body: { namespace: 'a' } } as const;
const ends: (() => void)[] = [];

afterEach(() => {
  for (const end of ends.splice(0)) end();
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  ends.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function client(timeoutMs = 10_000): HttpClient {
  const http = new HttpClient(timeoutMs);
  ends.push(() => void http.close());
  return http;
}

describe('one request', () => {
  it('is answered by whom a redirect names, with method, path and body', async () => {
    const leader = await serve((request, response) => {
      request.setEncoding('utf8').on('data', (body: string) => {
        response.writeHead(201).end(`${request.method} ${request.url} ${body}`);
      });
    });
    const follower = await serve((request, response) => {
      response.writeHead(307, { Location: leader + request.url }).end();
    });
    const answer = await client().send(follower, CREATE);
    expect(answer).toEqual({
      kind: 'answered',
      status: 201,
      text: 'POST /api/v1/namespaces {"namespace":"a"}',
    });
  });

  it('that nobody listens for was not sent', async () => {
    const url = await serve(() => undefined);
    for (const end of ends.splice(0)) end();
    expect((await client().send(url, CREATE)).kind).toBe('notSent');
  });

  it('whose connection breaks is lost: it may have had its effect', async () => {
    const url = await serve((request) => request.socket.destroy());
    expect((await client().send(url, CREATE)).kind).toBe('lost');
  });

  it('that is not answered in time is lost', async () => {
    const url = await serve(() => undefined);
    expect((await client(50).send(url, CREATE)).kind).toBe('lost');
  });

  it('that goes round in circles was answered by nobody', async () => {
    const url = await serve((request, response) => {
      response.writeHead(307, { Location: `http://${request.headers.host ?? ''}/` }).end();
    });
    expect(await client().send(url, CREATE)).toEqual({
      kind: 'notSent',
      reason: 'redirected more than 5 times',
    });
  });
});
