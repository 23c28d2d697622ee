// What the words of the server's program have in common: flags, and verbs that say something and end, while no member runs.

import type { Command, CommanderError } from 'commander';

/** What stands before a verb, or without one. */
export interface Flags {
  readonly config?: string;
  readonly set: readonly string[];
  readonly checkConfig: boolean;
  readonly restore?: string;
}

/** What a verb ends with; documented in `docs/configuration.md`. */
export const VERB_EXIT = {
  ok: 0,
  /** A configuration that is not valid, or something that must not be overwritten. */
  refused: 1,
  usage: 2,
  /** `config diff` found some; kvctl's code for `check`. */
  differences: 8,
} as const;

export type VerbExit = (typeof VERB_EXIT)[keyof typeof VERB_EXIT];

/** Resolves with the exit code. Standard output is data, standard error is talk. */
export type Verb = () => Promise<VerbExit>;

/** Adds commands to the program. `choose` is called once with the one that is wanted, `onMisuse` where none can be. */
export type RegisterVerbs = (
  program: Command,
  choose: (verb: Verb) => void,
  onMisuse: (error: CommanderError) => never,
) => void;
