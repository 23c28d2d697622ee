// What a failure-injection scenario is: a stage for the group, and rounds of faults on it.

import type { Random } from '../../src/base/random.ts';
import type { Group, Place } from './group.ts';

/** What the run gives to a scenario. */
export interface Run {
  /** Removed at the end. */
  readonly folder: string;
  /** Decides what happens; the machine decides when. */
  readonly random: Random;
  readonly say: (text: string) => void;
  /** Waits; cut short when the run is over. */
  readonly wait: (ms: number) => Promise<void>;
}

/** The surroundings of a group: made before it starts, removed after it ended. */
export interface Stage {
  readonly places: readonly Place[];
  /** Called once, before the members start. */
  readonly begin?: (group: Group) => void;
  /** One fault, held for a while and undone. */
  readonly round: (group: Group) => Promise<void>;
  /** Undoes whatever a round that was cut short has left; processes are healed by the run. */
  readonly heal: () => Promise<void>;
  /** Removes everything that was made. Called in any case, also after a failed `heal`. */
  readonly close: () => Promise<void>;
}

export interface RunOptions {
  /** How long faults are injected, milliseconds. */
  readonly durationMs: number;
  readonly seed: number;
  /** The program of the members; null for the sources of this checkout. */
  readonly main: string | null;
  /** Leaves the folder of any run, and not of failed ones only. */
  readonly keeps: boolean;
  /** Words for the actions to choose from, where a scenario has several; null for all. */
  readonly actions: readonly string[] | null;
  readonly say: (text: string) => void;
  /** Ends the run early; nothing is judged then. */
  readonly signal: AbortSignal;
}

/** What a run found; `problems` is empty when all is well. */
export interface Report {
  readonly kind: 'passed' | 'failed' | 'skipped' | 'interrupted';
  /** The closing line. */
  readonly line: string;
  readonly problems: readonly string[];
}

/** A scenario with clients and verdicts of its own. */
export interface Drama {
  readonly name: string;
  readonly summary: string;
  /** `RunOptions.actions` may name some of what it does. */
  readonly takesActions: boolean;
  readonly run: (options: RunOptions) => Promise<Report>;
}

export interface Scenario {
  readonly name: string;
  /** One line for `--help`. */
  readonly summary: string;
  /** Clients ask once more after a refusal, and any request that fails then is a violation. */
  readonly promisesNoFailure?: true;
  /** Null where this machine can run it, else what is missing. Changes nothing. */
  readonly missing: () => Promise<string | null>;
  readonly prepare: (run: Run) => Promise<Stage>;
}
