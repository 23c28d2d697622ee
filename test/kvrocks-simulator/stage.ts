// What the claims about nodes share: nodes that end with their test, topologies pushed by hand, and what a node holds.

import { afterEach, expect } from 'vitest';

import {
  startKvrocksNode,
  type KvrocksNode,
  type KvrocksNodeOptions,
  type KvrocksReply,
} from '../support/kvrocks-node.ts';
import { notYet, waitFor, waitUntil } from '../support/wait-until.ts';

export const A_ID = 'a'.repeat(40);
export const B_ID = 'b'.repeat(40);

/** Moves the sequence by 20,000 without declaring a key (facts section 13). */
export const OUTRUN = "for i=1,20000 do redis.call('set','__bump',i) end return 1";

const nodes: KvrocksNode[] = [];
afterEach(async () => {
  await Promise.all(nodes.splice(0).map(async (node) => node.dispose()));
});

export async function start(options: KvrocksNodeOptions = {}): Promise<KvrocksNode> {
  const node = await startKvrocksNode(options);
  nodes.push(node);
  return node;
}

/** A master of all slots, at version 1. */
export async function startAlone(options: KvrocksNodeOptions = {}): Promise<KvrocksNode> {
  const node = await start(options);
  await push(node, `${A_ID} 127.0.0.1 ${node.port} master - 0-16383`, 1);
  return node;
}

export interface Pair {
  readonly a: KvrocksNode;
  readonly b: KvrocksNode;
  /** A has all slots; B is its slave. */
  readonly aMaster: string;
  /** B has all slots; A is its slave, or a master without slots. */
  readonly bMaster: { readonly aSlave: string; readonly aIsolated: string };
}

/** A the master of 100 keys, B its replica with the same, both at version 1. */
export async function startPair(options: KvrocksNodeOptions = {}): Promise<Pair> {
  const pair = await startApart(options);
  for (const node of [pair.a, pair.b]) await push(node, pair.aMaster, 1);
  await setKeys(pair.a, 'k', 100);
  await inStep(pair.b, pair.a);
  return pair;
}

/** Two nodes without a topology. */
export async function startApart(options: KvrocksNodeOptions = {}): Promise<Pair> {
  const [a, b] = await Promise.all([start(options), start(options)]);
  const [aLine, bLine] = [`${A_ID} 127.0.0.1 ${a.port}`, `${B_ID} 127.0.0.1 ${b.port}`];
  const all = `${bLine} master - 0-16383`;
  return {
    a,
    b,
    aMaster: `${aLine} master - 0-16383\n${bLine} slave ${A_ID}`,
    bMaster: { aSlave: `${all}\n${aLine} slave ${B_ID}`, aIsolated: `${all}\n${aLine} master -` },
  };
}

export interface Halves {
  readonly a: KvrocksNode;
  readonly b: KvrocksNode;
}

/** Two masters at version 1, A of the lower half of the slots and B of the upper. */
export async function startHalves(options: KvrocksNodeOptions = {}): Promise<Halves> {
  const { a, b } = await startApart(options);
  const text = halvesText({ a, b });
  for (const node of [a, b]) await push(node, text, 1);
  return { a, b };
}

export function halvesText({ a, b }: Halves): string {
  return `${A_ID} 127.0.0.1 ${a.port} master - 0-8191\n${B_ID} 127.0.0.1 ${b.port} master - 8192-16383`;
}

export async function push(
  node: KvrocksNode,
  text: string,
  version: number,
  ...options: readonly string[]
): Promise<void> {
  expect(await node.command('CLUSTERX', 'SETNODES', text, String(version), ...options)).toBe('OK');
}

/** A field of INFO replication. */
export async function field(node: KvrocksNode, name: string): Promise<string | undefined> {
  return fieldOf(await node.command('INFO', 'replication'), name);
}

export function fieldOf(text: KvrocksReply, name: string): string | undefined {
  return new RegExp(`^${name.replaceAll(/[()]/g, String.raw`\$&`)}: ?(.*)\r$`, 'm').exec(String(text))?.[1];
}

export async function sequence(node: KvrocksNode): Promise<number> {
  return Number(await field(node, 'master_repl_offset'));
}

/** Waits until the replica's own words are those of a perfect copy, which says nothing of its keys. */
export async function inStep(replica: KvrocksNode, master: KvrocksNode): Promise<void> {
  await waitFor('the replica to be in step', async () => {
    const up = (await field(replica, 'master_link_status')) === 'up';
    return up && (await sequence(replica)) === (await sequence(master));
  });
}

/** Waits until CLUSTER INFO of `node` shows `value` in `name`. */
export async function untilClusterInfo(node: KvrocksNode, name: string, value: string): Promise<void> {
  await waitUntil(`${name} to be ${value}`, async () => {
    const seen = fieldOf(await node.command('CLUSTER', 'INFO'), name);
    return seen === value ? true : notYet(seen);
  });
}

/** Sets `<prefix>0` and so on to `value`. */
export async function setKeys(node: KvrocksNode, value: string, count: number, prefix = 'k'): Promise<void> {
  const keys = Array.from({ length: count }, (_, index) => `${prefix}${index}`);
  await Promise.all(keys.map(async (key) => node.command('SET', key, value)));
}

/** All keys with their values, as stored, whoever owns the slots. */
export async function contentOf(node: KvrocksNode): Promise<ReadonlyMap<string, KvrocksReply>> {
  await node.command('READONLY');
  const keys = await node.command('KEYS', '*');
  const content = new Map<string, KvrocksReply>();
  for (const key of Array.isArray(keys) ? keys : []) content.set(key, await node.command('GET', key));
  return content;
}
