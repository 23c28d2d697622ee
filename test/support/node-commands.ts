// Commands to Kvrocks nodes as clients send them, each on a connection of its own: what a test sees is what a user would see.

import { slotOfKey } from '../kvrocks-simulator/slots.ts';
import { type KvrocksReply, KvrocksReplyError, RespClient } from './resp-client.ts';

/** A command and its arguments. */
export type Command = readonly [string, ...string[]];

const TIMEOUT_MS = 5000;
/** MOVED answers followed for one command. */
const HOPS_MAX = 8;

/** Sends one command to `address` (`host:port`) and returns the reply; an error reply rejects with the node's text. */
export async function ask(address: string, command: Command, password = ''): Promise<KvrocksReply> {
  const [reply] = await askAll(address, [command], password);
  return reply ?? null;
}

/** Sends many commands in one go; rejects with the first error reply. */
export async function askAll(
  address: string,
  commands: readonly Command[],
  password = '',
): Promise<readonly KvrocksReply[]> {
  const colon = address.lastIndexOf(':');
  const client = await RespClient.open({
    host: address.slice(0, colon),
    port: Number(address.slice(colon + 1)),
    timeoutMs: TIMEOUT_MS,
  });
  try {
    const login: readonly Command[] = password === '' ? [] : [['AUTH', password]];
    const replies = await Promise.all([...login, ...commands].map((command) => client.command(command)));
    return replies.slice(login.length);
  } finally {
    client.close();
  }
}

/** Sends a command about one key the way a cluster client does: asks `address` first and follows MOVED. */
export async function askCluster(address: string, command: Command, password = ''): Promise<KvrocksReply> {
  let at = address;
  for (let hop = 0; ; hop += 1) {
    try {
      return await ask(at, command, password);
    } catch (error) {
      const moved =
        error instanceof KvrocksReplyError ? /^MOVED \d+ (\S+)$/.exec(error.message)?.[1] : undefined;
      if (moved === undefined || hop >= HOPS_MAX) throw error;
      at = moved;
    }
  }
}

/** What a node says about itself and its place. */
export interface NodeState {
  readonly id: string;
  readonly version: number;
  readonly role: 'master' | 'slave';
  /** Address of the master a slave follows; null on a master. */
  readonly master: string | null;
  readonly linkUp: boolean;
  /** Slots of the node's own line in CLUSTER NODES, without marks of running migrations. */
  readonly slots: readonly string[];
}

/** Asks CLUSTERX MYID and VERSION, INFO replication and CLUSTER NODES. Rejects when the node does not answer. */
export async function stateOf(address: string, password = ''): Promise<NodeState> {
  const [id, version, info, nodes] = await askAll(
    address,
    [
      ['CLUSTERX', 'MYID'],
      ['CLUSTERX', 'VERSION'],
      ['INFO', 'replication'],
      ['CLUSTER', 'NODES'],
    ],
    password,
  );
  const fields = fieldsOf(String(info));
  const isSlave = fields.get('role') === 'slave';
  const mine = String(nodes)
    .split('\n')
    .find((line) => line.startsWith(String(id)));
  return {
    id: String(id),
    version: Number(version),
    role: isSlave ? 'slave' : 'master',
    master: isSlave ? `${fields.get('master_host') ?? ''}:${fields.get('master_port') ?? ''}` : null,
    linkUp: fields.get('master_link_status') === 'up',
    slots: (mine ?? '')
      .trim()
      .split(' ')
      .slice(8)
      .filter((slot) => !slot.startsWith('[')),
  };
}

/** The `name:value` lines of INFO and CLUSTER INFO. */
export function fieldsOf(text: string): ReadonlyMap<string, string> {
  return new Map(
    text
      .split(/\r?\n/)
      .filter((line) => line.includes(':'))
      .map((line): [string, string] => {
        const colon = line.indexOf(':');
        return [line.slice(0, colon), line.slice(colon + 1).trim()];
      }),
  );
}

/** `count` different keys of one slot. They share a hash tag. */
export function keysOfSlot(slot: number, count: number): readonly string[] {
  for (let number = 0; ; number += 1) {
    const tag = `{t${number}}`;
    if (slotOfKey(tag) === slot) return Array.from({ length: count }, (_, index) => `${tag}:${index}`);
  }
}
