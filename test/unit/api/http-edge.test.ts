// What reaches a member before any route does: heads in every form, bytes that are no request, wishes nobody grants.

import { afterEach, describe, expect, it } from 'vitest';

import { listen, type HttpServer, type HttpServerOptions } from '../../../src/api/listen.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { RawHttp, type RawAnswer } from '../../support/raw-http.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { testApi, type TestApi } from './support.ts';

const cleanup: (() => Promise<void> | void)[] = [];

afterEach(async () => {
  for (const step of cleanup.splice(0).toReversed()) await step();
});

interface Edge {
  readonly api: TestApi;
  readonly server: HttpServer;
  /** A new connection. */
  readonly connect: () => RawHttp;
}

async function edge(options: Partial<HttpServerOptions> = {}): Promise<Edge> {
  const api = testApi();
  const server = await listen(
    { host: '127.0.0.1', port: 0, ...options },
    {
      app: api.app,
      peers: () => false,
      streams: { wants: () => false, accept: () => undefined },
      clock: systemClock,
      logger: silentLogger,
    },
  );
  if (!server.ok) throw new Error(server.error);
  const { value } = server;
  cleanup.push(() => value.close(0));
  const connect = (): RawHttp => {
    const connection = new RawHttp(value.port);
    cleanup.push(() => connection.leave());
    return connection;
  };
  return { api, server: value, connect };
}

function head(requestLine: string, ...fields: readonly string[]): string {
  return [requestLine, ...fields, '', ''].join('\r\n');
}

function messageOf({ body }: RawAnswer): string {
  const parsed: unknown = JSON.parse(body);
  return (parsed as { error: { message: string } }).error.message;
}

function expectFailure(answer: RawAnswer | undefined, status: number, message: RegExp): void {
  expect(answer).toMatchObject({ status });
  if (answer === undefined) return;
  expect(answer.headers.get('content-type')).toBe('application/json');
  expect(messageOf(answer)).toMatch(message);
  expect(answer.body.length).toBeLessThan(400);
}

const CREATE = 'POST /api/v1/namespaces HTTP/1.1';
const BODY = '{"namespace":"a"}';
const LENGTH = `Content-Length: ${BODY.length}`;

describe('bytes that are no request are answered in JSON, and their connection ends', () => {
  it.each([
    ['an unknown method', head('FOO / HTTP/1.1', 'Host: x'), 400, /no HTTP\/1.1 request/],
    ['another version', head('GET / HTTP/3.7', 'Host: x'), 400, /version/],
    ['HTTP/2 without asking', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, /no HTTP\/1.1 request/],
    ['TLS', '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001', 400, /no HTTP\/1.1 request/],
    ['line ends without returns', 'GET /healthz HTTP/1.1\nHost: x\n\n', 400, /no HTTP\/1.1 request/],
    ['two lengths', head(CREATE, 'Host: x', LENGTH, 'Content-Length: 6') + BODY, 400, /Content-Length/],
    [
      'a length beside chunks',
      `${head(CREATE, 'Host: x', LENGTH, 'Transfer-Encoding: chunked')}0\r\n\r\n`,
      400,
      /Transfer-Encoding/,
    ],
    [
      'a bad first chunk',
      `${head(CREATE, 'Host: x', 'Transfer-Encoding: chunked')}zz\r\n`,
      400,
      /chunk size/,
    ],
    [
      'a bad second chunk',
      `${head(CREATE, 'Host: x', 'Transfer-Encoding: chunked')}5\r\n{"nam\r\nzz\r\n`,
      400,
      /chunk size/,
    ],
    [
      'a large field',
      head('GET /healthz HTTP/1.1', 'Host: x', `A: ${'x'.repeat(20_000)}`),
      431,
      /larger than/,
    ],
    [
      'many fields',
      head('GET /healthz HTTP/1.1', 'Host: x', ...Array.from({ length: 3000 }, (_, index) => `A${index}: 1`)),
      431,
      /larger than/,
    ],
    ['CONNECT', head('CONNECT x:1 HTTP/1.1', 'Host: x'), 405, /no proxy/],
  ])('KD3g, KD8b: %s', async (_what, bytes, status, message) => {
    const { connect, api } = await edge();
    const answers = await connect().send(bytes).closed();
    expect(answers).toHaveLength(1);
    expectFailure(answers[0], status, message);
    expect(answers[0]?.headers.get('connection')).toBe('close');
    expect([...api.registry.listNamespaces()]).toEqual([]);
  });

  it('KD3g: a request that does not come in time', async () => {
    const { connect } = await edge({ requestTimeoutMs: 100 });
    const halves = ['GET /hea', head(CREATE, 'Host: x', 'Content-Length: 100') + BODY];
    for (const half of halves) {
      const [answer] = await connect().send(half).closed();
      expectFailure(answer, 408, /not whole after 0\.1 seconds/);
    }
  });

  it('but never in the place of an answer that is still due', async () => {
    const { api, connect } = await edge();
    let isAsked = false;
    api.failover = () => {
      isAsked = true;
      return new Promise(() => undefined);
    };
    await api.call('POST', '/api/v1/namespaces', { namespace: 'ns' });
    api.fleet.add('127.0.0.1:1');
    await api.call('POST', '/api/v1/namespaces/ns/clusters', { name: 'c', nodes: ['127.0.0.1:1'] });
    const failover = head('POST /api/v1/namespaces/ns/clusters/c/shards/0/failover HTTP/1.1', 'Host: x');
    const connection = connect().send(`${failover}nonsense\r\n\r\n`);
    expect(await connection.closed()).toEqual([]);
    expect(isAsked).toBe(true);
    expect(connection.text).toBe('');
  });

  it('behind answers that are there', async () => {
    const { connect } = await edge();
    const connection = connect().send(head('GET /healthz HTTP/1.1', 'Host: x'));
    await connection.answers();
    const answers = await connection.send('nonsense\r\n\r\n').closed();
    expect(answers.map(({ status }) => status)).toEqual([200, 400]);
  });
});

describe('the head of a request', () => {
  it.each([
    ['two hosts', head('GET /healthz HTTP/1.1', 'Host: x', 'Host: y'), /more than one Host/],
    ['two equal hosts', head('GET /healthz HTTP/1.1', 'host: x', 'HOST: x'), /more than one Host/],
    ['no host', head('GET /healthz HTTP/1.1'), /no Host/],
    ['an asterisk', head('OPTIONS * HTTP/1.1', 'Host: x'), /must start with "\/"/],
    ['a user in its target', head('GET http://a@b:c@d/healthz HTTP/1.1', 'Host: x'), /must start with "\/"/],
    ['a user and password', head('GET http://a:b@d/healthz HTTP/1.1', 'Host: x'), /must start with "\/"/],
    ['no host in its target', head('GET http:///healthz HTTP/1.1', 'Host: x'), /must start with "\/"/],
    ['another scheme', head('GET ftp://d/healthz HTTP/1.1', 'Host: x'), /must start with "\/"|no HTTP/],
    [
      'an encoding nobody undoes',
      head(CREATE, 'Host: x', 'Transfer-Encoding: gzip, chunked'),
      /not "gzip, chunked"/,
    ],
    ['a long target', head(`OPTIONS http://${'a'.repeat(8000)}@b/ HTTP/1.1`, 'Host: x'), /a\.\.\."/],
  ])('KD3f, KD3g: with %s is refused with 400 and closed', async (_what, bytes, message) => {
    const { connect } = await edge();
    const answers = await connect().send(bytes).closed();
    expect(answers).toHaveLength(1);
    expectFailure(answers[0], 400, message);
  });

  it('with an unknown expectation is refused with 417', async () => {
    const { connect } = await edge();
    const [answer] = await connect()
      .send(head(CREATE, 'Host: x', LENGTH, 'Expect: miracles') + BODY)
      .closed();
    expectFailure(answer, 417, /100-continue/);
  });

  it('with a backslash in its path is refused in JSON', async () => {
    const { connect } = await edge();
    const [answer] = await connect().send(head('GET /a\\b HTTP/1.1', 'Host: x')).answers();
    expectFailure(answer, 400, /target/);
  });

  it('may name its target in full', async () => {
    const { connect } = await edge();
    for (const target of [
      'http://d/healthz',
      'HTTP://d:1/healthz',
      'https://d/healthz?a=b',
      'http://[::1]:1/healthz',
    ]) {
      const [answer] = await connect()
        .send(head(`GET ${target} HTTP/1.1`, 'Host: x'))
        .answers();
      expect(answer, target).toMatchObject({ status: 200, body: '{"data":"ok"}' });
    }
  });

  it('that names its target in full is redirected by its path', async () => {
    const { api, connect } = await edge();
    api.status = { ...api.status, leader: { id: 2, address: '127.0.0.1:9380' as never } };
    const request = head('GET http://d/api/v1/namespaces?limit=1 HTTP/1.1', 'Host: x');
    const [answer] = await connect().send(request).answers();
    expect(answer?.status).toBe(307);
    expect(answer?.headers.get('location')).toBe('http://127.0.0.1:9380/api/v1/namespaces?limit=1');
  });

  it.each([
    ['HTTP/1.0 without a host', 'HTTP/1.0', []],
    ['an empty host', 'HTTP/1.1', ['Host:']],
    ['a host with spaces', 'HTTP/1.1', ['Host: a b']],
    ['a host that is no name', 'HTTP/1.1', ['Host: user@[::1:99999/?#']],
  ])('KD8b: with %s is good enough for health', async (_what, version, fields) => {
    const { api, connect } = await edge();
    for (const path of ['/healthz', '/readyz', '/metrics']) {
      const [answer] = await connect()
        .send(head(`GET ${path} ${version}`, ...fields))
        .answers();
      expect(answer, path).toMatchObject({ status: 200 });
    }
    api.unready = { leader: 'this member waits' };
    const [unready] = await connect()
      .send(head(`GET /readyz ${version}`, ...fields))
      .answers();
    expectFailure(unready, 503, /this member waits/);
  });

  it('KD3g: is repeated in answers up to 200 characters', async () => {
    const { connect } = await edge();
    const path = `/${'a'.repeat(9000)}`;
    const [answer] = await connect()
      .send(head(`GET ${path} HTTP/1.1`, 'Host: x'))
      .answers();
    expectFailure(answer, 404, /^there is no route \/a{196}\.\.\.$/);
  });
});

describe('bodies', () => {
  const MIB = 1024 * 1024;

  function post(length: number): string {
    return head(CREATE, 'Host: x', `Content-Length: ${length}`);
  }

  it('KD3d: that announce to be too large are refused before a byte of them is here', async () => {
    const { api, connect } = await edge();
    const [answer] = await connect()
      .send(post(MIB + 1))
      .answers();
    expectFailure(answer, 413, /larger than 1048576 bytes/);
    api.status = { ...api.status, leader: { id: 2, address: '127.0.0.1:9380' as never } };
    const [follower] = await connect().send(post(1e12)).answers();
    expectFailure(follower, 413, /larger than 1048576 bytes/);
  });

  it('KD3d: in chunks are refused as soon as they are too large, and heard out no further', async () => {
    const { connect } = await edge();
    const connection = connect().send(head(CREATE, 'Host: x', 'Transfer-Encoding: chunked'));
    const chunk = `10000\r\n${' '.repeat(65_536)}\r\n`;
    for (let count = 0; count < 17; count += 1) connection.send(chunk);
    const [answer] = await connection.closed();
    expectFailure(answer, 413, /larger than 1048576 bytes/);
  });

  it('in the smallest of chunks are read like others', async () => {
    const { api, connect } = await edge();
    const chunks = BODY.split('')
      .map((character) => `1\r\n${character}\r\n`)
      .join('');
    const request = head(CREATE, 'Host: x', 'Transfer-Encoding: chunked');
    const [answer] = await connect().send(`${request}${chunks}0\r\n\r\n`).answers();
    expect(answer).toMatchObject({ status: 201 });
    expect([...api.registry.listNamespaces()]).toEqual(['a']);
  });

  it('KD3d: that stand still give way when all of them together are too large, and nobody else notices', async () => {
    const { connect } = await edge();
    const almost = Buffer.alloc(MIB - 1, ' ');
    const stuck = Array.from({ length: 100 }, () => connect().send(post(MIB)).send(almost));
    for (const connection of stuck.slice(0, 30)) {
      const [answer] = await connection.closed();
      expectFailure(answer, 429, /on their way here/);
      expect(answer?.headers.get('retry-after')).toBe('1');
    }
    const whole = '{"namespace":"large"}'.padEnd(MIB);
    const [large] = await connect()
      .send(post(MIB) + whole)
      .answers();
    expect(large).toMatchObject({ status: 201 });
    const [small] = await connect()
      .send(head(CREATE, 'Host: x', LENGTH) + BODY)
      .answers();
    expect(small).toMatchObject({ status: 201 });
  });

  it('KD3e: whose client leaves in the middle are no failure of ours', async () => {
    const { api, connect } = await edge();
    const middles = [
      post(100) + BODY,
      post(100),
      `${head(CREATE, 'Host: x', 'Transfer-Encoding: chunked')}5\r\n{"nam`,
    ];
    for (const middle of middles) connect().send(middle);
    // A request of its own behind them, so that they have arrived.
    const [answer] = await connect().send(head('GET /healthz HTTP/1.1', 'Host: x')).answers();
    expect(answer?.status).toBe(200);
    for (const leave of cleanup.splice(1)) await leave();
    await expect
      .poll(() => api.requests.filter(({ method }) => method === 'POST').map(({ code }) => code), {
        timeout: 20_000,
      })
      .toEqual([499, 499, 499]);
    expect(api.errors).toEqual([]);
    expect([...api.registry.listNamespaces()]).toEqual([]);
  });
});

describe('a wish to switch protocols that nobody grants', () => {
  const UPGRADE = ['Host: x', 'Connection: Upgrade', 'Upgrade: websocket'];

  it('KD3g: is passed over, and the request answered', async () => {
    const { connect } = await edge();
    const requests = [
      [head('GET /healthz HTTP/1.1', ...UPGRADE), 200],
      [head('GET /raft/stream HTTP/1.1', ...UPGRADE), 404],
      [head(CREATE, ...UPGRADE, LENGTH) + BODY, 201],
    ] as const;
    for (const [request, status] of requests) {
      const answers = await connect().send(request).closed();
      expect(answers.map((answer) => answer.status)).toEqual([status]);
    }
  });

  it('KD3g: holds no connection, whatever comes with it', async () => {
    const { connect } = await edge();
    const request = head('GET /healthz HTTP/1.1', ...UPGRADE);
    const answers = await connect()
      .send(request + request)
      .closed();
    expect(answers.map(({ status }) => status)).toEqual([200]);
  });
});
