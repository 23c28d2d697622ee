// Whom a command asks and what it means: flags before the environment, that before a context; and the file of contexts.

import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, test, vi } from 'vitest';

import { changedContext } from '../../../src/cli/commands/contexts-command.ts';
import { contextsPath, readContexts, writeContexts } from '../../../src/cli/contexts.ts';
import { type GlobalFlags, Session } from '../../../src/cli/session.ts';
import { freePort } from '../../support/free-port.ts';

const folder = mkdtempSync(join(tmpdir(), 'kvctl-unit-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function hostsOf(flags: GlobalFlags, env: NodeJS.ProcessEnv = {}): Promise<readonly string[]> {
  return (await Session.open(flags, { XDG_CONFIG_HOME: join(folder, 'nothing'), ...env })).client.hosts;
}

describe('hosts', () => {
  test('are named in several ways, and each is asked once', async () => {
    expect(await hostsOf({})).toEqual(['127.0.0.1:9379']);
    expect(await hostsOf({ host: ['a:1, b:2', 'http://c:3/', 'a:1'] })).toEqual(['a:1', 'b:2', 'c:3']);
    expect(await hostsOf({ host: ['a', '[::1]:5'] })).toEqual(['a:9379', '[::1]:5']);
    expect(await hostsOf({}, { KVROCKS_CONTROLLER_HTTP_ADDR: 'http://u:1' })).toEqual(['u:1']);
    expect(await hostsOf({ host: ['f:1'] }, { KVCTL_HOST: 'e:1' })).toEqual(['f:1']);
  });

  test.each(['https://a:1', 'a:1/path', ',', 'ftp://a'])('%j is none', async (text) => {
    await expect(hostsOf({ host: [text] })).rejects.toMatchObject({ code: 2 });
  });
});

describe('contexts', () => {
  const env = { XDG_CONFIG_HOME: join(folder, 'config') };
  const path = contextsPath(env);
  const mine = { hosts: ['a:1'], namespace: 'shop', cluster: 'carts' };

  test('are kept for their owner alone, and read back', async () => {
    await writeContexts(path, { current: 'mine', contexts: { mine } });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await readContexts(path)).toEqual({ current: 'mine', contexts: { mine } });
    const session = await Session.open({ cluster: 'other' }, env);
    expect([session.client.hosts, session.namespace, session.cluster]).toEqual([['a:1'], 'shop', 'other']);
    await expect(Session.open({ context: 'none' }, env)).rejects.toThrow('there is no context none');
  });

  test('that others could have written, or that make no sense, are refused', async () => {
    const other = contextsPath({ XDG_CONFIG_HOME: join(folder, 'other') });
    mkdirSync(join(folder, 'other', 'kvctl'), { recursive: true });
    writeFileSync(other, 'contexts: {}\n', { mode: 0o644 });
    await expect(readContexts(other)).rejects.toThrow('chmod 600');
    rmSync(other);
    writeFileSync(other, 'contexts: {a: {hosts: []}}\n', { mode: 0o600 });
    await expect(readContexts(other)).rejects.toMatchObject({ code: 2 });
  });

  test('keep what is not named', () => {
    expect(changedContext(mine, { cluster: 'c' }, ['x:1'])).toEqual({ ...mine, cluster: 'c' });
    expect(changedContext(mine, { host: ['x:1'] }, ['x:1'])).toEqual({ ...mine, hosts: ['x:1'] });
    expect(() => changedContext(undefined, { cluster: 'c' }, ['x:1'])).toThrow('which controllers?');
  });
});

test('a request can be repeated with curl, quotes and all', async () => {
  const host = `127.0.0.1:${await freePort()}`;
  const said: string[] = [];
  const write = vi.spyOn(process.stderr, 'write').mockImplementation((text) => said.push(String(text)) > 0);
  try {
    const flags = { host: [host], printCurl: true, timeout: 200 };
    const session = await Session.open(flags, { XDG_CONFIG_HOME: join(folder, 'nothing') });
    await expect(session.client.send('POST', '/namespaces', { namespace: "it's" })).rejects.toMatchObject({
      code: 6,
    });
  } finally {
    write.mockRestore();
  }
  expect(said[0]).toBe(
    `curl -L -X POST -H 'Content-Type: application/json' -d '{"namespace":"it'\\''s"}' 'http://${host}/api/v1/namespaces'\n`,
  );
});
