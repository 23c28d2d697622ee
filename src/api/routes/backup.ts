// The whole state as one file, for the day when a majority of the members is lost.

import { ServerResponse } from 'node:http';

import { Hono } from 'hono';

import type { ApiDependencies } from '../dependencies.ts';
import { settled } from '../parse.ts';

const HEADERS = { 'Content-Type': 'application/octet-stream', 'Cache-Control': 'no-store' } as const;

/** A download in pieces: it takes as long as the client reads, and holds up nobody. */
export function backupRoutes({ backups }: Pick<ApiDependencies, 'backups'>): Hono {
  return new Hono().get('/raft/snapshot', async (context) => {
    // Hono sends HEAD here too and drops the body unread and not cancelled: a download opened for it would never end.
    if (context.req.method === 'HEAD') return context.body(null, 200, HEADERS);
    const { fileName, content, broken } = settled(await backups.open());
    broken.addEventListener('abort', () => cutOff(context.env));
    const disposition = `attachment; filename="${fileName}"`;
    return context.body(content, 200, { ...HEADERS, 'Content-Disposition': disposition });
  });
}

/**
 * Breaks the connection of a request. Hono's server would end the answer of a body that fails with the text of the error
 * and a proper last chunk, so that a client takes what it has for the file.
 */
function cutOff(env: unknown): void {
  if (typeof env !== 'object' || env === null || !('outgoing' in env)) return;
  if (env.outgoing instanceof ServerResponse) env.outgoing.destroy();
}
