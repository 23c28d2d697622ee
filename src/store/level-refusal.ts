// Why LevelDB gave no copy: whether the copy is to blame, or the system that it lies on.

/**
 * `inUse`: another process holds the lock. `damaged`: the copy is of no use, whatever is tried. `unavailable`: the copy may be
 * whole, and the system would not let it be opened; `remedy` says what to do about that.
 */
export type LevelRefusal =
  | { readonly kind: 'inUse' }
  | { readonly kind: 'damaged' }
  | { readonly kind: 'unavailable'; readonly remedy: string };

/** LevelDB passes on the system's own words, and nothing else by which errors of the system could be told apart. */
const REMEDIES: readonly (readonly [RegExp, string])[] = [
  [/no space left|quota exceeded|ENOSPC|EDQUOT/iu, 'make room on the disk'],
  [/too many open files|no file descriptors|EMFILE|ENFILE/iu, 'raise the limit of open files (ulimit -n)'],
  [
    /permission denied|operation not permitted|read-only file system|EACCES|EPERM|EROFS/iu,
    "let the controller's user read and write the directory and all files in it",
  ],
];
const REMEDY_OTHERWISE = 'mend what the system reports';

/** Judges the error with which LevelDB did not open, or did not read, the copy. */
export function judgeRefusal(error: Error): LevelRefusal {
  const cause = innermost(error);
  const code: unknown = 'code' in cause ? cause.code : null;
  if (code === 'LEVEL_LOCKED') return { kind: 'inUse' };
  if (isDamage(code, cause.message)) return { kind: 'damaged' };
  const known = REMEDIES.find(([words]) => words.test(cause.message));
  return { kind: 'unavailable', remedy: known === undefined ? REMEDY_OTHERWISE : known[1] };
}

/** Errors between the failed call and the system's word, at most: those of `level`, `abstract-level` and ours. */
const CAUSES_MAX = 4;

function innermost(error: Error): Error {
  let inner = error;
  for (let depth = 0; depth < CAUSES_MAX && inner.cause instanceof Error; depth += 1) inner = inner.cause;
  return inner;
}

/**
 * What LevelDB calls corrupt, a file of the copy that is missing, and what has no code at all: our own verification, and a
 * database that is none of ours. Every other error is the system's.
 */
function isDamage(code: unknown, text: string): boolean {
  if (code === null || code === 'LEVEL_CORRUPTION') return true;
  return code === 'LEVEL_IO_ERROR' && /no such file or directory/iu.test(text);
}
