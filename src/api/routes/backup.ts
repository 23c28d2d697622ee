// The whole state as one file, for the day when a majority of the members is lost.

import { Hono } from 'hono';

import type { ApiDependencies } from '../dependencies.ts';
import { settled } from '../parse.ts';

/** A download in pieces: it takes as long as the client reads, and holds up nobody. */
export function backupRoutes({ backups }: ApiDependencies): Hono {
  return new Hono().get('/raft/snapshot', async (context) => {
    const { fileName, content } = settled(await backups.open());
    return context.body(content, 200, {
      'Content-Type': 'application/octet-stream',
      'Content-Disposition': `attachment; filename="${fileName}"`,
      'Cache-Control': 'no-store',
    });
  });
}
