// How the transcripts about replication, passwords, hangs and crashes are replayed.

import { setTimeout as delay } from 'node:timers/promises';

import { expect } from 'vitest';

import { RespClient } from '../../support/resp-client.ts';
import { slotOfKey } from '../slots.ts';
import type { Plan, Replay } from './replay.ts';

const REPLICATION = ['INFO', 'replication'] as const;
const LONG_VALUE = 'v'.repeat(100);

/** k0, k1, ... of the slots 0-8191, as the recording loaded them. */
function lowKeys(count: number): readonly string[] {
  const keys: string[] = [];
  for (let index = 0; keys.length < count; index += 1) {
    if (slotOfKey(`k${index}`) <= 8_191) keys.push(`k${index}`);
  }
  return keys;
}

function numbered(count: number, prefix: string): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}`);
}

/** A replica's second refused AUTH: it now sleeps for 10 s. */
async function untilRefusedTwice(scene: Replay, name: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (scene.node(name).log().split('Invalid password').length < 3) {
    if (performance.now() > deadline) throw new Error(`node ${name} was not refused twice`);
    await delay(20);
  }
}

/** A client of its own that sends one command and goes away without an answer. */
async function sendAndLeave(scene: Replay, command: readonly string[]): Promise<void> {
  const { host, port } = scene.node('A');
  const client = await RespClient.open({ host, port, timeoutMs: 300 });
  await expect(client.raw(command)).rejects.toThrow('no answer');
}

async function pingOfNewConnection(scene: Replay, wanted: string): Promise<void> {
  const { host, port } = scene.node('A');
  const client = await RespClient.open({ host, port, timeoutMs: 5_000 });
  expect(await client.raw(['PING'])).toBe(wanted);
  client.close();
}

/** Full sync of B from A: both loaded, B with the higher sequence. */
async function loadBothForFullSync(scene: Replay): Promise<void> {
  await scene.load('A', numbered(200, 'a:'), 'v');
  await scene.load('B', numbered(500, 'b:'), 'v');
}

/** What clients see while B restores: LOADING from PING, an empty INFO replication, loading:1. */
async function seesLoading(scene: Replay): Promise<void> {
  const loading = '-LOADING kvrocks is restoring the db from backup\r\n';
  await scene.until('B', ['PING'], loading);
  const b = scene.node('B');
  expect(await b.raw(...REPLICATION)).toBe('$0\r\n\r\n');
  expect(await b.raw('INFO')).toContain('loading:1');
  expect(await b.raw('CLUSTERX', 'VERSION')).toBe(loading);
  expect(await b.raw('AUTH', 'x')).toBe('-ERR Client sent AUTH, but no password is set\r\n');
  await scene.linkUp('B');
  expect(await b.raw('KEYS', 'b:*')).toBe('*0\r\n');
  expect(await b.raw('KEYS', 'a:*')).toContain('*200\r\n');
}

async function roleCrashes(scene: Replay): Promise<void> {
  const b = scene.node('B');
  await scene.until('B', ['PING'], '-LOADING');
  await expect(b.raw('ROLE')).rejects.toThrow('closed');
  expect((await b.exited()).signal).toBe('SIGSEGV');
}

export const REPLICATION_PLANS: Readonly<Record<string, Plan>> = {
  '03-replication': {
    skip: [92, 95, 315],
    at: {
      21: async (scene) => scene.load('A', lowKeys(1_500), LONG_VALUE),
      90: async (scene) => scene.load('A', lowKeys(10), LONG_VALUE),
      257: async (scene) => scene.load('A', ['k2'], 'x'),
      330: async (scene) => scene.linkUp('A'),
      415: async (scene) => scene.linkUp('B'),
    },
  },
  '04-auth': {
    conf: {
      A: { requirepass: 'secret' },
      C: { masterauth: 'secret' },
      D: { masterauth: 'wrong' },
      N: { 'cluster-enabled': 'no' },
    },
    at: {
      84: async (scene) => expect(await scene.node('A').raw('AUTH', 'secret')).toBe('+OK\r\n'),
      107: async (scene) => scene.load('A', numbered(20, 'k'), 'v'),
      192: async (scene) => {
        await scene.linkUp('B');
        await scene.linkUp('D');
      },
      230: async (scene) => {
        await scene.node('A').restart();
        await untilRefusedTwice(scene, 'D');
      },
    },
  },
  '08-hang-crash': {
    conf: { C: { 'slave-serve-stale-data': 'no' } },
    skip: [66],
    until: 153,
    at: { 25: async (scene) => scene.until('C', REPLICATION, 'slave_repl_offset:1') },
  },
  '10b-loading-during-fullsync': {
    skip: [61],
    at: { 17: loadBothForFullSync, 19: seesLoading },
    until: 30,
  },
  '10b-loading-during-fullsync-ROLE-crash': { at: { 17: loadBothForFullSync, 19: roleCrashes } },
  '10c-slave-liveness-on-master': {
    anySequence: true,
    at: {
      29: async (scene) => scene.until('A', REPLICATION, 'connected_slaves:1\r\nslave0'),
      53: async (scene) => scene.linkUp('C'),
    },
  },
  '11b-resp3-and-hostnames': {
    conf: { A: { 'resp3-enabled': 'yes' } },
    skip: [37, 60, 84, 87],
    at: { 15: async (scene) => scene.linkUp('B'), 35: async (scene) => scene.linkUp('B') },
  },
  '12-queued-while-stopped': {
    at: {
      13: async (scene) => sendAndLeave(scene, ['SET', 'k', 'v1']),
      14: async (scene) => {
        const text = `${'a'.repeat(40)} 127.0.0.1 ${scene.node('A').port} master - 0-16383`;
        await sendAndLeave(scene, ['CLUSTERX', 'SETNODES', text, '2']);
      },
      15: async (scene) => sendAndLeave(scene, ['SET', 'k2', 'v2']),
      36: async (scene) => pingOfNewConnection(scene, '-NOAUTH Authentication required.\r\n'),
      46: async (scene) => pingOfNewConnection(scene, '+PONG\r\n'),
    },
  },
};
