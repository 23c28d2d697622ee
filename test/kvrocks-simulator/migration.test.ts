// Migrations that end otherwise than planned. With KVROCKS_BIN the claims are made about the real server.

import { describe, expect, test } from 'vitest';

import type { KvrocksNode } from '../support/kvrocks-node.ts';
import { keysOfSlot } from '../support/node-commands.ts';
import { pause, waitFor } from '../support/wait-until.ts';
import { B_ID, fieldOf, halvesText, push, sequence, startHalves, untilClusterInfo } from './stage.ts';

describe('a migration slower than the writes of its slot', () => {
  test('does not end while they go on, and ends without a limit of speed', async () => {
    const conf = { 'migrate-speed': '50', 'migrate-sequence-gap': '10', 'migrate-pipeline-size': '50' };
    const { a } = await startHalves({ conf });
    const keys = keysOfSlot(5, 100);
    await Promise.all(keys.map(async (each) => a.command('SET', each, 'v')));
    const [key = ''] = keys;
    const written = new AbortController();
    const writing = writeOn(a, key, written.signal);
    await waitFor('some writes', async () => (await sequence(a)) >= 200);
    await a.command('CLUSTERX', 'MIGRATE', '5', B_ID);
    const before = await sequence(a);
    await waitFor(
      'writes of twice the time that the snapshot takes',
      async () => (await sequence(a)) >= before + 16_000,
    );
    expect(fieldOf(await a.command('CLUSTER', 'INFO'), 'migrating_state')).toBe('start');
    await a.command('CONFIG', 'SET', 'migrate-speed', '0');
    await untilClusterInfo(a, 'migrating_state', 'success');
    written.abort();
    await writing;
  });
});

describe('a hand-over that no topology recorded', () => {
  test('any other push to both ends undoes it: what the target acknowledged is out of reach and the slot takes no writes', async () => {
    const { a, b } = await startHalves();
    const [key = ''] = keysOfSlot(5, 1);
    await a.command('SET', key, 'old');
    await a.command('CLUSTERX', 'MIGRATE', '5', B_ID);
    await untilClusterInfo(a, 'migrating_state', 'success');
    expect(await b.command('SET', key, 'acknowledged')).toBe('OK');
    for (const node of [a, b]) await push(node, halvesText({ a, b }), 2);
    expect(await a.command('GET', key)).toBe('old');
    await expect(b.command('GET', key)).rejects.toThrow(/^MOVED 5 /);
    await expect(a.command('SET', key, 'new')).rejects.toThrow(/^TRYAGAIN /);
    await expect(a.command('CLUSTERX', 'MIGRATE', '5', B_ID)).rejects.toThrow('has been migrated');
  });

  test('a source that restarts before the push forgets it: both ends take writes of the slot', async () => {
    const { a, b } = await startHalves();
    const [key = ''] = keysOfSlot(5, 1);
    await a.command('SET', key, 'old');
    await a.command('CLUSTERX', 'MIGRATE', '5', B_ID);
    await untilClusterInfo(a, 'migrating_state', 'success');
    await a.restart();
    expect(fieldOf(await a.command('CLUSTER', 'INFO'), 'migrating_state')).toBeUndefined();
    expect(await a.command('SET', key, 'at the source')).toBe('OK');
    expect(await b.command('SET', key, 'at the target')).toBe('OK');
  });
});

/**
 * Writes until `signal`; when the slot has moved away that is an error to the writer, and no matter. At most 4,000 a
 * second: the log of the node, which has an end, is not to be overrun before the migration may catch up.
 */
async function writeOn(node: KvrocksNode, key: string, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await Promise.allSettled(Array.from({ length: 20 }, async () => node.command('SET', key, 'v')));
    await pause(5);
  }
}
