// Faults on demand: what SIMULATOR commands and strangers do.

import { connect } from 'node:net';

import { afterEach, describe, expect, test } from 'vitest';

import { KvrocksConnectionError } from '../support/kvrocks-node.ts';
import { keysOfSlot } from '../support/node-commands.ts';
import { RespClient } from '../support/resp-client.ts';
import { startStranger, type Stranger } from '../support/stranger.ts';
import { waitFor } from '../support/wait-until.ts';
import {
  B_ID,
  contentOf,
  field,
  fieldOf,
  inStep,
  push,
  sequence,
  setKeys,
  start,
  startAlone,
  startApart,
  startHalves,
  startPair,
  untilClusterInfo,
} from './stage.ts';

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

  test.each(['a', 'b'] as const)('CUT at either end keeps a replica from connecting (%s)', async (end) => {
    const pair = await startApart();
    const { a, b, aMaster } = pair;
    await push(a, aMaster, 1);
    await setKeys(a, 'v', 10);
    await pair[end].command('SIMULATOR', 'CUT', 'yes');
    await push(b, aMaster, 1);
    await waitFor('the replica to try', async () => (await field(b, 'role')) === 'slave');
    expect(await field(b, 'master_link_status')).toBe('down');
    expect(await field(a, 'connected_slaves')).toBe('0');
    await pair[end].command('SIMULATOR', 'CUT', 'no');
    await inStep(b, a);
  });

  test('behind a CUT the last word of the master grows old', async () => {
    const { b } = await startPair();
    await b.command('SIMULATOR', 'CUT', 'yes');
    await waitFor('a last word 4 s old', async () => {
      return Number(await field(b, 'master_last_io_seconds_ago')) >= 4;
    });
    expect(await field(b, 'master_link_status')).toBe('up');
  });

  test('DISK stuck at a replica stops its sequence while the link stays up, and it catches up later', async () => {
    const { a, b } = await startPair();
    await b.command('SIMULATOR', 'DISK', 'stuck');
    await setKeys(a, 'new', 50, 'new');
    expect(await sequence(b)).toBe(100);
    expect(await field(b, 'master_link_status')).toBe('up');
    await b.command('SIMULATOR', 'DISK', 'ok');
    await inStep(b, a);
    expect(await contentOf(b)).toEqual(await contentOf(a));
  });

  test('DISK with a number of writes a second lets a replica fall behind', async () => {
    const { a, b } = await startPair();
    await b.command('SIMULATOR', 'DISK', '100');
    await setKeys(a, 'new', 400, 'new');
    await waitFor('the replica to have moved', async () => (await sequence(b)) > 100);
    expect(await sequence(b)).toBeLessThan(500);
    await b.command('SIMULATOR', 'DISK', 'ok');
    await inStep(b, a);
    expect(await contentOf(b)).toEqual(await contentOf(a));
  });

  test('KD7: DISK stuck at a master leaves writes without an answer and answers everything else', async () => {
    const node = await startAlone();
    await node.command('SIMULATOR', 'DISK', 'stuck');
    const writer = await RespClient.open({ host: node.host, port: node.port, timeoutMs: 15_000 });
    const written = writer.command(['SET', 'k', 'v']);
    expect(await node.command('PING')).toBe('PONG');
    expect(await node.command('GET', 'k')).toBeNull();
    expect(await node.command('INFO', 'keyspace')).toContain('used_disk_percent: 100%');
    await node.command('SIMULATOR', 'DISK', 'ok');
    expect(await written).toBe('OK');
    writer.close();
  });

  test('SYNC fetching keeps a replica in the first half of its full sync: link down, sequence 0', async () => {
    const { a, b } = await startDiverged();
    await b.command('SIMULATOR', 'SYNC', 'fetching');
    await push(b, a.text, 2);
    await waitFor('the sync', async () => (await field(b, 'master_sync_in_progress')) === '1');
    expect(await field(b, 'master_link_status')).toBe('down');
    await b.command('SIMULATOR', 'SYNC', 'go');
    await inStep(b, a.node);
    expect(await contentOf(b)).toEqual(await contentOf(a.node));
  });

  test('SYNC restoring keeps a replica loading', async () => {
    const { a, b } = await startDiverged();
    await b.command('SIMULATOR', 'SYNC', 'restoring');
    await push(b, a.text, 2);
    await waitFor('loading', async () => fieldOf(await b.command('INFO', 'persistence'), 'loading') === '1');
    expect(await b.command('INFO', 'replication')).toBe('');
    await expect(b.command('PING')).rejects.toThrow(/^LOADING /);
    await b.command('SIMULATOR', 'SYNC', 'go');
    await waitFor('the end of loading', async () => (await b.command('PING').catch(() => '')) === 'PONG');
    await inStep(b, a.node);
  });

  test('a full sync that fails on an emptied database leaves a replica that INFO replication kills', async () => {
    const { a, b } = await startDiverged();
    await b.command('CONFIG', 'SET', 'slave-empty-db-before-fullsync', 'yes');
    await b.command('SIMULATOR', 'SYNC', 'fetching');
    await push(b, a.text, 2);
    await waitFor('loading', async () => fieldOf(await b.command('INFO', 'persistence'), 'loading') === '1');
    await a.node.kill();
    await waitFor('the end', async () => fieldOf(await b.command('INFO', 'persistence'), 'loading') === '0');
    expect(await b.command('CLUSTERX', 'VERSION')).toBe('2');
    expect(await b.command('DBSIZE')).toBe(0);
    expect(await b.command('PING')).toBe('PONG');
    await expect(b.command('INFO', 'replication')).rejects.toThrow(KvrocksConnectionError);
    expect(await b.exited()).toEqual({ code: null, signal: 'SIGSEGV' });
    await b.restart();
    expect(await sequence(b)).toBe(0);
  });

  test('LOSE-IMPORT-REPLY: the target has the slot while the source says fail', async () => {
    const { a, b } = await startHalves();
    const [key = ''] = keysOfSlot(5, 1);
    await a.command('SET', key, 'v');
    await b.command('SIMULATOR', 'LOSE-IMPORT-REPLY');
    await a.command('CLUSTERX', 'MIGRATE', '5', B_ID);
    await untilClusterInfo(a, 'migrating_state', 'fail');
    await untilClusterInfo(b, 'import_state', 'success');
    expect(await b.command('SET', key, 'at the target')).toBe('OK');
    expect(await a.command('SET', key, 'at the source')).toBe('OK');
  });
});

describe('strangers at the address of a node', () => {
  const strangers: Stranger[] = [];
  afterEach(async () => {
    await Promise.all(strangers.splice(0).map(async (stranger) => stranger.kill()));
  });

  test('a Redis answers, but not to what only Kvrocks knows', async () => {
    const node = await start();
    await node.kill();
    strangers.push(await startStranger({ port: node.port, as: 'redis' }));
    expect(await node.command('PING')).toBe('PONG');
    expect(fieldOf(await node.command('INFO'), 'kvrocks_version')).toBeUndefined();
    await expect(node.command('CLUSTERX', 'VERSION')).rejects.toThrow("ERR unknown command 'CLUSTERX'");
    await expect(node.command('CLUSTER', 'INFO')).rejects.toThrow('cluster support disabled');
  });

  test('garbage is no protocol at all', async () => {
    const node = await start();
    await node.kill();
    strangers.push(await startStranger({ port: node.port, as: 'garbage' }));
    expect(await firstBytes(node.port)).toMatch(/^HTTP\//);
  });
});

interface Diverged {
  readonly a: { readonly node: Awaited<ReturnType<typeof start>>; readonly text: string };
  readonly b: Awaited<ReturnType<typeof start>>;
}

/** B is ahead of A, which the text makes its master: nothing but a full sync can make it a copy. */
async function startDiverged(): Promise<Diverged> {
  const { a, b, aMaster } = await startApart();
  await push(a, aMaster, 1);
  await setKeys(a, 'v', 20);
  await push(b, `${B_ID} 127.0.0.1 ${b.port} master - 0-16383`, 1);
  await setKeys(b, 'v', 100);
  return { a: { node: a, text: aMaster }, b };
}

async function firstBytes(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port }, () => socket.write('*1\r\n$4\r\nPING\r\n'));
    socket.once('error', reject);
    socket.once('data', (bytes) => {
      socket.destroy();
      resolve(bytes.toString('latin1'));
    });
  });
}
