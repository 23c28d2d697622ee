// The HTTP server of one member: binds, times out, closes.

import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { Server as NetServer } from 'node:net';
import type { Duplex } from 'node:stream';

import { getRequestListener, RequestError } from '@hono/node-server';
import type { Hono } from 'hono';

import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { err, ok, type Result } from '../base/result.ts';
import { failureText } from './answers.ts';
import { type HeadRejection, settleHead } from './request-head.ts';
import { refuseRequest, UnreadableRequests } from './unreadable-requests.ts';

/** Idle connections of peers and clients stay open longer than their own keep-alive, so that we never close under a request. */
const KEEP_ALIVE_TIMEOUT_MS = 75_000;
/**
 * A client that sends its head or body slower than this is cut off. No exception is needed for snapshots: they travel in
 * posts of at most 2 MiB, each with a shorter deadline of its own.
 */
const REQUEST_TIMEOUT_MS = 60_000;
/** How often Node looks for requests beyond their time. */
const TIMEOUT_CHECK_MS = 5000;
/** A server out of file descriptors fails with every connection; one line a minute says so. */
const PROBLEM_LOG_INTERVAL_MS = 60_000;

/** Takes a request out of the application's hands: true when it has answered or will. */
export type RequestTaker = (request: IncomingMessage, response: ServerResponse) => boolean;

/** Takes connections over that stop speaking HTTP. */
export interface StreamTaker {
  /** Whether a request is to switch protocols; any other wish to (HTTP/2, for one) is passed over, as HTTP allows. */
  readonly wants: (request: IncomingMessage) => boolean;
  /** Takes the connection of a request that `wants` admitted, with what was already read behind it; ends it at its own close. */
  readonly accept: (request: IncomingMessage, socket: Duplex, head: Buffer) => void;
}

export interface HttpServerParts {
  readonly app: Pick<Hono, 'fetch'>;
  /** Asked before the application; peers speak to us without the cost of its layers. */
  readonly peers: RequestTaker;
  /** The connections that peers keep to this member; without it all connections keep speaking HTTP. */
  readonly streams?: StreamTaker;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told of requests that are refused before they come to the application. */
  readonly onRejected?: (reason: HeadRejection) => void;
}

export interface HttpServerOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Milliseconds for the whole of one request to arrive; 60 s when absent. */
  readonly requestTimeoutMs?: number;
}

export interface HttpServer {
  readonly port: number;
  /** Open now; `peer`: taken over from HTTP. */
  readonly connections: { readonly http: number; readonly peer: number };
  /** From now on whoever connects is refused; connections that are open are served on. */
  stopAccepting(): void;
  /** Resolves when no connection is open, after `deadlineMs` in any case. */
  unused(deadlineMs: number): Promise<void>;
  /**
   * Stops accepting, lets requests under way end until `deadlineMs`, then cuts the rest. Connections that stopped speaking HTTP
   * are not waited for: who took them over ends them.
   */
  close(deadlineMs: number): Promise<void>;
}

/** Listens on `host:port`; the error is a sentence for people. A connection that cannot be accepted later is logged, no more. */
export async function listen(
  options: HttpServerOptions,
  parts: HttpServerParts,
): Promise<Result<HttpServer, string>> {
  const requestTimeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS;
  const server = createServer({
    keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    requestTimeout: requestTimeoutMs,
    headersTimeout: requestTimeoutMs,
    connectionsCheckingInterval: Math.min(TIMEOUT_CHECK_MS, requestTimeoutMs),
    shouldUpgradeCallback: (request) => parts.streams?.wants(request) ?? false,
    // Refused in our own words, see `settleHead`.
    requireHostHeader: false,
  });
  const unreadable = new UnreadableRequests(server, {
    clock: parts.clock,
    requestTimeoutMs,
    onRejected: (reason) => parts.onRejected?.(reason),
  });
  server.on('request', requestListener(parts, unreadable));
  const connections = new Connections(server);
  server.on('upgrade', (request, socket, head) => {
    connections.takenOver(socket);
    parts.streams?.accept(request, socket, head);
  });
  const problem = await bind(server, options);
  if (problem !== null) return err(problem);
  server.on('error', problemLogger(parts));
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : options.port;
  const { clock } = parts;
  return ok({
    port,
    get connections() {
      return connections.counts;
    },
    // Node's own `close` of an HTTP server would cut idle connections too, some of them under a request on its way.
    stopAccepting: () => void NetServer.prototype.close.call(server),
    unused: (deadlineMs) => connections.none({ clock, deadlineMs }),
    close: async (deadlineMs) => {
      server.close();
      server.closeIdleConnections();
      await connections.none({ clock, deadlineMs });
      server.closeAllConnections();
      await connections.none({ clock, deadlineMs });
    },
  });
}

/** Gives each request whose head makes sense to the peers' side or the application. */
function requestListener(parts: HttpServerParts, unreadable: UnreadableRequests): RequestListener {
  const application = getRequestListener(parts.app.fetch, {
    overrideGlobalObjects: false,
    errorHandler: (error) => failedRequest(error, parts.logger),
  });
  return (request, response) => {
    unreadable.saw(request, response);
    const problem = settleHead(request);
    if (problem !== null) {
      request.resume();
      parts.onRejected?.(problem.reason);
      refuseRequest(response, { status: 400, message: problem.message });
      return;
    }
    // What comes in one packet behind a wish to switch protocols that was passed over is lost in Node, and a client would wait for its answer.
    if (request.headers.upgrade !== undefined) response.shouldKeepAlive = false;
    if (!parts.peers(request, response)) void application(request, response);
  };
}

/** The answer for what failed outside the application, which answers its own failures. */
function failedRequest(error: unknown, logger: Logger): Response {
  const headers = { 'Content-Type': 'application/json' };
  if (error instanceof RequestError)
    return new Response(failureText('the request target is not a path and query'), { status: 400, headers });
  logger.error('http.failed', {
    error: error instanceof Error ? (error.stack ?? error.message) : String(error),
  });
  return new Response(failureText('internal error, see the log of this controller'), {
    status: 500,
    headers,
  });
}

/** The listener for errors of binding is gone when this resolves: what fails later is another matter. */
function bind(server: Server, { host, port }: HttpServerOptions): Promise<string | null> {
  return new Promise((resolve) => {
    const onError = (error: NodeJS.ErrnoException): void => {
      const reason =
        error.code === 'EADDRINUSE'
          ? 'another process listens there; stop it or change addr'
          : error.code === 'EADDRNOTAVAIL'
            ? 'this machine does not have that address; change addr'
            : error.message;
      resolve(`cannot listen on ${host}:${port}: ${reason}`);
    };
    server.once('error', onError);
    server.listen({ host, port }, () => {
      server.off('error', onError);
      resolve(null);
    });
  });
}

/** Failures to accept a connection come in floods, for instance when file descriptors run out, and pass. */
function problemLogger({ clock, logger }: HttpServerParts): (error: Error) => void {
  let quietUntilMs = Number.NEGATIVE_INFINITY;
  return (error) => {
    const nowMs = clock.monotonicMs();
    if (nowMs < quietUntilMs) return;
    quietUntilMs = nowMs + PROBLEM_LOG_INTERVAL_MS;
    logger.error('http.server_problem', { reason: error.message });
  };
}

/** The open connections that speak HTTP: Node counts the others too, which end at another time. */
class Connections {
  readonly #open = new Set<Duplex>();
  readonly #waiting = new Set<() => void>();
  #peers = 0;

  constructor(server: Server) {
    server.on('connection', (socket) => {
      this.#open.add(socket);
      socket.once('close', () => this.forget(socket));
    });
  }

  get counts(): HttpServer['connections'] {
    return { http: this.#open.size, peer: this.#peers };
  }

  /** It speaks HTTP no more, and ends at another time. */
  takenOver(socket: Duplex): void {
    this.#peers += 1;
    socket.once('close', () => {
      this.#peers -= 1;
    });
    this.forget(socket);
  }

  forget(socket: Duplex): void {
    this.#open.delete(socket);
    if (this.#open.size > 0) return;
    for (const end of this.#waiting) end();
  }

  /** Resolves when none is open, after `deadlineMs` in any case. */
  none({ clock, deadlineMs }: { readonly clock: Clock; readonly deadlineMs: number }): Promise<void> {
    if (this.#open.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        this.#waiting.delete(end);
        deadline.cancel();
        resolve();
      };
      const deadline = clock.setTimer(deadlineMs, end);
      this.#waiting.add(end);
    });
  }
}
