// A group of three real controller processes on free ports, with data in a temporary folder that is gone afterwards.

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import {
  ControllerChild,
  describeExit,
  type Exit,
  type MemberConfig,
  writeMemberConfig,
} from '../../scripts/lib/controller-child.ts';
import { ApiClient } from './api-client.ts';
import { freePort } from './free-port.ts';
import { InVainError, notYet, waitUntil } from './wait-until.ts';

export interface TrioOptions {
  readonly pingIntervalSeconds?: number;
  readonly maxPingCount?: number;
  readonly raft?: Partial<NonNullable<MemberConfig['raft']>>;
  readonly env?: Readonly<Record<string, string>>;
  /** Another program than the sources of this checkout. */
  readonly main?: string;
}

/** Milliseconds; longer than the defaults, so that a busy machine does not change the leader under a test. */
const HEARTBEAT_MS = 100;
const ELECTION_MS = 1000;
const MEMBER_COUNT = 3;
const LOG_TAIL_LINES = 80;

/** One line of a member's log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly event?: string };

/** One member: a place with an address and data, in which processes come and go. */
export class ControllerProcess {
  readonly id: number;
  readonly address: string;
  readonly url: string;
  readonly dataDir: string;
  readonly configFile: string;
  readonly logFile: string;
  readonly #how: Pick<TrioOptions, 'env' | 'main'>;
  #child: ControllerChild | null = null;
  #isEndExpected = false;
  #crash: string | null = null;

  constructor(place: {
    readonly id: number;
    readonly address: string;
    readonly folder: string;
    readonly how: Pick<TrioOptions, 'env' | 'main'>;
  }) {
    this.id = place.id;
    this.address = place.address;
    this.url = `http://${place.address}`;
    this.dataDir = join(place.folder, String(place.id));
    this.configFile = join(place.folder, `${place.id}.yaml`);
    this.logFile = join(place.folder, `${place.id}.log`);
    this.#how = place.how;
  }

  get isRunning(): boolean {
    return this.#child !== null && this.#child.exit === null;
  }

  /** Id of the running process. Throws when there is none. */
  get pid(): number {
    return this.#running().pid;
  }

  /** What the present or last process wrote to standard error. */
  get stderr(): string {
    return this.#child?.stderr ?? '';
  }

  /** How a process ended that was not told to; null when none did. */
  get crash(): string | null {
    return this.#crash;
  }

  /** Starts a process here. An end that no call of this class asked for is remembered in `crash`. */
  start(): void {
    if (this.isRunning) throw new Error(`member ${this.id} is running`);
    const child = new ControllerChild({ configFile: this.configFile, logFile: this.logFile, ...this.#how });
    this.#child = child;
    this.#isEndExpected = false;
    void child.exited.then((exit) => {
      if (!this.#isEndExpected)
        this.#crash ??= `member ${this.id} ended ${describeExit(exit)}: ${child.stderr.trim()}`;
    });
  }

  /** Starts a process that is expected to refuse, and waits for its end. */
  async startRefused(): Promise<{ readonly exit: Exit; readonly stderr: string }> {
    this.start();
    this.#isEndExpected = true;
    const child = this.#running();
    return { exit: await child.exited, stderr: child.stderr };
  }

  /** SIGTERM, and how it ended. */
  async stop(): Promise<Exit> {
    this.#isEndExpected = true;
    return this.#running().stop();
  }

  /** SIGINT, as Ctrl-C sends it, and how it ended. */
  async interrupt(): Promise<Exit> {
    this.#isEndExpected = true;
    const child = this.#running();
    child.signal('SIGINT');
    return child.exited;
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    this.#isEndExpected = true;
    await this.#child?.kill();
  }

  /** SIGSTOP: the process hangs, its sockets stay. */
  pause(): void {
    this.#running().signal('SIGSTOP');
  }

  resume(): void {
    this.#running().signal('SIGCONT');
  }

  /** Every whole line of the log so far, from all processes that ran here. */
  log(): readonly LogLine[] {
    if (!existsSync(this.logFile)) return [];
    return readFileSync(this.logFile, 'utf8')
      .split('\n')
      .flatMap((text) => {
        try {
          return text.startsWith('{') ? [JSON.parse(text) as LogLine] : [];
        } catch {
          return [];
        }
      });
  }

  logText(): string {
    return existsSync(this.logFile) ? readFileSync(this.logFile, 'utf8') : '';
  }

  #running(): ControllerChild {
    if (this.#child === null || this.#child.exit !== null)
      throw new Error(`member ${this.id} is not running`);
    return this.#child;
  }
}

/** Three members. Made by `startTrio`. */
export class Trio {
  readonly folder: string;
  readonly members: readonly ControllerProcess[];
  /** Asks any running member; follows redirects; repeats while there is no leader. */
  readonly api: ApiClient;

  constructor(folder: string, members: readonly ControllerProcess[]) {
    this.folder = folder;
    this.members = members;
    this.api = new ApiClient(() => members.filter((member) => member.isRunning).map((member) => member.url));
  }

  /** The leader on which all running members agree; waits for it. Paused members must not be asked: name them in `except`. */
  async leader(except: readonly ControllerProcess[] = []): Promise<ControllerProcess> {
    return waitUntil('a leader known to all members', async () => {
      const crashes = this.members.flatMap((member) => member.crash ?? []);
      if (crashes.length > 0) throw new InVainError(crashes.join('\n'));
      const asked = this.members.filter((member) => member.isRunning && !except.includes(member));
      const views = await Promise.all(
        asked.map(
          async (member) => (await this.api.sendTo(member.url, 'GET', '/api/v1/controller/leader')).body.data,
        ),
      );
      const ids = new Set(views.map((view) => view.leader?.id ?? 0));
      const terms = new Set(views.map((view) => view.term));
      const leader = asked.find((member) => ids.has(member.id));
      return ids.size === 1 && terms.size === 1 && leader !== undefined ? leader : notYet(views);
    });
  }

  async followers(): Promise<readonly ControllerProcess[]> {
    const leader = await this.leader();
    return this.members.filter((member) => member.isRunning && member !== leader);
  }

  /** Waits until every running member says it is ready. */
  async ready(): Promise<void> {
    await waitUntil('all members ready', async () => {
      const answers = await Promise.all(
        this.members
          .filter((member) => member.isRunning)
          .map(async (member) => this.api.sendTo(member.url, 'GET', '/readyz')),
      );
      return answers.every((answer) => answer.status === 200)
        ? true
        : notYet(answers.map((answer) => answer.text));
    });
  }

  /** Lines with `event` in the logs of all members. */
  logged(event: string): readonly LogLine[] {
    return this.members.flatMap((member) => member.log()).filter((line) => line.event === event);
  }

  /** The ends of the logs, for a failed test. */
  logTails(): string {
    return this.members
      .map((member) => {
        const lines = member.logText().trimEnd().split('\n').slice(-LOG_TAIL_LINES);
        return `--- log of member ${member.id} (${member.address})\n${lines.join('\n')}`;
      })
      .join('\n');
  }

  /** Ends every process, removes the data, and throws when a member had ended by itself. */
  async stop(): Promise<void> {
    const crashes = this.members.flatMap((member) => member.crash ?? []);
    await this.api.close();
    await Promise.all(this.members.map(async (member) => member.kill()));
    started.delete(this);
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
    if (crashes.length > 0) throw new Error(crashes.join('\n'));
  }
}

/** Trios that are not stopped yet: their processes must not outlive this one. */
const started = new Set<Trio>();
process.once('exit', () => {
  for (const { members } of started) for (const member of members) void member.kill();
});

/** Three members with configuration files, not running yet. */
export async function prepareTrio(options: TrioOptions = {}): Promise<Trio> {
  const folder = mkdtempSync(join(tmpdir(), 'kvrocks-controller-'));
  const addresses: string[] = [];
  while (addresses.length < MEMBER_COUNT) addresses.push(`127.0.0.1:${await freePort()}`);
  const how = {
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.main === undefined ? {} : { main: options.main }),
  };
  const members = addresses.map((address, index) => {
    const member = new ControllerProcess({ id: index + 1, address, folder, how });
    writeMemberConfig(member.configFile, {
      id: member.id,
      peers: addresses,
      dataDir: member.dataDir,
      raft: { heartbeatIntervalMs: HEARTBEAT_MS, electionTimeoutMs: ELECTION_MS, ...options.raft },
      failover: {
        pingIntervalSeconds: options.pingIntervalSeconds ?? 0.2,
        maxPingCount: options.maxPingCount ?? 3,
      },
    });
    return member;
  });
  const trio = new Trio(folder, members);
  started.add(trio);
  return trio;
}

/** Three running members that agree on a leader and are ready. */
export async function startTrio(options: TrioOptions = {}): Promise<Trio> {
  const trio = await prepareTrio(options);
  try {
    for (const member of trio.members) member.start();
    await trio.leader();
    await trio.ready();
    return trio;
  } catch (error) {
    const tails = trio.logTails();
    await trio.stop().catch(() => undefined);
    throw new Error(tails, { cause: error });
  }
}
