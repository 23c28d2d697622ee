// Kvrocks nodes for tests: the real server when KVROCKS_BIN names one, else the simulator, with the same conf file.

import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

import type { Seat } from '../../scripts/lib/network-namespaces.ts';
import { freePort } from './free-port.ts';
import { KvrocksConnectionError, KvrocksReplyError, RespClient, type KvrocksReply } from './resp-client.ts';

export { KvrocksConnectionError, type KvrocksReply } from './resp-client.ts';

const SIMULATOR = fileURLToPath(new URL('../kvrocks-simulator/main.ts', import.meta.url));
/** Halves the simulator's start-up time. */
const COMPILE_CACHE = join(tmpdir(), 'kvrocks-simulator-compile-cache');
const LOOPBACK: Seat = { host: '127.0.0.1', launcher: [] };
/** Generous: a busy machine takes that long to start a process. */
const START_DEADLINE_MS = 45_000;
const COMMAND_DEADLINE_MS = 15_000;
/** A replica that sleeps before its next attempt leaves SIGTERM waiting for up to 10 s (facts section 3.6). */
const STOP_DEADLINE_MS = 15_000;
const START_ATTEMPTS = 5;

export interface KvrocksNodeOptions {
  /** A free one when left out. */
  readonly port?: number;
  /** `requirepass` and `masterauth`; none when left out. */
  readonly password?: string;
  /** Where nodes.conf, data and the log live; when left out a temporary folder, removed by `dispose` or with this process. */
  readonly dir?: string;
  /** Where it runs and listens; the loopback interface of this machine when left out. */
  readonly seat?: Seat;
  /** The host name in its address; where it listens when left out. */
  readonly name?: string;
  /** Further lines of kvrocks.conf: `{ 'migrate-speed': '100' }`. */
  readonly conf?: Readonly<Record<string, string>>;
}

export interface KvrocksNode {
  /** Where it listens. */
  readonly host: string;
  readonly port: number;
  /** `host:port`, or `name:port` when it has a name. */
  readonly address: string;
  readonly dir: string;
  /** Of the running process; changes at `restart`. */
  readonly pid: number;
  /** Sends one command on a connection of its own (logged in, reopened when lost). Throws `KvrocksReplyError` on an error reply. */
  command(...args: string[]): Promise<KvrocksReply>;
  /** The same without decoding: the reply's bytes. */
  raw(...args: string[]): Promise<string>;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM, and SIGKILL when that takes too long. */
  stop(): Promise<void>;
  /** SIGSTOP: connections stay open and new ones are accepted, but nothing is answered (facts section 8). */
  pause(): void;
  /** SIGCONT: everything that queued up is executed. */
  resume(): void;
  /** Starts the process again on the same port and folder, after `kill`, `stop` or a crash; a running one is killed first. */
  restart(options?: RestartOptions): Promise<void>;
  /** SIGKILL, and removes the temporary folder. */
  dispose(): Promise<void>;
  /** Resolves with the exit code or signal when the process ends. */
  exited(): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }>;
  /** What the process has printed. */
  log(): string;
}

export interface RestartOptions {
  /** Removes nodes.conf first. */
  readonly wipeNodesConf?: boolean;
  /** Removes the data first. */
  readonly wipeData?: boolean;
}

/** Starts a node in cluster mode and waits until it answers PING. Rejects with the process's output when it does not start. */
export async function startKvrocksNode(options: KvrocksNodeOptions = {}): Promise<KvrocksNode> {
  const dir = options.dir ?? temporaryFolder();
  mkdirSync(dir, { recursive: true });
  for (let attempt = 1; ; attempt += 1) {
    const port = options.port ?? (await freePort());
    const node = new NodeProcess({ dir, port, options });
    try {
      await node.restart();
      return node;
    } catch (cause) {
      const clash = options.port === undefined && /address already in use|EADDRINUSE/i.test(node.log());
      if (!clash || attempt === START_ATTEMPTS) throw cause;
    }
  }
}

const running = new Set<ChildProcess>();
const temporaryFolders = new Set<string>();

/** What tests left behind goes with this process. */
function cleanUp(): void {
  for (const child of running) child.kill('SIGKILL');
  for (const folder of temporaryFolders) rmSync(folder, { recursive: true, force: true });
}
process.once('exit', cleanUp);
// The end of a test runner's worker; 'exit' is not emitted then.
process.once('SIGTERM', () => {
  cleanUp();
  if (process.listenerCount('SIGTERM') === 0) process.kill(process.pid, 'SIGTERM');
});

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'kvrocks-node-'));
  temporaryFolders.add(folder);
  return folder;
}

class NodeProcess implements KvrocksNode {
  readonly host: string;
  readonly port: number;
  readonly dir: string;
  readonly #name: string;
  readonly #password: string;
  readonly #conf: string;
  readonly #launcher: readonly string[];
  #child: ChildProcess | null = null;
  #exit: Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }> = Promise.resolve({
    code: null,
    signal: null,
  });
  #client: Promise<RespClient> | null = null;

  constructor(start: { readonly dir: string; readonly port: number; readonly options: KvrocksNodeOptions }) {
    const { dir, port, options } = start;
    this.dir = dir;
    this.port = port;
    const { host, launcher } = options.seat ?? LOOPBACK;
    this.host = host;
    this.#name = options.name ?? host;
    this.#launcher = launcher;
    this.#password = options.password ?? '';
    this.#conf = confText({ dir, host, port, password: this.#password, extra: options.conf ?? {} });
  }

  get address(): string {
    return `${this.#name}:${this.port}`;
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  async command(...args: string[]): Promise<KvrocksReply> {
    return (await this.#connection()).command(args);
  }

  async raw(...args: string[]): Promise<string> {
    return (await this.#connection()).raw(args);
  }

  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  pause(): void {
    this.#child?.kill('SIGSTOP');
  }

  resume(): void {
    this.#child?.kill('SIGCONT');
  }

  async restart(options: RestartOptions = {}): Promise<void> {
    await this.#end('SIGKILL');
    mkdirSync(this.dir, { recursive: true });
    if (options.wipeNodesConf === true) rmSync(join(this.dir, 'nodes.conf'), { force: true });
    if (options.wipeData === true) rmSync(join(this.dir, 'db'), { recursive: true, force: true });
    this.#spawn();
    await this.#ready();
  }

  async dispose(): Promise<void> {
    await this.#end('SIGKILL');
    if (temporaryFolders.delete(this.dir)) rmSync(this.dir, { recursive: true, force: true });
  }

  async exited(): Promise<{ readonly code: number | null; readonly signal: NodeJS.Signals | null }> {
    return this.#exit;
  }

  log(): string {
    try {
      return readFileSync(join(this.dir, 'stdout.log'), 'latin1');
    } catch {
      return '';
    }
  }

  #isRunning(): boolean {
    return this.#child !== null && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  #spawn(): void {
    const conf = join(this.dir, 'kvrocks.conf');
    // Once only: CONFIG REWRITE may have changed it since.
    if (this.#child === null) writeFileSync(conf, this.#conf);
    const output = openSync(join(this.dir, 'stdout.log'), 'a');
    const binary = process.env['KVROCKS_BIN'] ?? '';
    const program =
      binary === '' ? [process.execPath, SIMULATOR, '-c', conf, '--with-parent'] : [binary, '-c', conf];
    const [command = '', ...args] = [...this.#launcher, ...program];
    const env = { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE };
    const child = spawn(command, args, { cwd: this.dir, env, stdio: ['ignore', output, output] });
    closeSync(output);
    running.add(child);
    this.#child = child;
    this.#exit = new Promise((resolve) => {
      const finish = (code: number | null, signal: NodeJS.Signals | null): void => {
        running.delete(child);
        resolve({ code, signal });
      };
      child.once('exit', finish);
      child.once('error', () => finish(null, null));
    });
  }

  /** Any answer to PING will do: NOAUTH and MASTERDOWN are answers of a server that runs. */
  async #ready(): Promise<void> {
    const deadline = performance.now() + START_DEADLINE_MS;
    while (this.#isRunning()) {
      try {
        const probe = await RespClient.open({
          host: this.host,
          port: this.port,
          timeoutMs: START_DEADLINE_MS,
        });
        await probe.raw(['PING']).finally(() => probe.close());
        // Else somebody else answered on this port.
        if (this.#isRunning()) return;
      } catch (cause) {
        if (!(cause instanceof KvrocksConnectionError) || performance.now() > deadline) throw cause;
        await delay(10);
      }
    }
    throw new Error(`the Kvrocks node on port ${this.port} did not start:\n${this.log()}`);
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    const client = this.#client;
    this.#client = null;
    if (child !== null && this.#isRunning()) {
      const exit = once(child, 'exit');
      child.kill(signal);
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_DEADLINE_MS);
      // A stopped process gets its SIGTERM only when it goes on.
      child.kill('SIGCONT');
      await exit;
      clearTimeout(timer);
    }
    await client?.then(
      (open) => open.close(),
      () => undefined,
    );
  }

  /** The one connection of this handle, opened when first needed and again after it was lost. */
  #connection(): Promise<RespClient> {
    if (this.#client !== null) return this.#client;
    const opening = this.#open();
    const forget = (): void => {
      if (this.#client === opening) this.#client = null;
    };
    opening.then((client) => client.onClose(forget), forget);
    this.#client = opening;
    return opening;
  }

  async #open(): Promise<RespClient> {
    const client = await RespClient.open({
      host: this.host,
      port: this.port,
      timeoutMs: COMMAND_DEADLINE_MS,
    });
    if (this.#password === '') return client;
    const reply = await client.raw(['AUTH', this.#password]);
    if (reply.startsWith('-ERR Invalid')) throw new KvrocksReplyError(reply.slice(1).trim());
    return client;
  }
}

function confText(node: {
  readonly dir: string;
  readonly host: string;
  readonly port: number;
  readonly password: string;
  readonly extra: Readonly<Record<string, string>>;
}): string {
  const settings: Record<string, string> = {
    bind: node.host,
    port: String(node.port),
    dir: node.dir,
    workers: '2',
    'log-dir': 'stdout',
    pidfile: join(node.dir, 'kvrocks.pid'),
    daemonize: 'no',
    'cluster-enabled': 'yes',
    'rocksdb.block_cache_size': '64',
    'rocksdb.write_buffer_size': '16',
    'max-backup-to-keep': '1',
    'backup-dir': join(node.dir, 'backup'),
    ...(node.password === '' ? {} : { requirepass: node.password, masterauth: node.password }),
    ...node.extra,
  };
  return Object.entries(settings)
    .map(([name, value]) => `${name} ${value === '' ? '""' : value}\n`)
    .join('');
}
