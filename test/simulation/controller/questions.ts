// The questions of witness panels, taken off their HTTP client and carried over the members' channel.

import type { Dispatcher } from 'undici';

import { assert } from '../../../src/base/assert.ts';
import { Process } from '../process.ts';
import type { Channel } from './channel.ts';
import { memberAt } from './controller.ts';
import type { Poster } from './production.ts';

export interface QuestionsParts {
  readonly channel: Channel;
}

/** Carries requests from now on: a dispatcher belongs to the process in which it was first used. */
export function carrier(parts: QuestionsParts): Poster {
  const owners = new WeakMap<object, Process>();
  const underWay = new WeakMap<object, Exchange[]>();
  return {
    post: (dispatcher, request, handler) => {
      const process = Process.current ?? owners.get(dispatcher);
      assert(process !== undefined, 'whoever posts is a process');
      owners.set(dispatcher, process);
      const exchange = new Exchange(parts, process, handler);
      const others = (underWay.get(dispatcher) ?? []).filter(({ isOver }) => !isOver);
      underWay.set(dispatcher, [...others, exchange]);
      exchange.run(request);
    },
    end: (dispatcher) => {
      for (const exchange of underWay.get(dispatcher) ?? []) exchange.fail(new Error('closed'));
    },
  };
}

/** One request and what becomes of it. */
class Exchange {
  readonly #parts: QuestionsParts;
  readonly #process: Process;
  readonly #handler: Dispatcher.DispatchHandler;
  readonly #controller: Dispatcher.DispatchController;
  isOver = false;

  constructor(parts: QuestionsParts, process: Process, handler: Dispatcher.DispatchHandler) {
    this.#parts = parts;
    this.#process = process;
    this.#handler = handler;
    this.#controller = {
      aborted: false,
      paused: false,
      reason: null,
      rawHeaders: null,
      rawTrailers: null,
      abort: (reason) => this.fail(reason),
      pause: () => undefined,
      resume: () => undefined,
    };
  }

  run({ origin, body }: { readonly origin: string; readonly body: string }): void {
    const { channel } = this.#parts;
    const to = memberAt(origin);
    this.#handler.onRequestStart?.(this.#controller, null);
    channel.ask(this.#process, to, {
      serve: (at) => at.witness.answer(Buffer.from(body)),
      done: (answer) => {
        if (this.isOver) return;
        if (answer === null) {
          this.fail(new Error('socket hang up'));
          return;
        }
        this.isOver = true;
        this.#handler.onResponseStart?.(this.#controller, answer.status, {}, '');
        this.#handler.onResponseData?.(this.#controller, Buffer.from(answer.body));
        this.#handler.onResponseEnd?.(this.#controller, {});
      },
    });
  }

  fail(reason: Error): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#handler.onResponseError?.(this.#controller, reason);
  }
}
