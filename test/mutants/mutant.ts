// What a planted bug is: a small edit of our sources, with words for it.

/** One replacement; `find` must occur exactly once in `file` (a path from the top of the project). */
interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

/** What is broken, in words, and how. */
export interface Mutant {
  readonly bug: string;
  readonly edits: readonly Edit[];
}
