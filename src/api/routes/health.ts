// Alive, ready, measured: answered by every member itself.

import { type Context, Hono } from 'hono';

import { answer, refuse } from '../answers.ts';
import type { ApiDependencies } from '../dependencies.ts';
import type { HealthCheck } from '../ports.ts';

export function healthRoutes({ health, metrics }: Pick<ApiDependencies, 'health' | 'metrics'>): Hono {
  const live = (context: Context): Response => answerChecks(context, health.live());
  return new Hono()
    .get('/livez', live)
    .get('/healthz', live)
    .get('/readyz', (context) => {
      const role = context.req.query('role');
      if (role !== undefined && role !== 'leader') return refuse(context, 'role: expected "leader"', 400);
      return answerChecks(context, health.ready(role === 'leader'));
    })
    .get('/metrics', async (context) => {
      const { pieces, contentType } = await metrics.render();
      const bytes = pieces.reduce((sum, piece) => sum + piece.byteLength, 0);
      return context.body(ReadableStream.from(pieces), 200, {
        'Content-Type': contentType,
        'Content-Length': String(bytes),
      });
    });
}

/** 200, or 503 with the names of the checks that fail and why. `?verbose` names the others, too. */
function answerChecks(context: Context, checks: readonly HealthCheck[]): Response {
  const failing = checks.filter(({ problem }) => problem !== null);
  const isVerbose = context.req.query('verbose') !== undefined;
  const all = checks.map(({ name, problem }) => ({ name, ok: problem === null, problem }));
  if (failing.length === 0) return answer(context, isVerbose ? { checks: all } : 'ok');
  return context.json(
    {
      error: {
        message: failing.map(({ name, problem }) => `${name}: ${problem}`).join('; '),
        failing: failing.map(({ name }) => name),
        ...(isVerbose ? { checks: all } : {}),
      },
    },
    503,
  );
}
