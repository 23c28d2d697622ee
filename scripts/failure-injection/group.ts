// Three members of one group as processes that come and go while their places (address, data, way to start) stay.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import {
  ControllerChild,
  describeExit,
  type Exit,
  type MemberConfig,
  writeMemberConfig,
} from '../lib/controller-child.ts';

export const MEMBER_COUNT = 3;
/** As in the product's defaults, so that what is found here is what users would see. */
const HEARTBEAT_MS = 50;
const ELECTION_MS = 500;
/** Small, so that snapshots, compaction and their installation happen within a run. */
const SNAPSHOT_ENTRIES = 1000;

/** Where one member lives; everything but `id` and `address` may be left to the defaults. */
export interface Place {
  readonly id: number;
  /** `host:port` its peers and clients use. */
  readonly address: string;
  /** `host:port` it binds, where a proxy has its address. */
  readonly listen?: string;
  /** Folder of its data; a folder of the run when left out. */
  readonly dataDir?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Asked at every start; see `ControllerChildOptions.launcher`. */
  readonly launcher?: () => readonly string[];
}

export interface GroupOptions {
  readonly folder: string;
  /** The program; null for the sources of this checkout. */
  readonly main: string | null;
  /** The product's defaults when left out. */
  readonly failover?: MemberConfig['failover'];
}

/** One member. Every end that no call here asked for is kept in `crash`. */
export class Member {
  readonly id: number;
  readonly url: string;
  readonly dataDir: string;
  readonly #place: Place;
  readonly #main: string | null;
  readonly #configFile: string;
  readonly #logFile: string;
  #child: ControllerChild | null = null;
  #isEndExpected = false;
  #isPaused = false;
  #crash: string | null = null;

  constructor(place: Place, run: GroupOptions & { readonly peers: readonly string[] }) {
    this.id = place.id;
    this.url = `http://${place.address}`;
    this.dataDir = place.dataDir ?? join(run.folder, String(place.id));
    this.#place = place;
    this.#main = run.main;
    this.#configFile = join(run.folder, `${place.id}.yaml`);
    this.#logFile = join(run.folder, `${place.id}.log`);
    writeMemberConfig(this.#configFile, {
      id: place.id,
      peers: run.peers,
      ...(place.listen === undefined ? {} : { listen: place.listen }),
      dataDir: this.dataDir,
      raft: {
        heartbeatIntervalMs: HEARTBEAT_MS,
        electionTimeoutMs: ELECTION_MS,
        snapshotEntries: SNAPSHOT_ENTRIES,
      },
      ...(run.failover === undefined ? {} : { failover: run.failover }),
    });
  }

  get isRunning(): boolean {
    return this.#child !== null && this.#child.exit === null;
  }

  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Null while no process runs here. */
  get pid(): number | null {
    return this.#child !== null && this.#child.exit === null ? this.#child.pid : null;
  }

  /** How a process ended that was not told to; null when none did. */
  get crash(): string | null {
    return this.#crash;
  }

  /** Forgets an end by itself that the scenario provoked; returns what it was. */
  takeCrash(): string | null {
    const crash = this.#crash;
    this.#crash = null;
    return crash;
  }

  start(): void {
    const child = new ControllerChild({
      configFile: this.#configFile,
      logFile: this.#logFile,
      ...(this.#main === null ? {} : { main: this.#main }),
      ...(this.#place.env === undefined ? {} : { env: this.#place.env }),
      ...(this.#place.launcher === undefined ? {} : { launcher: this.#place.launcher() }),
    });
    this.#child = child;
    this.#isEndExpected = false;
    this.#isPaused = false;
    void child.exited.then((exit) => {
      if (this.#child !== child || this.#isEndExpected) return;
      this.#crash ??= `member ${this.id} ended ${describeExit(exit)}: ${child.stderr.trim()}`;
    });
  }

  /** SIGTERM, and how it ended. An exit code other than 0 is kept as `crash`. */
  async stop(): Promise<void> {
    if (this.#child === null || !this.isRunning) return;
    this.#isEndExpected = true;
    const exit: Exit = await this.#child.stop();
    if (exit.code !== 0)
      this.#crash ??= `member ${this.id} stopped ${describeExit(exit)}: ${this.#child.stderr.trim()}`;
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    this.#isEndExpected = true;
    await this.#child?.kill();
  }

  /** SIGSTOP: the process hangs, its sockets stay. */
  pause(): void {
    this.#isPaused = true;
    this.#child?.signal('SIGSTOP');
  }

  resume(): void {
    this.#isPaused = false;
    this.#child?.signal('SIGCONT');
  }

  /** Lines of its log that have `text` in them. */
  logLines(text: string): readonly string[] {
    if (!existsSync(this.#logFile)) return [];
    return readFileSync(this.#logFile, 'utf8')
      .split('\n')
      .filter((line) => line.includes(text));
  }

  /** The last lines of its log, all processes together. */
  logTail(lineCount: number): string {
    if (!existsSync(this.#logFile)) return '';
    return readFileSync(this.#logFile, 'utf8').trimEnd().split('\n').slice(-lineCount).join('\n');
  }
}

/** What a member says of a decision that threw: always a fault of ours. */
const FAULT = '"decision.failed"';

/** The members. Its processes never outlive this one. */
export class Group {
  readonly members: readonly Member[];
  readonly urls: readonly string[];
  readonly #killAll = (): void => {
    for (const member of this.members) void member.kill();
  };

  constructor(places: readonly Place[], run: GroupOptions) {
    const peers = places.map((place) => place.address);
    this.members = places.map((place) => new Member(place, { ...run, peers }));
    this.urls = this.members.map((member) => member.url);
    process.once('exit', this.#killAll);
  }

  start(): void {
    for (const member of this.members) member.start();
  }

  /** Starts what is down, wakes what is paused. */
  heal(): void {
    for (const member of this.members) {
      if (member.isPaused) member.resume();
      if (!member.isRunning) member.start();
    }
  }

  get crashes(): readonly string[] {
    return this.members.flatMap((member) => member.crash ?? []);
  }

  /** Faults of ours that members told of, without an end of theirs; one line a member. */
  get faultsLogged(): readonly string[] {
    return this.members.flatMap((member) => {
      const [first, ...more] = member.logLines(FAULT);
      return first === undefined
        ? []
        : [`member ${member.id} logged, and ${more.length} more like it: ${first}`];
    });
  }

  /** Orderly end of all at once. */
  async stop(): Promise<void> {
    await Promise.all(this.members.map(async (member) => member.stop()));
  }

  /** SIGKILL for whatever still runs. */
  async close(): Promise<void> {
    await Promise.all(this.members.map(async (member) => member.kill()));
    process.off('exit', this.#killAll);
  }
}
