// The lease of a master: as it is proposed for Kvrocks, and as a server without it answers, which with KVROCKS_BIN is the real one.

import { describe, expect, test } from 'vitest';

import type { KvrocksNode } from '../support/kvrocks-node.ts';
import { notYet, waitUntil } from '../support/wait-until.ts';
import { A_ID, B_ID, push, startAlone, startPair } from './stage.ts';

const BLOCK_WRITE = { conf: { 'master-lease-mode': 'block-write' } };
const EXPIRED = /master lease expired/;
/** Longer than a busy machine takes between two commands. */
const LONG_MS = '60000';

async function beat(node: KvrocksNode, id: string, leaseMs: string, version: string): Promise<string> {
  return String(await node.command('CLUSTERX', 'HEARTBEAT', id, leaseMs, version));
}

async function untilExpired(node: KvrocksNode): Promise<void> {
  await waitUntil('writes to be refused', async () => {
    const reply = await node.command('SET', 'k', 'v').catch((error: unknown) => String(error));
    return EXPIRED.test(String(reply)) ? true : notYet(reply);
  });
}

test('a server without leases has no such setting, and answers the heartbeat with its usage', async () => {
  const node = await startAlone();
  expect(await node.command('CONFIG', 'GET', 'master-lease-mode')).toEqual([]);
  await expect(beat(node, A_ID, LONG_MS, '1')).rejects.toThrow(/^ERR CLUSTERX command/);
});

describe.runIf((process.env['KVROCKS_BIN'] ?? '') === '')('a server with leases', () => {
  test('takes writes before its first heartbeat, and with its lease; refuses them after that, reads never; a renewal opens it again', async () => {
    const node = await startAlone(BLOCK_WRITE);
    expect(await node.command('SET', 'k', 'v')).toBe('OK');
    expect(await beat(node, A_ID, '1', '1')).toContain('role:master');
    await untilExpired(node);
    expect(await node.command('GET', 'k')).toBe('v');
    await beat(node, A_ID, LONG_MS, '1');
    expect(await node.command('SET', 'k', 'w')).toBe('OK');
  });

  test('renews by its own id only, and by no older version than the last one and that of its topology', async () => {
    const { a, aMaster } = await startPair(BLOCK_WRITE);
    await beat(a, A_ID, '1', '5');
    await untilExpired(a);
    expect(await beat(a, B_ID, LONG_MS, '5')).toContain('role:master');
    await expect(beat(a, A_ID, LONG_MS, '4')).rejects.toThrow('election version mismatch');
    await expect(beat(a, A_ID, '0', '5')).rejects.toThrow('invalid lease_ms');
    await untilExpired(a);
    await push(a, aMaster, 6);
    await expect(beat(a, A_ID, LONG_MS, '5')).rejects.toThrow('election version mismatch');
    await untilExpired(a);
    await beat(a, A_ID, LONG_MS, '6');
    expect(await a.command('SET', 'k', 'w')).toBe('OK');
  });

  test('only blocks where it is told to, at run time, too', async () => {
    const node = await startAlone({ conf: { 'master-lease-mode': 'log-only' } });
    await beat(node, A_ID, '1', '1');
    await waitUntil('the log to tell', async () => {
      expect(await node.command('SET', 'k', 'v')).toBe('OK');
      return node.log().includes('master lease expired') ? true : notYet(node.log());
    });
    await node.command('CONFIG', 'SET', 'master-lease-mode', 'block-write');
    expect(await node.command('CONFIG', 'GET', 'master-lease-mode')).toEqual([
      'master-lease-mode',
      'block-write',
    ]);
    await untilExpired(node);
    await node.command('CONFIG', 'SET', 'master-lease-mode', 'disabled');
    expect(await node.command('SET', 'k', 'v')).toBe('OK');
    await expect(node.command('CONFIG', 'SET', 'master-lease-mode', 'often')).rejects.toThrow(
      /must be one of/,
    );
  });

  test('has no lease any more after it was a replica, or started again: it takes writes until the next heartbeat', async () => {
    const { a, aMaster, bMaster } = await startPair(BLOCK_WRITE);
    await beat(a, A_ID, '1', '1');
    await untilExpired(a);
    await push(a, bMaster.aSlave, 2);
    expect(await beat(a, A_ID, '1', '2')).toContain('role:slave');
    await push(a, aMaster, 3);
    expect(await a.command('SET', 'k', 'v')).toBe('OK');
    await beat(a, A_ID, '1', '3');
    await untilExpired(a);
    await a.restart();
    expect(await a.command('SET', 'k', 'v')).toBe('OK');
  });
});
