// Connections of others are ended, and nobody goes on before they are closed.

import { afterEach, describe, expect, it } from 'vitest';

import type { KvrocksClient } from '../../../src/kvrocks/client.ts';
import { answering, bulk, openClient, type ScriptedNode, startScriptedNode } from './scripted-node.ts';

const DEADLINE_MS = 150;
const PATIENT_MS = 10_000;
const KILL_ALL = 'CLIENT KILL TYPE normal SKIPME yes';
const DONE = { ok: true, value: undefined };

let client: KvrocksClient;
let node: ScriptedNode;

/** A node that shows one list of clients after the other, the last one for ever. */
async function start(
  lists: readonly string[],
  { info = 'cluster_current_epoch:7\r\n', kill = ':1\r\n' }: { info?: string; kill?: string } = {},
): Promise<void> {
  let shown = 0;
  node = await startScriptedNode(
    answering((command) => {
      if (command.startsWith('CLIENT KILL')) return kill;
      if (command === 'CLUSTER INFO') return bulk(info);
      if (command !== 'CLIENT LIST') return undefined;
      const list = lists[Math.min(shown, lists.length - 1)] ?? '';
      shown += 1;
      return bulk(list);
    }),
  );
  client = openClient();
}

/** One connection as the node lists it. */
function line(id: number, { flags = 'N', obuf = 0, cmd = 'get' } = {}): string {
  return `id=${id} addr=127.0.0.1:4000${id} fd=9 name= age=1 idle=1 flags=${flags} namespace=ns qbuf=0 obuf=${obuf} cmd=${cmd}\n`;
}

function asked(): readonly string[] {
  return node.received.flat();
}

afterEach(async () => {
  client.close();
  await node.close();
});

describe('the connections of all clients', () => {
  it('are ended, and waited for as long as the node has one to close', async () => {
    const own = line(1, { cmd: 'client' });
    await start([own + line(2, { flags: 'c' }), own + line(2, { flags: 'c' }), own]);
    expect(await client.endClients(node.endpoint, PATIENT_MS)).toEqual(DONE);
    expect(asked()).toEqual([KILL_ALL, 'CLIENT LIST', 'CLIENT LIST', 'CLIENT LIST']);
  });

  it('are not waited for where the other end takes no replies: slots come over none of these', async () => {
    await start([line(2, { flags: 'c', obuf: 70_000 })]);
    expect(await client.endClients(node.endpoint, PATIENT_MS)).toEqual(DONE);
  });

  it('are not waited for while they wait for data: these do not end', async () => {
    await start([line(2, { flags: 'c', cmd: 'blpop' }) + line(3, { flags: 'c', cmd: 'bzpopmin' })]);
    expect(await client.endClients(node.endpoint, PATIENT_MS)).toEqual(DONE);
  });

  it('that do not end by the deadline are told', async () => {
    await start([line(2, { flags: 'c' })]);
    const ended = await client.endClients(node.endpoint, DEADLINE_MS);
    expect(ended).toMatchObject({ ok: false, error: { kind: 'timedOut' } });
  });

  it('are an error of its own on a server that does not know how', async () => {
    await start([], { kill: '-ERR unknown command\r\n' });
    const ended = await client.endClients(node.endpoint, PATIENT_MS);
    expect(ended).toMatchObject({ ok: false, error: { kind: 'refused' } });
    expect(asked()).toEqual([KILL_ALL]);
  });
});

describe('the connections of earlier imports', () => {
  it('are found by their last command, and no other is ended', async () => {
    const others = line(1, { cmd: 'client' }) + line(2, { cmd: 'set' }) + line(3, { cmd: 'info' });
    const imports = line(4, { cmd: 'cluster' }) + line(5, { cmd: 'APPLYBATCH' });
    await start([others + imports, others]);
    expect(await client.endImports(node.endpoint, PATIENT_MS)).toEqual(DONE);
    expect(asked()).toEqual([
      'CLIENT LIST',
      'CLIENT KILL ID 4',
      'CLIENT KILL ID 5',
      'CLIENT LIST',
      'CLUSTER INFO',
    ]);
  });

  it('alone are waited for, not what others have ended', async () => {
    const stuck = line(2, { flags: 'c', cmd: 'get' });
    await start([
      stuck + line(4, { cmd: 'cluster' }),
      stuck + line(4, { cmd: 'cluster', flags: 'c' }),
      stuck,
    ]);
    expect(await client.endImports(node.endpoint, PATIENT_MS)).toEqual(DONE);
    expect(asked().filter((command) => command === 'CLIENT LIST')).toHaveLength(3);
  });

  it('cost two questions where there is none', async () => {
    await start([line(1, { cmd: 'client' })]);
    expect(await client.endImports(node.endpoint, PATIENT_MS)).toEqual(DONE);
    expect(asked()).toEqual(['CLIENT LIST', 'CLUSTER INFO']);
  });

  it('are refused while slots are coming in', async () => {
    const info = 'cluster_current_epoch:7\r\nimporting_slot(s): 5\r\nimport_state: start\r\n';
    await start([line(1, { cmd: 'client' })], { info });
    expect(await client.endImports(node.endpoint, PATIENT_MS)).toMatchObject({
      ok: false,
      error: { kind: 'refused', message: expect.stringContaining('slots 5') },
    });
  });
});
