// What the facts measured and no transcript replays, and the faults on demand.

import { afterEach, describe, expect, test } from 'vitest';

import {
  KvrocksConnectionError,
  startKvrocksNode,
  type KvrocksNode,
  type KvrocksReply,
} from '../support/kvrocks-node.ts';
import { RespClient } from '../support/resp-client.ts';
import { waitFor } from '../support/wait-until.ts';

const A_ID = 'a'.repeat(40);
const B_ID = 'b'.repeat(40);
const OUTRUN = "for i=1,20000 do redis.call('set','__bump',i) end return 1";

const nodes: KvrocksNode[] = [];
afterEach(async () => {
  await Promise.all(nodes.splice(0).map(async (node) => node.dispose()));
});

async function start(): Promise<KvrocksNode> {
  const node = await startKvrocksNode();
  nodes.push(node);
  return node;
}

async function startAlone(): Promise<KvrocksNode> {
  const node = await start();
  await push(node, `${A_ID} 127.0.0.1 ${node.port} master - 0-16383`, 1);
  return node;
}

interface Pair {
  readonly a: KvrocksNode;
  readonly b: KvrocksNode;
  /** B has all slots; A is its slave, or a master without slots. */
  readonly bMaster: { readonly aSlave: string; readonly aIsolated: string };
}

/** A the master of 100 keys, B its replica with the same, both at version 1. */
async function startPair(): Promise<Pair> {
  const [a, b] = await Promise.all([start(), start()]);
  const [aLine, bLine] = [`${A_ID} 127.0.0.1 ${a.port}`, `${B_ID} 127.0.0.1 ${b.port}`];
  for (const node of [a, b]) await push(node, `${aLine} master - 0-16383\n${bLine} slave ${A_ID}`, 1);
  await setKeys(a, 'k', 100);
  await inStep(b, a);
  const all = `${bLine} master - 0-16383`;
  return {
    a,
    b,
    bMaster: { aSlave: `${all}\n${aLine} slave ${B_ID}`, aIsolated: `${all}\n${aLine} master -` },
  };
}

async function push(node: KvrocksNode, text: string, version: number): Promise<void> {
  expect(await node.command('CLUSTERX', 'SETNODES', text, String(version))).toBe('OK');
}

async function field(node: KvrocksNode, name: string): Promise<string | undefined> {
  const info = String(await node.command('INFO', 'replication'));
  return new RegExp(`^${name}:(.*)\r$`, 'm').exec(info)?.[1];
}

async function sequence(node: KvrocksNode): Promise<number> {
  return Number(await field(node, 'master_repl_offset'));
}

async function inStep(replica: KvrocksNode, master: KvrocksNode): Promise<void> {
  await waitFor('the replica to be in step', async () => {
    const up = (await field(replica, 'master_link_status')) === 'up';
    return up && (await sequence(replica)) === (await sequence(master));
  });
}

async function setKeys(node: KvrocksNode, value: string, count: number): Promise<void> {
  const keys = Array.from({ length: count }, (_, index) => `k${index}`);
  await Promise.all(keys.map(async (key) => node.command('SET', key, value)));
}

/** All keys with their values, as stored, whoever owns the slots. */
async function contentOf(node: KvrocksNode): Promise<ReadonlyMap<string, KvrocksReply>> {
  await node.command('READONLY');
  const keys = await node.command('KEYS', '*');
  const content = new Map<string, KvrocksReply>();
  for (const key of Array.isArray(keys) ? keys : []) content.set(key, await node.command('GET', key));
  return content;
}

describe('durability', () => {
  test('an acknowledged SET survives kill -9', async () => {
    const node = await startAlone();
    await setKeys(node, 'v', 500);
    await node.kill();
    await node.restart();
    expect(await node.command('GET', 'k499')).toBe('v');
    expect(await node.command('CLUSTERX', 'VERSION')).toBe('1');
  });

  test('a node that lost nodes.conf comes back with its data and no topology', async () => {
    const node = await startAlone();
    await setKeys(node, 'v', 3);
    await node.restart({ wipeNodesConf: true });
    expect(await node.command('CLUSTERX', 'VERSION')).toBe('-1');
    expect(await node.command('KEYS', '*')).toHaveLength(3);
  });
});

describe('failover', () => {
  test('the promotion of a dead master’s replica waits for the end of its reconnect sleep', async () => {
    const { a, b, bMaster } = await startPair();
    await a.kill();
    const diedAtMs = performance.now();
    await waitFor('the link to be down', async () => (await field(b, 'master_link_status')) === 'down', {
      intervalMs: 1,
    });
    await push(b, bMaster.aSlave, 2);
    // A sleep of 1 s that began at the death at the earliest (facts section 12).
    expect(performance.now() - diedAtMs).toBeGreaterThan(900);
    expect(await b.command('SET', 'k', 'v')).toBe('OK');
  });

  test('a diverged old master that was isolated and outrun is replaced by a full sync', async () => {
    const { a, b, bMaster } = await startPair();
    await push(b, bMaster.aSlave, 2);
    await setKeys(a, 'lost', 20);
    await setKeys(b, 'kept', 50);
    await push(a, bMaster.aIsolated, 3);
    await expect(a.command('SET', 'k0', 'late')).rejects.toThrow(/^MOVED /);
    while ((await sequence(a)) <= (await sequence(b))) await a.command('EVAL', OUTRUN, '0');
    await push(b, bMaster.aSlave, 4);
    await push(a, bMaster.aSlave, 4);
    await inStep(a, b);
    expect(await contentOf(a)).toEqual(await contentOf(b));
  });

  test('a master that gave its slots away answers MOVED and its sequence stands still while its replica follows', async () => {
    const { a, b, bMaster } = await startPair();
    await push(a, bMaster.aIsolated, 2);
    await expect(a.command('SET', 'k0', 'x')).rejects.toThrow(/^MOVED /);
    expect(await field(b, 'master_link_status')).toBe('up');
    const frozen = await sequence(a);
    await waitFor('the replica to have all', async () => (await sequence(b)) === frozen);
    await push(b, bMaster.aSlave, 3);
    await push(a, bMaster.aSlave, 3);
    await inStep(a, b);
    expect(await contentOf(a)).toEqual(await contentOf(b));
  });
});

describe('faults on demand', () => {
  test('LOADING answers LOADING for the given time', async () => {
    const node = await startAlone();
    await node.command('SIMULATOR', 'LOADING', '100');
    await expect(node.command('PING')).rejects.toThrow('LOADING kvrocks is restoring the db from backup');
    await waitFor('the end of LOADING', async () => (await node.command('PING')) === 'PONG');
  });

  test('HANG stops every connection and answers what queued up', async () => {
    const node = await startAlone();
    const other = await RespClient.open({ host: node.host, port: node.port, timeoutMs: 15_000 });
    const beganMs = performance.now();
    const hung = node.command('SIMULATOR', 'HANG', '300');
    await node.command('PING');
    await other.command(['PING']);
    await hung;
    expect(performance.now() - beganMs).toBeGreaterThan(290);
    other.close();
  });

  test('DROP closes all other connections', async () => {
    const node = await startAlone();
    const other = await RespClient.open({ host: node.host, port: node.port, timeoutMs: 15_000 });
    await other.command(['PING']);
    expect(await node.command('SIMULATOR', 'DROP')).toBe(1);
    await expect(other.command(['PING'])).rejects.toThrow(KvrocksConnectionError);
  });

  test('CUT holds back replication while the link stays up, and heals', async () => {
    const { a, b } = await startPair();
    await b.command('SIMULATOR', 'CUT', 'yes');
    await setKeys(a, 'new', 10);
    expect(await field(b, 'master_link_status')).toBe('up');
    expect(await sequence(b)).toBe(100);
    await b.command('SIMULATOR', 'CUT', 'no');
    await inStep(b, a);
    expect(await sequence(b)).toBe(110);
  });
});
