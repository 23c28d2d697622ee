// The API described by itself, for programs and for people: answered by every member itself.

import { Hono } from 'hono';

import type { ApiDependencies } from '../dependencies.ts';

/** Another release may answer the next time: nothing is kept without asking. */
const HEADERS = { 'Cache-Control': 'no-cache', 'X-Content-Type-Options': 'nosniff' } as const;

export function descriptionRoutes({ description }: Pick<ApiDependencies, 'description'>): Hono {
  return new Hono()
    .get('/openapi.json', async (context) => {
      const { json } = await description.rendered();
      return context.body(json, 200, { ...HEADERS, 'Content-Type': 'application/json' });
    })
    .get('/docs', async (context) => {
      const { page, contentSecurityPolicy } = await description.rendered();
      return context.body(page, 200, {
        ...HEADERS,
        'Content-Type': 'text/html; charset=utf-8',
        'Content-Security-Policy': contentSecurityPolicy,
        'Referrer-Policy': 'no-referrer',
      });
    });
}
