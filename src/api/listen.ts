// The HTTP server of one member: binds, times out, closes.

import { createServer, type Server } from 'node:http';

import { getRequestListener } from '@hono/node-server';
import type { Hono } from 'hono';

import { err, ok, type Result } from '../base/result.ts';

/** Idle connections of peers and clients stay open longer than their own keep-alive, so that we never close under a request. */
const KEEP_ALIVE_TIMEOUT_MS = 75_000;
/** A client that sends its head or body slower than this is cut off. */
const REQUEST_TIMEOUT_MS = 60_000;

export interface HttpServer {
  /** Stops accepting, lets requests under way end until `deadlineMs`, then cuts the rest. */
  close(deadlineMs: number): Promise<void>;
}

/** Listens on `host:port`; the error is a sentence for people. */
export async function listen(
  app: Hono,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<Result<HttpServer, string>> {
  const server = createServer({
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    requestTimeout: REQUEST_TIMEOUT_MS,
  });
  const listener = getRequestListener(app.fetch, { overrideGlobalObjects: false });
  server.on('request', (request, response) => {
    void listener(request, response);
  });
  const problem = await bind(server, { host, port });
  if (problem !== null) return err(problem);
  return ok({ close: (deadlineMs) => close(server, deadlineMs) });
}

function bind(
  server: Server,
  { host, port }: { readonly host: string; readonly port: number },
): Promise<string | null> {
  return new Promise((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const reason =
        error.code === 'EADDRINUSE'
          ? 'another process listens there; stop it or change addr'
          : error.code === 'EADDRNOTAVAIL'
            ? 'this machine does not have that address; change addr'
            : error.message;
      resolve(`cannot listen on ${host}:${port}: ${reason}`);
    });
    server.listen({ host, port }, () => resolve(null));
  });
}

function close(server: Server, deadlineMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cut = setTimeout(() => server.closeAllConnections(), deadlineMs);
    server.close(() => {
      clearTimeout(cut);
      resolve();
    });
    server.closeIdleConnections();
  });
}
