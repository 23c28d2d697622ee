// The lasting connections, one a node.

import type { Clock } from '../base/clock.ts';
import type { NodeAddress } from '../topology/types.ts';
import { NodeConnection } from './connection.ts';
import type { NodeEndpoint } from '../control/node-commands.ts';

interface Entry {
  readonly endpoint: NodeEndpoint;
  readonly connection: NodeConnection;
}

/** Connections by address and password. An address belongs to one cluster only, so each has one user who releases it. */
export class ConnectionPool {
  readonly #clock: Clock;
  readonly #entries = new Map<NodeAddress, Entry>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The connection to `endpoint`; one with another password is closed and replaced. */
  connection(endpoint: NodeEndpoint): NodeConnection {
    const known = this.#entries.get(endpoint.address);
    if (known?.endpoint.password.equals(endpoint.password)) return known.connection;
    known?.connection.close();
    const connection = new NodeConnection(endpoint, this.#clock);
    this.#entries.set(endpoint.address, { endpoint, connection });
    return connection;
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
