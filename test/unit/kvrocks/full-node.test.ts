// A node at `maxclients` lives: whatever the order of events on a new connection, its refusal is what is reported.

import type { Socket } from 'node:net';

import { afterEach, describe, expect, it, vi } from 'vitest';

import type { KvrocksClient } from '../../../src/kvrocks/client.ts';
import { FirstLine } from '../../../src/kvrocks/first-line.ts';
import { answering, openClient, type ScriptedNode, startScriptedNode } from './scripted-node.ts';

const PATIENT_MS = 10_000;
const REFUSAL = '-ERR max number of clients reached\r\n';
const FULL = { kind: 'tooManyClients', message: 'ERR max number of clients reached' };

let client: KvrocksClient;
let node: ScriptedNode;

afterEach(async () => {
  client.close();
  await node.close();
});

const ways: readonly [string, (socket: Socket) => void, (socket: Socket) => void][] = [
  ['closed before it was asked', (socket) => socket.end(REFUSAL), () => undefined],
  ['closed after it was asked', () => undefined, (socket) => socket.end(REFUSAL)],
  ['reset behind its words', (socket) => void socket.write(REFUSAL), (socket) => socket.resetAndDestroy()],
  ['left open', () => undefined, (socket) => void socket.write(REFUSAL)],
  [
    'in two pieces',
    (socket) => void socket.write(REFUSAL.slice(0, 9)),
    (socket) => socket.end(REFUSAL.slice(9)),
  ],
];

describe('a node that takes no further client', () => {
  it.each(ways)('KD6c: is a living one: %s', async (_name, onConnection, onData) => {
    node = await startScriptedNode((_chunk, socket) => onData(socket), { onConnection });
    client = openClient();
    for (const endpoint of [node.endpoint, node.withPassword('sesame')]) {
      expect(await client.probe(endpoint, PATIENT_MS)).toEqual({ kind: 'failed', error: FULL });
      expect(await client.inspect(endpoint, PATIENT_MS)).toEqual({ ok: false, error: FULL });
    }
    await vi.waitFor(() => expect(node.openConnections()).toBe(0));
  });

  it('KD6b: goes on answering where it had room before', async () => {
    node = await startScriptedNode(answering({}), {
      onConnection: (socket, connection) => {
        if (connection > 0) socket.end(REFUSAL);
      },
    });
    client = openClient();
    expect((await client.probe(node.endpoint, PATIENT_MS)).kind).toBe('answered');
    expect(await client.inspect(node.endpoint, PATIENT_MS)).toEqual({ ok: false, error: FULL });
    expect((await client.probe(node.endpoint, PATIENT_MS)).kind).toBe('answered');
  });
});

describe('the first line of a connection', () => {
  it.each([
    [[REFUSAL], 'ERR max number of clients reached'],
    [REFUSAL.split(''), 'ERR max number of clients reached'],
    [['+OK\r\n', REFUSAL], null],
    [['$3\r\n-ER\r\n'], null],
    [[`-${'x'.repeat(300)}`, REFUSAL], null],
  ])('of %j is the error %j', (chunks, error) => {
    const line = new FirstLine();
    const errors = chunks.map((chunk) => line.errorIn(Buffer.from(chunk)));
    expect(errors.find((candidate) => candidate !== null) ?? null).toBe(error);
  });
});
