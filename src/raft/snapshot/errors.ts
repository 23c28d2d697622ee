// Why a snapshot is not used.

/** The file does not hold what was written, or was cut short. `offset` in bytes is where it stops making sense. */
export class SnapshotDamaged extends Error {
  override readonly name = 'SnapshotDamaged';
  readonly code = 'snapshot_damaged';
  readonly file: string;
  readonly offset: number;
  /** What is wrong, without place and advice. */
  readonly reason: string;

  constructor(file: string, offset: number, reason: string) {
    super(
      `The snapshot ${file} is damaged at byte ${offset}: ${reason}. It is not used. Do not delete or edit files by hand; see docs/operations.md, "A lost or damaged disk".`,
    );
    this.file = file;
    this.offset = offset;
    this.reason = reason;
  }
}

/** The file is of a newer release. */
export class SnapshotUnsupported extends Error {
  override readonly name = 'SnapshotUnsupported';
  readonly code = 'snapshot_unsupported';
  readonly file: string;

  constructor(file: string, what: string) {
    super(
      `The snapshot ${file} cannot be read by this release: ${what}. Start the release that wrote it, or a newer one.`,
    );
    this.file = file;
  }
}

/** Why a backup was not restored. `unreadable`: the file is not there or not to be opened. */
export type RestoreProblem = 'notEmpty' | 'damaged' | 'unsupported' | 'unreadable';

/** Nothing was restored, and nothing that was there was changed. The message says what to do. */
export class RestoreRefused extends Error {
  override readonly name = 'RestoreRefused';
  readonly code = 'restore_refused';
  readonly problem: RestoreProblem;

  constructor(problem: RestoreProblem, text: string) {
    super(text);
    this.problem = problem;
  }
}
