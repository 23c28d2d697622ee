// What the facts measured and no transcript replays. With KVROCKS_BIN the claims are made about the real server.

import { describe, expect, test } from 'vitest';

import { RespClient } from '../support/resp-client.ts';
import { keysOfSlot } from '../support/node-commands.ts';
import { waitFor } from '../support/wait-until.ts';
import {
  B_ID,
  contentOf,
  field,
  inStep,
  OUTRUN,
  push,
  sequence,
  setKeys,
  startAlone,
  startHalves,
  startPair,
  untilClusterInfo,
} from './stage.ts';

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

describe('hung nodes', () => {
  test('behind a hung master the link stays up and the last word of the master grows old', async () => {
    const { a, b } = await startPair();
    a.pause();
    await waitFor('a last word 5 s old', async () => {
      return Number(await field(b, 'master_last_io_seconds_ago')) >= 5;
    });
    expect(await field(b, 'master_link_status')).toBe('up');
    a.resume();
    await waitFor('a new word', async () => Number(await field(b, 'master_last_io_seconds_ago')) <= 2);
  });

  test('what queued up at a hung node is executed when it goes on, although the client has left', async () => {
    const { a, b } = await startHalves();
    const [key = ''] = keysOfSlot(5, 1);
    await a.command('SET', key, 'before');
    a.pause();
    const client = await RespClient.open({ host: a.host, port: a.port, timeoutMs: 300 });
    const answers = Promise.allSettled([
      client.raw(['SET', key, 'late']),
      client.raw(['CLUSTERX', 'MIGRATE', '5', B_ID]),
    ]);
    expect((await answers).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    a.resume();
    await untilClusterInfo(a, 'migrating_state', 'success');
    await b.command('ASKING');
    expect(await b.command('GET', key)).toBe('late');
  });
});

describe('connections', () => {
  test('at maxclients a new connection is answered an error and closed while the open ones go on', async () => {
    const node = await startAlone();
    await node.command('CONFIG', 'SET', 'maxclients', '1');
    const late = await RespClient.open({ host: node.host, port: node.port, timeoutMs: 15_000 });
    await expect(late.command(['PING'])).rejects.toThrow('ERR max number of clients reached');
    await expect(late.command(['PING'])).rejects.toThrow(/closed/);
    expect(await node.command('PING')).toBe('PONG');
    await node.command('CONFIG', 'SET', 'maxclients', '100');
    const next = await RespClient.open({ host: node.host, port: node.port, timeoutMs: 15_000 });
    expect(await next.command(['PING'])).toBe('PONG');
    next.close();
  });

  test('a new password does not log out who is logged in', async () => {
    const node = await startAlone();
    const open = await RespClient.open({ host: node.host, port: node.port, timeoutMs: 15_000 });
    await open.command(['PING']);
    await node.command('CONFIG', 'SET', 'requirepass', 'new');
    expect(await open.command(['PING'])).toBe('PONG');
    open.close();
    const late = await RespClient.open({ host: node.host, port: node.port, timeoutMs: 15_000 });
    await expect(late.command(['PING'])).rejects.toThrow('NOAUTH');
    late.close();
  });

  test('who kills the import’s connection at the target ends the migration on both sides', async () => {
    const { a, b } = await startHalves({ conf: { 'migrate-speed': '20' } });
    const keys = keysOfSlot(5, 200);
    await Promise.all(keys.map(async (key) => a.command('SET', key, key)));
    const known = new Set(clientIds(await b.command('CLIENT', 'LIST')));
    expect(await a.command('CLUSTERX', 'MIGRATE', '5', B_ID)).toBe('OK');
    await untilClusterInfo(b, 'import_state', 'start');
    const imported = clientIds(await b.command('CLIENT', 'LIST')).find((id) => !known.has(id)) ?? '';
    expect(await b.command('CLIENT', 'KILL', 'ID', imported)).toBe(1);
    await untilClusterInfo(b, 'import_state', 'error');
    await untilClusterInfo(a, 'migrating_state', 'fail');
    expect(await b.command('KEYS', '*')).toEqual([]);
    expect(await a.command('GET', keys[0] ?? '')).toBe(keys[0]);
  });

  test('a client is found by the name it gave itself', async () => {
    const node = await startAlone();
    await node.command('CLIENT', 'SETNAME', 'me');
    const list = String(await node.command('CLIENT', 'LIST'));
    expect(list.split('\n').filter((line) => line.includes(' name=me '))).toHaveLength(1);
  });
});

function clientIds(list: unknown): readonly string[] {
  return [...String(list).matchAll(/^id=(\d+) /gm)].map(([, id]) => id ?? '');
}
