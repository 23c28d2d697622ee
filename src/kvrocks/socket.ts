// The socket under one link: to an address that our own resolver found, its bytes read before any library sees them.

import { isIP, Socket } from 'node:net';

import { AbstractConnector } from 'ioredis';

import { addressParts } from '../topology/node.ts';
import type { NodeAddress } from '../topology/types.ts';
import type { Names } from './names.ts';

/** All sockets read into one buffer: reading is synchronous and the bytes are copied out before the next read. */
const READ_BUFFER = Buffer.alloc(64 * 1024);

/**
 * Milliseconds one address of a name gets before the next is tried, the last one excepted: several have to fit into the
 * deadline of one look at a node.
 */
const ATTEMPT_MS = 100;

/** A socket on its way to one node. `onBytes` says whether to go on reading; its bytes are overwritten by the next read. */
export class NodeSocket {
  readonly socket: Socket;
  readonly #host: string;
  readonly #port: number;
  readonly #names: Names;
  #hasAddress: boolean;

  constructor(address: NodeAddress, names: Names, onBytes: (bytes: Buffer) => boolean) {
    const { host, port } = addressParts(address);
    this.#host = host;
    this.#port = port;
    this.#names = names;
    this.#hasAddress = isIP(host) !== 0;
    this.socket = new Socket({
      onread: { buffer: READ_BUFFER, callback: (bytes) => onBytes(READ_BUFFER.subarray(0, bytes)) },
    });
    this.socket.on('lookup', (error) => {
      this.#hasAddress = error === null;
    });
    this.socket.on('connect', () => {
      const { remoteAddress } = this.socket;
      if (remoteAddress !== undefined) names.answered(host, remoteAddress);
    });
  }

  /** Whether there is any address to connect to; false until the name is resolved. */
  get hasAddress(): boolean {
    return this.#hasAddress;
  }

  /** For ioredis, which asks a connector for its stream and may not close it politely. */
  get connector(): new (options: unknown) => AbstractConnector {
    const connect = (): Socket => this.#connect();
    const { socket } = this;
    return class extends AbstractConnector {
      constructor() {
        super(0);
      }

      override connect(): Promise<Socket> {
        return Promise.resolve(connect());
      }

      override disconnect(): void {
        socket.destroy();
      }
    };
  }

  #connect(): Socket {
    return this.socket.connect({
      host: this.#host,
      port: this.#port,
      lookup: this.#names.lookup,
      autoSelectFamily: true,
      autoSelectFamilyAttemptTimeout: ATTEMPT_MS,
    });
  }
}
