import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { ReplyGuard } from '../../../src/kvrocks/reply-guard.ts';

const BYTES_MAX = 8 * 1024 * 1024;

function acceptInPieces(bytes: Uint8Array, cuts: readonly number[]): number | string {
  const guard = new ReplyGuard(BYTES_MAX);
  let complete = 0;
  let from = 0;
  for (const cut of [
    ...cuts.map((position) => position % (bytes.length + 1)).sort((left, right) => left - right),
    bytes.length,
  ]) {
    const accepted = guard.accept(bytes.subarray(from, cut));
    if (!accepted.ok) return accepted.error;
    complete += accepted.value;
    from = cut;
  }
  return complete;
}

const text = (value: string): Uint8Array => Buffer.from(value, 'latin1');

const value: fc.Arbitrary<string> = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', maxDepth: 6 },
    fc.stringMatching(/^[ -~]{0,20}$/).map((line) => `+${line}\r\n`),
    fc.stringMatching(/^[ -~]{0,20}$/).map((line) => `-ERR ${line}\r\n`),
    fc.integer().map((number) => `:${number}\r\n`),
    fc.constantFrom('$-1\r\n', '*-1\r\n'),
    fc
      .uint8Array({ maxLength: 40 })
      .map((bytes) => `$${bytes.length}\r\n${Buffer.from(bytes).toString('latin1')}\r\n`),
    fc.array(tie('value'), { maxLength: 4 }).map((items) => `*${items.length}\r\n${items.join('')}`),
  ),
})).value;

describe('the reply guard', () => {
  it('counts the replies of any RESP2 stream, however it is cut', () => {
    fc.assert(
      fc.property(
        fc.array(value, { maxLength: 6 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        (values, cuts) => {
          expect(acceptInPieces(text(values.join('')), cuts)).toBe(values.length);
        },
      ),
    );
  });

  it('judges any bytes alike, however they are cut, and never throws', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 60 }),
      fc.stringMatching(/^[+\-:$*0-9a\r\n]{0,40}$/).map(text),
    );
    fc.assert(
      fc.property(bytes, fc.array(fc.nat(), { maxLength: 12 }), (input, cuts) => {
        expect(acceptInPieces(input, cuts)).toEqual(acceptInPieces(input, []));
      }),
    );
  });

  it.each([
    ['an HTTP server', 'HTTP/1.1 400 Bad Request\r\n'],
    ['a RESP3 push', '>2\r\n+message\r\n+x\r\n'],
    ['a RESP3 null', '_\r\n'],
    ['a bulk longer than announced', '$2\r\nabc\r\n'],
    ['a negative length', '$-2\r\n'],
    ['an empty number', ':\r\n'],
    ['a lone carriage return', '+a\rb\r\n'],
    ['a line feed without carriage return', '+a\n'],
    ['a giant bulk', '$99999999\r\n'],
    ['a giant array', '*99999999\r\n'],
    ['endless nesting', '*1\r\n'.repeat(20)],
  ])('refuses %s', (_name, stream) => {
    expect(typeof acceptInPieces(text(stream), [])).toBe('string');
  });

  it('refuses a line without an end and a reply without an end', () => {
    const guard = new ReplyGuard(BYTES_MAX);
    expect(guard.accept(text(`+${'x'.repeat(70_000)}`)).ok).toBe(false);
    const many = new ReplyGuard(BYTES_MAX);
    expect(many.accept(text('*60000\r\n')).ok).toBe(true);
    const megabyte = text(`$1048576\r\n${'x'.repeat(1_048_576)}\r\n`);
    const outcomes = Array.from({ length: 8 }, () => many.accept(megabyte).ok);
    expect(outcomes).toEqual([true, true, true, true, true, true, true, false]);
  });
});
