// The client against node processes (KVROCKS_BIN, else the simulator).

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Secret } from '../../../src/base/secret.ts';
import type { KvrocksClient } from '../../../src/kvrocks/client.ts';
import type { NodeEndpoint } from '../../../src/control/node-commands.ts';
import { createSystemRandom } from '../../../src/system/random.ts';
import { parseAddress } from '../../../src/topology/node.ts';
import type { ClusterVersion, NodeId } from '../../../src/topology/types.ts';
import { type KvrocksNode, startKvrocksNode } from '../../support/kvrocks-node.ts';
import { keysOfSlot } from '../../support/node-commands.ts';
import { RespClient } from '../../support/resp-client.ts';
import { notYet, waitUntil } from '../../support/wait-until.ts';
import { openClient } from './scripted-node.ts';

const PATIENT_MS = 15_000;
const PASSWORD = 'sesame';
const IDS = ['a', 'b'].map((letter) => letter.repeat(40) as NodeId);
const SLOT = 5;

let client: KvrocksClient;
let nodes: readonly KvrocksNode[] = [];
let clients: RespClient[] = [];

beforeEach(async () => {
  client = openClient();
  nodes = await Promise.all([1, 2].map(() => startKvrocksNode({ password: PASSWORD })));
});

afterEach(async () => {
  client.close();
  for (const other of clients.splice(0)) other.close();
  await Promise.all(nodes.map((node) => node.dispose()));
  clients = [];
});

function endpointOf(node: KvrocksNode, host = '127.0.0.1'): NodeEndpoint {
  const address = parseAddress(`${host}:${node.port}`);
  if (!address.ok) throw new Error(host);
  return { address: address.value, password: new Secret(PASSWORD) };
}

function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('there are two nodes');
  return value;
}

const DONE = { ok: true, value: undefined };

/** Somebody else's connection to it. */
async function openClientOf(node: KvrocksNode): Promise<RespClient> {
  const opened = await RespClient.open({ host: '127.0.0.1', port: node.port, timeoutMs: PATIENT_MS });
  clients.push(opened);
  await opened.command(['AUTH', PASSWORD]);
  return opened;
}

/** Two masters; the first has all slots up to 8191. */
async function push(
  version: number,
  options: { force: boolean; slots?: readonly [string, string] },
): Promise<void> {
  const [first, second] = options.slots ?? [' 0-8191', ' 8192-16383'];
  const [left, right] = [present(nodes[0]), present(nodes[1])];
  const text = `${IDS[0]} 127.0.0.1 ${left.port} master -${first}\n${IDS[1]} 127.0.0.1 ${right.port} master -${second}\n`;
  for (const [index, node] of nodes.entries()) {
    const id = present(IDS[index]);
    const topology = { id, text, version: version as ClusterVersion, force: options.force };
    expect(await client.setTopology(endpointOf(node), topology, PATIENT_MS)).toEqual({
      ok: true,
      value: undefined,
    });
  }
}

describe('ending connections', () => {
  it('closes those of all clients before it answers, and leaves the one that is looked over', async () => {
    const node = present(nodes[0]);
    await push(1, { force: false });
    const others = [await openClientOf(node), await openClientOf(node)];
    expect(await client.endClients(endpointOf(node), PATIENT_MS)).toEqual(DONE);
    for (const other of others) await expect(other.command(['PING'])).rejects.toThrow();
    expect(await client.probe(endpointOf(node), PATIENT_MS)).toMatchObject({ kind: 'answered' });
  });

  it('closes those of imports that are over, and of nobody else; one that is open is refused', async () => {
    const node = present(nodes[1]);
    await push(1, { force: false });
    const [reader, first, second] = [
      await openClientOf(node),
      await openClientOf(node),
      await openClientOf(node),
    ];
    const imported = async (over: RespClient, slot: number, state: string): Promise<void> => {
      expect(await over.command(['CLUSTER', 'IMPORT', String(slot), state])).toBe('OK');
    };
    await reader.command(['PING']);
    await imported(first, SLOT, '0');
    await imported(first, SLOT, '1');
    expect(await client.endImports(endpointOf(node), PATIENT_MS)).toEqual(DONE);
    await expect(first.command(['PING'])).rejects.toThrow();
    expect(await reader.command(['PING'])).toBe('PONG');
    await imported(second, SLOT + 1, '0');
    await second.command(['PING']);
    expect(await client.endImports(endpointOf(node), PATIENT_MS)).toMatchObject({
      error: { kind: 'refused', message: 'it takes in slots 6 from somewhere else' },
    });
    expect(await second.command(['PING'])).toBe('PONG');
  });
});

describe('inspecting', () => {
  it('tells data, process and settings, and a node emptied with FLUSHALL and RESET from a new one', async () => {
    const node = present(nodes[0]);
    const fresh = await client.inspect(endpointOf(node), PATIENT_MS);
    expect(fresh).toMatchObject({
      value: {
        id: null,
        version: -1,
        role: 'master',
        master: null,
        sequence: 0,
        settings: {
          emptiesBeforeFullSync: false,
          persistsTopology: true,
          servesStaleData: true,
          usesReplicationIds: false,
          migrateType: 'redis-command',
          migrateSpeed: 4096,
          clientsMax: expect.any(Number),
        },
      },
    });
    expect(fresh.ok && fresh.value.processId).toBe(node.pid);
    await push(1, { force: false });
    for (const key of keysOfSlot(SLOT, 20)) await node.command('SET', key, key);
    await node.command('FLUSHALL');
    await node.command('CLUSTER', 'RESET');
    const used = await client.inspect(endpointOf(node), PATIENT_MS);
    expect(used).toMatchObject({ value: { id: null, version: -1 } });
    expect(used.ok && used.value.sequence).toBeGreaterThan(20);
  });

  it('a replica tells whom it follows', async () => {
    const [master, replica] = [present(nodes[0]), present(nodes[1])];
    const text = `${IDS[0]} 127.0.0.1 ${master.port} master - 0-16383\n${IDS[1]} 127.0.0.1 ${replica.port} slave ${IDS[0]}\n`;
    for (const [index, node] of nodes.entries()) {
      const id = present(IDS[index]);
      const topology = { id, text, version: 1 as ClusterVersion, force: false };
      await client.setTopology(endpointOf(node), topology, PATIENT_MS);
    }
    expect(await client.inspect(endpointOf(replica), PATIENT_MS)).toMatchObject({
      value: { id: IDS[1], version: 1, role: 'replica', master: endpointOf(master).address },
    });
  });
});

describe('topologies', () => {
  it('go over a higher version when forced', async () => {
    await push(7, { force: false });
    await push(3, { force: true });
    expect(await client.probe(endpointOf(present(nodes[0])), PATIENT_MS)).toMatchObject({
      report: { version: 3 },
    });
  });
});

describe('outrunning', () => {
  it('KA2b: moves the sequence of a master without slots on', async () => {
    await push(1, { force: false, slots: ['', ' 0-16383'] });
    const endpoint = endpointOf(present(nodes[0]));
    for (let round = 0; round < 3; round += 1) {
      expect(await client.outrun(endpoint, 1000, PATIENT_MS)).toEqual({ ok: true, value: undefined });
    }
    const after = await client.probe(endpoint, PATIENT_MS);
    expect(after.kind === 'answered' && after.report.sequence).toBeGreaterThanOrEqual(3000);
  });
});

describe('a fence', () => {
  it('KA3: keeps everybody out who has the password of the node, controllers excepted, until a topology comes', async () => {
    const node = present(nodes[0]);
    const endpoint = endpointOf(node);
    const report = async (of: KvrocksClient): Promise<unknown> => {
      const result = await of.probe(endpoint, PATIENT_MS);
      return result.kind === 'answered' ? result.report : result.error;
    };
    expect(await report(client)).toMatchObject({ isFenced: false, login: 'accepted' });
    expect(await client.fence(endpoint, PATIENT_MS)).toEqual({ ok: true, value: undefined });
    const other = await RespClient.open({ host: '127.0.0.1', port: node.port, timeoutMs: PATIENT_MS });
    clients.push(other);
    await expect(other.command(['AUTH', PASSWORD])).rejects.toThrow(/invalid password/i);
    const next = openClient();
    try {
      for (const one of [client, next]) {
        expect(await report(one)).toMatchObject({ isFenced: true, login: 'accepted', version: -1 });
      }
      const topology = {
        id: present(IDS[0]),
        text: `${IDS[0]} 127.0.0.1 ${node.port} master - 0-16383\n`,
        version: 1 as ClusterVersion,
        force: false,
      };
      expect(await next.setTopology(endpoint, topology, PATIENT_MS)).toEqual({ ok: true, value: undefined });
      expect(await report(next)).toMatchObject({ isFenced: false, login: 'accepted', version: 1 });
      expect(await other.command(['AUTH', PASSWORD])).toBe('OK');
    } finally {
      next.close();
    }
  });
});

describe('processes', () => {
  it('KA5: one process is recognised under all its names', async () => {
    const [one, two] = [present(nodes[0]), present(nodes[1])];
    const hosts = ['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]', '0.0.0.0'];
    const names = hosts.map((host) => endpointOf(one, host));
    const other = endpointOf(two);
    const found = await client.sameProcess(
      [present(names[0]), other, ...names.slice(1)],
      createSystemRandom(),
      PATIENT_MS,
    );
    expect(found.failures).toEqual(new Map());
    expect(found.groups).toEqual([names.map(({ address }) => address)]);
    const list = await one.command('CLIENT', 'LIST');
    await waitUntil('the connections to be closed', async () =>
      String(await one.command('CLIENT', 'LIST')).includes('kvrocks-controller:') ? notYet(list) : true,
    );
  });

  it('of an address that cannot be asked nothing is claimed', async () => {
    const [one, two] = [present(nodes[0]), present(nodes[1])];
    await two.kill();
    const endpoints = [one, two].map((node) => endpointOf(node));
    const found = await client.sameProcess(endpoints, createSystemRandom(), PATIENT_MS);
    expect(found.groups).toEqual([]);
    expect([...found.failures]).toEqual([
      [present(endpoints[1]).address, expect.objectContaining({ kind: 'connectionRefused' })],
    ]);
  });
});
