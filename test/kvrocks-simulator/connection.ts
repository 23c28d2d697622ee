// One client connection: requests in order, replies in one write a chunk, nothing acknowledged before it is on disk.

import type { Socket } from 'node:net';

import { findCommand } from './commands/index.ts';
import { dispatch } from './dispatch.ts';
import type { SimulatedNode } from './node.ts';
import { createRequestParser, encodeReply, type Reply } from './resp.ts';
import type { Session } from './session.ts';
import { sleep } from './timing.ts';

/** Turns away the client that is one too many; those that are connected go on (facts section 14). */
export function acceptConnection(node: SimulatedNode, socket: Socket): void {
  if (node.clientCount < node.config.count('maxclients')) {
    serveConnection(node, socket, node.connectionsReceived + 1);
    return;
  }
  socket.on('error', () => undefined);
  socket.end('-ERR max number of clients reached\r\n');
}

/** Serves `socket` until it closes. Requests that arrived are executed even if the client is gone (facts section 8). */
function serveConnection(node: SimulatedNode, socket: Socket, id: number): void {
  const requests: (readonly string[])[] = [];
  let draining = false;
  let closing = false;
  let pending = '';
  const session = createSession(socket, id, () => {
    closing = true;
  });

  const flush = (): void => {
    node.keyspace.flush();
    if (pending !== '' && socket.writable) socket.write(pending, 'latin1');
    pending = '';
    if (closing) socket.end();
  };
  const answer = (reply: Reply): void => {
    pending += encodeReply(reply, session.protocol);
  };
  const drain = async (): Promise<void> => {
    draining = true;
    for (let args = requests.shift(); args !== undefined; args = requests.shift()) {
      if (isHeldUp(node, args)) {
        flush();
        if (node.faults.delayMs > 0) await sleep(node.faults.delayMs);
        // Another waiter may have taken the lock before this one runs.
        while (isBlocked(node, args)) {
          await (node.gate.held ? node.gate.released() : node.faults.disk.freed());
        }
      }
      const reply = dispatch({ node, session, args });
      if (reply instanceof Promise) {
        flush();
        answer(await reply);
      } else answer(reply);
    }
    flush();
    draining = false;
  };

  const parse = createRequestParser(
    (args) => requests.push(args),
    () => socket.destroy(),
  );
  socket.on('data', (chunk) => {
    parse(chunk);
    if (!draining) void drain();
  });
  socket.on('error', () => undefined);
  socket.on('close', () => {
    node.sessions.delete(session);
    for (const listener of session.closeListeners) listener();
  });
  node.sessions.add(session);
  node.connectionsReceived += 1;
}

function isHeldUp(node: SimulatedNode, args: readonly string[]): boolean {
  return isBlocked(node, args) || (node.faults.delayMs > 0 && !isSimulatorCommand(args));
}

/** All commands wait for the exclusive lock, writes for the disk; what makes and ends faults waits for nothing. */
function isBlocked(node: SimulatedNode, args: readonly string[]): boolean {
  if (isSimulatorCommand(args)) return false;
  return node.gate.held || (node.faults.disk.isStuck && isWrite(args));
}

function isWrite([name = '']: readonly string[]): boolean {
  return findCommand(name.toLowerCase())?.write === true;
}

function isSimulatorCommand([name = '']: readonly string[]): boolean {
  return name.toLowerCase() === 'simulator';
}

function createSession(socket: Socket, id: number, onEnd: () => void): Session {
  const now = Date.now();
  return {
    id,
    peer: `${socket.remoteAddress}:${socket.remotePort}`,
    peerIp: socket.remoteAddress ?? '',
    connectedAtMs: now,
    lastCommandAtMs: now,
    lastCommand: '',
    name: '',
    authenticated: false,
    protocol: 2,
    readOnly: false,
    asking: false,
    importing: false,
    replica: false,
    listeningPort: 0,
    transaction: null,
    closeListeners: [],
    send: (bytes) => socket.write(bytes, 'latin1'),
    onDrain: (callback) => socket.once('drain', callback),
    end: onEnd,
    destroy: () => socket.destroy(),
  };
}
