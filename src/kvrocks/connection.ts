// The connection to one node: opened by the first request, and again by the first one after it broke.

import type { Clock } from '../base/clock.ts';
import { err, type Result } from '../base/result.ts';
import type { NodeError } from '../control/observation.ts';
import type { NodeEndpoint } from '../control/node-commands.ts';
import type { NodesLine } from '../topology/cluster-nodes-text.ts';
import { fencePassword } from './commands/fence.ts';
import { Link, type LinkFailure, type LinkParts } from './link.ts';

/** Links one piece of work may begin on: the one that is there, and one more when that broke before anything was sent. */
const LINKS_MAX = 2;

/** What was learnt over one link, and holds no longer than it: another one may lead to another process. */
export interface LinkNotes {
  /** Monotonic milliseconds of the last check of login and settings. */
  checkedAtMs: number;
  /** `slave-empty-db-before-fullsync`; null while unknown. */
  emptiesBeforeFullSync: boolean | null;
  /** Percent of its disk in use; null while unknown. */
  diskUsedPercent: number | null;
  /** The node wants a password and none is stored. */
  isPasswordMissing: boolean;
  /** The topology it held at a version above ours; null while none was asked for, its lines where it could not be read. */
  topology: { readonly version: number; readonly lines: readonly NodesLine[] | null } | null;
  /** The node told its position, and nothing since then could have closed its data. */
  isDataOpen: boolean;
}

/** One piece of work on one link, under one deadline. */
export interface Session {
  readonly endpoint: NodeEndpoint;
  readonly link: Link;
  readonly notes: LinkNotes;
  /** The node refused the password of `endpoint` and took that of its fence. */
  readonly isFenced: boolean;
  readonly clock: Clock;
  /** Milliseconds that all of it was given. */
  readonly deadlineMs: number;
  /** Milliseconds left. */
  leftMs(): number;
}

type Opened = Pick<Session, 'link' | 'notes' | 'isFenced'>;

/**
 * Work with one node. Nothing reconnects on its own. A passed deadline destroys the link and every other request on it: a
 * hung node must not collect commands on a socket, it would execute all of them when it wakes (facts section 8).
 */
export class NodeConnection {
  readonly #endpoint: NodeEndpoint;
  readonly #parts: LinkParts;
  #current: Opened | null = null;
  #isClosed = false;

  constructor(endpoint: NodeEndpoint, parts: LinkParts) {
    this.#endpoint = endpoint;
    this.#parts = parts;
  }

  /**
   * Runs `work` on the link that is there or a new one. Work of which certainly nothing was sent, because others broke the
   * link, begins again on another one while time is left; so does work whose login was refused, as that of a fenced node. `deadlineMs` covers
   * everything. Never rejects.
   */
  async use<T>(
    deadlineMs: number,
    work: (session: Session) => Promise<Result<T, LinkFailure>>,
  ): Promise<Result<T, NodeError>> {
    const { clock } = this.#parts;
    const untilMs = clock.monotonicMs() + deadlineMs;
    const leftMs = (): number => Math.max(0, untilMs - clock.monotonicMs());
    let refusal: NodeError | null = null;
    for (let links = 1; ; links += 1) {
      if (this.#isClosed) return err({ kind: 'ownFault', message: 'not sent: closed by this controller' });
      const opened = this.#open();
      const outcome = await work({ endpoint: this.#endpoint, ...opened, clock, deadlineMs, leftMs });
      if (outcome.ok) return outcome;
      const { error, mayRetry } = outcome.error;
      if (isLoginRefused(error)) {
        if (opened.isFenced) return err(refusal ?? error);
        refusal = error;
        opened.link.destroy(error);
        this.#current = this.#opened(true);
        continue;
      }
      if (!mayRetry || links >= LINKS_MAX || leftMs() === 0) return err(error);
    }
  }

  /** Destroys the link for good. */
  close(): void {
    this.#isClosed = true;
    this.#current?.link.destroy({ kind: 'connectionLost', message: 'closed by this controller' });
  }

  #open(): Opened {
    const current = this.#current;
    // Somebody else has taken the fence down.
    if (current?.isFenced === true && current.link.login === 'refused') current.link.destroy(RELOGIN);
    if (current !== null && !current.link.isBroken) return current;
    this.#current = this.#opened(false);
    return this.#current;
  }

  #opened(isFenced: boolean): Opened {
    const notes: LinkNotes = {
      checkedAtMs: Number.NEGATIVE_INFINITY,
      emptiesBeforeFullSync: null,
      diskUsedPercent: null,
      isPasswordMissing: false,
      topology: null,
      isDataOpen: false,
    };
    const { address, password } = this.#endpoint;
    const endpoint = isFenced ? { address, password: fencePassword(password) } : this.#endpoint;
    return { link: new Link(endpoint, this.#parts), notes, isFenced };
  }
}

/** Why a link is closed whose password is no longer the one to ask with: the next question logs in again. */
export const RELOGIN: NodeError = { kind: 'connectionLost', message: 'closed to log in again' };

function isLoginRefused({ kind }: NodeError): boolean {
  return kind === 'wrongPassword' || kind === 'passwordRequired';
}
