// Name services for processes of one test: two name servers that a test can silence, and files of their own in /etc.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { complaintOf, isRoot } from '../../scripts/lib/commands.ts';
import { type ScriptedDns, startScriptedDns } from './scripted-dns.ts';
import { THIS_MACHINE } from './test-names.ts';

/** resolv.conf knows addresses only. */
const DNS_PORT = 53;
const TTL_SECONDS = 5;
/** Puts two files in the place of those of the system, for itself and the program that it becomes. */
const BECOME = 'mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/resolv.conf && shift 2 && exec "$@"';

/** Null where processes can have files of their own in /etc, else what is missing. */
export async function nameServicesMissing(): Promise<string | null> {
  if (!isRoot()) return 'mount namespaces and port 53 need root';
  return complaintOf('unshare', '--mount', 'mount', '--bind', '/etc/hosts', '/etc/hosts');
}

export interface NameServices {
  /** For a process that knows names by the two name servers only. */
  readonly asking: readonly string[];
  /** For a process whose hosts file has `names`. */
  readonly knowing: readonly string[];
  /** The servers say that these names are this machine. */
  answer(names: readonly string[]): void;
  /** The servers do not answer for these names any more, as if they were dead. */
  silence(names: readonly string[]): void;
  /** Whether anybody has asked for the name since the last change. */
  wasAsked(name: string): boolean;
  /** How many times the name was asked for since the last change. */
  timesAsked(name: string): number;
  close(): Promise<void>;
}

/** `names` are of this machine. The name servers have addresses of this process on port 53. */
export async function startNameServices(names: readonly string[]): Promise<NameServices> {
  const folder = mkdtempSync(join(tmpdir(), 'kvrocks-names-'));
  const servers: ScriptedDns[] = [];
  const own = `127.53.${Math.floor(process.pid / 256) % 256}`;
  const hosts = [1, 2].map((turn) => `${own}.${(process.pid % 127) * 2 + turn}`);
  try {
    for (const host of hosts) servers.push(await startScriptedDns({}, { host, port: DNS_PORT }));
  } catch (error) {
    await close();
    throw error;
  }

  async function close(): Promise<void> {
    await Promise.all(servers.map(async (server) => server.close()));
    rmSync(folder, { recursive: true, force: true });
  }

  function fileOf(name: string, lines: readonly string[]): string {
    const file = join(folder, name);
    writeFileSync(file, lines.map((line) => `${line}\n`).join(''));
    return file;
  }

  function launcher(hostsFile: string): readonly string[] {
    return ['unshare', '--mount', 'sh', '-c', BECOME, 'sh', hostsFile, resolvConf];
  }

  function set(changed: readonly string[], isAnswered: boolean): void {
    for (const { records, questions } of servers) {
      questions.splice(0);
      for (const name of changed)
        records.set(name, isAnswered ? { addresses: [THIS_MACHINE], ttlSeconds: TTL_SECONDS } : 'silent');
    }
  }

  const resolvConf = fileOf(
    'resolv.conf',
    hosts.map((host) => `nameserver ${host}`),
  );
  function timesAsked(name: string): number {
    return servers.reduce(
      (count, { questions }) => count + questions.filter((question) => question === `A ${name}`).length,
      0,
    );
  }

  const bare = fileOf('hosts', [`${THIS_MACHINE} localhost`]);
  const full = fileOf('hosts-of-nodes', [`${THIS_MACHINE} localhost ${names.join(' ')}`]);
  set(names, true);
  return {
    asking: launcher(bare),
    knowing: launcher(full),
    answer: (changed) => set(changed, true),
    silence: (changed) => set(changed, false),
    wasAsked: (name) => timesAsked(name) > 0,
    timesAsked,
    close,
  };
}
