// What a scenario of failing nodes is: where nodes live, what befalls them, and what a round of it found.

import type { Random } from '../../../src/base/random.ts';
import type { GroupView } from '../group-view.ts';
import type { Copies } from '../hostile-operator/copies.ts';
import type { Surroundings } from '../hostile-operator/surroundings.ts';
import type { Acknowledgements } from './acknowledgements.ts';
import type { Fault } from './losses.ts';
import type { Site } from './site.ts';
import type { Watch } from './watch.ts';

/** What a round works on. */
export interface Around extends Surroundings {
  readonly site: Site;
  readonly view: GroupView;
  readonly watch: Watch;
  readonly acknowledgements: Acknowledgements;
  readonly random: Random;
  /** The time without an answer after which a master counts as dead. */
  readonly windowMs: number;
  /** Rounds before this one. */
  readonly round: number;
  /** Counts rounds as `round` does, from where the seed begins. */
  readonly turn: number;
  /** Of the scenario's `actions` those that are wanted. */
  readonly actions: readonly string[];
}

/** What one round saw, before anything has settled. */
export interface Finding {
  /** What came of it, in a few words that are counted over all rounds; several where the round has several parts. */
  readonly outcomes: readonly string[];
  /** What was seen and is not what was expected; each is a violation. */
  readonly complaints: readonly string[];
  /** What befell nodes, for the words about losses. */
  readonly faults: readonly Fault[];
  /** Measured times by what they are, milliseconds. */
  readonly times: readonly { readonly of: string; readonly ms: number }[];
}

export interface NodeFault {
  readonly name: string;
  /** One line for `--help`. */
  readonly summary: string;
  /** What has to be seen, in words of the rules (docs/failover.md). */
  readonly expected: string;
  /** Links have to be cut: there is no run without namespaces. */
  readonly needsNetwork: boolean;
  readonly nodesPerShard: number;
  /** The host of each node, shard by shard; every node has its own when left out. */
  readonly hosts?: readonly number[];
  /** How the controllers are set; see `GroupOptions.failover`. */
  readonly failover: {
    readonly pingIntervalSeconds: number;
    readonly maxPingCount: number;
    readonly coolDownSeconds?: number;
  };
  /** What a round can be, in words of the command line; left out where all rounds are alike. */
  readonly actions?: readonly string[];
  /** Once, before anybody writes. */
  readonly prepare?: (around: Around) => Promise<void>;
  /** After each round, when all has settled and nobody writes: what is wrong besides what is always looked for. */
  readonly inspect?: (around: Around, copies: Copies) => Promise<readonly string[]>;
  /** Injects, waits, and undoes. Throws when something happened for which there are no words. */
  readonly round: (around: Around) => Promise<Finding>;
}
