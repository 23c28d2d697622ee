import type { Socket } from 'node:net';

import { afterEach, describe, expect, it, vi } from 'vitest';

import { KvrocksClient } from '../../../src/kvrocks/client.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { slotRange } from '../../../src/topology/slot.ts';
import type { ClusterVersion, NodeId } from '../../../src/topology/types.ts';
import {
  bulk,
  NODE_ID,
  PROBE_BYTES,
  PROBE_REPLY,
  type ScriptedNode,
  startScriptedNode,
} from './scripted-node.ts';

const DEADLINE_MS = 150;
const AUTH_BYTES = '*2\r\n$4\r\nAUTH\r\n$6\r\nsesame\r\n';
const OTHER_ID = NODE_ID as NodeId;
const VERSION_3 = 3 as ClusterVersion;

let client: KvrocksClient;
let node: ScriptedNode;

async function start(react: (chunk: string, socket: Socket, connection: number) => void): Promise<void> {
  node = await startScriptedNode(react);
  client = new KvrocksClient(systemClock);
}

afterEach(async () => {
  client.close();
  await node.close();
});

describe('probing', () => {
  it('sends three commands in one write and nothing else, on one lasting connection', async () => {
    const chunks: string[] = [];
    await start((chunk, socket) => {
      chunks.push(chunk);
      socket.write(PROBE_REPLY);
    });
    for (let round = 0; round < 3; round += 1) {
      expect(await client.probe(node.endpoint, DEADLINE_MS)).toMatchObject({
        kind: 'answered',
        report: { id: NODE_ID, version: 7, role: 'master', sequence: 12 },
      });
    }
    expect(chunks).toEqual([PROBE_BYTES, PROBE_BYTES, PROBE_BYTES]);
    expect(node.received).toHaveLength(1);
  });

  it('a reply in single bytes is a reply', async () => {
    await start((_chunk, socket) => {
      socket.setNoDelay(true);
      let at = 0;
      const next = (): void => {
        socket.write(PROBE_REPLY.slice(at, at + 1), 'latin1', () => {
          at += 1;
          if (at < PROBE_REPLY.length) next();
        });
      };
      next();
    });
    expect((await client.probe(node.endpoint, 2000)).kind).toBe('answered');
  });

  it('a hung node costs one deadline, loses its connection, and the next look opens another', async () => {
    await start((_chunk, socket, connection) => {
      if (connection > 0) socket.write(PROBE_REPLY);
    });
    const startedAtMs = performance.now();
    expect(await client.probe(node.endpoint, DEADLINE_MS)).toMatchObject({ error: { kind: 'timedOut' } });
    expect(performance.now() - startedAtMs).toBeLessThan(DEADLINE_MS + 100);
    expect((await client.probe(node.endpoint, DEADLINE_MS)).kind).toBe('answered');
    expect(node.received).toEqual([PROBE_BYTES, PROBE_BYTES]);
    await vi.waitFor(() => expect(node.openConnections()).toBe(1));
  });

  it('half a reply is a timeout, not a report', async () => {
    await start((_chunk, socket) => socket.write(PROBE_REPLY.slice(0, -20)));
    expect(await client.probe(node.endpoint, DEADLINE_MS)).toMatchObject({ error: { kind: 'timedOut' } });
  });

  it('a reply that came while this process was stalled past the deadline still counts', async () => {
    await start((_chunk, socket) => {
      socket.write(PROBE_REPLY);
      const untilMs = performance.now() + 2 * DEADLINE_MS;
      while (performance.now() < untilMs);
    });
    expect((await client.probe(node.endpoint, DEADLINE_MS)).kind).toBe('answered');
  });

  it('a connection closed instead of a reply is lost, and idle closing goes unnoticed', async () => {
    await start((_chunk, socket, connection) => {
      if (connection === 0) socket.destroy();
      else socket.end(PROBE_REPLY);
    });
    expect(await client.probe(node.endpoint, DEADLINE_MS)).toMatchObject({
      error: { kind: 'connectionLost' },
    });
    expect((await client.probe(node.endpoint, DEADLINE_MS)).kind).toBe('answered');
    await vi.waitFor(() => expect(node.openConnections()).toBe(0));
    expect((await client.probe(node.endpoint, DEADLINE_MS)).kind).toBe('answered');
  });

  it('a refused connection says that nobody listens there', async () => {
    await start(() => undefined);
    await node.close();
    const result = await client.probe(node.endpoint, DEADLINE_MS);
    expect(result).toMatchObject({
      error: { kind: 'connectionRefused', message: expect.stringContaining('ECONNREFUSED') },
    });
  });

  it.each([
    ['another protocol', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['a RESP3 push', '>2\r\n$7\r\nmessage\r\n$-1\r\n'],
    ['numbers instead of texts', ':1\r\n:2\r\n:3\r\n'],
    ['nulls', '$-1\r\n*-1\r\n$-1\r\n'],
  ])('%s is a malformed reply', async (_name, reply) => {
    await start((_chunk, socket) => socket.write(reply));
    expect(await client.probe(node.endpoint, DEADLINE_MS)).toMatchObject({
      error: { kind: 'malformedReply' },
    });
  });

  it('replies that nobody asked for break the connection and nothing else', async () => {
    const sockets: Socket[] = [];
    await start((_chunk, socket) => {
      sockets.push(socket);
      socket.write(PROBE_REPLY);
    });
    expect((await client.probe(node.endpoint, DEADLINE_MS)).kind).toBe('answered');
    sockets[0]?.write('$-1\r\n');
    await vi.waitFor(() => expect(node.openConnections()).toBe(0));
    expect((await client.probe(node.endpoint, DEADLINE_MS)).kind).toBe('answered');
  });

  it('a released address is asked on a new connection', async () => {
    await start((_chunk, socket) => socket.write(PROBE_REPLY));
    await client.probe(node.endpoint, DEADLINE_MS);
    client.release(node.endpoint.address);
    await vi.waitFor(() => expect(node.openConnections()).toBe(0));
    expect((await client.probe(node.endpoint, DEADLINE_MS)).kind).toBe('answered');
  });

  it('closing ends what is under way and refuses what comes later', async () => {
    await start(() => undefined);
    const probe = client.probe(node.endpoint, 10_000);
    const push = client.setTopology(
      node.endpoint,
      { id: null, text: 'text', version: VERSION_3, force: false },
      10_000,
    );
    await vi.waitFor(() => expect(node.received.filter((text) => text !== '')).toHaveLength(2));
    client.close();
    expect(await probe).toMatchObject({ error: { kind: 'connectionLost' } });
    expect(await push).toMatchObject({ error: { kind: 'connectionLost' } });
    expect(await client.probe(node.endpoint, DEADLINE_MS)).toMatchObject({ error: { kind: 'unreachable' } });
  });
});

describe('passwords', () => {
  it('AUTH goes first, once a connection, in the same write', async () => {
    await start((chunk, socket) =>
      socket.write(chunk.startsWith(AUTH_BYTES) ? `+OK\r\n${PROBE_REPLY}` : PROBE_REPLY),
    );
    const endpoint = node.withPassword('sesame');
    expect((await client.probe(endpoint, DEADLINE_MS)).kind).toBe('answered');
    expect((await client.probe(endpoint, DEADLINE_MS)).kind).toBe('answered');
    expect(node.received).toEqual([AUTH_BYTES + PROBE_BYTES + PROBE_BYTES]);
  });

  it('a wrong password fails the look and is tried again on a new connection', async () => {
    const noAuth = '-NOAUTH Authentication required.\r\n'.repeat(3);
    await start((_chunk, socket, connection) => {
      socket.write(connection === 0 ? `-ERR Invalid password\r\n${noAuth}` : `+OK\r\n${PROBE_REPLY}`);
    });
    const endpoint = node.withPassword('sesame');
    expect(await client.probe(endpoint, DEADLINE_MS)).toEqual({
      kind: 'failed',
      error: { kind: 'wrongPassword', message: 'ERR Invalid password' },
    });
    expect((await client.probe(endpoint, DEADLINE_MS)).kind).toBe('answered');
  });

  it('a changed password opens another connection', async () => {
    await start((chunk, socket) =>
      socket.write(chunk.startsWith('*2\r\n$4\r\nAUTH') ? `+OK\r\n${PROBE_REPLY}` : PROBE_REPLY),
    );
    await client.probe(node.withPassword('sesame'), DEADLINE_MS);
    await client.probe(node.withPassword('changed'), DEADLINE_MS);
    expect(node.received).toHaveLength(2);
    expect(node.received[1]).toContain('changed');
    await vi.waitFor(() => expect(node.openConnections()).toBe(1));
  });

  it('a password that the node does not need is no failure of a probe but one of an inspection', async () => {
    const notSet = '-ERR Client sent AUTH, but no password is set\r\n';
    const server = bulk('# Server\r\nkvrocks_version:2.9.0\r\nkvrocks_mode:cluster\r\n');
    const fresh = `${server}-CLUSTERDOWN The cluster is not initialized\r\n$0\r\n\r\n`;
    await start((chunk, socket) => socket.write(notSet + (chunk.includes('server') ? fresh : PROBE_REPLY)));
    expect((await client.probe(node.withPassword('sesame'), DEADLINE_MS)).kind).toBe('answered');
    expect(await client.inspect(node.withPassword('sesame'), DEADLINE_MS)).toMatchObject({
      error: { kind: 'passwordNotSet' },
    });
  });

  it('an AUTH that is answered too late is a timeout', async () => {
    await start((_chunk, socket) => {
      setTimeout(() => socket.write(`+OK\r\n${PROBE_REPLY}`), 3 * DEADLINE_MS);
    });
    expect(await client.probe(node.withPassword('sesame'), DEADLINE_MS)).toMatchObject({
      error: { kind: 'timedOut' },
    });
  });
});

describe('pushing a topology', () => {
  const push = { id: OTHER_ID, text: 'line one\nline two', version: VERSION_3, force: false };
  const PUSH_BYTES =
    `*3\r\n$8\r\nCLUSTERX\r\n$9\r\nSETNODEID\r\n$40\r\n${NODE_ID}\r\n` +
    '*4\r\n$8\r\nCLUSTERX\r\n$8\r\nSETNODES\r\n$17\r\nline one\nline two\r\n$1\r\n3\r\n';

  it('sends id and nodes in one write on a connection of its own, closed afterwards', async () => {
    const chunks: string[] = [];
    await start((chunk, socket) => {
      chunks.push(chunk);
      socket.write('+OK\r\n+OK\r\n');
    });
    expect(await client.setTopology(node.endpoint, push, DEADLINE_MS)).toEqual({
      ok: true,
      value: undefined,
    });
    expect(chunks).toEqual([PUSH_BYTES]);
    await vi.waitFor(() => expect(node.openConnections()).toBe(0));
  });

  it('checks both replies', async () => {
    const replies = ['+OK\r\n-ERR Invalid cluster version\r\n', '-ERR no\r\n+OK\r\n'];
    await start((_chunk, socket, connection) => socket.write(replies[connection] ?? ''));
    expect(await client.setTopology(node.endpoint, push, DEADLINE_MS)).toMatchObject({
      error: { kind: 'invalidVersion' },
    });
    expect(await client.setTopology(node.endpoint, push, DEADLINE_MS)).toMatchObject({
      error: { kind: 'refused' },
    });
  });

  it('without an id it is one command', async () => {
    await start((_chunk, socket) => socket.write('+OK\r\n'));
    expect((await client.setTopology(node.endpoint, { ...push, id: null }, DEADLINE_MS)).ok).toBe(true);
    expect(node.received[0]).not.toContain('SETNODEID');
  });

  it('probes do not wait behind a push', async () => {
    await start((chunk, socket) => {
      if (!chunk.includes('SETNODES')) socket.write(PROBE_REPLY);
    });
    const pushed = client.setTopology(node.endpoint, push, DEADLINE_MS);
    expect((await client.probe(node.endpoint, DEADLINE_MS)).kind).toBe('answered');
    expect(await pushed).toMatchObject({ error: { kind: 'timedOut' } });
  });
});

describe('other commands', () => {
  it('MIGRATE names the range and the target', async () => {
    await start((_chunk, socket, connection) => socket.write(connection === 0 ? '+OK\r\n' : ''));
    expect((await client.migrate(node.endpoint, slotRange(5, 9), OTHER_ID, DEADLINE_MS)).ok).toBe(true);
    expect(node.received[0]).toBe(
      `*4\r\n$8\r\nCLUSTERX\r\n$7\r\nMIGRATE\r\n$3\r\n5-9\r\n$40\r\n${NODE_ID}\r\n`,
    );
  });

  it('CLUSTER NODES of a node without a topology is notInitialized', async () => {
    await start((_chunk, socket) => socket.write('-CLUSTERDOWN The cluster is not initialized\r\n'));
    expect(await client.clusterNodes(node.endpoint, DEADLINE_MS)).toMatchObject({
      error: { kind: 'notInitialized' },
    });
  });
});
