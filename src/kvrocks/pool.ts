// The lasting connections, one a node.

import type { NodeAddress } from '../topology/types.ts';
import { NodeConnection } from './connection.ts';
import type { NodeEndpoint } from '../control/node-commands.ts';
import type { LinkParts } from './link.ts';

interface Entry {
  readonly endpoint: NodeEndpoint;
  readonly connection: NodeConnection;
}

/** Connections by address and password. An address belongs to one cluster only, so each has one user who releases it. */
export class ConnectionPool {
  readonly #parts: LinkParts;
  readonly #entries = new Map<NodeAddress, Entry>();

  constructor(parts: LinkParts) {
    this.#parts = parts;
  }

  /** The connection to `endpoint`; one with another password is closed and replaced. */
  connection(endpoint: NodeEndpoint): NodeConnection {
    const known = this.#entries.get(endpoint.address);
    if (known?.endpoint.password.equals(endpoint.password)) return known.connection;
    known?.connection.close();
    const connection = new NodeConnection(endpoint, this.#parts);
    this.#entries.set(endpoint.address, { endpoint, connection });
    return connection;
  }

  /** The connection to `address`, if there is one. */
  known(address: NodeAddress): NodeConnection | null {
    return this.#entries.get(address)?.connection ?? null;
  }

  /** Closes the connection to `address`, if there is one. */
  release(address: NodeAddress): void {
    this.#entries.get(address)?.connection.close();
    this.#entries.delete(address);
  }

  close(): void {
    for (const address of this.#entries.keys()) this.release(address);
  }
}
