// The life of one TCP connection to a node: connect, authenticate, exchange, break. Never reconnects.

import { Socket } from 'node:net';

import { AbstractConnector, Redis, ReplyError } from 'ioredis';

import type { Clock, Timer } from '../base/clock.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { NodeError } from '../control/observation.ts';
import { addressParts } from '../topology/node.ts';
import type { NodeEndpoint } from '../control/node-commands.ts';
import { classifyErrorReply, connectionFailed, deadlinePassed, malformedReply } from './errors.ts';
import type { Reply } from './reply.ts';
import { ReplyGuard } from './reply-guard.ts';

/** One command as words, the name first. */
export type CommandWords = readonly [string, ...string[]];

/** One reply a command, in order; or why there are none. */
export type Outcome = Result<readonly Reply[], NodeError>;

/** Requests waiting on one connection, at most. Callers keep to two or three; more is a fault that must not grow. */
const REQUESTS_MAX = 64;

/** All sockets read into one buffer: reading is synchronous and the bytes are copied out before the next read. */
const READ_BUFFER = Buffer.alloc(64 * 1024);

interface Request {
  readonly commands: readonly CommandWords[];
  readonly timer: Timer;
  readonly resolve: (outcome: Outcome) => void;
}

/**
 * One connection. Everything ioredis could do on its own is switched off (handshake, ready check, offline queue,
 * retries, resending), so that the only bytes on the wire are ours; the socket is ours too, so that breaking is
 * immediate and every byte passes the guard.
 */
export class Link {
  readonly #endpoint: NodeEndpoint;
  readonly #clock: Clock;
  readonly #socket: Socket;
  readonly #redis: Redis;
  readonly #guard = new ReplyGuard();
  readonly #waiting = new Set<Request>();
  /** Replies the node owes us; one more than this is a reply nobody asked for. */
  #repliesDue = 0;
  #phase: 'connecting' | 'open' | 'broken' = 'connecting';
  #failure: NodeError | null = null;
  #mustAuthenticate: boolean;
  #needlessPassword = false;

  constructor(endpoint: NodeEndpoint, clock: Clock) {
    this.#endpoint = endpoint;
    this.#clock = clock;
    this.#mustAuthenticate = !endpoint.password.isEmpty;
    this.#socket = new Socket({
      onread: { buffer: READ_BUFFER, callback: (bytes) => this.#onRead(READ_BUFFER.subarray(0, bytes)) },
    });
    this.#socket.on('error', (error) => this.destroy(connectionFailed(error, this.#phase === 'open')));
    this.#socket.on('close', () => this.destroy(connectionFailed(null, this.#phase === 'open')));
    this.#redis = new Redis({
      Connector: connectorOf(this.#socket, endpoint),
      lazyConnect: true,
      protocol: 2,
      enableReadyCheck: false,
      disableClientInfo: true,
      retryStrategy: null,
      maxRetriesPerRequest: 0,
      autoResubscribe: false,
      autoResendUnfulfilledCommands: false,
      enableOfflineQueue: false,
      enableAutoPipelining: false,
      // Deadlines are ours alone: they span connecting, authentication and replies.
      connectTimeout: 0,
    });
    this.#redis.on('error', (error: Error) =>
      this.destroy({ kind: 'malformedReply', message: error.message }),
    );
    this.#redis.connect().then(
      () => this.#onOpen(),
      (error: unknown) => this.destroy(connectionFailed(error instanceof Error ? error : null, false)),
    );
  }

  get isBroken(): boolean {
    return this.#phase === 'broken';
  }

  /** The node said that it has no password although we sent one. It serves us all the same. */
  get hasNeedlessPassword(): boolean {
    return this.#needlessPassword;
  }

  /**
   * Sends `commands` in one write (after AUTH, the first time) and resolves with all their replies. `deadlineMs`
   * counts from now and covers connecting; when it passes, the whole link breaks. Never rejects.
   */
  request(commands: readonly CommandWords[], deadlineMs: number): Promise<Outcome> {
    if (this.#failure !== null) return Promise.resolve(err(this.#failure));
    if (this.#waiting.size >= REQUESTS_MAX) {
      return Promise.resolve(
        err({ kind: 'unreachable', message: 'not sent: too many commands are waiting for this node' }),
      );
    }
    return new Promise((resolve) => {
      const request: Request = {
        commands,
        timer: this.#clock.setTimer(deadlineMs, () => this.#onDeadline(request, deadlineMs)),
        resolve,
      };
      this.#waiting.add(request);
      if (this.#phase === 'open') this.#write(request);
    });
  }

  /** Breaks the link at once; whatever waits on it resolves with the first reason given. */
  destroy(reason: NodeError): void {
    if (this.#phase === 'broken') return;
    this.#phase = 'broken';
    this.#failure = reason;
    this.#socket.destroy();
    for (const request of this.#waiting) this.#settle(request, err(reason));
  }

  #onOpen(): void {
    if (this.#phase !== 'connecting') return;
    this.#phase = 'open';
    for (const request of this.#waiting) this.#write(request);
  }

  /**
   * A late timer may be our own fault: after a stall of this process the reply often lies unread in the socket. One
   * more turn of the event loop reads it; a node is not called silent because we were.
   */
  #onDeadline(request: Request, deadlineMs: number): void {
    this.#clock.setTimer(0, () => {
      if (this.#waiting.has(request)) this.destroy(deadlinePassed(deadlineMs, this.#phase === 'open'));
    });
  }

  #onRead(chunk: Buffer): boolean {
    const complete = this.#guard.accept(chunk);
    if (!complete.ok) {
      this.destroy({ kind: 'malformedReply', message: complete.error });
      return false;
    }
    this.#repliesDue -= complete.value;
    if (this.#repliesDue < 0) {
      this.destroy({ kind: 'malformedReply', message: 'a reply that nobody asked for' });
      return false;
    }
    this.#socket.emit('data', Buffer.from(chunk));
    return true;
  }

  #write(request: Request): void {
    const isFirst = this.#mustAuthenticate;
    this.#mustAuthenticate = false;
    const pipeline = this.#redis.pipeline();
    if (isFirst) pipeline.call('AUTH', this.#endpoint.password.reveal());
    for (const [name, ...words] of request.commands) pipeline.call(name, ...words);
    this.#repliesDue += request.commands.length + (isFirst ? 1 : 0);
    // `exec` never rejects: the outcome of each command, also of a broken connection, is an entry of the result.
    void pipeline.exec((_error, results) => this.#onReplies(request, isFirst, results ?? []));
  }

  #onReplies(
    request: Request,
    isFirst: boolean,
    results: readonly [error: Error | null, result: unknown][],
  ): void {
    if (!this.#waiting.has(request)) return;
    const replies: Reply[] = [];
    for (const [error, value] of results) {
      if (error === null) {
        replies.push(ok(value));
      } else if (error instanceof ReplyError) {
        replies.push(err(error.message));
      } else {
        this.destroy(connectionFailed(error, true));
        return;
      }
    }
    const login = isFirst ? replies.shift() : undefined;
    if (login !== undefined && !this.#isLoggedIn(login)) return;
    this.#settle(request, ok(replies));
  }

  /** A refused login breaks the link, so that the next request tries again with whatever the node then accepts. */
  #isLoggedIn(login: Reply): boolean {
    if (login.ok && login.value === 'OK') return true;
    const error = login.ok ? malformedReply('AUTH answered', login.value) : classifyErrorReply(login.error);
    if (error.kind === 'passwordNotSet') {
      this.#needlessPassword = true;
      return true;
    }
    this.destroy(error);
    return false;
  }

  #settle(request: Request, outcome: Outcome): void {
    this.#waiting.delete(request);
    request.timer.cancel();
    request.resolve(outcome);
  }
}

/** ioredis asks a connector for its stream; ours hands over the link's own socket and never closes it politely. */
function connectorOf(socket: Socket, endpoint: NodeEndpoint): new (options: unknown) => AbstractConnector {
  return class extends AbstractConnector {
    constructor() {
      super(0);
    }

    override connect(): Promise<Socket> {
      socket.connect(addressParts(endpoint.address));
      return Promise.resolve(socket);
    }

    override disconnect(): void {
      socket.destroy();
    }
  };
}
