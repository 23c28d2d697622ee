// The life of one TCP connection to a node: connect, authenticate, exchange, break. Never reconnects.

import { Redis, ReplyError } from 'ioredis';

import type { Clock, Timer } from '../base/clock.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { LoginState, NodeError } from '../control/observation.ts';
import type { NodeEndpoint } from '../control/node-commands.ts';
import type { NodeAddress } from '../topology/types.ts';
import { classifyErrorReply, connectionFailed, deadlinePassed, malformedReply } from './errors.ts';
import { FirstLine } from './first-line.ts';
import type { Names } from './names.ts';
import type { Reply } from './reply.ts';
import { ReplyGuard } from './reply-guard.ts';
import { NodeSocket } from './socket.ts';

/** One command as words, the name first. */
export type CommandWords = readonly [string, ...string[]];

export interface LinkRequest {
  readonly commands: readonly CommandWords[];
  /** Milliseconds from now, connecting included. */
  readonly leftMs: number;
  /** Milliseconds that everything was given of which this is the rest, for people. */
  readonly deadlineMs: number;
  /**
   * Waits until nothing else is under way and lets nothing else begin before its end: a node stands still while it works
   * on a topology, and the deadline of a look must not be taken for the node's fault then.
   */
  readonly isAlone?: boolean;
  /** Sends AUTH again in front. */
  readonly isLoginChecked?: boolean;
}

/** `mayRetry`: certainly nothing was sent, and another connection might do better. */
export interface LinkFailure {
  readonly error: NodeError;
  readonly mayRetry: boolean;
}

/** One reply a command, in order; or why there are none. */
export type Outcome = Result<readonly Reply[], LinkFailure>;

export interface LinkParts {
  readonly clock: Clock;
  readonly names: Names;
  /** Largest reply in bytes. */
  readonly replyBytesMax: number;
  /** Told when the other end of an open connection ended it: at the end of a process, that is at once. */
  readonly onLost?: (address: NodeAddress) => void;
}

/** Requests waiting on one connection, at most. Callers keep to two or three; more is a fault that must not grow. */
const REQUESTS_MAX = 64;

interface Request extends LinkRequest {
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
  readonly #onLost: LinkParts['onLost'];
  readonly #socket: NodeSocket;
  readonly #redis: Redis;
  readonly #guard: ReplyGuard;
  readonly #firstLine = new FirstLine();
  /** In the order of asking. */
  readonly #unsent = new Set<Request>();
  readonly #sent = new Set<Request>();
  /** Replies the node owes us; one more than this is a reply nobody asked for. */
  #repliesDue = 0;
  #phase: 'connecting' | 'open' | 'broken' = 'connecting';
  #failure: NodeError | null = null;
  #isLoginSent: boolean;
  #login: LoginState = 'accepted';

  constructor(endpoint: NodeEndpoint, { clock, names, replyBytesMax, onLost }: LinkParts) {
    this.#endpoint = endpoint;
    this.#clock = clock;
    this.#onLost = onLost;
    this.#guard = new ReplyGuard(replyBytesMax);
    this.#isLoginSent = endpoint.password.isEmpty;
    this.#socket = new NodeSocket(endpoint.address, names, (bytes) => this.#onRead(bytes));
    const { socket, connector } = this.#socket;
    socket.on('error', (error) => this.#onClosed(error));
    socket.on('close', () => this.#onClosed(null));
    this.#redis = new Redis({
      Connector: connector,
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
    this.#redis.on('error', (error: Error) => this.#break({ kind: 'garbage', message: error.message }, true));
    this.#redis.connect().then(
      () => this.#onOpen(),
      (error: unknown) => this.#onClosed(error instanceof Error ? error : null),
    );
  }

  get isBroken(): boolean {
    return this.#phase === 'broken';
  }

  /** What the node said to the last AUTH; `accepted` when none is sent. */
  get login(): LoginState {
    return this.#login;
  }

  /** The other end's IP address; null unless connected. */
  get remoteAddress(): string | null {
    return this.#socket.socket.remoteAddress ?? null;
  }

  /**
   * Sends the commands in one write (after AUTH, the first time) and resolves with all their replies. A passed deadline
   * breaks the whole link, unless the request still waited for one that is alone. Never rejects.
   */
  request(asked: LinkRequest): Promise<Outcome> {
    if (this.#failure !== null)
      return Promise.resolve(err({ error: notSent(this.#failure), mayRetry: true }));
    if (this.#unsent.size + this.#sent.size >= REQUESTS_MAX) {
      const message = 'not sent: too many commands are waiting for this node';
      return Promise.resolve(err({ error: { kind: 'ownFault', message }, mayRetry: false }));
    }
    return new Promise((resolve) => {
      const request: Request = {
        ...asked,
        timer: this.#clock.setTimer(asked.leftMs, () => this.#onTimer(request)),
        resolve,
      };
      this.#unsent.add(request);
      this.#sendWaiting();
    });
  }

  /** Breaks the link at once; whatever waits on it resolves with the reason given. */
  destroy(reason: NodeError): void {
    this.#break(reason, false);
  }

  #break(reason: NodeError, mayRetry: boolean): void {
    if (this.#phase === 'broken') return;
    this.#phase = 'broken';
    this.#failure = reason;
    this.#socket.socket.destroy();
    for (const request of this.#sent) this.#settle(request, err({ error: reason, mayRetry: false }));
    for (const request of this.#unsent) this.#settle(request, err({ error: notSent(reason), mayRetry }));
  }

  #onClosed(error: Error | null): void {
    const wasOpen = this.#phase === 'open';
    this.#break(connectionFailed(error, wasOpen), wasOpen);
    if (wasOpen) this.#onLost?.(this.#endpoint.address);
  }

  #onOpen(): void {
    if (this.#phase !== 'connecting') return;
    this.#phase = 'open';
    this.#sendWaiting();
  }

  #sendWaiting(): void {
    for (const request of this.#unsent) {
      const isHeld = [...this.#sent].some(({ isAlone }) => isAlone === true);
      const mustWait = request.isAlone === true && this.#sent.size > 0;
      if (this.#phase !== 'open' || isHeld || mustWait) return;
      this.#unsent.delete(request);
      this.#sent.add(request);
      this.#write(request);
    }
  }

  /**
   * A late timer may be our own fault: after a stall of this process the reply often lies unread in the socket. One
   * more turn of the event loop reads it; a node is not called silent because we were.
   */
  #onTimer(request: Request): void {
    this.#clock.setTimer(0, () => {
      if (this.#sent.has(request) || this.#unsent.has(request)) this.#onDeadline(request);
    });
  }

  #onDeadline(request: Request): void {
    const { deadlineMs } = request;
    if (this.#phase === 'open' && this.#unsent.has(request)) {
      const message = `not sent within ${deadlineMs} ms: the node works on a topology`;
      this.#settle(request, err({ error: { kind: 'timedOut', message }, mayRetry: false }));
      return;
    }
    const { hasAddress } = this.#socket;
    this.#break(deadlinePassed(deadlineMs, this.#phase === 'open' ? 'open' : { hasAddress }), true);
  }

  #onRead(chunk: Buffer): boolean {
    const refusal = this.#firstLine.errorIn(chunk);
    const refused = refusal === null ? null : classifyErrorReply(refusal);
    if (refused?.kind === 'tooManyClients') {
      this.destroy(refused);
      return false;
    }
    const complete = this.#guard.accept(chunk);
    this.#repliesDue -= complete.ok ? complete.value : 0;
    if (!complete.ok || this.#repliesDue < 0) {
      const message = complete.ok ? 'a reply that nobody asked for' : complete.error;
      this.#break({ kind: 'garbage', message }, true);
      return false;
    }
    this.#socket.socket.emit('data', Buffer.from(chunk));
    return true;
  }

  #write(request: Request): void {
    const isFirst = !this.#isLoginSent;
    const isRepeated = request.isLoginChecked === true && !this.#endpoint.password.isEmpty;
    this.#isLoginSent = true;
    const pipeline = this.#redis.pipeline();
    const login = isFirst ? 'first' : isRepeated ? 'again' : 'none';
    if (login !== 'none') pipeline.call('AUTH', this.#endpoint.password.reveal());
    for (const [name, ...words] of request.commands) pipeline.call(name, ...words);
    this.#repliesDue += request.commands.length + (login === 'none' ? 0 : 1);
    // `exec` never rejects: the outcome of each command, also of a broken connection, is an entry of the result.
    void pipeline.exec((_error, results) => this.#onReplies(request, login, results ?? []));
  }

  #onReplies(
    request: Request,
    login: 'none' | 'first' | 'again',
    results: readonly [error: Error | null, result: unknown][],
  ): void {
    if (!this.#sent.has(request)) return;
    const replies: Reply[] = [];
    for (const [error, value] of results) {
      if (error === null) {
        replies.push(ok(value));
      } else if (error instanceof ReplyError) {
        replies.push(err(error.message));
      } else {
        this.#break(connectionFailed(error, true), true);
        return;
      }
    }
    const answer = login === 'none' ? undefined : replies.shift();
    if (answer !== undefined && !this.#isLoggedIn(answer, login === 'first')) return;
    this.#settle(request, ok(replies));
    this.#sendWaiting();
  }

  /**
   * A refused first login breaks the link, so that the next request tries again with whatever the node then accepts. A
   * later one changes nothing on this link: the node keeps the login it has (facts section 4).
   */
  #isLoggedIn(answer: Reply, isFirst: boolean): boolean {
    if (answer.ok && answer.value === 'OK') {
      this.#login = 'accepted';
      return true;
    }
    const error = answer.ok
      ? malformedReply('AUTH answered', answer.value)
      : classifyErrorReply(answer.error);
    if (error.kind === 'passwordNotSet') this.#login = 'needless';
    else if (isFirst) this.destroy(error);
    else if (error.kind === 'wrongPassword' || error.kind === 'passwordRequired') this.#login = 'refused';
    return this.#phase === 'open';
  }

  #settle(request: Request, outcome: Outcome): void {
    this.#unsent.delete(request);
    this.#sent.delete(request);
    request.timer.cancel();
    request.resolve(outcome);
  }
}

/** Why a request that never left this process failed: what leaves its outcome open for others is certain for it. */
function notSent(reason: NodeError): NodeError {
  if (reason.kind !== 'timedOut' && reason.kind !== 'connectionLost') return reason;
  return { kind: 'unreachable', message: `not sent: ${reason.message}` };
}
