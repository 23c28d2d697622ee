import type { Socket } from 'node:net';

import { afterEach, describe, expect, it, vi } from 'vitest';

import type { Clock } from '../../../src/base/clock.ts';
import type { KvrocksClient } from '../../../src/kvrocks/client.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { slotRange } from '../../../src/topology/slot.ts';
import type { NodeId } from '../../../src/topology/types.ts';
import {
  answering,
  bulk,
  FIRST_LOOK,
  HEALTHY,
  LOOK,
  NODE_ID,
  openClient,
  pair,
  type Reaction,
  type ScriptedNode,
  startScriptedNode,
} from './scripted-node.ts';

const DEADLINE_MS = 150;
const PATIENT_MS = 10_000;
/** Of a look during which this process stands still for longer. */
const STALL_DEADLINE_MS = 1000;
const OTHER_ID = NODE_ID as NodeId;

let client: KvrocksClient;
let node: ScriptedNode;
/** Milliseconds that have passed for the client beside the real ones. */
let skippedMs = 0;

const clock: Clock = {
  ...systemClock,
  monotonicMs: () => systemClock.monotonicMs() + skippedMs,
};

async function start(react: Reaction): Promise<void> {
  node = await startScriptedNode(react);
  skippedMs = 0;
  client = openClient(clock);
}

afterEach(async () => {
  client.close();
  await node.close();
});

describe('probing', () => {
  it('sends three commands in one write and nothing else, on one lasting connection that was looked at first', async () => {
    await start(answering({}));
    for (let round = 0; round < 3; round += 1) {
      expect(await client.probe(node.endpoint, PATIENT_MS)).toEqual({
        kind: 'answered',
        report: {
          id: NODE_ID,
          version: 7,
          role: 'master',
          master: null,
          link: null,
          lastIoSeconds: null,
          syncInProgress: false,
          sequence: 12,
          sourceJob: null,
          targetJob: null,
          login: 'accepted',
          emptiesBeforeFullSync: false,
          diskUsedPercent: 70.7938,
          isFenced: false,
        },
      });
    }
    expect(node.received).toEqual([[...FIRST_LOOK, ...LOOK, ...LOOK]]);
    expect(node.chunks).toHaveLength(4);
  });

  it('a reply in single bytes is a reply', async () => {
    await start((chunk, socket) => {
      let replies = '';
      answering({})(chunk, { write: (text: string) => (replies += text) } as unknown as Socket, 0);
      socket.setNoDelay(true);
      let at = 0;
      const next = (): void => {
        socket.write(replies.slice(at, at + 1), 'latin1', () => {
          at += 1;
          if (at < replies.length) next();
        });
      };
      next();
    });
    expect((await client.probe(node.endpoint, PATIENT_MS)).kind).toBe('answered');
  });

  it('a hung node costs one deadline, loses its connection, and the next look opens another', async () => {
    await start(answering((_command, connection) => (connection > 0 ? undefined : null)));
    expect(await client.probe(node.endpoint, DEADLINE_MS)).toMatchObject({ error: { kind: 'timedOut' } });
    expect((await client.probe(node.endpoint, PATIENT_MS)).kind).toBe('answered');
    expect(node.received).toHaveLength(2);
    await vi.waitFor(() => expect(node.openConnections()).toBe(1));
  });

  it('half a reply is a timeout, not a report', async () => {
    const half = HEALTHY['INFO replication']!.slice(0, -20);
    await start(
      answering((command) => {
        if (command === 'INFO replication') return half;
        return command === 'INFO keyspace' ? null : undefined;
      }),
    );
    expect(await client.probe(node.endpoint, DEADLINE_MS)).toMatchObject({ error: { kind: 'timedOut' } });
  });

  it('a reply that came while this process was stalled past the deadline still counts', async () => {
    await start((chunk, socket, connection) => {
      answering({})(chunk, socket, connection);
      if (!chunk.includes('replication')) return;
      const untilMs = performance.now() + 1.2 * STALL_DEADLINE_MS;
      while (performance.now() < untilMs);
    });
    expect((await client.probe(node.endpoint, STALL_DEADLINE_MS)).kind).toBe('answered');
  });

  it('a connection closed instead of a reply is lost, and idle closing goes unnoticed', async () => {
    await start((chunk, socket, connection) => {
      if (connection === 0) socket.destroy();
      else answering({})(chunk, socket, connection);
      if (connection > 0 && chunk.includes('replication')) socket.end();
    });
    expect(await client.probe(node.endpoint, PATIENT_MS)).toMatchObject({
      error: { kind: 'connectionLost' },
    });
    expect((await client.probe(node.endpoint, PATIENT_MS)).kind).toBe('answered');
    await vi.waitFor(() => expect(node.openConnections()).toBe(0));
    expect((await client.probe(node.endpoint, PATIENT_MS)).kind).toBe('answered');
  });

  it('a refused connection says that nobody listens there', async () => {
    await start(() => undefined);
    await node.close();
    const result = await client.probe(node.endpoint, PATIENT_MS);
    expect(result).toMatchObject({
      error: { kind: 'connectionRefused', message: expect.stringContaining('ECONNREFUSED') },
    });
  });

  it.each([
    ['another protocol is garbage', 'HTTP/1.1 400 Bad Request\r\n\r\n', 'garbage'],
    ['a RESP3 push is garbage', '>2\r\n$7\r\nmessage\r\n$-1\r\n', 'garbage'],
    ['numbers instead of texts are a malformed reply', ':1\r\n:2\r\n:3\r\n:4\r\n:5\r\n', 'malformedReply'],
    ['nulls are a malformed reply', '$-1\r\n*-1\r\n$-1\r\n$-1\r\n$-1\r\n', 'malformedReply'],
  ])('%s', async (_name, reply, kind) => {
    await start((_chunk, socket) => socket.write(reply));
    expect(await client.probe(node.endpoint, PATIENT_MS)).toMatchObject({ error: { kind } });
  });

  it.each([
    ['in cluster mode', HEALTHY['CLUSTER INFO']!],
    ['alone', '-ERR This instance has cluster support disabled\r\n'],
  ])('a Redis server %s is certainly no Kvrocks', async (_name, clusterInfo) => {
    const unknown = "-ERR unknown command 'CLUSTERX', with args beginning with: 'MYID' \r\n";
    await start(answering({ 'CLUSTER INFO': clusterInfo, 'CLUSTERX MYID': unknown }));
    expect(await client.probe(node.endpoint, PATIENT_MS)).toMatchObject({ error: { kind: 'notKvrocks' } });
  });

  it('replies that nobody asked for break the connection and nothing else', async () => {
    const sockets: Socket[] = [];
    await start((chunk, socket, connection) => {
      sockets.push(socket);
      answering({})(chunk, socket, connection);
    });
    expect((await client.probe(node.endpoint, PATIENT_MS)).kind).toBe('answered');
    sockets[0]?.write('$-1\r\n');
    await vi.waitFor(() => expect(node.openConnections()).toBe(0));
    expect((await client.probe(node.endpoint, PATIENT_MS)).kind).toBe('answered');
  });

  it('a released address is asked on a new connection', async () => {
    await start(answering({}));
    await client.probe(node.endpoint, PATIENT_MS);
    client.release(node.endpoint.address);
    await vi.waitFor(() => expect(node.openConnections()).toBe(0));
    expect((await client.probe(node.endpoint, PATIENT_MS)).kind).toBe('answered');
  });

  it('closing ends what is under way and sends nothing later', async () => {
    await start(() => undefined);
    const probe = client.probe(node.endpoint, PATIENT_MS);
    const inspection = client.inspect(node.endpoint, PATIENT_MS);
    await vi.waitFor(() => expect(node.chunks).toHaveLength(2));
    client.close();
    expect(await probe).toMatchObject({ error: { kind: 'connectionLost' } });
    expect(await inspection).toMatchObject({ error: { kind: 'connectionLost' } });
    expect(await client.probe(node.endpoint, PATIENT_MS)).toMatchObject({ error: { kind: 'ownFault' } });
    expect(await client.inspect(node.endpoint, PATIENT_MS)).toMatchObject({ error: { kind: 'ownFault' } });
    expect(node.chunks).toHaveLength(2);
  });
});

describe('passwords', () => {
  const AUTH = 'AUTH sesame';
  const WRONG = '-ERR Invalid password\r\n';
  const NOT_SET = '-ERR Client sent AUTH, but no password is set\r\n';
  const CHECK = FIRST_LOOK.filter((command) => command !== 'CONFIG GET requirepass');

  it('AUTH goes first, once a connection, in the same write, and then at intervals', async () => {
    await start(answering({ [AUTH]: '+OK\r\n' }));
    const endpoint = node.withPassword('sesame');
    for (const passedMs of [0, 0, 29_000, 31_000]) {
      skippedMs = passedMs;
      expect(await client.probe(endpoint, PATIENT_MS)).toMatchObject({ report: { login: 'accepted' } });
    }
    expect(node.received).toEqual([[AUTH, ...CHECK, ...LOOK, ...LOOK, AUTH, ...CHECK]]);
    expect(node.chunks).toHaveLength(6);
  });

  it('a wrong password fails the look and is tried again on a new connection', async () => {
    await start(
      answering((command, connection) => {
        if (connection > 1) return command === AUTH ? '+OK\r\n' : undefined;
        return command.startsWith('AUTH') ? WRONG : '-NOAUTH Authentication required.\r\n';
      }),
    );
    const endpoint = node.withPassword('sesame');
    expect(await client.probe(endpoint, PATIENT_MS)).toEqual({
      kind: 'failed',
      error: { kind: 'wrongPassword', message: 'ERR Invalid password' },
    });
    expect((await client.probe(endpoint, PATIENT_MS)).kind).toBe('answered');
  });

  it('KD6: a password changed at the node shows in the report, while the connection that is open goes on', async () => {
    let answer = '+OK\r\n';
    await start(answering((command) => (command === AUTH ? answer : undefined)));
    const endpoint = node.withPassword('sesame');
    const login = async (atMs: number): Promise<unknown> => {
      skippedMs = atMs;
      const result = await client.probe(endpoint, PATIENT_MS);
      return result.kind === 'answered' ? result.report.login : result.error;
    };
    expect(await login(0)).toBe('accepted');
    answer = WRONG;
    expect(await login(10_000)).toBe('accepted');
    expect(await login(31_000)).toBe('refused');
    expect(await login(32_000)).toBe('refused');
    answer = NOT_SET;
    expect(await login(62_000)).toBe('needless');
    answer = '-MASTERDOWN Link with MASTER is down\r\n';
    expect(await login(93_000)).toBe('needless');
    answer = '+OK\r\n';
    expect(await login(124_000)).toBe('accepted');
    expect(node.received).toHaveLength(1);
  });

  it('a password set at a node that had none shows too, and AUTH is never sent', async () => {
    let password = '';
    await start(
      answering((command) =>
        command === 'CONFIG GET requirepass' ? pair('requirepass', password) : undefined,
      ),
    );
    expect(await client.probe(node.endpoint, PATIENT_MS)).toMatchObject({ report: { login: 'accepted' } });
    password = 'new';
    skippedMs = 31_000;
    expect(await client.probe(node.endpoint, PATIENT_MS)).toMatchObject({ report: { login: 'refused' } });
    password = '';
    skippedMs = 62_000;
    expect(await client.probe(node.endpoint, PATIENT_MS)).toMatchObject({ report: { login: 'accepted' } });
    expect(node.chunks.join('')).not.toContain('AUTH');
  });

  it('KD7: how full the disk is is asked with the settings, and a node that does not tell is probed all the same', async () => {
    let answer = bulk('# Keyspace\r\nused_disk_percent: 99.5%\r\n');
    await start(answering((command) => (command === 'INFO keyspace' ? answer : undefined)));
    const disk = async (atMs: number): Promise<unknown> => {
      skippedMs = atMs;
      const result = await client.probe(node.endpoint, PATIENT_MS);
      return result.kind === 'answered' ? result.report.diskUsedPercent : result.error;
    };
    expect(await disk(0)).toBe(99.5);
    answer = bulk('# Keyspace\r\nused_disk_percent: 100%\r\n');
    expect(await disk(10_000)).toBe(99.5);
    expect(await disk(31_000)).toBe(100);
    answer = '-ERR admin permission required\r\n';
    expect(await disk(62_000)).toBeUndefined();
    expect(node.received[0]?.filter((command) => command === 'INFO keyspace')).toHaveLength(3);
  });

  it('a node that does not let its settings be read is probed all the same', async () => {
    await start(
      answering((command) =>
        command.startsWith('CONFIG') ? '-ERR admin permission required\r\n' : undefined,
      ),
    );
    expect(await client.probe(node.endpoint, PATIENT_MS)).toMatchObject({
      report: { login: 'accepted', emptiesBeforeFullSync: null },
    });
  });

  it('a changed password here opens another connection', async () => {
    await start(answering((command) => (command.startsWith('AUTH') ? '+OK\r\n' : undefined)));
    await client.probe(node.withPassword('sesame'), PATIENT_MS);
    await client.probe(node.withPassword('changed'), PATIENT_MS);
    expect(node.received).toHaveLength(2);
    expect(node.received[1]).toContain('AUTH changed');
    await vi.waitFor(() => expect(node.openConnections()).toBe(1));
  });

  it('a password that the node does not need is no failure of a probe but one of an inspection', async () => {
    await start(answering({ [AUTH]: NOT_SET }));
    expect(await client.probe(node.withPassword('sesame'), PATIENT_MS)).toMatchObject({
      report: { login: 'needless' },
    });
    expect(await client.inspect(node.withPassword('sesame'), PATIENT_MS)).toMatchObject({
      error: { kind: 'passwordNotSet' },
    });
  });

  it('an AUTH that is never answered is a timeout', async () => {
    await start(answering((command) => (command === AUTH ? null : undefined)));
    expect(await client.probe(node.withPassword('sesame'), DEADLINE_MS)).toMatchObject({
      error: { kind: 'timedOut' },
    });
  });
});

describe('other commands', () => {
  it('KC5: MIGRATE names the range and the target, on a connection of its own that no look can break', async () => {
    await start(
      answering((command) => {
        if (command.startsWith('CLUSTERX MIGRATE')) return '+OK\r\n';
        return command === 'CLUSTER INFO' ? null : undefined;
      }),
    );
    const slow = client.probe(node.endpoint, DEADLINE_MS);
    expect((await client.migrate(node.endpoint, slotRange(5, 9), OTHER_ID, PATIENT_MS)).ok).toBe(true);
    expect(node.received).toContainEqual([`CLUSTERX MIGRATE 5-9 ${NODE_ID}`]);
    expect(await slow).toMatchObject({ error: { kind: 'timedOut' } });
    await vi.waitFor(() => expect(node.openConnections()).toBe(0));
  });

  it('CLUSTER NODES of a node without a topology is notInitialized', async () => {
    await start(answering({ 'CLUSTER NODES': '-CLUSTERDOWN The cluster is not initialized\r\n' }));
    expect(await client.clusterNodes(node.endpoint, PATIENT_MS)).toMatchObject({
      error: { kind: 'notInitialized' },
    });
  });

  it('KD3b: a CLUSTER NODES text of a thousand shards is read, a longer one refused before it has arrived', async () => {
    const line = `${NODE_ID} 10.200.100.100:16122@26122 master - 1795418011478 1795418011479 1 connected 8192\n`;
    const texts = [line.repeat(5000), line.repeat(20_000)];
    await start(
      answering((_command, connection) => {
        const text = texts[connection] ?? '';
        return connection === 0 ? bulk(text) : `$${text.length}\r\n${text.slice(0, 100)}`;
      }),
    );
    expect(await client.clusterNodes(node.endpoint, PATIENT_MS)).toEqual({ ok: true, value: texts[0] });
    expect(await client.clusterNodes(node.endpoint, PATIENT_MS)).toMatchObject({
      error: { kind: 'garbage', message: expect.stringContaining('more than 1048576 bytes') },
    });
  });

  it('outrunning writes a bounded number of times to one key that is recognisable', async () => {
    await start(answering(() => ':1\r\n'));
    expect(await client.outrun(node.endpoint, 20_000, PATIENT_MS)).toEqual({ ok: true, value: undefined });
    expect(node.received).toEqual([
      ["EVAL for i=1,20000 do redis.call('set','__kvrocks_controller_outrun__',i) end return 1 0"],
    ]);
    expect(() => client.outrun(node.endpoint, 20_001, PATIENT_MS)).toThrow('a count within its bounds');
  });
});

describe('a look at a node with a version above ours', () => {
  const NODES = `${NODE_ID} 127.0.0.1:7000@17000 myself,master - 1 2 7 connected 0-16383\n`;

  it('KD11c: brings what it holds, which is asked for once a link', async () => {
    await start(answering({ 'CLUSTER NODES': bulk(NODES) }));
    for (const known of [7, 6, 6, 9]) {
      const result = await client.probe(node.endpoint, PATIENT_MS, known);
      if (result.kind !== 'answered') throw new Error(result.error.message);
      if (known >= 7) expect(result.report).not.toHaveProperty('topology');
      else expect(result.report.topology).toMatchObject([{ id: NODE_ID, role: 'master', version: 7 }]);
    }
    expect(node.received[0]?.filter((command) => command === 'CLUSTER NODES')).toHaveLength(1);
  });

  it.each([
    ['nonsense', bulk('what is this\n')],
    ['an error', '-ERR no\r\n'],
  ])('KD11c: is a look all the same where it answers that with %s', async (_, reply) => {
    await start(answering({ 'CLUSTER NODES': reply }));
    const result = await client.probe(node.endpoint, PATIENT_MS, 1);
    expect(result).toMatchObject({ kind: 'answered', report: { version: 7, topology: null } });
  });
});

describe('a reset', () => {
  it.each([
    ['+OK\r\n', { ok: true, value: 'reset' }],
    ["-ERR Can't reset cluster while database is not empty\r\n", { ok: true, value: 'keepsData' }],
    ["-ERR Can't reset cluster while importing slot\r\n", { ok: false, error: { kind: 'refused' } }],
    ['-LOADING kvrocks is restoring the db from backup\r\n', { ok: false, error: { kind: 'loading' } }],
    ['+MAYBE\r\n', { ok: false, error: { kind: 'malformedReply' } }],
  ])('KD11: answered with %j is what it says', async (reply, outcome) => {
    await start(answering({ 'CLUSTER RESET': reply }));
    expect(await client.reset(node.endpoint, PATIENT_MS)).toMatchObject(outcome);
  });
});
