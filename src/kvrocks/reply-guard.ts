// Reads along with every byte a node sends and stops what is not plain RESP2, before the Redis library sees it.

import { unreachable } from '../base/assert.ts';
import { err, ok, type Result } from '../base/result.ts';

/** Longest status, error or number line. Errors of migrations quote a peer's reply, hence the room. */
const LINE_BYTES_MAX = 64 * 1024;
const ARRAY_ITEMS_MAX = 65_536;
const DEPTH_MAX = 8;
/** Digits that surely fit a safe integer. Larger integers pass as text for `:`; lengths are far smaller anyway. */
const LENGTH_DIGITS_MAX = 9;
const INTEGER_DIGITS_MAX = 19;

const CR = 13;
const LF = 10;
const MINUS = 45;
const ZERO = 48;
const NINE = 57;

type State =
  | { readonly kind: 'type' }
  | { readonly kind: 'text'; bytes: number }
  | {
      readonly kind: 'number';
      readonly of: 'integer' | 'bulk' | 'array';
      negative: boolean;
      digits: number;
      value: number;
    }
  | { readonly kind: 'lineEnd'; readonly next: 'complete' | 'bulk' | 'array'; readonly length: number }
  | { readonly kind: 'bulk'; bytesLeft: number }
  | { readonly kind: 'bulkEnd'; readonly seen: 0 | 1 };

const TYPE: State = { kind: 'type' };

/**
 * A RESP2 framer without values. The library under us throws outside of any call on replies that nobody asked for
 * (an unsolicited null, a RESP3 push), which would end the process; and it buffers without a limit. A node is not
 * trusted that far: whatever is not RESP2, nests deeper than 8 or exceeds `replyBytesMax` is refused here, a long text by
 * its announced length already.
 */
export class ReplyGuard {
  readonly #replyBytesMax: number;
  #state: State = TYPE;
  /** Items still missing at each level of nesting, outermost first. */
  readonly #missing: number[] = [];
  #replyBytes = 0;

  constructor(replyBytesMax: number) {
    this.#replyBytesMax = replyBytesMax;
  }

  /** Reads one chunk: how many top-level replies became complete in it, or what is wrong with it. */
  accept(chunk: Uint8Array): Result<number, string> {
    let complete = 0;
    let at = 0;
    while (at < chunk.length) {
      const from = at;
      const state = this.#state;
      if (state.kind === 'bulk') {
        at += Math.min(state.bytesLeft, chunk.length - at);
        state.bytesLeft -= at - from;
        if (state.bytesLeft === 0) this.#state = { kind: 'bulkEnd', seen: 0 };
      } else {
        const step = this.#byte(state, chunk[at] ?? 0);
        at += 1;
        if (!step.ok) return step;
        if (step.value) complete += 1;
      }
      this.#replyBytes = this.#isBetweenReplies ? 0 : this.#replyBytes + (at - from);
      if (this.#replyBytes > this.#replyBytesMax)
        return err(`a reply of more than ${this.#replyBytesMax} bytes`);
    }
    return ok(complete);
  }

  get #isBetweenReplies(): boolean {
    return this.#state === TYPE && this.#missing.length === 0;
  }

  /** Consumes one byte; true when it completed a top-level reply. */
  #byte(state: Exclude<State, { kind: 'bulk' }>, byte: number): Result<boolean, string> {
    switch (state.kind) {
      case 'type':
        return this.#type(byte);
      case 'text':
        if (byte === CR) {
          this.#state = { kind: 'lineEnd', next: 'complete', length: 0 };
        } else {
          state.bytes += 1;
          if (byte === LF || state.bytes > LINE_BYTES_MAX) return err('a line without an end');
        }
        return ok(false);
      case 'number':
        return this.#number(state, byte);
      case 'lineEnd':
        if (byte !== LF) return err('a carriage return inside a line');
        return this.#afterLine(state.next, state.length);
      case 'bulkEnd':
        if (byte !== (state.seen === 0 ? CR : LF)) return err('a bulk string longer than announced');
        if (state.seen === 1) return ok(this.#complete());
        this.#state = { kind: 'bulkEnd', seen: 1 };
        return ok(false);
      default:
        return unreachable(state);
    }
  }

  #type(byte: number): Result<boolean, string> {
    switch (String.fromCharCode(byte)) {
      case '+':
      case '-':
        this.#state = { kind: 'text', bytes: 0 };
        return ok(false);
      case ':':
        this.#state = { kind: 'number', of: 'integer', negative: false, digits: 0, value: 0 };
        return ok(false);
      case '$':
        this.#state = { kind: 'number', of: 'bulk', negative: false, digits: 0, value: 0 };
        return ok(false);
      case '*':
        this.#state = { kind: 'number', of: 'array', negative: false, digits: 0, value: 0 };
        return ok(false);
      default:
        return err(`byte ${byte} where a reply should start`);
    }
  }

  #number(state: State & { kind: 'number' }, byte: number): Result<boolean, string> {
    if (byte === MINUS && state.digits === 0 && !state.negative) {
      state.negative = true;
      return ok(false);
    }
    if (byte >= ZERO && byte <= NINE) {
      state.digits += 1;
      state.value = state.value * 10 + (byte - ZERO);
      const digitsMax = state.of === 'integer' ? INTEGER_DIGITS_MAX : LENGTH_DIGITS_MAX;
      return state.digits > digitsMax ? err('a number that is too long') : ok(false);
    }
    if (byte !== CR || state.digits === 0) return err('a number that is none');
    if (state.of === 'integer') {
      this.#state = { kind: 'lineEnd', next: 'complete', length: 0 };
      return ok(false);
    }
    if (state.negative) {
      // `$-1` and `*-1` are null; no other length is negative.
      if (state.value !== 1) return err('a negative length');
      this.#state = { kind: 'lineEnd', next: 'complete', length: 0 };
      return ok(false);
    }
    if (state.of === 'array' && state.value > ARRAY_ITEMS_MAX) return err('an array that is too long');
    if (state.value > this.#replyBytesMax) return err(`a reply of more than ${this.#replyBytesMax} bytes`);
    this.#state = { kind: 'lineEnd', next: state.of, length: state.value };
    return ok(false);
  }

  #afterLine(next: 'complete' | 'bulk' | 'array', length: number): Result<boolean, string> {
    switch (next) {
      case 'complete':
        return ok(this.#complete());
      case 'bulk':
        this.#state = length === 0 ? { kind: 'bulkEnd', seen: 0 } : { kind: 'bulk', bytesLeft: length };
        return ok(false);
      case 'array':
        if (length === 0) return ok(this.#complete());
        if (this.#missing.length >= DEPTH_MAX) return err('arrays nested too deeply');
        this.#missing.push(length);
        this.#state = TYPE;
        return ok(false);
      default:
        return unreachable(next);
    }
  }

  /** One value is whole; true when no array around it misses another item. */
  #complete(): boolean {
    this.#state = TYPE;
    while (this.#missing.length > 0) {
      const left = (this.#missing.pop() ?? 0) - 1;
      if (left > 0) {
        this.#missing.push(left);
        return false;
      }
    }
    return true;
  }
}
