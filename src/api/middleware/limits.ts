// Bodies have a limit: what is larger is refused, and never held in memory.

import type { MiddlewareHandler } from 'hono';

import { ApiError } from '../errors.ts';

/** Largest request body, bytes (contract, *Answers*). */
export const BODY_BYTES_MAX = 1024 * 1024;

/** So much of a refused body is still read, so that its sender can finish and hear why; beyond it the connection breaks. */
const DISCARDED_BYTES_MAX = 16 * BODY_BYTES_MAX;

/**
 * Refuses larger bodies with 413. A body of unknown length (chunked) is read here, up to the limit. Hono's own middleware is not
 * used: it copies the request in a way that fails unless the server replaces the global `Request`.
 */
export function limitBody(): MiddlewareHandler {
  return async (context, next) => {
    const { raw } = context.req;
    const isChunked = raw.headers.has('transfer-encoding');
    if (!isChunked && Number(raw.headers.get('content-length') ?? 0) <= BODY_BYTES_MAX) return next();
    const body = await readWithinLimit(raw.body);
    if (body === null) throw new ApiError('tooLarge', `the body is larger than ${BODY_BYTES_MAX} bytes`);
    // No route looks at the body of these, and a request of theirs cannot be made with one.
    if (raw.method === 'GET' || raw.method === 'HEAD') return next();
    const { url, method, headers, signal } = raw;
    context.req.raw = new Request(url, { method, headers, body, signal });
    return next();
  };
}

/** The whole body; null when it is too large. */
async function readWithinLimit(
  body: ReadableStream<Uint8Array> | null,
): Promise<Uint8Array<ArrayBuffer> | null> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > DISCARDED_BYTES_MAX) return null;
    if (bytes <= BODY_BYTES_MAX) chunks.push(chunk);
    else chunks.length = 0;
  }
  return bytes > BODY_BYTES_MAX ? null : Uint8Array.from(Buffer.concat(chunks));
}
