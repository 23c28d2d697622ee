// The lasting connection to one node: opened by the first request, and again by the first one after it broke.

import type { Clock } from '../base/clock.ts';
import type { NodeEndpoint } from '../control/node-commands.ts';
import { type CommandWords, Link, type Outcome } from './link.ts';

/**
 * Requests to one node. Nothing reconnects on its own. A passed deadline destroys the link and every other request on
 * it: a hung node must not collect commands on a socket, it would execute all of them when it wakes (facts section 8).
 */
export class NodeConnection {
  readonly #endpoint: NodeEndpoint;
  readonly #clock: Clock;
  #link: Link | null = null;

  constructor(endpoint: NodeEndpoint, clock: Clock) {
    this.#endpoint = endpoint;
    this.#clock = clock;
  }

  /** Sends `commands` in one write. `deadlineMs` covers connecting, authentication and all replies. Never rejects. */
  request(commands: readonly CommandWords[], deadlineMs: number): Promise<Outcome> {
    if (this.#link === null || this.#link.isBroken) this.#link = new Link(this.#endpoint, this.#clock);
    return this.#link.request(commands, deadlineMs);
  }

  /** See `Link.hasNeedlessPassword`; false before the first reply. */
  get hasNeedlessPassword(): boolean {
    return this.#link?.hasNeedlessPassword ?? false;
  }

  /** Destroys the link. A later request opens another one. */
  close(): void {
    this.#link?.destroy({ kind: 'connectionLost', message: 'closed by this controller' });
    this.#link = null;
  }
}
