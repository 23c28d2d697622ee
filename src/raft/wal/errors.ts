// Why a data directory is not opened: one class a reason, each with a line that says what to do.

/** Where the operator finds the procedure; part of every message that must not lead to deleted files. */
const ADVICE = 'Do not delete or edit files by hand; see docs/operations.md, "A lost or damaged disk".';

/**
 * Acknowledged data is missing or altered: this member's votes and acknowledgements can no longer be trusted, so it
 * must not take part. `offset` is in bytes; null when a whole file is concerned.
 */
export class WalDamaged extends Error {
  override readonly name = 'WalDamaged';
  readonly code = 'wal_damaged';
  readonly file: string;
  readonly offset: number | null;
  /** What is wrong, without place and advice. */
  readonly reason: string;

  constructor(place: { readonly file: string; readonly offset: number | null }, reason: string) {
    const where = place.offset === null ? place.file : `${place.file} at byte ${place.offset}`;
    super(`The Raft log is damaged: ${where}: ${reason}. This member will not start. ${ADVICE}`);
    this.file = place.file;
    this.offset = place.offset;
    this.reason = reason;
  }
}

/** The log was written by a release with a newer format: nothing is wrong with it, this release cannot read it. */
export class WalUnsupported extends Error {
  override readonly name = 'WalUnsupported';
  readonly code = 'wal_unsupported';
  readonly file: string;

  constructor(file: string, what: string) {
    super(
      `The Raft log cannot be read by this release: ${file}: ${what}. Start the release that wrote it, or a newer one.`,
    );
    this.file = file;
  }
}

/**
 * Why an identity is refused. `missing`: a log without identity; `logMissing`: an identity without its log;
 * `unsupported`: of a newer release; `outdated`: of builds before the first release; `halfRestored`, `halfRecovered`: a restore or a
 * recovery was interrupted; `neverRan`: there is nothing to look at.
 */
export type IdentityProblem =
  | 'otherMember'
  | 'otherCluster'
  | 'removed'
  | 'unreadable'
  | 'missing'
  | 'logMissing'
  | 'unsupported'
  | 'outdated'
  | 'halfRestored'
  | 'halfRecovered'
  | 'neverRan';

/** These name damage; the others say themselves what to do. */
const DAMAGED: ReadonlySet<IdentityProblem> = new Set(['unreadable', 'missing', 'logMissing']);

/** The data directory is not this member's, or its identity file and its log do not belong together. */
export class IdentityRefused extends Error {
  override readonly name = 'IdentityRefused';
  readonly code = 'identity_refused';
  readonly file: string;
  readonly problem: IdentityProblem;

  constructor(file: string, problem: IdentityProblem, text: string) {
    const advice = DAMAGED.has(problem) ? ` This member will not start. ${ADVICE}` : '';
    super(`${file}: ${text}${advice}`);
    this.file = file;
    this.problem = problem;
  }
}
