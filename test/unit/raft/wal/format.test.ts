// The bytes of frames and records: what is written is read back, everything else is recognised as something else.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { type Entry, logIndex, memberId, term } from '../../../../src/raft/core/types.ts';
import { ByteReader, ByteWriter, MalformedBytes } from '../../../../src/raft/wal/bytes.ts';
import {
  FORMAT_VERSION,
  beginFrame,
  findFrameHeader,
  finishFrame,
  parseSegmentName,
  readFrame,
  readSegmentHeader,
  segmentName,
  segmentSeed,
  writeSegmentHeader,
} from '../../../../src/raft/wal/format.ts';
import { UnknownRecord, type WalRecord, readRecords, writeRecord } from '../../../../src/raft/wal/records.ts';
import { anyMembership } from '../../../support/raft-core/memberships.ts';

const index = fc.maxSafeNat().map(logIndex);
const anyTerm = fc.maxSafeNat().map(term);
const member = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }).map(memberId);
const meta = fc.record({
  index,
  term: anyTerm,
  membership: anyMembership,
});
const hardState = fc.record({ term: anyTerm, votedFor: fc.option(member) });
const entries: fc.Arbitrary<Entry[]> = fc
  .record({
    first: fc.integer({ min: 1, max: 1e9 }),
    list: fc.array(
      fc.record({
        term: anyTerm,
        kind: fc.constantFrom('command' as const, 'noop' as const, 'config' as const),
        data: fc.uint8Array({ maxLength: 50 }),
      }),
      { minLength: 1, maxLength: 5 },
    ),
  })
  .map(({ first, list }) => list.map((entry, place) => ({ index: logIndex(first + place), ...entry })));
const record: fc.Arbitrary<WalRecord> = fc.oneof(
  fc.record({ kind: fc.constant('hardState' as const), hardState }),
  fc.record({ kind: fc.constant('truncate' as const), from: index }),
  fc.record({ kind: fc.constant('entries' as const), entries }),
  fc.record({ kind: fc.constantFrom('compact' as const, 'reset' as const), base: meta }),
  fc.record({
    kind: fc.constant('head' as const),
    head: fc.record({
      hardState,
      base: meta,
      last: index,
      runs: fc.array(fc.record({ first: index, term: anyTerm })),
    }),
  }),
);

function encoded(records: readonly WalRecord[]): Buffer {
  const writer = new ByteWriter(16);
  for (const each of records) writeRecord(writer, each);
  return Buffer.from(writer.view());
}

describe('records', () => {
  it('are read back as written', () => {
    fc.assert(
      fc.property(fc.array(record, { minLength: 1, maxLength: 4 }), (records) => {
        expect(readRecords(encoded(records))).toEqual(records);
      }),
    );
  });

  it('from arbitrary or shortened bytes are read, or refused with a typed error', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      fc.tuple(record, fc.nat(200)).map(([each, length]) => encoded([each]).subarray(0, length)),
    );
    fc.assert(
      fc.property(bytes, (payload) => {
        try {
          readRecords(payload);
        } catch (error) {
          expect(error instanceof MalformedBytes || error instanceof UnknownRecord).toBe(true);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('frames', () => {
  const seed = segmentSeed({ incarnation: new Uint8Array(16).fill(1), number: 3 });

  function frame(payload: Uint8Array): Buffer {
    const writer = new ByteWriter(16);
    const start = beginFrame(writer);
    writer.bytes(payload);
    finishFrame(writer, start, { seed, ordinal: 2 ** 40, previousChain: 77 });
    return Buffer.from(writer.view());
  }

  it('are read back as written, and end on a multiple of 8', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 100 }), (payload) => {
        const bytes = frame(payload);
        const reading = readFrame(bytes, 0, seed);
        expect(reading).toMatchObject({
          kind: 'frame',
          frame: { ordinal: 2 ** 40, previousChain: 77, payload: Buffer.from(payload), end: bytes.length },
        });
        expect(bytes.length % 8).toBe(0);
      }),
    );
  });

  it('of another segment or another log are not read', () => {
    const bytes = frame(new Uint8Array(10));
    const incarnation = new Uint8Array(16).fill(1);
    for (const other of [
      { incarnation, number: 4 },
      { incarnation: new Uint8Array(16).fill(2), number: 3 },
    ]) {
      expect(readFrame(bytes, 0, segmentSeed(other))).toEqual({ kind: 'none' });
    }
  });

  it('are found behind anything, at their multiples of 8 only', () => {
    const bytes = frame(new Uint8Array(10));
    expect(findFrameHeader(Buffer.concat([Buffer.alloc(808, 'WFRM'), bytes]), 0, seed)).toBe(808);
    expect(findFrameHeader(Buffer.concat([Buffer.alloc(801, 'WFRM'), bytes]), 0, seed)).toBeNull();
  });
});

describe('segment headers and names', () => {
  it('are read back as written', () => {
    const writer = new ByteWriter();
    const incarnation = Uint8Array.from({ length: 16 }, (_, place) => place);
    const header = {
      version: FORMAT_VERSION,
      incarnation,
      number: 9,
      capacityBytes: 4096,
      firstOrdinal: 2 ** 50,
      previousChain: 5,
    };
    writeSegmentHeader(writer, header);
    expect(readSegmentHeader(writer.view())).toEqual({ kind: 'header', header });
    expect(readSegmentHeader(writer.view().subarray(0, 63))).toEqual({ kind: 'none' });
  });

  it('sort like numbers, and only exact names are taken for segments', () => {
    expect([segmentName(10), segmentName(9)].sort()).toEqual([segmentName(9), segmentName(10)]);
    expect(parseSegmentName(segmentName(123))).toBe(123);
    const strange = [
      'wal-1.log',
      `${segmentName(1)}.bak`,
      'wal-9999999999999999.log',
      segmentName(0),
      'identity.json',
    ];
    expect(strange.map(parseSegmentName)).toEqual([null, null, null, null, null]);
  });
});

describe('numbers', () => {
  it('beyond the safe integers are refused', () => {
    expect(() => new ByteReader(new Uint8Array(8).fill(255)).u64()).toThrow(MalformedBytes);
  });
});
