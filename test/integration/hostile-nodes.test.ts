// Nodes that answer nonsense, nothing, or for somebody else: the leader keeps its head and its other clusters.

import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';

import { expectEqualCopies, successorOf } from '../support/copies.ts';
import { type KvrocksNode, startKvrocksNode } from '../support/kvrocks-node.ts';
import { isToldGone, linesOf, problemTold } from '../support/problems.ts';
import { expectStatus, masterOf } from '../support/scene.ts';
import { type Behind, StandIn } from '../support/stand-in.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { notYet, waitFor, waitUntil } from '../support/wait-until.ts';

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

describe('a node that lives where a master died', () => {
  const started: { readonly close: () => Promise<void> }[] = [];
  afterEach(async () => {
    for (const each of started.splice(0)) await each.close();
  });

  async function another(password: string): Promise<KvrocksNode> {
    const node = await startKvrocksNode({ password });
    started.push({ close: async () => node.dispose() });
    return node;
  }

  async function full(): Promise<KvrocksNode> {
    const node = await another('secret');
    await node.command('CONFIG', 'SET', 'maxclients', '1');
    return node;
  }

  /** What a real server says while it restores a copy (facts section 8). */
  function loading([name = '', section = '']: readonly string[]): string {
    if (name.toLowerCase() === 'auth') return '+OK\r\n';
    if (name.toLowerCase() !== 'info') return '-LOADING kvrocks is restoring the db from backup\r\n';
    const text = section.toLowerCase() === 'persistence' ? '# Persistence\r\nloading:1\r\n' : '';
    return `$${text.length}\r\n${text}\r\n`;
  }

  const residents: readonly (readonly [string, string, () => Promise<Behind>])[] = [
    ['has another password', 'passwordRefused', async () => another('another')],
    ['takes no more clients', 'tooManyClients', full],
    ['is loading its data', 'nodeLoading', async () => Promise.resolve({ reply: loading })],
  ];
  test.each(residents)('KA4: and %s is no reason for a failover', async (_, problem, resident) => {
    const stage = scene({ password: 'secret' });
    const [first, second, ...others] = await stage.nodes(4);
    if (first === undefined || second === undefined) throw new Error('four nodes');
    const standIn = await StandIn.start(first);
    started.push(standIn);
    const view = await stage.cluster('c', [standIn, second], { replicas: 2 });
    await stage.ask(standIn.address, 'SET', 'k', 'v');
    await stage.inSync(standIn.address, second.address);
    const other = await stage.cluster('other', others, { replicas: 2 });

    standIn.replace(await resident());
    await first.kill();
    await problemTold(trio(), stage, { kind: problem, addr: standIn.address });
    // A master that dies only now is replaced after a whole window: by then the other has been dead for longer.
    const [shard] = other.shards;
    const master = shard === undefined ? '' : masterOf(shard).addr;
    await stage.nodeAt(master).kill();
    await successorOf(stage, 'other', { address: master });
    expect(await stage.view('c')).toEqual(view);
    const failovers = linesOf(trio(), stage, 'failover.started').map((line) => line['cluster']);
    expect(failovers).toEqual(['other']);

    await first.restart();
    standIn.replace(first);
    await waitFor('the problem to be gone', () => isToldGone(trio(), stage, problem));
    expect((await expectEqualCopies(stage, 'c')).version).toBe(view.version);
    expect(await stage.ask(standIn.address, 'GET', 'k')).toBe('v');
  });
});
