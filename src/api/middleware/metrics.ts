// Measures every request under its route's template.

import type { MiddlewareHandler } from 'hono';

import type { RequestMetrics } from '../ports.ts';

export interface Measurement {
  readonly metrics: RequestMetrics;
  /** Monotonic milliseconds. */
  readonly clockMs: () => number;
  /** The template of the route a path names; null for none. */
  readonly templateOf: (path: string) => string | null;
}

/** Records duration, status and size of the answer. */
export function measureRequests({ metrics, clockMs, templateOf }: Measurement): MiddlewareHandler {
  return async (context, next) => {
    const startedMs = clockMs();
    metrics.requestBegan();
    await next();
    const { method, path } = context.req;
    const code = context.res.status;
    const payloadBytes = Number(context.res.headers.get('Content-Length') ?? 0);
    metrics.observeRequest(
      { method, uri: templateOf(path) ?? '/not_found', code },
      clockMs() - startedMs,
      payloadBytes,
    );
  };
}
