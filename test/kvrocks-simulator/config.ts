// The settings of one node: defaults, kvrocks.conf, command line, CONFIG GET / SET / REWRITE.

import { readFileSync, renameSync, writeFileSync } from 'node:fs';

import { err, ok, type Result } from '../../src/base/result.ts';
import { LEASE_MODES } from './lease.ts';

/** Defaults as the server reports them (facts section 9). */
const DEFAULTS: Readonly<Record<string, string>> = {
  bind: '127.0.0.1',
  'cluster-enabled': 'no',
  dir: '/tmp/kvrocks',
  'master-use-repl-port': 'no',
  masterauth: '',
  'max-replication-mb': '0',
  maxclients: '10240',
  'migrate-batch-rate-limit-mb': '16',
  'migrate-batch-size-kb': '16',
  'migrate-pipeline-size': '16',
  'migrate-sequence-gap': '10000',
  'migrate-speed': '4096',
  'migrate-type': 'redis-command',
  'persist-cluster-nodes-enabled': 'yes',
  port: '6666',
  'repl-namespace-enabled': 'no',
  'replica-announce-ip': '',
  'replica-announce-port': '0',
  requirepass: '',
  'resp3-enabled': 'no',
  'slave-empty-db-before-fullsync': 'no',
  'slave-priority': '100',
  'slave-read-only': 'yes',
  'slave-serve-stale-data': 'yes',
  timeout: '0',
  'use-rsid-psync': 'no',
  workers: '2',
};

const MIGRATE_SPEED_MAX = 2_147_483_647;

/** There only when the conf file or a flag names it: no release has leases. */
const LEASE_MODE = 'master-lease-mode';

/** What CONFIG SET refuses because it is read at start only. */
const FIXED_AT_START: ReadonlySet<string> = new Set([
  'bind',
  'cluster-enabled',
  'dir',
  'port',
  'replica-announce-ip',
  'replica-announce-port',
  'resp3-enabled',
  'use-rsid-psync',
  'workers',
]);

export class Config {
  readonly #values = new Map<string, string>(Object.entries(DEFAULTS));
  readonly #changed = new Set<string>();
  readonly #file: string | null;
  #fileLines: readonly string[] = [];

  /** Reads `file` if there is one; an unreadable file throws. `overrides` are the flags of the command line. */
  constructor(file: string | null, overrides: ReadonlyMap<string, string>) {
    this.#file = file;
    if (file !== null) {
      this.#fileLines = readFileSync(file, 'latin1').split('\n');
      for (const line of this.#fileLines) {
        const parsed = parseLine(line);
        if (parsed !== null && (this.#values.has(parsed.name) || parsed.name === LEASE_MODE))
          this.#values.set(parsed.name, parsed.value);
      }
    }
    for (const [name, value] of overrides) this.#values.set(name, value);
  }

  text(name: string): string {
    return this.#values.get(name) ?? '';
  }

  flag(name: string): boolean {
    return this.text(name) === 'yes';
  }

  /** A whole number; 0 if the text is none. */
  count(name: string): number {
    const value = Number.parseInt(this.text(name), 10);
    return Number.isNaN(value) ? 0 : value;
  }

  binds(): readonly string[] {
    return this.text('bind')
      .split(' ')
      .filter((word) => word !== '');
  }

  /** Settings whose name matches `pattern` (a glob), in the order of their names. */
  matching(pattern: (name: string) => boolean): readonly (readonly [string, string])[] {
    return [...this.#values]
      .filter(([name]) => pattern(name))
      .sort(([left], [right]) => (left < right ? -1 : 1));
  }

  /** `disabled`, `log-only` or `block-write`; null on a server without leases. */
  get leaseMode(): string | null {
    return this.#values.get(LEASE_MODE) ?? null;
  }

  /** The error is the server's text after `ERR `. */
  set(name: string, value: string): Result<null, string> {
    if (!this.#values.has(name) || FIXED_AT_START.has(name)) {
      return err(`CONFIG SET '${name}' error: Unsupported CONFIG parameter: ${name}`);
    }
    const yesOrNo = DEFAULTS[name] === 'yes' || DEFAULTS[name] === 'no';
    if (yesOrNo && value !== 'yes' && value !== 'no') {
      return err(`CONFIG SET '${name}' error: argument must be 'yes' or 'no'`);
    }
    const refusal = refusalOf(name, value);
    if (refusal !== null) return err(`CONFIG SET '${name}' error: failed to set new value: ${refusal}`);
    if (name === LEASE_MODE && !LEASE_MODES.has(value)) {
      return err(`CONFIG SET '${name}' error: argument must be one of ${[...LEASE_MODES].join(', ')}`);
    }
    this.#values.set(name, value);
    this.#changed.add(name);
    return ok(null);
  }

  /** Writes the changed settings back into the file; `slaveOf` is `host port` or null. */
  rewrite(slaveOf: string | null): Result<null, string> {
    if (this.#file === null) return err('the server is running without a config file');
    const pending = new Map([...this.#changed].map((name) => [name, this.text(name)]));
    if (slaveOf !== null) pending.set('slaveof', slaveOf);
    const lines: string[] = [];
    for (const line of this.#fileLines) {
      const name = parseLine(line)?.name;
      if (name === 'slaveof' && slaveOf === null) continue;
      const value = name === undefined ? undefined : pending.get(name);
      lines.push(name === undefined || value === undefined ? line : confLine(name, value));
      if (name !== undefined) pending.delete(name);
    }
    while (lines.at(-1) === '') lines.pop();
    for (const [name, value] of pending) lines.push(confLine(name, value));
    writeFileSync(`${this.#file}.tmp`, `${lines.join('\n')}\n`, 'latin1');
    renameSync(`${this.#file}.tmp`, this.#file);
    this.#fileLines = lines;
    return ok(null);
  }
}

/** Why a value is none of the settings that migrations are tuned by, in the words of the server; null when it is one. */
function refusalOf(name: string, value: string): string | null {
  if (name === 'migrate-type' && value !== 'redis-command' && value !== 'raw-key-value')
    return "invalid enum option, acceptable values are 'redis-command', 'raw-key-value'";
  if (name !== 'migrate-speed') return null;
  if (!/^-?\d+$/.test(value)) return 'not started as an integer';
  if (Number(value) > MIGRATE_SPEED_MAX) return 'out of range of integer type';
  return Number(value) < 0 ? 'out of numeric range' : null;
}

function confLine(name: string, value: string): string {
  return value === '' || value.includes(' ') ? `${name} "${value}"` : `${name} ${value}`;
}

/** `name value`, the value optionally in quotes; null for comments and blank lines. */
function parseLine(line: string): { readonly name: string; readonly value: string } | null {
  const match = /^\s*([^\s#]\S*)\s*(.*?)\s*$/.exec(line);
  if (match === null) return null;
  const [, name = '', value = ''] = match;
  const quoted = /^(["'])(.*)\1$/.exec(value);
  return { name: name.toLowerCase(), value: quoted?.[2] ?? value };
}
