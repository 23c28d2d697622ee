// Bodies have a limit: what is larger is refused before it is read.

import type { MiddlewareHandler } from 'hono';
import { bodyLimit } from 'hono/body-limit';

import { ApiError } from '../errors.ts';

/** Largest request body, bytes (contract, *Answers*). */
export const BODY_BYTES_MAX = 1024 * 1024;

export function limitBody(): MiddlewareHandler {
  return bodyLimit({
    maxSize: BODY_BYTES_MAX,
    onError: () => {
      throw new ApiError('tooLarge', `the body is larger than ${BODY_BYTES_MAX} bytes`);
    },
  });
}
