// Alive, ready, measured: answered by every member itself.

import { Hono } from 'hono';

import { answer, refuse } from '../answers.ts';
import type { ApiDependencies } from '../dependencies.ts';

export function healthRoutes({ group, metrics }: Pick<ApiDependencies, 'group' | 'metrics'>): Hono {
  return new Hono()
    .get('/healthz', (context) => answer(context, 'ok'))
    .get('/readyz', (context) => {
      const { notReady } = group.current();
      return notReady === null ? answer(context, 'ok') : refuse(context, notReady, 503);
    })
    .get('/metrics', async (context) => {
      const { text, contentType } = await metrics.render();
      return context.body(text, 200, { 'Content-Type': contentType });
    });
}
