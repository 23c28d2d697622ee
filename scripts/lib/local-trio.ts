// Three controllers on this machine as children of this process: started, watched, stopped together.

import { join } from 'node:path';

import { request } from 'undici';

import { ControllerChild, type Exit, type MemberConfig, writeMemberConfig } from './controller-child.ts';

const MEMBER_COUNT = 3;
const POLL_INTERVAL_MS = 250;
const POLL_TIMEOUT_MS = 1000;
/** How long the members may take to open their ports. */
const START_DEADLINE_MS = 30_000;

export interface LocalTrioOptions {
  /** One port a member. */
  readonly ports: readonly [number, number, number];
  /** Holds `<n>/` (data), `<n>.yaml` (configuration, written at every start) and `<n>.log` for each member. */
  readonly folder: string;
  readonly failover?: MemberConfig['failover'];
  /** Called for everything people want to know, in order. */
  readonly onEvent: (event: TrioEvent) => void;
}

export type TrioEvent =
  | { readonly kind: 'leaderChanged'; readonly id: number; readonly url: string; readonly term: number }
  | { readonly kind: 'leaderLost' }
  | { readonly kind: 'memberExited'; readonly id: number; readonly exit: Exit; readonly reason: string };

/** A member would not start; `message` is its own line. */
export class StartRefusedError extends Error {
  override readonly name = 'StartRefusedError';
}

interface Member {
  readonly id: number;
  readonly url: string;
  readonly child: ControllerChild;
}

interface LeaderView {
  readonly id: number;
  readonly term: number;
}

/** A running trio. Owns its processes until `stop`. */
export class LocalTrio {
  readonly urls: readonly string[];
  /** Resolves when no member runs any more. */
  readonly ended: Promise<void>;
  readonly #members: readonly Member[];
  readonly #onEvent: (event: TrioEvent) => void;
  readonly #watching: Promise<void>;
  #isStopping = false;
  #leader: LeaderView | null = null;

  private constructor(members: readonly Member[], onEvent: (event: TrioEvent) => void) {
    this.#members = members;
    this.#onEvent = onEvent;
    this.urls = members.map((member) => member.url);
    this.ended = Promise.all(members.map((member) => member.child.exited)).then(() => undefined);
    for (const member of members) {
      void member.child.exited.then((exit) => {
        if (!this.#isStopping)
          onEvent({ kind: 'memberExited', id: member.id, exit, reason: lastLine(member.child.stderr) });
      });
    }
    this.#watching = this.#watchLeader();
  }

  /**
   * Starts all three and returns when each answers. Throws `StartRefusedError` with the line of a member that ended instead,
   * after stopping the others.
   */
  static async start(options: LocalTrioOptions): Promise<LocalTrio> {
    const peers = options.ports.map((port) => `127.0.0.1:${port}`);
    const members = Array.from({ length: MEMBER_COUNT }, (_, index): Member => {
      const id = index + 1;
      const configFile = join(options.folder, `${id}.yaml`);
      writeMemberConfig(configFile, {
        id,
        peers,
        dataDir: join(options.folder, String(id)),
        ...(options.failover === undefined ? {} : { failover: options.failover }),
      });
      const child = new ControllerChild({ configFile, logFile: join(options.folder, `${id}.log`) });
      return { id, url: `http://${peers[index] ?? ''}`, child };
    });
    try {
      await Promise.all(members.map((member) => answers(member)));
    } catch (error) {
      await Promise.all(members.map((member) => member.child.stop()));
      throw error;
    }
    return new LocalTrio(members, options.onEvent);
  }

  /** SIGTERM to all, and waits for their ends. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#members.map((member) => member.child.stop()));
    await this.#watching;
  }

  async #watchLeader(): Promise<void> {
    while (!this.#isStopping) {
      const running = this.#members.filter((member) => member.child.exit === null);
      if (running.length === 0) return;
      this.#noteLeader(newest(await Promise.all(running.map((member) => leaderAt(member.url)))));
      await delay(POLL_INTERVAL_MS);
    }
  }

  #noteLeader(leader: LeaderView | null): void {
    const before = this.#leader;
    this.#leader = leader;
    if (this.#isStopping) return;
    if (leader === null) {
      if (before !== null) this.#onEvent({ kind: 'leaderLost' });
    } else if (leader.id !== before?.id) {
      this.#onEvent({ kind: 'leaderChanged', ...leader, url: this.urls[leader.id - 1] ?? '' });
    }
  }
}

/**
 * Returns once the member serves; throws when it ended or takes too long. Its own log says so: whatever else has the port may
 * answer, too.
 */
async function answers(member: Member): Promise<void> {
  const endMs = performance.now() + START_DEADLINE_MS;
  while (performance.now() < endMs) {
    if (member.child.exit !== null) {
      await member.child.exited;
      throw new StartRefusedError(`member ${member.id}: ${member.child.stderr.trim()}`);
    }
    if (member.child.logText().includes('"event":"controller.started"')) return;
    await delay(POLL_INTERVAL_MS / 5);
  }
  throw new StartRefusedError(`member ${member.id}: does not answer at ${member.url} after 30 s`);
}

/** Whom the member at `url` takes for the leader; null when it knows none or does not answer. */
async function leaderAt(url: string): Promise<LeaderView | null> {
  const text = await get(`${url}/api/v1/controller/leader`);
  if (text === null) return null;
  const match = /"leader":\{"id":(\d+).*"term":(\d+)/.exec(text);
  return match === null ? null : { id: Number(match[1]), term: Number(match[2]) };
}

/** The view of the highest term: a member that was away for long may still name an old leader. */
function newest(views: readonly (LeaderView | null)[]): LeaderView | null {
  let best: LeaderView | null = null;
  for (const view of views) if (view !== null && view.term > (best?.term ?? 0)) best = view;
  return best;
}

async function get(url: string): Promise<string | null> {
  try {
    const { statusCode, body } = await request(url, {
      headersTimeout: POLL_TIMEOUT_MS,
      bodyTimeout: POLL_TIMEOUT_MS,
    });
    const text = await body.text();
    return statusCode === 200 ? text : null;
  } catch {
    return null;
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

async function delay(ms: number): Promise<void> {
  await new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
