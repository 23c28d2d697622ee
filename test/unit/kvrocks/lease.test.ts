// How a lease is renewed over the wire, and what each answer is taken for.

import { afterEach, expect, it } from 'vitest';

import type { LeaseAnswer } from '../../../src/control/lease-memory.ts';
import type { KvrocksClient } from '../../../src/kvrocks/client.ts';
import type { ClusterVersion, NodeId } from '../../../src/topology/types.ts';
import {
  answering,
  bulk,
  NODE_ID,
  openClient,
  pair,
  type Reaction,
  type ScriptedNode,
  startScriptedNode,
} from './scripted-node.ts';

const PATIENT_MS = 10_000;
const QUESTIONS = ['CLUSTERX MYID', 'CONFIG GET master-lease-mode', 'CONFIG GET slaveof'];
const HEARTBEAT = `CLUSTERX HEARTBEAT ${NODE_ID} 5000 7`;
const BLOCK_WRITE = {
  'CONFIG GET master-lease-mode': pair('master-lease-mode', 'block-write'),
  [HEARTBEAT]: bulk('# Server\r\nversion:unstable\r\n'),
};

let client: KvrocksClient;
let node: ScriptedNode;

afterEach(async () => {
  client.close();
  await node.close();
});

async function renew(
  react: Reaction | Readonly<Record<string, string>>,
  { isWanted = true, deadlineMs = PATIENT_MS }: { isWanted?: boolean; deadlineMs?: number } = {},
): Promise<LeaseAnswer> {
  node = await startScriptedNode(typeof react === 'function' ? react : answering(react));
  client = openClient();
  const renewal = { id: NODE_ID as NodeId, version: 7 as ClusterVersion, leaseMs: 5000 };
  return client.renewLease(node.endpoint, { ...renewal, isStillWanted: () => isWanted }, deadlineMs);
}

it('a master that answers who it is, and how it takes leases, gets a heartbeat behind that, on the connection of looks', async () => {
  expect(await renew(BLOCK_WRITE)).toEqual({ kind: 'renewed', mode: 'block-write' });
  expect(node.received).toEqual([[...QUESTIONS, HEARTBEAT]]);
  await client.probe(node.endpoint, PATIENT_MS);
  expect(node.received).toHaveLength(1);
});

it('a mode that blocks nothing is told apart', async () => {
  const mode = pair('master-lease-mode', 'log-only');
  const answer = await renew({ ...BLOCK_WRITE, 'CONFIG GET master-lease-mode': mode });
  expect(answer).toEqual({ kind: 'renewed', mode: 'other' });
});

it.each<[string, Readonly<Record<string, string>>, Readonly<Record<string, unknown>>]>([
  [
    'a server without leases',
    { 'CONFIG GET master-lease-mode': '*0\r\n' },
    { kind: 'none', isLasting: true },
  ],
  [
    'a replica',
    { 'CONFIG GET slaveof': pair('slaveof', '127.0.0.1 7000') },
    { kind: 'none', isLasting: false },
  ],
  ['another node', { 'CLUSTERX MYID': bulk('c'.repeat(40)) }, { kind: 'unsent' }],
  ['a node without an id', { 'CLUSTERX MYID': bulk('') }, { kind: 'unsent' }],
  [
    'a node that is loading',
    { 'CLUSTERX MYID': '-LOADING kvrocks is restoring the db from backup\r\n' },
    { kind: 'unsent' },
  ],
])('%s gets no heartbeat', async (_, answers, expected) => {
  expect(await renew({ ...BLOCK_WRITE, ...answers })).toMatchObject(expected);
  expect(node.received).toEqual([QUESTIONS]);
});

it('one that does not answer gets no heartbeat, also when it goes on later', async () => {
  const answer = await renew(() => undefined, { deadlineMs: 100 });
  expect(answer).toMatchObject({ kind: 'unsent' });
  expect(node.received.flat()).not.toContain(HEARTBEAT);
});

it('what is not wanted any more is not sent', async () => {
  expect(await renew(BLOCK_WRITE, { isWanted: false })).toMatchObject({ kind: 'unsent' });
  expect(node.received).toEqual([QUESTIONS]);
});

it('a heartbeat without a reply may have been taken', async () => {
  const answers: Readonly<Record<string, string>> = BLOCK_WRITE;
  const answer = await renew((chunk, socket) => {
    if (chunk.includes('HEARTBEAT')) socket.destroy();
    else answering(answers)(chunk, socket, 0);
  });
  expect(answer).toMatchObject({ kind: 'unanswered', mode: 'block-write' });
});

it('a heartbeat that the node refuses renews nothing', async () => {
  const refusal = '-ERR election version mismatch\r\n';
  expect(await renew({ ...BLOCK_WRITE, [HEARTBEAT]: refusal })).toEqual({
    kind: 'refused',
    why: 'ERR election version mismatch',
  });
});
