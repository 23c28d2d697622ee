// The request target exactly as the client sent it.

import type { Context } from 'hono';

/** Path and query as they stood in the request line; null for absolute and other forms that do not start with "/". */
export function rawTarget(context: Context): string | null {
  const raw = incomingTarget(context.env);
  if (raw === undefined) {
    const url = new URL(context.req.url);
    return url.pathname + url.search;
  }
  return raw.startsWith('/') ? raw : null;
}

function incomingTarget(env: unknown): string | undefined {
  if (typeof env !== 'object' || env === null || !('incoming' in env)) return undefined;
  const { incoming } = env;
  if (typeof incoming !== 'object' || incoming === null || !('url' in incoming)) return undefined;
  return typeof incoming.url === 'string' ? incoming.url : undefined;
}
