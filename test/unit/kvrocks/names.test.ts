// Nodes named by host, and what is our own fault and not theirs.

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Secret } from '../../../src/base/secret.ts';
import { KvrocksClient } from '../../../src/kvrocks/client.ts';
import type { NodeEndpoint } from '../../../src/control/node-commands.ts';
import { NameResolver } from '../../../src/names/name-resolver.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { addressParts, parseAddress } from '../../../src/topology/node.ts';
import { holdThreadPool } from '../../support/busy-thread-pool.ts';
import { freePort } from '../../support/free-port.ts';
import { type ScriptedDns, startScriptedDns } from '../../support/scripted-dns.ts';
import { answering, type ScriptedNode, startScriptedNode } from './scripted-node.ts';

const DEADLINE_MS = 150;
const PATIENT_MS = 10_000;

let client: KvrocksClient;
let node: ScriptedNode;
let dns: ScriptedDns;
let names: NameResolver;
let folder = '';

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'names-'));
  writeFileSync(join(folder, 'empty'), '');
  node = await startScriptedNode(answering({}), { host: '127.0.0.3' });
  dns = await startScriptedDns();
  const paths = { hostsPath: join(folder, 'empty'), resolvConfPath: join(folder, 'empty') };
  names = new NameResolver({ clock: systemClock, ...paths, servers: [dns.server] });
  client = new KvrocksClient({ clock: systemClock, names });
});

afterEach(async () => {
  client.close();
  names.close();
  await dns.close();
  await node.close();
  rmSync(folder, { recursive: true });
});

function named(host: string, port = addressParts(node.endpoint.address).port): NodeEndpoint {
  const address = parseAddress(`${host}:${port}`);
  if (!address.ok) throw new Error(host);
  return { address: address.value, password: Secret.none };
}

describe('a node named by host', () => {
  it('KD1: is found, and found again when the name servers are gone', async () => {
    dns.records.set('node.example', { addresses: ['127.0.0.3'], ttlSeconds: 30 });
    expect((await client.probe(named('node.example'), PATIENT_MS)).kind).toBe('answered');
    await dns.close();
    client.release(named('node.example').address);
    expect((await client.probe(named('node.example'), PATIENT_MS)).kind).toBe('answered');
    dns = await startScriptedDns();
  });

  it('is found at any of its addresses, and there at once the next time', async () => {
    dns.records.set('node.example', { addresses: ['127.0.0.2', '127.0.0.3'], ttlSeconds: 30 });
    expect((await client.probe(named('node.example'), PATIENT_MS)).kind).toBe('answered');
    expect(await names.addressesOf('node.example', 0)).toEqual({
      ok: true,
      value: ['127.0.0.3', '127.0.0.2'],
    });
  });

  it('whose every address refuses is refused', async () => {
    dns.records.set('node.example', { addresses: ['127.0.0.2', '127.0.0.4'], ttlSeconds: 30 });
    expect(await client.probe(named('node.example', await freePort()), PATIENT_MS)).toMatchObject({
      error: { kind: 'connectionRefused' },
    });
  });

  it.each(['absent', 'broken'] as const)(
    'KD2: that has no address (%s) is not silent: we are at fault',
    async (record) => {
      dns.records.set('node.example', record);
      expect(await client.probe(named('node.example'), PATIENT_MS)).toMatchObject({
        error: { kind: 'ownFault', message: expect.stringContaining('node.example') },
      });
      expect(node.received).toEqual([]);
    },
  );

  it('KD1, KD2: whose name servers are silent is our own fault too, and costs nobody else anything', async () => {
    dns.records.set('dead.example', 'silent');
    const looks = Array.from({ length: 40 }, (_, index) =>
      client.probe(named('dead.example', 7000 + index), DEADLINE_MS),
    );
    expect((await client.probe(node.endpoint, PATIENT_MS)).kind).toBe('answered');
    for (const look of await Promise.all(looks)) expect(look).toMatchObject({ error: { kind: 'ownFault' } });
    expect(dns.questions.filter((question) => question === 'A dead.example')).toHaveLength(1);
  });

  it('KD1: does not wait for the threads that the log writes with', async () => {
    dns.records.set('node.example', { addresses: ['127.0.0.3'], ttlSeconds: 30 });
    const pool = holdThreadPool();
    try {
      expect((await client.probe(named('node.example'), PATIENT_MS)).kind).toBe('answered');
    } finally {
      await pool.release();
    }
  });
});

describe('our own faults', () => {
  it('KD2: a process without file descriptors says so, and nothing of the node', async () => {
    const script = fileURLToPath(new URL('probe-without-descriptors.ts', import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [script, node.endpoint.address]);
    expect(JSON.parse(stdout)).toMatchObject({ kind: 'failed', error: { kind: 'ownFault' } });
    expect(stdout).toContain('EMFILE');
  });
});
