// A group of one for the registry's tests: a real store and state machine, and a consensus that does what it is told.

import { createSeededRandom } from '../../../src/base/random.ts';
import { type Result, err, ok } from '../../../src/base/result.ts';
import { Secret } from '../../../src/base/secret.ts';
import type { Clock, Timer } from '../../../src/base/clock.ts';
import { FEATURE_LEVEL } from '../../../src/registry/feature-level.ts';
import { Registry } from '../../../src/registry/registry.ts';
import { ReplicatedStore } from '../../../src/store/replicated-store.ts';
import type { Consensus, StoreUnavailable, TransactOptions } from '../../../src/store/types.ts';
import { createCluster } from '../../../src/topology/create-cluster.ts';
import { parseName } from '../../../src/topology/name.ts';
import { parseAddress } from '../../../src/topology/node.ts';
import type { Cluster, Name, NodeAddress } from '../../../src/topology/types.ts';
import { entry, memoryMachine } from '../store/support.ts';

/** Time that passes only by waiting for it: a timer moves it on and fires in the next turn. */
export class JumpingClock implements Clock {
  nowMs = 0;
  monotonicMs(): number {
    return this.nowMs;
  }
  wallMs(): number {
    return this.nowMs;
  }
  setTimer(delayMs: number, callback: () => void): Timer {
    const handle = setImmediate(() => {
      this.nowMs += delayMs;
      callback();
    });
    return { cancel: () => clearImmediate(handle) };
  }
}

/** What becomes of one proposal. `lost` and `late` answer unknown; `late` is applied all the same. */
export type Fate = 'applied' | 'lost' | 'late' | 'overloaded';

interface Waiting {
  readonly data: Uint8Array;
  readonly resolve: (result: Result<unknown, StoreUnavailable>) => void;
}

/** Orders proposals as they come and applies them one a turn; `hold` keeps them until `release`. */
export class GroupOfOne implements Consensus {
  readonly machine = memoryMachine();
  term = 1;
  isLeader = true;
  /** Reads end without an outcome, as when the deadline passes. */
  isReadLost = false;
  proposals = 0;
  /** The fates of the next proposals, oldest first; then all are applied. */
  fates: Fate[] = [];
  readonly #waiting: Waiting[] = [];
  #isHeld = false;

  propose(data: Uint8Array, options: TransactOptions): Promise<Result<unknown, StoreUnavailable>> {
    if (!this.isLeader || (options.term ?? this.term) !== this.term) {
      return Promise.resolve(err({ kind: 'notLeader' }));
    }
    this.proposals += 1;
    return new Promise((resolve) => {
      this.#waiting.push({ data, resolve });
      if (!this.#isHeld) setImmediate(() => this.#next());
    });
  }

  read(): Promise<Result<void, StoreUnavailable>> {
    if (this.isReadLost)
      return Promise.resolve(err({ kind: 'unknown', reason: 'no quorum answered in time' }));
    return Promise.resolve(this.isLeader ? ok(undefined) : err({ kind: 'notLeader' }));
  }

  hold(): void {
    this.#isHeld = true;
  }

  release(): void {
    this.#isHeld = false;
    while (this.#waiting.length > 0) this.#next();
  }

  #next(): void {
    const proposal = this.#waiting.shift();
    if (proposal === undefined) return;
    const fate = this.fates.shift() ?? 'applied';
    if (fate === 'overloaded') return proposal.resolve(err({ kind: 'overloaded' }));
    if (fate === 'lost') return proposal.resolve(err({ kind: 'unknown', reason: 'lost' }));
    const [result] = this.machine.apply([entry(this.machine.applied + 1, proposal.data)]);
    proposal.resolve(fate === 'late' ? err({ kind: 'unknown', reason: 'late' }) : ok(result));
  }
}

export function scene() {
  const group = new GroupOfOne();
  const clock = new JumpingClock();
  const store = new ReplicatedStore(group, group.machine);
  const level = { current: FEATURE_LEVEL };
  const registry = new Registry({
    store,
    clock,
    random: createSeededRandom(1),
    deadlineMs: 2000,
    featureLevel: () => level.current,
  });
  return { group, clock, store, registry, level };
}

export function valueOf<T, E>(result: Result<T, E>): T {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}

export const name = (text: string): Name => valueOf(parseName(text));
export const address = (port: number): NodeAddress => valueOf(parseAddress(`127.0.0.1:${port}`));

/** One shard of a master and replicas at `ports`. */
export function cluster(text: string, ports: readonly number[], password = ''): Cluster {
  return valueOf(
    createCluster({
      name: name(text),
      addresses: ports.map(address),
      replicas: ports.length,
      password: new Secret(password),
      random: createSeededRandom(ports[0] ?? 0),
      nowSeconds: 1_700_000_000,
    }),
  );
}
