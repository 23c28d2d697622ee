// The one table from error code to HTTP status.

import type { ContentfulStatusCode } from 'hono/utils/http-status';

/** Stable codes of everything the API can refuse; the status is fixed by the code. */
export const STATUS_BY_CODE = {
  badRequest: 400,
  namespaceNotEmpty: 403,
  missing: 404,
  unknownRoute: 404,
  methodNotAllowed: 405,
  exists: 409,
  conflict: 409,
  tooLarge: 413,
  unprocessable: 422,
  overloaded: 429,
  internal: 500,
  nodeUnreachable: 502,
  noLeader: 503,
  unavailable: 503,
  unknownOutcome: 504,
} as const satisfies Record<string, ContentfulStatusCode>;

export type ApiErrorCode = keyof typeof STATUS_BY_CODE;

/** Texts that other clients compare (contract, *Answers* and *Any peer*). */
export const TEXT_EXISTS = 'the entry already existed';
export const TEXT_MISSING = 'the entry does not exist';
export const TEXT_NO_LEADER = 'no leader now, please retry later';

/** A refusal on its way to the client. `message` is for people and says what to do. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: ApiErrorCode;

  constructor(code: ApiErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  get status(): ContentfulStatusCode {
    return STATUS_BY_CODE[this.code];
  }
}

export function badRequest(message: string): ApiError {
  return new ApiError('badRequest', message);
}

/** A body above `bytesMax`. */
export function tooLarge(bytesMax: number): ApiError {
  return new ApiError('tooLarge', `the body is larger than ${bytesMax} bytes`);
}

export function missing(): ApiError {
  return new ApiError('missing', TEXT_MISSING);
}

export function exists(): ApiError {
  return new ApiError('exists', TEXT_EXISTS);
}

export function noLeader(): ApiError {
  return new ApiError('noLeader', TEXT_NO_LEADER);
}
