// Whose data a node has, as far as its own words tell. With KVROCKS_BIN the claims are made about the real server.

import { describe, expect, test } from 'vitest';

import {
  A_ID,
  B_ID,
  contentOf,
  inStep,
  OUTRUN,
  push,
  sequence,
  setKeys,
  startAlone,
  startApart,
  startPair,
} from './stage.ts';

describe('identity of data', () => {
  test('FLUSHALL and CLUSTER RESET leave the sequence: the emptied node goes on from its old number and lacks keys for ever', async () => {
    const { a, b, aMaster } = await startApart();
    await push(b, `${B_ID} 127.0.0.1 ${b.port} master - 0-16383`, 1);
    await setKeys(b, 'old', 20, 'old');
    expect(await b.command('FLUSHALL')).toBe('OK');
    expect(await b.command('CLUSTER', 'RESET')).toBe('OK');
    expect(await b.command('CLUSTERX', 'VERSION')).toBe('-1');
    expect(await b.command('KEYS', '*')).toEqual([]);
    const left = await sequence(b);
    expect(left).toBeGreaterThanOrEqual(20);

    await push(a, aMaster, 1);
    await setKeys(a, 'new', 100);
    await push(b, aMaster, 1);
    await inStep(b, a);
    expect((await contentOf(b)).size).toBe(100 - left);
  });

  test('a node with fewer writes of another shard is synced from its own number: foreign keys stay, the first ones are missing', async () => {
    const { a, b, aMaster } = await startApart();
    await push(b, `${B_ID} 127.0.0.1 ${b.port} master - 0-16383`, 1);
    await setKeys(b, 'foreign', 30, 'foreign');
    await push(a, aMaster, 2);
    await setKeys(a, 'own', 100);
    await push(b, aMaster, 2);
    await inStep(b, a);
    const content = await contentOf(b);
    expect([...content.values()].filter((value) => value === 'foreign')).toHaveLength(30);
    expect([...content.values()].filter((value) => value === 'own')).toHaveLength(70);
  });

  test('a diverged old master that is not ahead is taken back by a partial sync: link up, sequences equal, keys wrong', async () => {
    const { a, b, bMaster } = await startPair();
    await push(b, bMaster.aSlave, 2);
    await setKeys(a, 'lost', 20, 'lost');
    await setKeys(b, 'kept', 50, 'kept');
    await push(a, bMaster.aSlave, 2);
    await inStep(a, b);
    const [old, now] = [await contentOf(a), await contentOf(b)];
    expect(old.get('lost0')).toBe('lost');
    expect(now.has('lost0')).toBe(false);
    expect(old.size).toBe(now.size);
  });

  test('on a new data directory a node has neither topology nor sequence, and gets everything', async () => {
    const { a, b, aMaster } = await startPair();
    await b.restart({ wipeNodesConf: true, wipeData: true });
    expect(await b.command('CLUSTERX', 'VERSION')).toBe('-1');
    expect(await sequence(b)).toBe(0);
    await push(b, aMaster, 1);
    await inStep(b, a);
    expect(await contentOf(b)).toEqual(await contentOf(a));
  });

  test('a node that does not keep its topology comes back without one, with its data and its sequence', async () => {
    const node = await startAlone({ conf: { 'persist-cluster-nodes-enabled': 'no' } });
    await setKeys(node, 'v', 5);
    await node.restart();
    expect(await node.command('CLUSTERX', 'VERSION')).toBe('-1');
    expect(await node.command('CLUSTERX', 'MYID')).toBe('');
    expect(await node.command('KEYS', '*')).toHaveLength(5);
    expect(await sequence(node)).toBeGreaterThanOrEqual(5);
  });

  test('a script without keys moves the sequence of a master without slots once somebody owns the slot it writes to, and fails before', async () => {
    const { a, bMaster } = await startApart();
    // What a real server answers, or whether it survives the error in its script, depends on how it was built.
    await expect(a.command('EVAL', OUTRUN, '0')).rejects.toThrow();
    await a.restart();
    expect(await sequence(a)).toBe(0);
    await push(a, bMaster.aIsolated, 1);
    expect(await a.command('EVAL', OUTRUN, '0')).toBe(1);
    expect(await sequence(a)).toBeGreaterThanOrEqual(20_000);
  });

  test('SETNODES takes a lower version and finds its own id anew with FORCE only', async () => {
    const node = await startAlone();
    const renamed = `${B_ID} 127.0.0.1 ${node.port} master - 0-16383`;
    await push(node, renamed, 2);
    expect(await node.command('CLUSTERX', 'MYID')).toBe(A_ID);
    await push(node, renamed, 1, 'FORCE');
    expect(await node.command('CLUSTERX', 'MYID')).toBe(B_ID);
    expect(await node.command('CLUSTERX', 'VERSION')).toBe('1');
  });
});
