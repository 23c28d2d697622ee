// The resolver against a real UDP name server and real files.

import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, describe, expect, it, vi } from 'vitest';

import type { Clock } from '../../../src/base/clock.ts';
import { NameResolver } from '../../../src/names/name-resolver.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { type DnsRecord, type ScriptedDns, startScriptedDns } from '../../support/scripted-dns.ts';

const DEADLINE_MS = 10_000;

let dns: ScriptedDns;
let names: NameResolver;
let folder = '';
/** Milliseconds that have passed for the resolver beside the real ones. */
let skippedMs = 0;

const clock: Clock = {
  ...systemClock,
  monotonicMs: () => systemClock.monotonicMs() + skippedMs,
};

async function start(
  records: Record<string, DnsRecord>,
  files: { hosts?: string; resolvConf?: string } = {},
): Promise<void> {
  folder = mkdtempSync(join(tmpdir(), 'names-'));
  dns = await startScriptedDns(records);
  skippedMs = 0;
  writeFileSync(join(folder, 'hosts'), files.hosts ?? '');
  writeFileSync(join(folder, 'resolv.conf'), files.resolvConf ?? '');
  open();
}

function open(): void {
  names = new NameResolver({
    clock,
    hostsPath: join(folder, 'hosts'),
    resolvConfPath: join(folder, 'resolv.conf'),
    servers: [dns.server],
    keptIn: keptIn(),
  });
}

const keptIn = (): string => join(folder, 'known-names');

/** Waits until the file of known names says it. */
async function kept(line: string): Promise<void> {
  await vi.waitFor(() => expect(readFileSync(keptIn(), 'utf8').split('\n')).toContain(line), 20_000);
}

afterEach(async () => {
  names.close();
  await dns.close();
  rmSync(folder, { recursive: true });
});

const record = (...addresses: string[]): DnsRecord => ({ addresses, ttlSeconds: 20 });

describe('names', () => {
  it('literals pass, and nobody is asked', async () => {
    await start({});
    expect(await names.addressesOf('10.0.0.1', DEADLINE_MS)).toEqual({ ok: true, value: ['10.0.0.1'] });
    expect(await names.addressesOf('fe80::1', DEADLINE_MS)).toEqual({ ok: true, value: ['fe80::1'] });
    expect(dns.questions).toEqual([]);
  });

  it('KD1: both families are asked for once, and the answer is remembered', async () => {
    await start({ 'node.example': record('10.0.0.2', 'fd00::2') });
    const both = await Promise.all(
      Array.from({ length: 20 }, () => names.addressesOf('Node.example', DEADLINE_MS)),
    );
    for (const known of both) expect(known).toEqual({ ok: true, value: ['10.0.0.2', 'fd00::2'] });
    expect([...dns.questions].sort()).toEqual(['A node.example', 'AAAA node.example']);
  });

  it('the hosts file comes first and is read again when it changes', async () => {
    await start({ 'node.example': record('10.0.0.2') }, { hosts: '10.0.0.9 node.example\n' });
    expect(await names.addressesOf('node.example', DEADLINE_MS)).toEqual({ ok: true, value: ['10.0.0.9'] });
    writeFileSync(join(folder, 'new'), '10.0.0.10 node.example\n');
    renameSync(join(folder, 'new'), join(folder, 'hosts'));
    skippedMs += 2000;
    expect(await names.addressesOf('node.example', DEADLINE_MS)).toEqual({ ok: true, value: ['10.0.0.10'] });
    rmSync(join(folder, 'hosts'));
    skippedMs += 2000;
    expect(await names.addressesOf('node.example', DEADLINE_MS)).toEqual({ ok: true, value: ['10.0.0.10'] });
    expect(dns.questions).toEqual([]);
  });

  it('localhost needs neither file nor server', async () => {
    await start({});
    expect(await names.addressesOf('localhost', DEADLINE_MS)).toEqual({
      ok: true,
      value: ['127.0.0.1', '::1'],
    });
    expect(dns.questions).toEqual([]);
  });

  it('a short name is looked for in the search domains', async () => {
    await start(
      { 'kvrocks-0.kvrocks.ns.svc.cluster.local': record('10.1.0.3') },
      { resolvConf: 'search svc.cluster.local ns.svc.cluster.local\noptions ndots:5\n' },
    );
    expect(await names.addressesOf('kvrocks-0.kvrocks', DEADLINE_MS)).toEqual({
      ok: true,
      value: ['10.1.0.3'],
    });
  });

  it('a domain whose servers fail is not skipped for the next: it might be another host', async () => {
    await start(
      { 'node.first': 'broken', 'node.second': record('10.0.0.66') },
      { resolvConf: 'search first second\n' },
    );
    expect((await names.addressesOf('node', DEADLINE_MS)).ok).toBe(false);
    expect(dns.questions.join(' ')).not.toContain('second');
  });

  it('KD1: a name that fails keeps its last good addresses, however long', async () => {
    await start({ 'node.example': record('10.0.0.2') });
    await names.addressesOf('node.example', DEADLINE_MS);
    for (const failure of ['broken', 'absent'] as const) {
      dns.records.set('node.example', failure);
      const asked = dns.questions.length;
      skippedMs += 3_600_000;
      expect(await names.addressesOf('node.example', 0)).toEqual({ ok: true, value: ['10.0.0.2'] });
      await vi.waitFor(() => expect(dns.questions.length).toBeGreaterThan(asked));
    }
  });

  it('a moved name is noticed behind the back of whoever asks', async () => {
    await start({ 'node.example': record('10.0.0.2') });
    await names.addressesOf('node.example', DEADLINE_MS);
    dns.records.set('node.example', record('10.0.0.3'));
    expect(await names.addressesOf('node.example', 0)).toEqual({ ok: true, value: ['10.0.0.2'] });
    skippedMs += 31_000;
    expect(await names.addressesOf('node.example', 0)).toEqual({ ok: true, value: ['10.0.0.2'] });
    await vi.waitFor(async () => {
      expect(await names.addressesOf('node.example', 0)).toEqual({ ok: true, value: ['10.0.0.3'] });
    });
  });

  it('KD1: dead name servers cost a name its deadline, no other name anything, and the name one look-up', async () => {
    await start({ 'dead.example': 'silent', 'node.example': record('10.0.0.2') });
    const refused = await Promise.all(
      Array.from({ length: 50 }, () => names.addressesOf('dead.example', 20)),
    );
    expect(refused[0]).toEqual({ ok: false, error: 'no answer of a name server within 20 ms' });
    expect((await names.addressesOf('node.example', DEADLINE_MS)).ok).toBe(true);
    expect(dns.questions.filter((question) => question === 'A dead.example')).toHaveLength(1);
  });

  it('what is no name is asked for again only after a pause', async () => {
    await start({ 'node.example': 'absent' });
    for (let round = 0; round < 5; round += 1) {
      expect((await names.addressesOf('node.example', DEADLINE_MS)).ok).toBe(false);
    }
    expect(dns.questions).toHaveLength(2);
    skippedMs += 1001;
    dns.records.set('node.example', record('10.0.0.2'));
    expect((await names.addressesOf('node.example', DEADLINE_MS)).ok).toBe(true);
  });

  it('the address that answered is tried first from then on, also after a refresh', async () => {
    await start({ 'node.example': record('10.0.0.2', '10.0.0.3', 'fd00::2') });
    await names.addressesOf('node.example', DEADLINE_MS);
    names.answered('node.example', 'fd00::2');
    names.answered('node.example', '192.0.2.1');
    const wanted = { ok: true, value: ['fd00::2', '10.0.0.2', '10.0.0.3'] };
    expect(await names.addressesOf('node.example', DEADLINE_MS)).toEqual(wanted);
    const asked = dns.questions.length;
    skippedMs += 31_000;
    await names.addressesOf('node.example', 0);
    await vi.waitFor(() => expect(dns.questions.length).toBe(asked + 2));
    expect(await names.addressesOf('node.example', DEADLINE_MS)).toEqual(wanted);
  });

  it('a closed resolver answers what it knows and asks nobody', async () => {
    await start({ 'node.example': record('10.0.0.2'), 'dead.example': 'silent' });
    await names.addressesOf('node.example', DEADLINE_MS);
    const pending = names.addressesOf('dead.example', DEADLINE_MS);
    await vi.waitFor(() => expect(dns.questions).toContain('A dead.example'));
    names.close();
    expect((await pending).ok).toBe(false);
    const asked = dns.questions.length;
    skippedMs += 31_000;
    expect((await names.addressesOf('node.example', DEADLINE_MS)).ok).toBe(true);
    expect((await names.addressesOf('other.example', DEADLINE_MS)).ok).toBe(false);
    expect(dns.questions).toHaveLength(asked);
  });

  it('KD1: what one process knew, the next uses while no server answers, and not once one does', async () => {
    await start({ 'node.example': record('10.0.0.2', 'fd00::2'), 'other.example': record('10.0.0.5') });
    await names.addressesOf('node.example', DEADLINE_MS);
    await names.addressesOf('other.example', DEADLINE_MS);
    await kept('10.0.0.5 other.example');
    names.close();
    dns.records.set('node.example', 'silent');
    dns.records.set('other.example', record('10.0.0.6'));
    open();
    const recalled = { ok: true, value: ['10.0.0.2', 'fd00::2'] };
    expect(await names.addressesOf('node.example', DEADLINE_MS)).toEqual(recalled);
    expect(await names.addressesOf('node.example', 0)).toEqual(recalled);
    expect(await names.addressesOf('other.example', DEADLINE_MS)).toEqual({ ok: true, value: ['10.0.0.6'] });
    dns.records.set('third.example', record('10.0.0.7'));
    await names.addressesOf('third.example', DEADLINE_MS);
    // A new name does not wait for the next write of what only changed.
    await kept('10.0.0.7 third.example');
    await kept('10.0.0.6 other.example');
    // What was not heard of again is still known to the one after.
    await kept('fd00::2 node.example');
  });

  it('a file of known names that is damaged counts as far as it can be read', async () => {
    await start({ 'node.example': 'broken', 'other.example': 'broken' });
    names.close();
    writeFileSync(keptIn(), '\u0000\u0001\n10.0.0.2 node.example\nnonsense\n10.0.0.7 other.exa');
    open();
    expect(await names.addressesOf('node.example', DEADLINE_MS)).toEqual({ ok: true, value: ['10.0.0.2'] });
    expect((await names.addressesOf('other.example', DEADLINE_MS)).ok).toBe(false);
  });
});
