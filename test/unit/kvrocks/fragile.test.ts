// A replica that empties its data before a full sync dies of INFO once that failed (facts section 3.4). It is never asked then.

import type { Socket } from 'node:net';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import type { Clock } from '../../../src/base/clock.ts';
import type { ProbeResult } from '../../../src/control/observation.ts';
import type { KvrocksClient } from '../../../src/kvrocks/client.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { addressParts } from '../../../src/topology/node.ts';
import {
  answering,
  bulk,
  HEALTHY,
  openClient,
  pair,
  type ScriptedNode,
  startScriptedNode,
} from './scripted-node.ts';

const PATIENT_MS = 10_000;
const LOADING = '-LOADING kvrocks is restoring the db from backup\r\n';
const SETTING = 'slave-empty-db-before-fullsync';

let client: KvrocksClient;
let master: ScriptedNode;
let replica: ScriptedNode;
let setting = 'yes';
/** The data of the replica is open, is being restored, or was closed by a full sync that failed. */
let data: 'open' | 'syncing' | 'loading' | 'closed' = 'open';
let isListed = true;
let isReplica = true;
let crashes = 0;
let skippedMs = 0;

const clock: Clock = {
  ...systemClock,
  monotonicMs: () => systemClock.monotonicMs() + skippedMs,
};

function replicaInfo(): string {
  const { port } = addressParts(master.endpoint.address);
  return bulk(
    `# Replication\r\nrole:slave\r\nmaster_host:127.0.0.1\r\nmaster_port:${port}\r\nmaster_link_status:${data === 'open' ? 'up' : 'down'}\r\n` +
      `master_sync_in_progress:${data === 'syncing' ? 1 : 0}\r\nmaster_last_io_seconds_ago:1\r\nmaster_repl_offset:40\r\n`,
  );
}

function answerOfReplica(command: string): string | undefined {
  if (data === 'loading' && command !== 'INFO server') return LOADING;
  if (command === `CONFIG GET ${SETTING}`) return pair(SETTING, setting);
  if (command === 'CONFIG GET slaveof') {
    return pair('slaveof', isReplica ? `127.0.0.1 ${addressParts(master.endpoint.address).port}` : '');
  }
  if (command === 'INFO replication') return isReplica ? replicaInfo() : HEALTHY['INFO replication'];
  return command === 'INFO server'
    ? bulk('# Server\r\nkvrocks_version:2.9.0\r\nkvrocks_mode:cluster\r\n')
    : undefined;
}

function answerOfMaster(command: string): string | undefined {
  const { port } = addressParts(replica.endpoint.address);
  const follower = isListed ? `slave0:ip=127.0.0.1,port=${port},offset=40,lag=0\r\n` : '';
  return command === 'INFO replication'
    ? bulk(`# Replication\r\nrole:master\r\nconnected_slaves:1\r\n${follower}master_repl_offset:40\r\n`)
    : undefined;
}

beforeEach(async () => {
  [setting, data, isListed, isReplica, crashes, skippedMs] = ['yes', 'open', true, true, 0, 0];
  master = await startScriptedNode(answering(answerOfMaster));
  replica = await startScriptedNode((chunk: string, socket: Socket, connection: number) => {
    if (chunk.includes('replication') && data === 'closed') {
      crashes += 1;
      socket.destroy();
    } else answering(answerOfReplica)(chunk, socket, connection);
  });
  client = openClient(clock);
});

afterEach(async () => {
  client.close();
  await Promise.all([master.close(), replica.close()]);
  expect(crashes).toBe(0);
});

const probe = (): Promise<ProbeResult> => client.probe(replica.endpoint, PATIENT_MS);

const FRAGILE = {
  kind: 'failed',
  error: { kind: 'fragile', message: expect.stringContaining('restart it') },
};

describe('a replica that empties its data before a full sync', () => {
  it('KD8e: that its master lists is asked like any other, and says that it is of this kind', async () => {
    for (let round = 0; round < 3; round += 1) {
      expect(await probe()).toMatchObject({ report: { sequence: 40, emptiesBeforeFullSync: true } });
    }
    expect(master.received).toHaveLength(1);
  });

  it('KD8e: met in an unknown state without its master is not asked', async () => {
    data = 'closed';
    await master.close();
    expect(await probe()).toMatchObject(FRAGILE);
    expect(await probe()).toMatchObject(FRAGILE);
    expect(await client.inspect(replica.endpoint, PATIENT_MS)).toMatchObject({
      value: { role: 'replica', sequence: null, settings: { emptiesBeforeFullSync: true } },
    });
  });

  it('that its master does not list is not asked', async () => {
    [data, isListed] = ['closed', false];
    expect(await probe()).toMatchObject(FRAGILE);
    expect(await client.inspect(replica.endpoint, PATIENT_MS)).toMatchObject({ value: { sequence: null } });
  });

  it.each(['syncing', 'loading'] as const)(
    'KD8e: seen %s is not asked again before its master lists it: the full sync may have failed',
    async (between) => {
      expect((await probe()).kind).toBe('answered');
      data = between;
      expect(await probe()).toMatchObject(
        between === 'loading' ? { error: { kind: 'loading' } } : { report: { syncInProgress: true } },
      );
      [data, isListed] = ['closed', false];
      expect(await probe()).toMatchObject(FRAGILE);
      [data, isListed] = ['open', true];
      expect((await probe()).kind).toBe('answered');
    },
  );

  it('whose master died while the link was up is still asked: it may be needed as the new master', async () => {
    expect((await probe()).kind).toBe('answered');
    await master.close();
    isListed = false;
    expect(await probe()).toMatchObject({ report: { sequence: 40 } });
  });

  it('that has become a master is asked', async () => {
    [isReplica, isListed] = [false, false];
    expect(await probe()).toMatchObject({ report: { role: 'master' } });
    expect(await client.inspect(replica.endpoint, PATIENT_MS)).toMatchObject({
      value: { role: 'master', master: null, sequence: 12 },
    });
  });

  it('KD8e: is recognised when the setting is changed at run time', async () => {
    setting = 'no';
    expect(await probe()).toMatchObject({ report: { emptiesBeforeFullSync: false } });
    setting = 'yes';
    skippedMs = 31_000;
    expect(await probe()).toMatchObject({ report: { emptiesBeforeFullSync: true } });
  });
});

it('any other replica is asked in one write, whatever its state', async () => {
  setting = 'no';
  await probe();
  const before = replica.chunks.length;
  [data, isListed] = ['syncing', false];
  expect(await probe()).toMatchObject({ report: { syncInProgress: true } });
  expect(replica.chunks).toHaveLength(before + 1);
  expect(master.received).toEqual([]);
});
