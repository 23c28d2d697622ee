// Replays a transcript against freshly started nodes and compares every reply.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

import { expect } from 'vitest';

import { startKvrocksNode, type KvrocksNode } from '../../support/kvrocks-node.ts';
import { KvrocksConnectionError } from '../../support/resp-client.ts';
import { normalise, withoutSequences } from './normalise.ts';
import { readTranscript, unescape, type Entry } from './transcript.ts';

/** How one transcript is replayed. */
export interface Plan {
  /** Further settings by node name. */
  readonly conf?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** What is done at a line, in place of the note's own meaning (`started`, `stopped`, `kill`) or before its command. */
  readonly at?: Readonly<Record<number, (scene: Replay) => Promise<void>>>;
  /** Commands that are not sent, by the line of the `>`; the reasons stand in the table of the test. */
  readonly skip?: readonly number[];
  /** Replies compared without sequence numbers. */
  readonly anySequence?: boolean;
  /** The last line replayed. */
  readonly until?: number;
}

/** Readings of what other processes do next: they may need a moment to agree. */
const READING = /^(INFO|ROLE|GET|KEYS|DBSIZE|CLUSTER (INFO|NODES)|CLIENT LIST)\b/i;
const CUT = '...(cut)';
const SETTLE_MS = 10_000;
const POLL_MS = 10;
const WAIT_MS = 30_000;

export class Replay {
  readonly #plan: Plan;
  readonly #entries: readonly Entry[];
  readonly #ports: ReadonlyMap<string, number>;
  readonly #nodes = new Map<string, KvrocksNode>();
  #lastNode = '';
  compared = 0;

  constructor(name: string, plan: Plan) {
    const transcript = readTranscript(name);
    this.#plan = plan;
    this.#entries = transcript.entries;
    this.#ports = transcript.ports;
    const lines = new Set(transcript.entries.map((entry) => entry.line));
    const strays = [...Object.keys(plan.at ?? {}).map(Number), ...(plan.skip ?? [])].filter(
      (line) => !lines.has(line),
    );
    expect(strays, `lines of the plan of ${name} that hold no command or note`).toEqual([]);
  }

  /** Replays everything; throws at the first reply that differs, with its line. */
  async run(): Promise<void> {
    try {
      for (const entry of this.#entries) {
        if (entry.line > (this.#plan.until ?? Infinity)) break;
        const hook = this.#plan.at?.[entry.line];
        if (hook !== undefined) await hook(this);
        if (entry.kind === 'note' && hook === undefined) await this.#note(entry.text);
        if (entry.kind === 'command' && !this.#plan.skip?.includes(entry.line)) await this.#compare(entry);
      }
    } finally {
      await Promise.all([...this.#nodes.values()].map(async (node) => node.dispose()));
    }
  }

  node(name: string): KvrocksNode {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new Error(`node ${name} was not started`);
    return node;
  }

  /** Replaces the node by a new one with nothing on disk, on the same port. */
  async fresh(name: string): Promise<void> {
    const port = this.node(name).port;
    await this.node(name).dispose();
    this.#nodes.set(name, await startKvrocksNode({ port, conf: this.#plan.conf?.[name] ?? {} }));
  }

  /** Sends SET of `value` to each key, many at once. */
  async load(name: string, keys: readonly string[], value: string): Promise<void> {
    const replies = await Promise.all(keys.map(async (key) => this.node(name).raw('SET', key, value)));
    expect(new Set(replies), `replies to the load of ${keys.length} keys`).toEqual(new Set(['+OK\r\n']));
  }

  /** Waits until a raw reply contains `part`. */
  async until(name: string, command: readonly string[], part: string): Promise<void> {
    const deadline = performance.now() + WAIT_MS;
    let reply = '';
    while (performance.now() < deadline) {
      reply = await this.node(name).raw(...command);
      if (reply.includes(part)) return;
      await delay(POLL_MS);
    }
    throw new Error(`node ${name}: ${command.join(' ')} never had "${part}": ${reply}`);
  }

  async linkUp(name: string): Promise<void> {
    await this.until(name, ['INFO', 'replication'], 'master_link_status:up');
  }

  /** Starts a node that is expected to refuse: exit code 1 and a line with `reason`. */
  async refusesToStart(name: string, reason: string): Promise<void> {
    const node = this.node(name);
    await expect(node.restart()).rejects.toThrow(reason);
    expect((await node.exited()).code).toBe(1);
  }

  async #note(text: string): Promise<void> {
    const [, action = '', name = ''] =
      /^(started|stopped|kill -9|kill -STOP|kill -CONT) (\w+):/.exec(text) ?? [];
    const node = this.#nodes.get(name);
    const file = /^(?:(\w) )?nodes\.conf(?: after SETNODEID only)?: '(.*)'$/.exec(text);
    if (file !== null) this.#compareNodesConf(file[1] ?? this.#lastNode, unescape(file[2] ?? ''));
    else if (action === 'started' && node === undefined) {
      this.#nodes.set(name, await startKvrocksNode({ conf: this.#plan.conf?.[name] ?? {} }));
    } else if (action === 'started') await node?.restart();
    else if (action === 'stopped') await node?.stop();
    else if (action === 'kill -9') await node?.kill();
    else if (action === 'kill -STOP') node?.pause();
    else if (action === 'kill -CONT') node?.resume();
  }

  async #compare(entry: Extract<Entry, { kind: 'command' }>): Promise<void> {
    this.#lastNode = entry.node;
    const command = entry.args.map((arg) => this.#here(arg));
    if (entry.expected.startsWith('!!')) {
      await expect(this.node(entry.node).raw(...command)).rejects.toThrow(KvrocksConnectionError);
      await this.node(entry.node).exited();
      this.compared += 1;
      return;
    }
    const wanted = this.#comparable(wholeLines(entry.expected), entry.args);
    const isCut = entry.expected.includes(CUT);
    const deadline = performance.now() + (READING.test(entry.args.join(' ')) ? SETTLE_MS : 0);
    let got = '';
    do {
      const reply = this.#there(await this.node(entry.node).raw(...command));
      got = this.#comparable(reply, entry.args);
      if (isCut) got = got.slice(0, wanted.length);
      if (got === wanted) break;
      await delay(POLL_MS);
    } while (performance.now() < deadline);
    expect(got, `line ${entry.line}, node ${entry.node}: ${entry.args.join(' ').slice(0, 200)}`).toBe(wanted);
    this.compared += 1;
  }

  #compareNodesConf(name: string, wanted: string): void {
    const path = join(this.node(name).dir, 'nodes.conf');
    const text = existsSync(path) ? this.#there(readFileSync(path, 'latin1')) : '';
    expect(text.split('\n').sort(), `nodes.conf of ${name}`).toEqual(wanted.split('\n').sort());
    this.compared += 1;
  }

  #comparable(reply: string, args: readonly string[]): string {
    const text = normalise(reply, args);
    return this.#plan.anySequence === true ? withoutSequences(text) : text;
  }

  /** The transcript's ports as those of the nodes that run here. Both have five digits, so lengths stay. */
  #here(text: string): string {
    return this.#mapPorts(text, (recorded, real) => [recorded, real]);
  }

  #there(text: string): string {
    return this.#mapPorts(text, (recorded, real) => [real, recorded]);
  }

  #mapPorts(text: string, direction: (recorded: number, real: number) => readonly [number, number]): string {
    const ports = new Map<string, string>();
    for (const [name, recorded] of this.#ports) {
      const real = this.#nodes.get(name)?.port;
      if (real === undefined) continue;
      const [from, to] = direction(recorded, real);
      ports.set(String(from), String(to));
      ports.set(String(from + 10_000), String(to + 10_000));
    }
    return text.replaceAll(/\b\d{5}\b/g, (digits) => ports.get(digits) ?? digits);
  }
}

/** A recording that was cut off is compared up to its last whole line. */
function wholeLines(expected: string): string {
  const cut = expected.indexOf(CUT);
  return cut === -1 ? expected : expected.slice(0, expected.lastIndexOf('\n', cut) + 1);
}
