// The member's face to the network: one server whose answers change as the member starts, serves and leaves.

import type { IncomingMessage, ServerResponse } from 'node:http';

import type { Hono } from 'hono';

import type { RequestTaker, StreamTaker } from '../api/listen.ts';

/** Whoever answers requests at present. */
export interface Answering {
  readonly app: Pick<Hono, 'fetch'>;
  /** Takes what peers send; see `api/listen.ts`. */
  readonly peers: RequestTaker;
  /** Takes the connections that peers keep; none before there is a group to speak for. */
  readonly streams?: StreamTaker;
}

/**
 * Listening comes first, so that a member that waits for its group can say so; hence the application behind the server
 * is exchanged once there is one.
 */
export class Front {
  #answering: Answering;
  #isLeaving = false;

  /** `answering` until `serve` is called. */
  constructor(answering: Answering) {
    this.#answering = answering;
  }

  /** For `listen`. */
  readonly app: Pick<Hono, 'fetch'> = {
    fetch: (request, env, context) => {
      const answer = this.#answering.app.fetch(request, env, context);
      return this.#isLeaving ? withoutKeepAlive(answer) : answer;
    },
  };

  /** For `listen`. */
  readonly peers: RequestTaker = (request: IncomingMessage, response: ServerResponse) =>
    this.#answering.peers(request, response);

  /** For `listen`. */
  readonly streams: StreamTaker = {
    wants: (request) => this.#answering.streams?.wants(request) ?? false,
    accept: (request, socket, head) => this.#answering.streams?.accept(request, socket, head),
  };

  serve(answering: Answering): void {
    this.#answering = answering;
  }

  /**
   * From now on every answer asks its client to close the connection: whoever is busy with this member is gone when it
   * stops listening, and finds none of its requests cut off.
   */
  leave(): void {
    this.#isLeaving = true;
  }
}

async function withoutKeepAlive(answer: Response | Promise<Response>): Promise<Response> {
  const response = await answer;
  response.headers.set('Connection', 'close');
  return response;
}
