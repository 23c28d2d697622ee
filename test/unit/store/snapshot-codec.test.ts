import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { pack } from '../../../src/store/codec.ts';
import { CHUNK_BYTES_MAX, SnapshotDecoder, snapshotChunks } from '../../../src/store/snapshot-codec.ts';
import { KeyValueState } from '../../../src/store/state/key-value-state.ts';
import { logPosition } from '../../../src/store/log-entry.ts';
import { arbitraryTransaction } from './commands.ts';
import { everything, put, transaction } from './support.ts';
import type { Transaction } from '../../../src/store/types.ts';

function snapshotOf(transactions: readonly Transaction[]) {
  const state = new KeyValueState();
  transactions.forEach((one, offset) => state.apply(offset + 1, one));
  const position = logPosition(transactions.length, 1);
  return { state, chunks: [...snapshotChunks({ position, hash: state.hash, contents: state.contents() })] };
}

function decode(chunks: Iterable<Uint8Array>, index: number) {
  const decoder = new SnapshotDecoder();
  for (const chunk of chunks) decoder.chunk(chunk);
  return decoder.finish(index);
}

function whole(chunks: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(chunks));
}

describe('snapshot codec', () => {
  it('gives the same state back, however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(arbitraryTransaction, { maxLength: 20 }),
        fc.integer({ min: 1, max: 50 }),
        (transactions, size) => {
          const { state, chunks } = snapshotOf(transactions);
          const stream = whole(chunks);
          const pieces = Array.from({ length: Math.ceil(stream.length / size) }, (_, piece) =>
            stream.subarray(piece * size, (piece + 1) * size),
          );
          const decoded = decode(pieces, transactions.length);
          expect(decoded.ok && everything(decoded.value)).toEqual(everything(state));
        },
      ),
    );
  });

  it('cuts values larger than a chunk into chunks of at most 64 KiB', () => {
    const value = new Uint8Array(1024 * 1024).map((_, index) => index * 7);
    const { state, chunks } = snapshotOf([
      transaction(1, { put: [{ key: 'large', value }] }),
      put(2, 'small', 'x'),
    ]);
    expect(chunks.length).toBe(17);
    expect(chunks.every((chunk) => chunk.length <= CHUNK_BYTES_MAX)).toBe(true);
    const decoded = decode(chunks, 2);
    expect(decoded.ok && decoded.value.hash).toEqual(state.hash);
  });

  it('cuts many small values into chunks that are little work each', () => {
    const many = Array.from({ length: 5000 }, (_, place) => ({ key: `k${place}`, value: new Uint8Array() }));
    const { state, chunks } = snapshotOf([transaction(1, { put: many })]);
    expect(chunks.length).toBeGreaterThanOrEqual(5);
    const decoded = decode(chunks, 1);
    expect(decoded.ok && everything(decoded.value)).toEqual(everything(state));
  });

  it('accepts no stream with a bit flipped, a byte missing or a byte too many', () => {
    const { chunks } = snapshotOf([put(1, 'a', 'x'), put(2, 'b', 'y')]);
    const stream = whole(chunks);
    for (let bit = 0; bit < stream.length * 8; bit += 1) {
      const damaged = stream.slice();
      damaged[bit >>> 3]! ^= 1 << (bit & 7);
      expect(decode([damaged], 2).ok).toBe(false);
    }
    for (let length = 0; length < stream.length; length += 1) {
      expect(decode([stream.subarray(0, length)], 2).ok).toBe(false);
    }
    expect(decode([stream, Uint8Array.of(0)], 2).ok).toBe(false);
    expect(decode([stream, Uint8Array.of(0, 0, 0, 0)], 2).ok).toBe(false);
    expect(decode([stream, stream], 2).ok).toBe(false);
    expect(decode([stream], 2).ok).toBe(true);
  });

  it('says what is wrong', () => {
    const reason = (chunks: Iterable<Uint8Array>, index: number): string => {
      const decoded = decode(chunks, index);
      return decoded.ok ? 'accepted' : decoded.error;
    };
    const { chunks } = snapshotOf([put(1, 'a', 'x')]);
    expect(reason(chunks, 2)).toBe('the snapshot is of entry 1, not of 2');
    expect(reason([], 0)).toBe('the snapshot ends early');
    const foreign = pack(['another format', 1, 0, 0, 0, 0, 0]);
    const length = Uint8Array.of(0, 0, 0, foreign.length);
    expect(reason([length, foreign], 0)).toBe('the snapshot is of another format or version');
    expect(reason([Uint8Array.of(0, 0, 0, 0, 0)], 0)).toBe('a record of the snapshot is damaged');
  });
});
