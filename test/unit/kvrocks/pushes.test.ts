// Topologies travel over the connection that looks use, and neither breaks the other.

import type { Socket } from 'node:net';

import { afterEach, describe, expect, it, vi } from 'vitest';

import type { TopologyPush } from '../../../src/control/node-commands.ts';
import type { KvrocksClient } from '../../../src/kvrocks/client.ts';
import type { ClusterVersion, NodeId } from '../../../src/topology/types.ts';
import {
  answering,
  FIRST_LOOK,
  LOOK,
  NODE_ID,
  openClient,
  type Reaction,
  type ScriptedNode,
  startScriptedNode,
} from './scripted-node.ts';

const DEADLINE_MS = 150;
const PATIENT_MS = 10_000;
const PUSH: TopologyPush = {
  id: NODE_ID as NodeId,
  text: 'line one\nline two',
  version: 3 as ClusterVersion,
  force: false,
};
const SET_ID = `CLUSTERX SETNODEID ${NODE_ID}`;
const SET_NODES = 'CLUSTERX SETNODES line one\nline two 3';
const OK = '+OK\r\n';

let client: KvrocksClient;
let node: ScriptedNode;

async function start(react: Reaction): Promise<void> {
  node = await startScriptedNode(react);
  client = openClient();
}

/** A node that accepts topologies only when the test says so. */
async function startHeld(): Promise<{ release(): void }> {
  const held: Socket[] = [];
  await start((chunk, socket, connection) => {
    if (chunk.includes('SETNODES')) held.push(socket);
    else if (held.length === 0) answering({})(chunk, socket, connection);
  });
  return {
    release: () => {
      for (const socket of held.splice(0)) socket.write(OK + OK);
    },
  };
}

afterEach(async () => {
  client.close();
  await node.close();
});

describe('pushing a topology', () => {
  it('sends id and nodes in one write over the connection that looked', async () => {
    await start(answering((command) => (command.includes('SETNODE') ? OK : undefined)));
    await client.probe(node.endpoint, PATIENT_MS);
    expect(await client.setTopology(node.endpoint, PUSH, PATIENT_MS)).toEqual({ ok: true, value: undefined });
    await client.probe(node.endpoint, PATIENT_MS);
    expect(node.received).toEqual([[...FIRST_LOOK, SET_ID, SET_NODES, ...LOOK]]);
    expect(node.chunks[2]).toContain('SETNODEID');
    expect(node.chunks[2]).toContain('SETNODES');
  });

  it('KD6b: a node that takes no further client is still told', async () => {
    node = await startScriptedNode(
      answering((command) => (command.includes('SETNODE') ? OK : undefined)),
      {
        onConnection: (socket, connection) => {
          if (connection > 0) socket.end('-ERR max number of clients reached\r\n');
        },
      },
    );
    client = openClient();
    await client.probe(node.endpoint, PATIENT_MS);
    expect((await client.setTopology(node.endpoint, PUSH, PATIENT_MS)).ok).toBe(true);
  });

  it('force is the last word', async () => {
    await start(answering(() => OK));
    const forced = { ...PUSH, id: null, force: true };
    expect((await client.setTopology(node.endpoint, forced, PATIENT_MS)).ok).toBe(true);
    expect(node.received).toEqual([[`${SET_NODES} FORCE`]]);
  });

  it('checks both replies', async () => {
    const replies = [OK, '-ERR Invalid cluster version\r\n', '-ERR no\r\n', OK];
    await start(answering(() => replies.shift() ?? null));
    expect(await client.setTopology(node.endpoint, PUSH, PATIENT_MS)).toMatchObject({
      error: { kind: 'invalidVersion' },
    });
    expect(await client.setTopology(node.endpoint, PUSH, PATIENT_MS)).toMatchObject({
      error: { kind: 'refused' },
    });
  });

  it('a look whose deadline passes meanwhile is never sent, and breaks nothing', async () => {
    const held = await startHeld();
    await client.probe(node.endpoint, PATIENT_MS);
    const pushed = client.setTopology(node.endpoint, PUSH, PATIENT_MS);
    await vi.waitFor(() => expect(node.received[0]).toContain(SET_NODES));
    expect(await client.probe(node.endpoint, DEADLINE_MS)).toEqual({
      kind: 'failed',
      error: { kind: 'timedOut', message: `not sent within ${DEADLINE_MS} ms: the node works on a topology` },
    });
    held.release();
    expect((await pushed).ok).toBe(true);
    expect((await client.probe(node.endpoint, PATIENT_MS)).kind).toBe('answered');
    expect(node.received).toEqual([[...FIRST_LOOK, SET_ID, SET_NODES, ...LOOK]]);
  });

  it('a look with time waits for the end of the push', async () => {
    const held = await startHeld();
    const pushed = client.setTopology(node.endpoint, PUSH, PATIENT_MS);
    await vi.waitFor(() => expect(node.received[0]).toContain(SET_NODES));
    const probed = client.probe(node.endpoint, PATIENT_MS);
    held.release();
    expect((await pushed).ok).toBe(true);
    expect((await probed).kind).toBe('answered');
  });

  it('a push waits for the look under way, so that the deadline of the look cannot leave it open', async () => {
    await start(
      answering((command, connection) => {
        if (command.includes('SETNODE')) return OK;
        return connection === 0 ? null : undefined;
      }),
    );
    const hung = client.probe(node.endpoint, DEADLINE_MS);
    await vi.waitFor(() => expect(node.chunks).toHaveLength(1));
    const pushed = client.setTopology(node.endpoint, PUSH, PATIENT_MS);
    expect(await hung).toMatchObject({ error: { kind: 'timedOut' } });
    expect(await pushed).toEqual({ ok: true, value: undefined });
    expect(node.received[0]).not.toContain(SET_NODES);
    expect(node.received[1]).toEqual([SET_ID, SET_NODES]);
  });

  it('a broken connection ends the push at once, with its outcome open, and the looks behind it ask on another', async () => {
    const sockets: Socket[] = [];
    await start((chunk, socket, connection) => {
      if (connection > 0) answering({})(chunk, socket, connection);
      else sockets.push(socket);
    });
    const pushed = client.setTopology(node.endpoint, PUSH, PATIENT_MS);
    await vi.waitFor(() => expect(sockets).toHaveLength(1));
    const probed = client.probe(node.endpoint, PATIENT_MS);
    sockets[0]?.resetAndDestroy();
    expect(await pushed).toMatchObject({ error: { kind: 'connectionLost' } });
    expect((await probed).kind).toBe('answered');
  });

  it('a node that dies during the push refuses the look behind it', async () => {
    await start(() => void node.close());
    const pushed = client.setTopology(node.endpoint, PUSH, PATIENT_MS);
    const probed = client.probe(node.endpoint, PATIENT_MS);
    expect(await pushed).toMatchObject({ error: { kind: 'connectionLost' } });
    expect(await probed).toMatchObject({ error: { kind: 'connectionRefused' } });
  });

  it('a push that is never answered is open after its deadline, and the connection is given up', async () => {
    await start(answering((command) => (command.includes('SETNODE') ? null : undefined)));
    await client.probe(node.endpoint, PATIENT_MS);
    expect(await client.setTopology(node.endpoint, PUSH, DEADLINE_MS)).toMatchObject({
      error: { kind: 'timedOut', message: `no complete reply within ${DEADLINE_MS} ms` },
    });
    await vi.waitFor(() => expect(node.openConnections()).toBe(0));
  });
});
