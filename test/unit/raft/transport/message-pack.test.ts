// Bodies of frames: what members write is read, and no bytes cost more than what members write.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { Result } from '../../../../src/base/result.ts';
import type { FrameError } from '../../../../src/raft/transport/frame.ts';
import { decodeBody, type BodyLimits } from '../../../../src/raft/transport/message-pack.ts';
import { packr } from './wire.ts';

const MIB = 1024 * 1024;
const LIMITS: BodyLimits = { valuesMax: 1000, binariesMax: 100 };

function decode(body: Uint8Array, limits = LIMITS): Result<unknown, FrameError> {
  return decodeBody(body, limits, (value) => value);
}

function refusedWith(reason: string): unknown {
  return { ok: false, error: { kind: 'malformed', reason: expect.stringContaining(reason) } };
}

/** A first byte and a length of 32 bits. */
function headOf(first: number, length: number): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(first, 0);
  head.writeUInt32BE(length, 1);
  return head;
}

const LIST32 = 0xdd;
const BINARY32 = 0xc6;
const TEXT32 = 0xdb;

const sent = fc.letrec<{ readonly leaf: unknown; readonly list: unknown; readonly any: unknown }>((tie) => ({
  leaf: fc.oneof(
    fc.maxSafeInteger(),
    fc.nat(300),
    fc.integer({ min: -200, max: 0 }),
    fc.double({ noNaN: true }),
    fc.boolean(),
    fc.constant(null),
    fc.string({ maxLength: 40 }),
    fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
  ),
  list: fc.array(tie('any'), { maxLength: 20 }),
  any: fc.oneof({ maxDepth: 5 }, tie('leaf'), tie('list')),
})).any;

/** Bytes that are nearly MessagePack: first bytes of all kinds with short lengths behind them. */
const nearly = fc
  .array(
    fc.oneof(
      fc.constantFrom(0, 1, 2, 3),
      fc.integer({ min: 0x90, max: 0xa4 }),
      fc.integer({ min: 0, max: 255 }),
    ),
    { maxLength: 40 },
  )
  .map((bytes) => Uint8Array.from(bytes));

describe('a body', () => {
  it('of lists, numbers, truths, texts and binaries is read as it was written', () => {
    fc.assert(
      fc.property(sent, (value) => {
        const limits = { valuesMax: 1_000_000, binariesMax: 100_000 };
        expect(decode(packr.pack(value), limits)).toEqual({
          ok: true,
          value: packr.unpack(packr.pack(value)),
        });
      }),
      { numRuns: 500 },
    );
  });

  it('of any bytes is looked over as msgpackr reads it: what passes is unpacked to its last byte', () => {
    fc.assert(
      fc.property(nearly, (body) => {
        const decoded = decode(body);
        if (decoded.ok) expect(decoded.value).toEqual(packr.unpack(body));
        // The look has found it before the unpacking could.
        else expect(decoded).not.toEqual(refusedWith('is not MessagePack'));
      }),
      { numRuns: 20_000 },
    );
  });

  it.each([
    ['nothing', Buffer.of(), 'ends too early'],
    ['a list that is not whole', Buffer.of(0x92, 1), 'ends too early'],
    ['a binary that is not whole', Buffer.of(0xc4, 3, 1, 2), 'ends too early'],
    ['half a length', Buffer.of(0xc6, 0, 0), 'ends too early'],
    ['half a number', Buffer.of(0xcf, 1, 2, 3), 'ends too early'],
    ['a list of half a length', Buffer.of(0xdd, 0), 'more than 1000 values'],
    ['a byte too many', Buffer.of(0x91, 1, 1), 'goes on behind its end'],
    ['two values', Buffer.of(1, 2), 'goes on behind its end'],
    ['a map', Buffer.of(0x80), 'more than lists'],
    ['a map in a list', Buffer.of(0x91, 0xde, 0, 0), 'more than lists'],
    ['an extension', Buffer.of(0xd4, 1, 1), 'more than lists'],
    ['the byte that means nothing', Buffer.of(0xc1), 'more than lists'],
    ['too many values', packr.pack(Array.from({ length: 1001 }, () => 1)), 'more than 1000 values'],
    [
      'too many values in small lists',
      packr.pack(Array.from({ length: 101 }, () => Array(10).fill(1))),
      '1000 values',
    ],
    ['too long a text', packr.pack(['x'.repeat(1000)]), 'more than 1000 values'],
    [
      'too many binaries',
      packr.pack(Array.from({ length: 101 }, () => Buffer.of())),
      'more than 100 binaries',
    ],
    ['lists inside lists', Buffer.of(...Array(9).fill(0x91), 1), 'more than 8 lists'],
  ])('that is %s is refused', (_name, body, reason) => {
    expect(decode(body)).toEqual(refusedWith(reason));
  });

  it('of 8 MiB that is malformed is refused in a moment, whatever msgpackr would make of it', () => {
    const rest = 8 * MIB - 16;
    const bodies = [
      // msgpackr would write the whole binary as JSON, to show 100 characters of it.
      Buffer.concat([Buffer.of(0x91), headOf(BINARY32, rest), Buffer.alloc(rest, 255), Buffer.of(0)]),
      // msgpackr would make eight million objects, which are as many values as there are bytes.
      Buffer.concat([headOf(LIST32, rest), Buffer.alloc(rest, 0x80)]),
      Buffer.concat([headOf(LIST32, rest), Buffer.alloc(rest, 0x90)]),
      Buffer.concat([Buffer.of(0x91), headOf(TEXT32, rest), Buffer.alloc(rest, 0xc3)]),
    ];
    const startMs = performance.now();
    for (const body of bodies)
      expect(decode(body)).toMatchObject({ ok: false, error: { kind: 'malformed' } });
    // Each took a second or more, the binary several; a busy machine gets 50 ms for what takes less than one.
    expect(performance.now() - startMs).toBeLessThan(200);
  });
});
