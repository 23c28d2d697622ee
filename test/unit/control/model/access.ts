// The way from a leader to a node: what keeps requests from arriving, what a look shows, and which connections are open.

import type { Result } from '../../../../src/base/result.ts';
import type { EvidenceKind } from '../../../../src/control/evidence.ts';
import type { NodeError, ProbeResult } from '../../../../src/control/observation.ts';
import type { NodeAddress } from '../../../../src/topology/types.ts';
import { type ModelNode, failure, probeFailure } from './node.ts';
import type { World } from './world.ts';

/** The last look at a node that it answered. */
export interface LastLook {
  readonly ms: number;
  readonly sequence: number;
  readonly version: number;
}

/** Enough for some seconds. */
const HISTORY_LOOKS = 60;

/** Looks closer to each other than this count as one. */
const QUICK_MS = 400;

export class Access {
  readonly #world: World;
  readonly #looks = new Map<NodeAddress, LastLook>();
  /** The looks of the present leader, oldest first. */
  readonly #history = new Map<NodeAddress, LastLook[]>();
  readonly #connected = new Set<NodeAddress>();

  constructor(world: World) {
    this.#world = world;
  }

  lastLook(where: NodeAddress): LastLook {
    return this.#looks.get(where) ?? { ms: 0, sequence: 0, version: 0 };
  }

  /** Where the present leader saw the node at least `ms` before it saw it last; null when it did not. */
  sequenceBefore(where: NodeAddress, ms: number): number | null {
    const history = this.#history.get(where) ?? [];
    const last = history.at(-1);
    const old = history.findLast((look) => last !== undefined && look.ms <= last.ms - ms);
    // Of looks in quick succession one is remembered.
    const remembered = history.findLast((look) => old !== undefined && look.ms <= old.ms - QUICK_MS);
    return remembered?.sequence ?? null;
  }

  /** The next leader has connections of its own to make, and has seen nothing. */
  disconnect(): void {
    this.#connected.clear();
    this.#history.clear();
  }

  look(where: NodeAddress): ProbeResult {
    const node = this.#world.nodeAt(where);
    const fault = this.#obstacle(node);
    if (fault !== null) return probeFailure(fault);
    const stranger = node.stranger?.kind === 'kvrocks' ? node.stranger.node : null;
    const result = (stranger ?? node).report(this.#world.nowMs);
    this.#connected.add(where);
    (stranger ?? node).seenBy(this.#world.nowMs);
    if (stranger === null && result.kind === 'answered' && result.report.id !== null) {
      this.#world.ledger.sawHandOvers(node);
      const look = { ms: this.#world.nowMs, sequence: node.log.sequence, version: node.version };
      this.#looks.set(where, look);
      // What it had before it was made anew says nothing of what it has.
      const known = (this.#history.get(where) ?? []).filter(({ sequence }) => sequence <= look.sequence);
      this.#history.set(where, [...known, look].slice(-HISTORY_LOOKS));
    }
    return result;
  }

  /** What another member sees of the node; null when its word does not come. */
  word(where: NodeAddress): EvidenceKind | null {
    const node = this.#world.nodeAt(where);
    if (this.#world.chance(this.#world.weather.lossPercent)) return null;
    if (node.isCutFromControl && node.isCutFromAll) return 'silent';
    if (node.stranger !== null) return node.stranger.kind === 'garbage' ? 'silent' : 'stranger';
    if (node.life === 'up') return 'answered';
    return node.life === 'dead' ? 'refused' : 'silent';
  }

  /** What keeps a request from being executed. */
  #obstacle(node: ModelNode): NodeError['kind'] | null {
    if (node.isCutFromControl || this.#world.chance(this.#world.weather.lossPercent)) return 'timedOut';
    if (node.stranger !== null) {
      if (node.stranger.kind === 'redis') return 'notKvrocks';
      return node.stranger.kind === 'garbage' ? 'garbage' : null;
    }
    if (node.life !== 'up') {
      this.#connected.delete(node.address);
      return node.life === 'dead' ? 'connectionRefused' : 'timedOut';
    }
    // A connection that is open and logged in works on (facts section 14).
    if (this.#connected.has(node.address)) return null;
    if (node.isFullOfClients) return 'tooManyClients';
    return node.isPasswordWrong ? 'passwordRequired' : null;
  }

  /** Lost requests never arrive, requests whose reply is lost do their work, and a node that hangs does it later. */
  send<T>(where: NodeAddress, run: (node: ModelNode) => Result<T, NodeError>): Result<T, NodeError> {
    const node = this.#world.nodeAt(where);
    const fault = this.#obstacle(node);
    if (fault === 'timedOut' && node.life === 'hung' && !node.isCutFromControl) {
      node.queue.push(() => void run(node));
    }
    if (fault === 'timedOut') node.lostMs = this.#world.nowMs;
    if (fault !== null) return failure(fault);
    if (node.stranger !== null) {
      // The connection was to the process that is gone, unless a look has met the other one since.
      if (node.stranger.kind === 'kvrocks' && node.stranger.node.reachedMs === Infinity) {
        return failure('connectionLost');
      }
      throw new Error('something was sent to a node of another cluster');
    }
    const result = run(node);
    return this.#world.chance(this.#world.weather.lossPercent) ? failure('timedOut') : result;
  }
}
