// What a node remembers of one client connection.

import type { Protocol } from './resp.ts';

/** The connection as the commands see it; `connection.ts` makes it. */
export interface Session {
  readonly id: number;
  /** `ip:port` of the other end. */
  readonly peer: string;
  readonly peerIp: string;
  readonly connectedAtMs: number;
  lastCommandAtMs: number;
  lastCommand: string;
  name: string;
  authenticated: boolean;
  protocol: Protocol;
  /** READONLY was sent. */
  readOnly: boolean;
  /** ASKING was sent; good for one command. */
  asking: boolean;
  /** CLUSTER IMPORT made this the connection of an import. */
  importing: boolean;
  /** PSYNC made this the connection of a replica. */
  replica: boolean;
  /** The port a replica said it listens on (REPLCONF). */
  listeningPort: number;
  /** The commands between MULTI and EXEC; null outside. */
  transaction: Transaction | null;
  /** Called once when the connection is gone. */
  readonly closeListeners: (() => void)[];
  /** Sends bytes outside of the replies. False asks to wait for `onDrain`. */
  send(bytes: string): boolean;
  onDrain(callback: () => void): void;
  /** Closes after what was sent has left. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
}

export interface Transaction {
  readonly queued: (readonly string[])[];
  /** A command was refused: EXEC discards all. */
  broken: boolean;
}
