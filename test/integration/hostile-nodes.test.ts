// Nodes that answer nonsense, nothing, or for somebody else: the leader keeps its head and its other clusters.

import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { expectStatus, masterOf } from '../support/scene.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { notYet, waitUntil } from '../support/wait-until.ts';

const trio = useTrio();
const scene = useScenes(trio);
const UNCHECKED = { headers: { 'X-Dont-Check-Cluster-Mode': 'yes' } };

/** What a fake node does with whatever it receives. */
const MANNERS: Readonly<Record<string, (socket: Socket) => void>> = {
  silence: () => undefined,
  'an end of the connection': (socket) => socket.destroy(),
  'a web page': (socket) => socket.write('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n'),
  noise: (socket) =>
    socket.write(Buffer.from(Array.from({ length: 4096 }, (_, index) => (index * 7919) & 0xff))),
  'a text without end': (socket) => socket.write(`$2000000000\r\n${'x'.repeat(65_536)}`),
  'a list without end': (socket) => socket.write('*2000000000\r\n'.repeat(64)),
  'deep lists': (socket) => socket.write('*1\r\n'.repeat(20_000)),
  'numbers for everything': (socket) => socket.write(':1\r\n:2\r\n:3\r\n:4\r\n'),
  'empty texts for everything': (socket) => socket.write('$0\r\n\r\n$0\r\n\r\n$0\r\n\r\n'),
  'nothing for everything': (socket) => socket.write('$-1\r\n$-1\r\n$-1\r\n'),
  'errors for everything': (socket) => socket.write('-ERR no\r\n-ERR no\r\n-ERR no\r\n'),
  'more replies than commands': (socket) => socket.write('+OK\r\n'.repeat(1000)),
  'numbers no computer has': (socket) =>
    socket.write('$48\r\ncluster_current_epoch:99999999999999999999999999999999\r\n'.repeat(3)),
};

describe('nodes that answer', () => {
  const servers = new Map<string, Server>();
  const sockets = new Set<Socket>();

  beforeAll(async () => {
    for (const [manner, behave] of Object.entries(MANNERS)) {
      const server = createServer((socket) => {
        sockets.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => sockets.delete(socket));
        socket.on('data', () => behave(socket));
      });
      await new Promise<void>((resolve) => {
        server.listen(0, '127.0.0.1', resolve);
      });
      servers.set(manner, server);
    }
  });
  afterAll(() => {
    for (const socket of sockets) socket.destroy();
    for (const server of servers.values()) server.close();
  });

  function addressOf(manner: string): string {
    const server = servers.get(manner);
    return server === undefined ? '' : `127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  test.each(Object.keys(MANNERS))('%s are not taken into a cluster', async (manner) => {
    const stage = scene();
    await stage.makeNamespace();
    const body = { name: 'c', nodes: [addressOf(manner)] };
    const answer = await stage.api.post(`/api/v1/namespaces/${stage.namespace}/clusters`, body);
    expect(answer.status, answer.text).toBeOneOf([400, 502]);
    expect(answer.body.error.message).toContain(addressOf(manner));
    const taken = await stage.api.post(stage.path('c', '/import'), { nodes: [addressOf(manner)] });
    expect(taken.status, taken.text).toBeOneOf([400, 502]);
    expect(
      (await stage.api.get(`/api/v1/namespaces/${stage.namespace}/clusters`)).body.data.clusters,
    ).toEqual([]);
  });

  test('nonsense of every kind in one cluster do not keep the leader from its other clusters', async () => {
    const stage = scene();
    await stage.makeNamespace();
    const leader = await trio().leader();
    const body = { name: 'hostile', nodes: Object.keys(MANNERS).map(addressOf) };
    expectStatus(
      await stage.api.post(`/api/v1/namespaces/${stage.namespace}/clusters`, body, UNCHECKED),
      201,
    );
    const nodes = await stage.nodes(2);
    const view = await stage.cluster('good', nodes, { replicas: 2 });
    const [shard] = view.shards;
    if (shard === undefined) throw new Error('one shard');
    const old = masterOf(shard);
    await stage.nodeAt(old.addr).kill();
    await stage.viewWhere('good', 'a new master', ({ shards: [now] }) =>
      now === undefined ? false : masterOf(now).id !== old.id,
    );
    await stage.converged('good', [old.addr]);
    expect((await stage.view('hostile')).version).toBe(1);
    expect((await trio().leader()).id).toBe(leader.id);
    expect(trio().members.map((member) => [member.isRunning, member.crash])).toEqual([
      [true, null],
      [true, null],
      [true, null],
    ]);
  });
});

describe('a node of another cluster at the address of a replica', () => {
  test('is never promoted, and the cluster goes on', async () => {
    const stage = scene();
    const nodes = await stage.nodes(3);
    const view = await stage.cluster('c', nodes.slice(0, 2), { replicas: 2 });
    const [master, replica] = view.shards[0]?.nodes ?? [];
    if (master === undefined || replica === undefined) throw new Error('two nodes');
    // The address now leads to a node with another id that is master of all slots in a much higher version.
    const stranger = 'f'.repeat(40);
    const port = replica.addr.split(':')[1] ?? '';
    await stage.ask(replica.addr, 'CLUSTERX', 'SETNODEID', stranger);
    await stage.ask(
      replica.addr,
      'CLUSTERX',
      'SETNODES',
      `${stranger} 127.0.0.1 ${port} master - 0-16383`,
      '1000',
    );
    await stage.nodeAt(master.addr).kill();
    await waitUntil('the log to say why nobody is promoted', () => {
      const lines = trio()
        .logged('problem.found')
        .filter((line) => line['namespace'] === stage.namespace);
      const isForeignTold = lines.some(
        (line) => line['problem'] === 'foreignNode' && line['addr'] === replica.addr,
      );
      const isDeathTold = lines.some(
        (line) => line['problem'] === 'masterUnreachable' && line['addr'] === master.addr,
      );
      return isForeignTold && isDeathTold ? true : notYet(lines);
    });
    const after = await stage.view('c');
    expect(after.shards[0] && masterOf(after.shards[0]).id).toBe(master.id);
    await stage.nodeAt(master.addr).restart();
    await waitUntil('the master to serve again', () => stage.ask(master.addr, 'SET', 'k', 'v'));
  });
});
