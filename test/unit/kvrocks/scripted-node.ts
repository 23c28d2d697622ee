// A TCP server that behaves like a node gone wrong: tests say what it does with each command it receives.

import { type AddressInfo, createServer, type Socket } from 'node:net';

import { Secret } from '../../../src/base/secret.ts';
import { KvrocksClient } from '../../../src/kvrocks/client.ts';
import type { NodeEndpoint } from '../../../src/control/node-commands.ts';
import { NameResolver } from '../../../src/names/name-resolver.ts';
import { systemClock } from '../../../src/system/clock.ts';
import { parseAddress } from '../../../src/topology/node.ts';

export const NODE_ID = 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb';

export const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`;

export const pair = (name: string, value: string): string => `*2\r\n${bulk(name)}${bulk(value)}`;

/** What a healthy master without a password answers. */
export const HEALTHY: Readonly<Record<string, string>> = {
  'CLUSTER INFO': bulk('cluster_state:ok\r\ncluster_current_epoch:7\r\n'),
  'CLUSTERX MYID': bulk(NODE_ID),
  'INFO replication': bulk('# Replication\r\nrole:master\r\nconnected_slaves:0\r\nmaster_repl_offset:12\r\n'),
  'CONFIG GET slave-empty-db-before-fullsync': pair('slave-empty-db-before-fullsync', 'no'),
  'CONFIG GET slaveof': pair('slaveof', ''),
  'CONFIG GET requirepass': pair('requirepass', ''),
  'INFO keyspace': bulk('# Keyspace\r\nsequence:12\r\nused_percent: 0%\r\nused_disk_percent: 70.7938%\r\n'),
};

/** The commands of the first look on a connection, and of those when login and settings are due. */
export const FIRST_LOOK = [
  'CLUSTER INFO',
  'CLUSTERX MYID',
  'CONFIG GET slave-empty-db-before-fullsync',
  'CONFIG GET slaveof',
  'CONFIG GET requirepass',
  'INFO replication',
  'INFO keyspace',
];

/** The commands of every other look. */
export const LOOK = ['CLUSTER INFO', 'CLUSTERX MYID', 'INFO replication'];

export interface ScriptedNode {
  readonly endpoint: NodeEndpoint;
  withPassword(password: string): NodeEndpoint;
  /** The commands of each connection, words joined by spaces. */
  readonly received: string[][];
  /** The chunks of all connections as they came. */
  readonly chunks: string[];
  /** Connections that were opened and not closed yet. */
  openConnections(): number;
  close(): Promise<void>;
}

/** Called with each chunk's text and its connection. */
export type Reaction = (chunk: string, socket: Socket, connection: number) => void;

/** The reply to one command; null is none, an unknown command gets the error Kvrocks has for it. */
export type Answers = (command: string, connection: number) => string | null | undefined;

/** Answers every command on its own. */
export function answering(answers: Answers | Readonly<Record<string, string>>): Reaction {
  const answer = typeof answers === 'function' ? answers : (command: string) => answers[command];
  return (chunk, socket, connection) => {
    for (const command of commandsIn(chunk)) {
      const reply = answer(command, connection);
      if (reply !== null) socket.write(reply ?? HEALTHY[command] ?? '-ERR unknown command\r\n');
    }
  };
}

/** The commands of one chunk, which holds whole ones. */
export function commandsIn(chunk: string): string[] {
  const commands: string[] = [];
  let rest = chunk;
  for (let head = /^\*(\d+)\r\n/.exec(rest); head !== null; head = /^\*(\d+)\r\n/.exec(rest)) {
    rest = rest.slice(head[0].length);
    const words: string[] = [];
    while (words.length < Number(head[1])) {
      const length = /^\$(\d+)\r\n/.exec(rest)!;
      const from = length[0].length;
      words.push(rest.slice(from, from + Number(length[1])));
      rest = rest.slice(from + Number(length[1]) + 2);
    }
    commands.push(words.join(' '));
  }
  return commands;
}

export interface ScriptedNodeOptions {
  readonly host?: string;
  /** Called for each new connection, before anything arrives. */
  readonly onConnection?: (socket: Socket, connection: number) => void;
}

export async function startScriptedNode(
  react: Reaction,
  options: ScriptedNodeOptions = {},
): Promise<ScriptedNode> {
  const { host = '127.0.0.1' } = options;
  const received: string[][] = [];
  const chunks: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const connection = received.push([]) - 1;
    sockets.add(socket);
    socket.on('data', (data) => {
      const chunk = data.toString('latin1');
      chunks.push(chunk);
      received[connection]?.push(...commandsIn(chunk));
      react(chunk, socket, connection);
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
    options.onConnection?.(socket, connection);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, host, resolve);
  });
  const parsed = parseAddress(`${host}:${(server.address() as AddressInfo).port}`);
  if (!parsed.ok) throw new Error('a port is an address');
  const withPassword = (password: string): NodeEndpoint => ({
    address: parsed.value,
    password: new Secret(password),
  });
  return {
    endpoint: withPassword(''),
    withPassword,
    received,
    chunks,
    openConnections: () => sockets.size,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

export function openClient(clock = systemClock): KvrocksClient {
  return new KvrocksClient({ clock, names: new NameResolver({ clock: systemClock }) });
}
