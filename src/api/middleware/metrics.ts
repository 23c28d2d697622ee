// Measures every request under its route's template.

import type { MiddlewareHandler } from 'hono';
import { routePath } from 'hono/route';

import type { RequestMetrics } from '../ports.ts';

/** Records duration, status and payload. `clockMs` is monotonic milliseconds. */
export function measureRequests(metrics: RequestMetrics, clockMs: () => number): MiddlewareHandler {
  return async (context, next) => {
    const startedMs = clockMs();
    await next();
    const payloadBytes = Number(context.res.headers.get('Content-Length') ?? 0);
    const template = routePath(context, -1);
    metrics.observeRequest(
      {
        method: context.req.method,
        uri: context.res.status === 404 && template.includes('*') ? '/not_found' : template,
        code: context.res.status,
      },
      clockMs() - startedMs,
      payloadBytes,
    );
  };
}
