// A TCP server that behaves like a node gone wrong: tests say what it does with each chunk it receives.

import { type AddressInfo, createServer, type Socket } from 'node:net';

import { Secret } from '../../../src/base/secret.ts';
import type { NodeEndpoint } from '../../../src/control/node-commands.ts';
import { parseAddress } from '../../../src/topology/node.ts';

export const NODE_ID = 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb';

export const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`;

/** The exact bytes of the three commands of a probe. */
export const PROBE_BYTES =
  '*2\r\n$7\r\nCLUSTER\r\n$4\r\nINFO\r\n*2\r\n$8\r\nCLUSTERX\r\n$4\r\nMYID\r\n*2\r\n$4\r\nINFO\r\n$11\r\nreplication\r\n';

export const PROBE_REPLY =
  bulk('cluster_state:ok\r\ncluster_current_epoch:7\r\n') +
  bulk(NODE_ID) +
  bulk('# Replication\r\nrole:master\r\nconnected_slaves:0\r\nmaster_repl_offset:12\r\n');

export interface ScriptedNode {
  readonly endpoint: NodeEndpoint;
  withPassword(password: string): NodeEndpoint;
  /** What arrived, one text a connection. */
  readonly received: string[];
  /** Connections that were opened and not closed yet. */
  openConnections(): number;
  close(): Promise<void>;
}

/** `react` is called with each chunk's text and its connection. */
export async function startScriptedNode(
  react: (chunk: string, socket: Socket, connection: number) => void,
): Promise<ScriptedNode> {
  const received: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    const connection = received.push('') - 1;
    sockets.add(socket);
    socket.on('data', (data) => {
      received[connection] += data.toString('latin1');
      react(data.toString('latin1'), socket, connection);
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const parsed = parseAddress(`127.0.0.1:${(server.address() as AddressInfo).port}`);
  if (!parsed.ok) throw new Error('a port is an address');
  const withPassword = (password: string): NodeEndpoint => ({
    address: parsed.value,
    password: new Secret(password),
  });
  return {
    endpoint: withPassword(''),
    withPassword,
    received,
    openConnections: () => sockets.size,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
