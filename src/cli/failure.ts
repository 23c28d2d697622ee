// Why a command fails, and the exit code that says so to scripts.

/** What a process ends with; documented in `docs/kvctl.md`. */
export const EXIT = {
  ok: 0,
  /** Refused or failed, as upstream's client has it. */
  failed: 1,
  usage: 2,
  missing: 3,
  /** Something else is there, or has to be over first. */
  conflict: 4,
  denied: 5,
  /** Nobody leads, or nobody can be reached. */
  unreachable: 6,
  /** The time is over, or what became of it is not known. */
  unknown: 7,
  /** `check` or `doctor` found something. */
  findings: 8,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** A sentence for people, and the code for scripts. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly code: ExitCode;

  constructor(code: ExitCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

export function usage(message: string): Failure {
  return new Failure(EXIT.usage, `${message} (--help shows how)`);
}

/** The exit code of an answer that is none of success. */
export function codeOfStatus(status: number): ExitCode {
  switch (status) {
    case 401:
    case 403:
      return EXIT.denied;
    case 404:
      return EXIT.missing;
    case 409:
    case 412:
      return EXIT.conflict;
    case 503:
      return EXIT.unreachable;
    case 504:
      return EXIT.unknown;
    default:
      return EXIT.failed;
  }
}
