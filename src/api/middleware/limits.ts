// Bodies have a limit: what announces to be larger is refused before it is read, the rest is read into bounded memory.

import { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';

import type { Context, MiddlewareHandler } from 'hono';

import { tooLarge } from '../errors.ts';
import { BODY_BYTES_MAX, type HeldBody, type RequestBodies } from '../request-bodies.ts';

declare module 'hono' {
  interface ContextVariableMap {
    /** Reads the body of the request; absent when it has none. */
    readBody?: () => Promise<string>;
  }
}

/** Refuses what announces to be too large with 413, whoever would answer it, and without reading any of it. */
export function limitDeclaredLength(): MiddlewareHandler {
  return async (context, next) => {
    if ((declaredLength(context) ?? 0) > BODY_BYTES_MAX) throw tooLarge(BODY_BYTES_MAX);
    await next();
  };
}

/** Lets the route read the body, once, and counts it until the request is answered. Bodies of GET and HEAD mean nothing. */
export function readBodies(bodies: RequestBodies): MiddlewareHandler {
  return async (context, next) => {
    const source = bodyOf(context);
    if (source === null) return next();
    const held: HeldBody[] = [];
    context.set('readBody', async () => {
      const body = await bodies.read(source, declaredLength(context));
      held.push(body);
      return body.text;
    });
    try {
      await next();
    } finally {
      for (const body of held) body.release();
    }
  };
}

/** Null for a body in chunks, whose length shows only at its end. */
function declaredLength(context: Context): number | null {
  if (context.req.header('transfer-encoding') !== undefined) return null;
  return Number(context.req.header('content-length') ?? 0);
}

/** Null without a body. Straight from the server where there is one: a stream of the web's kind around it costs as much as the request. */
export function bodyOf(context: Context): Readable | null {
  if (['GET', 'HEAD'].includes(context.req.method) || declaredLength(context) === 0) return null;
  const env: unknown = context.env;
  if (typeof env === 'object' && env !== null && 'incoming' in env && env.incoming instanceof IncomingMessage)
    return env.incoming;
  const { body } = context.req.raw;
  return body === null ? null : Readable.fromWeb(body);
}
