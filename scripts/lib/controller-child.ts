// One controller as a child process: its configuration file, its log, its end.

import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, fstatSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';

import { stringify } from 'yaml';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
/** As in the npm script `controller`: a bounded room for short-lived objects (docs/performance.md), no debugger, and types stripped once and not at every start. */
const NODE_FLAGS = ['--max-semi-space-size=8', '--disable-sigusr1'];
const COMPILE_CACHE = fileURLToPath(new URL('../../node_modules/.cache/controller', import.meta.url));
/** For files; see `src/main.ts`. */
const THREADS = '16';
const STDERR_LENGTH_MAX = 64 * 1024;
/** How long an orderly stop may take before the process is killed. */
const STOP_DEADLINE_MS = 15_000;

/** What makes a member itself: the surroundings must not override these. */
const IDENTITY_VARIABLES = new Set(
  ['ADDR', 'ADVERTISE_ADDR', 'HTTP_HOST', 'HTTP_PORT', 'RAFT_ID', 'RAFT_DATA_DIR', 'RAFT_PEERS'].map(
    (name) => `KVROCKS_CONTROLLER_${name}`,
  ),
);

/** One member of a group on this machine. */
export interface MemberConfig {
  /** Of a founding member its place in `peers`, counted from 1. */
  readonly id: number;
  /** `host:port` of every founding member; for one that joins, of members to ask. */
  readonly peers: readonly string[];
  /** Its own `host:port`, which it advertises; its place in `peers` when left out. */
  readonly address?: string;
  /** `new` when left out. */
  readonly clusterState?: 'new' | 'existing';
  /** `host:port` to bind where that is not the address it advertises: a proxy stands before it. */
  readonly listen?: string;
  readonly dataDir: string;
  readonly raft?: {
    readonly heartbeatIntervalMs: number;
    readonly electionTimeoutMs: number;
    readonly snapshotEntries?: number;
  };
  readonly failover?: {
    readonly pingIntervalSeconds: number;
    readonly maxPingCount: number;
    readonly coolDownSeconds?: number;
    readonly aliveSizeMin?: number;
    readonly leaseMs?: number;
  };
  readonly logLevel?: 'debug' | 'info' | 'warn' | 'error';
}

/** Writes the member's configuration file, making its folder. */
export function writeMemberConfig(file: string, config: MemberConfig): void {
  const { raft, failover } = config;
  const advertised = config.address ?? config.peers[config.id - 1];
  const tree = {
    addr: config.listen ?? advertised,
    ...(config.listen === undefined ? {} : { advertise_addr: advertised }),
    raft: {
      id: config.id,
      data_dir: config.dataDir,
      peers: config.peers,
      ...(config.clusterState === undefined ? {} : { cluster_state: config.clusterState }),
      ...(raft === undefined
        ? {}
        : {
            heartbeat_interval_ms: raft.heartbeatIntervalMs,
            election_timeout_ms: raft.electionTimeoutMs,
            ...(raft.snapshotEntries === undefined ? {} : { snapshot_entries: raft.snapshotEntries }),
          }),
    },
    ...(failover === undefined
      ? {}
      : {
          controller: {
            failover: {
              ping_interval_seconds: failover.pingIntervalSeconds,
              max_ping_count: failover.maxPingCount,
              ...(failover.coolDownSeconds === undefined
                ? {}
                : { cooldown_seconds: failover.coolDownSeconds }),
              ...(failover.aliveSizeMin === undefined ? {} : { min_alive_size: failover.aliveSizeMin }),
              ...(failover.leaseMs === undefined ? {} : { master_lease_ms: failover.leaseMs }),
            },
          },
        }),
    ...(config.logLevel === undefined ? {} : { log: { level: config.logLevel } }),
  };
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `# Written at every start; changes here are lost.\n${stringify(tree)}`);
}

/** How a process ended: an exit code, or the signal that killed it. */
export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface ControllerChildOptions {
  readonly configFile: string;
  /** Standard output (JSON lines) and standard error are appended to this file. */
  readonly logFile: string;
  /** Added to the surroundings of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** The program; the sources of this checkout when left out. */
  readonly main?: string;
  /** A command that replaces itself by the one it is given, such as `ip netns exec <name>`; the process id stays the same. */
  readonly launcher?: readonly string[];
  /** Further command-line arguments. */
  readonly args?: readonly string[];
}

/** A started controller process. Its log lines go straight to the file; standard error is kept here too. */
export class ControllerChild {
  readonly pid: number;
  /** Resolves when the process has ended; never rejects. */
  readonly exited: Promise<Exit>;
  readonly #process: ChildProcess;
  readonly #logFile: string;
  /** Length of the log before this process, bytes. */
  readonly #logStart: number;
  #exit: Exit | null = null;
  #stderr = '';

  constructor(options: ControllerChildOptions) {
    mkdirSync(dirname(options.logFile), { recursive: true });
    const log = openSync(options.logFile, 'a');
    this.#logFile = options.logFile;
    this.#logStart = fstatSync(log).size;
    const [program = process.execPath, ...args] = [
      ...(options.launcher ?? []),
      process.execPath,
      ...NODE_FLAGS,
      options.main ?? MAIN,
      '-c',
      options.configFile,
      ...(options.args ?? []),
    ];
    this.#process = spawn(program, args, {
      stdio: ['ignore', log, 'pipe'],
      env: {
        UV_THREADPOOL_SIZE: THREADS,
        ...withoutIdentity(process.env),
        NODE_COMPILE_CACHE: COMPILE_CACHE,
        ...options.env,
      },
    });
    closeSync(log);
    this.pid = this.#process.pid ?? 0;
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-STDERR_LENGTH_MAX);
      writeFileSync(options.logFile, text, { flag: 'a' });
    });
    this.exited = new Promise((resolve) => {
      this.#process.once('error', (error) => {
        this.#stderr += error.message;
        this.#exit = { code: 1, signal: null };
        resolve(this.#exit);
      });
      // 'close' and not 'exit': only then has all of standard error been read.
      this.#process.once('close', (code, signal) => {
        this.#exit = { code, signal };
        resolve(this.#exit);
      });
    });
  }

  /** Null while the process runs. */
  get exit(): Exit | null {
    return this.#exit;
  }

  /** What the process wrote to standard error, its last 64 KiB. */
  get stderr(): string {
    return this.#stderr;
  }

  /** What this process wrote to its log so far. */
  logText(): string {
    return readFileSync(this.#logFile).subarray(this.#logStart).toString('utf8');
  }

  /** Sends a signal; nothing happens when the process has ended. */
  signal(name: NodeJS.Signals): void {
    if (this.#exit === null) this.#process.kill(name);
  }

  /** SIGTERM, and SIGKILL when that did not end it in 15 s. Resolves with how it ended. */
  async stop(): Promise<Exit> {
    // A stopped process would never hear SIGTERM.
    this.signal('SIGCONT');
    this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), STOP_DEADLINE_MS);
    const exit = await this.exited;
    clearTimeout(timer);
    return exit;
  }

  /** SIGKILL: nothing is flushed, nobody is told. */
  async kill(): Promise<Exit> {
    this.signal('SIGKILL');
    return this.exited;
  }
}

function withoutIdentity(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !IDENTITY_VARIABLES.has(name)));
}

/** "with code 1" or "by SIGKILL". */
export function describeExit(exit: Exit): string {
  return exit.signal === null ? `with code ${exit.code ?? 'unknown'}` : `by ${exit.signal}`;
}
