// A group of real controller processes on free ports, with data in a temporary folder that is gone afterwards.

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
import type { NetworkNamespaces } from '../../scripts/lib/network-namespaces.ts';
import { ApiClient } from './api-client.ts';
import { freePort } from './free-port.ts';
import { InVainError, notYet, waitUntil } from './wait-until.ts';

export interface TrioOptions {
  readonly pingIntervalSeconds?: number;
  readonly maxPingCount?: number;
  /** None when left out: what tests ask of one shard again and again does not wait for it. */
  readonly coolDownSeconds?: number;
  readonly aliveSizeMin?: number;
  /** Of masters; off when left out. */
  readonly leaseMs?: number;
  readonly raft?: Partial<NonNullable<MemberConfig['raft']>>;
  readonly env?: Readonly<Record<string, string>>;
  /** Another program than the sources of this checkout. */
  readonly main?: string;
  /** See `ControllerChildOptions.launcher`. */
  readonly launcher?: readonly string[];
  /** Each member in a namespace of its own; all on the loopback interface when left out. */
  readonly network?: NetworkNamespaces;
  /** The host name of the member with this number; all are called by the address they listen at when left out. */
  readonly nameOf?: (id: number) => string;
  /** Founding members; three when left out. */
  readonly count?: number;
}

/** Milliseconds; longer than the defaults, so that a busy machine does not change the leader under a test. */
const HEARTBEAT_MS = 100;
const ELECTION_MS = 1000;
const MEMBER_COUNT = 3;
const HOST = '127.0.0.1';
const LOG_TAIL_LINES = 80;

type How = Pick<TrioOptions, 'env' | 'launcher' | 'main'>;

/** Where the program of another release is, and what it needs of its surroundings. */
export type Release = Pick<TrioOptions, 'env' | 'main'>;

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
  readonly #how: How;
  #child: ControllerChild | null = null;
  #isEndExpected = false;
  #isPaused = false;
  #crash: string | null = null;

  constructor(place: {
    readonly id: number;
    readonly address: string;
    readonly folder: string;
    readonly how: How;
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

  /** It runs and does not hang. */
  get isAnswering(): boolean {
    return this.isRunning && !this.#isPaused;
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

  /** Starts a process here, of another release where `release` names it. An end that no call of this class asked for is remembered in `crash`. */
  start(args: readonly string[] = [], release: Release = {}): void {
    if (this.isRunning) throw new Error(`member ${this.id} is running`);
    const { configFile, logFile } = this;
    const child = new ControllerChild({ configFile, logFile, args, ...this.#how, ...release });
    this.#child = child;
    this.#isEndExpected = false;
    this.#isPaused = false;
    void child.exited.then((exit) => {
      if (!this.#isEndExpected)
        this.#crash ??= `member ${this.id} ended ${describeExit(exit)}: ${child.stderr.trim()}`;
    });
  }

  /** Starts a process that is expected to refuse, and waits for its end. */
  async startRefused(
    args: readonly string[] = [],
    release: Release = {},
  ): Promise<{ readonly exit: Exit; readonly stderr: string }> {
    this.start(args, release);
    return this.endsByItself();
  }

  /** The running process is about to end without being told to; how it did, and what it wrote to standard error. */
  async endsByItself(): Promise<{ readonly exit: Exit; readonly stderr: string }> {
    this.#isEndExpected = true;
    const child = this.#child;
    if (child === null) throw new Error(`member ${this.id} was never started`);
    const exit = await child.exited;
    this.#crash = null;
    return { exit, stderr: child.stderr };
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
    this.#isPaused = true;
  }

  resume(): void {
    this.#running().signal('SIGCONT');
    this.#isPaused = false;
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

/** The members of one group, those that joined it later included. Made by `startTrio` and its kin. */
export class ControllerGroup {
  readonly folder: string;
  /** Asks any member that runs and does not hang; follows redirects; repeats while there is no leader. */
  readonly api: ApiClient;
  readonly #members: ControllerProcess[];
  readonly #options: TrioOptions;

  constructor(folder: string, members: readonly ControllerProcess[], options: TrioOptions) {
    this.folder = folder;
    this.#members = [...members];
    this.#options = options;
    this.api = new ApiClient(() =>
      this.#members.filter((member) => member.isAnswering).map((member) => member.url),
    );
  }

  get members(): readonly ControllerProcess[] {
    return this.#members;
  }

  /** The member with number `id`. */
  member(id: number): ControllerProcess {
    const member = this.#members.find((candidate) => candidate.id === id);
    if (member === undefined) throw new Error(`there is no member ${id} here`);
    return member;
  }

  /** A further member, not running yet, that joins this group when it is started. `peers` are those it asks. */
  async prepareJoiner(id: number, peers?: readonly string[]): Promise<ControllerProcess> {
    const { address, how } = await freePlace(id, this.#options);
    const member = new ControllerProcess({ id, address, folder: this.folder, how });
    const asked = peers ?? this.#members.map((other) => other.address);
    configure(member, { peers: asked, clusterState: 'existing' }, this.#options);
    this.#members.push(member);
    return member;
  }

  /** Writes the member's configuration anew, with other peers or another way to start. */
  reconfigure(
    member: ControllerProcess,
    place: { readonly peers: readonly string[]; readonly clusterState: 'new' | 'existing' },
  ): void {
    configure(member, place, this.#options);
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
    running.delete(this);
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
    if (crashes.length > 0) throw new Error(crashes.join('\n'));
  }
}

/** Groups that are not stopped yet: their processes must not outlive this one. */
const running = new Set<ControllerGroup>();
process.once('exit', () => {
  for (const { members } of running) for (const member of members) void member.kill();
});

/** A group of three. */
export type Trio = ControllerGroup;

function howOf(options: TrioOptions): How {
  return {
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.main === undefined ? {} : { main: options.main }),
    ...(options.launcher === undefined ? {} : { launcher: options.launcher }),
  };
}

/** Where a member listens, and how its process gets there. */
interface Place {
  readonly address: string;
  readonly how: How;
}

async function freePlace(id: number, options: TrioOptions): Promise<Place> {
  const seat = await options.network?.add();
  const how = { ...howOf(options), ...(seat === undefined ? {} : { launcher: seat.launcher }) };
  return { address: `${options.nameOf?.(id) ?? seat?.host ?? HOST}:${await freePort()}`, how };
}

function configure(
  member: ControllerProcess,
  place: { readonly peers: readonly string[]; readonly clusterState: 'new' | 'existing' },
  options: TrioOptions,
): void {
  writeMemberConfig(member.configFile, {
    id: member.id,
    address: member.address,
    ...(options.nameOf === undefined ? {} : { listen: member.address.replace(/^.*:/, `${HOST}:`) }),
    ...place,
    dataDir: member.dataDir,
    raft: { heartbeatIntervalMs: HEARTBEAT_MS, electionTimeoutMs: ELECTION_MS, ...options.raft },
    failover: {
      pingIntervalSeconds: options.pingIntervalSeconds ?? 0.2,
      maxPingCount: options.maxPingCount ?? 3,
      coolDownSeconds: options.coolDownSeconds ?? 0,
      ...(options.aliveSizeMin === undefined ? {} : { aliveSizeMin: options.aliveSizeMin }),
      ...(options.leaseMs === undefined ? {} : { leaseMs: options.leaseMs }),
    },
  });
}

/** Three members, or `count`, with configuration files, not running yet. */
export async function prepareTrio(options: TrioOptions = {}): Promise<Trio> {
  const folder = mkdtempSync(join(tmpdir(), 'kvrocks-controller-'));
  const places: Place[] = [];
  while (places.length < (options.count ?? MEMBER_COUNT))
    places.push(await freePlace(places.length + 1, options));
  const addresses = places.map(({ address }) => address);
  const members = places.map(({ address, how }, index) => {
    const member = new ControllerProcess({ id: index + 1, address, folder, how });
    configure(member, { peers: addresses, clusterState: 'new' }, options);
    return member;
  });
  const group = new ControllerGroup(folder, members, options);
  running.add(group);
  return group;
}

/** Running members that agree on a leader and are ready. */
export async function startTrio(options: TrioOptions = {}): Promise<Trio> {
  const group = await prepareTrio(options);
  try {
    for (const member of group.members) member.start();
    await group.leader();
    await group.ready();
    return group;
  } catch (error) {
    const tails = group.logTails();
    await group.stop().catch(() => undefined);
    throw new Error(tails, { cause: error });
  }
}
