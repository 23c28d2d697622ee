// Lists of names, of any length: a part at the client's wish, or all of them written in slices, so that no list stops the process.

import type { Context } from 'hono';

import type { Clock } from '../base/clock.ts';
import type { Name } from '../topology/types.ts';
import { parseName } from '../topology/name.ts';
import { answer } from './answers.ts';
import { badRequest } from './errors.ts';
import { valid } from './parse.ts';

/** Names in one page, at most. */
const LIMIT_MAX = 1000;
/** Names written in one go: a fraction of a millisecond, also while fifty lists are asked for at once. */
const SLICE_NAMES = 250;

/** The names behind one of them, or all; as of the call, however slowly they are taken. */
export type NamesBehind = (after: Name | null) => Iterable<Name>;

export class NameLists {
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Answers `{"data":{[member]:[...]}}`. With `?limit=` or `?cursor=` there are at most so many, behind the cursor, and `next_cursor` beside them,
   * null at the end.
   */
  answer(context: Context, member: 'namespaces' | 'clusters', behind: NamesBehind): Response {
    const { limit, cursor } = context.req.query();
    if (limit !== undefined || cursor !== undefined) {
      const after = cursor === undefined ? null : valid(parseName(cursor, 'cursor'));
      return answer(context, page(behind(after), { member, limit: parseLimit(limit) }));
    }
    const names = behind(null)[Symbol.iterator]();
    const first = take(names, LIMIT_MAX);
    if (first.length < LIMIT_MAX) return answer(context, { [member]: first });
    const text = this.#written(member, first, names);
    return context.body(text, 200, { 'Content-Type': 'application/json' });
  }

  /** The same text as that of a short list, made as it is taken. */
  #written(member: string, first: readonly Name[], rest: Iterator<Name>): ReadableStream<Uint8Array> {
    const encoder = new TextEncoder();
    let slice = first;
    let opening = `{"data":{${JSON.stringify(member)}:[`;
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          if (slice.length === 0) {
            controller.enqueue(encoder.encode(']}}'));
            controller.close();
            return;
          }
          controller.enqueue(encoder.encode(opening + JSON.stringify(slice).slice(1, -1)));
          opening = ',';
          slice = take(rest, SLICE_NAMES);
          // A client that reads quickly would otherwise have all slices one after the other.
          await this.#turn();
        },
      },
      { highWaterMark: 0 },
    );
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#clock.setTimer(0, resolve);
    });
  }
}

function page(
  names: Iterable<Name>,
  { member, limit }: { readonly member: string; readonly limit: number },
): Readonly<Record<string, unknown>> {
  const taken = take(names[Symbol.iterator](), limit + 1);
  const shown = taken.slice(0, limit);
  return { [member]: shown, next_cursor: taken.length > limit ? (shown.at(-1) ?? null) : null };
}

function parseLimit(text: string | undefined): number {
  if (text === undefined) return LIMIT_MAX;
  const limit = Number(text);
  if (!/^\d{1,9}$/.test(text) || limit < 1 || limit > LIMIT_MAX)
    throw badRequest(`limit: expected a whole number of 1 to ${LIMIT_MAX}`);
  return limit;
}

/** The next `count` names, or as many as there are. */
function take(names: Iterator<Name>, count: number): readonly Name[] {
  const taken: Name[] = [];
  while (taken.length < count) {
    const next = names.next();
    if (next.done === true) break;
    taken.push(next.value);
  }
  return taken;
}
