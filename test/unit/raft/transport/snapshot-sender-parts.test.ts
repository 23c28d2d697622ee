// Reading a snapshot for a transfer that may have to go back, and knowing when to give up.

import { crc32 } from 'node:zlib';

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { SnapshotFile } from '../../../../src/raft/ports.ts';
import { openFrame } from '../../../../src/raft/transport/frame.ts';
import {
  decodeSnapshotPost,
  encodeSnapshotPost,
  SNAPSHOT_BATCH_CHUNKS_MAX,
  SNAPSHOT_BODY_BYTES_MAX,
  SNAPSHOT_CHUNK_BYTES_MAX,
  type SnapshotBatch,
} from '../../../../src/raft/transport/snapshot-codec.ts';
import { SnapshotCursor } from '../../../../src/raft/transport/snapshot-cursor.ts';
import { SnapshotProgress } from '../../../../src/raft/transport/snapshot-progress.ts';
import { snapshotMetaFields } from '../../../../src/raft/transport/fields.ts';
import { logIndex, term } from '../../../../src/raft/core/types.ts';
import { META, packr, sealed, sealer } from './wire.ts';

const FILE: SnapshotFile = { meta: META, bytes: 100, path: 'file' };

/** A cursor over chunks of one byte each, with the number of times the file was opened. */
function cursorOver(content: string): { readonly cursor: SnapshotCursor; readonly opened: () => number } {
  let opened = 0;
  async function* read(): AsyncGenerator<Uint8Array> {
    opened += 1;
    for (const character of content) yield Buffer.from(character);
  }
  return { cursor: new SnapshotCursor({ read }, FILE), opened: () => opened };
}

function text(batch: SnapshotBatch): string {
  return Buffer.concat(batch.chunks).toString();
}

describe('a cursor over a snapshot', () => {
  it('gives batches of the wanted size with the checksum of what came before', async () => {
    const { cursor, opened } = cursorOver('abcdefg');
    const first = await cursor.batch(0, 3);
    expect([text(first), first.crc, first.last]).toEqual(['abc', 0, false]);
    const second = await cursor.batch(3, 4);
    expect([text(second), second.crc, second.last]).toEqual(['defg', crc32('abc'), false]);
    const end = await cursor.batch(7, 4);
    expect([text(end), end.crc, end.last]).toEqual(['', crc32('abcdefg'), true]);
    expect(opened()).toBe(1);
  });

  it('gives the same and smaller parts again without opening the file again', async () => {
    const { cursor, opened } = cursorOver('abcdefg');
    await cursor.batch(0, 5);
    expect(text(await cursor.batch(0, 2))).toBe('ab');
    expect(text(await cursor.batch(2, 2))).toBe('cd');
    expect(text(await cursor.batch(4, 9))).toBe('efg');
    expect(opened()).toBe(1);
  });

  it('gives no more chunks at once than fit a post, however small they are', async () => {
    const { cursor } = cursorOver('a'.repeat(SNAPSHOT_BATCH_CHUNKS_MAX + 5));
    const first = await cursor.batch(0, 10_000);
    expect([first.chunks.length, first.last]).toEqual([SNAPSHOT_BATCH_CHUNKS_MAX, false]);
    const second = await cursor.batch(SNAPSHOT_BATCH_CHUNKS_MAX, 10_000);
    expect([second.chunks.length, second.last]).toEqual([5, true]);
  });

  it('opens the file again to go back', async () => {
    const { cursor, opened } = cursorOver('abcdefg');
    await cursor.batch(5, 2);
    expect(text(await cursor.batch(1, 2))).toBe('bc');
    expect(opened()).toBe(2);
  });

  it('gives what an honest reader would, whatever is asked for', async () => {
    const whole = 'abcdefghij';
    const asked = fc.record({ offset: fc.nat(whole.length), bytes: fc.integer({ min: 1, max: 12 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(asked, { maxLength: 12 }), async (questions) => {
        const { cursor } = cursorOver(whole);
        for (const { offset, bytes } of questions) {
          const batch = await cursor.batch(offset, bytes);
          expect(text(batch)).toBe(whole.slice(offset, offset + bytes));
          expect(batch.crc).toBe(crc32(whole.slice(0, offset)));
          if (batch.last) expect(offset + batch.chunks.length).toBe(whole.length);
          if (offset + bytes > whole.length) expect(batch.last).toBe(true);
        }
      }),
    );
  });

  it('fails when a peer claims to hold more than there is, or when the file cannot be read', async () => {
    await expect(cursorOver('ab').cursor.batch(3, 1)).rejects.toThrow('more than there is');
    async function* damaged(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('a');
      throw new Error('checksum');
    }
    await expect(new SnapshotCursor({ read: damaged }, FILE).batch(0, 5)).rejects.toThrow('checksum');
  });
});

describe('the progress of a transfer', () => {
  const question: SnapshotBatch = { offset: 0, crc: 0, chunks: [], last: false };
  const one = (offset: number): SnapshotBatch => ({ offset, crc: 0, chunks: [Buffer.of(1)], last: false });
  const holds = (chunks: number) => ({ ok: true, value: { chunks, done: false } }) as const;
  const failed = (final: boolean) => ({ ok: false, error: { reason: 'broken', final } }) as const;

  it('lets a transfer of any length go on while the peer holds more and more', () => {
    const progress = new SnapshotProgress();
    for (let chunk = 0; chunk < 1000; chunk += 1) {
      expect(progress.judge(one(chunk), holds(chunk + 1))).toBeNull();
      expect(progress.judge(one(chunk + 1), failed(false))).toBeNull();
    }
  });

  it('ends it after eight failures without a step forward', () => {
    const progress = new SnapshotProgress();
    progress.judge(one(4), holds(5));
    for (let count = 0; count < 8; count += 1) {
      expect(progress.judge(one(5), failed(false))).toBeNull();
      expect(progress.judge(question, holds(5))).toBeNull();
    }
    expect(progress.setbacks).toBe(8);
    expect(progress.judge(one(5), failed(false))).toBe('broken');
  });

  it('ends it after eight steps back, though the peer climbs up again each time', () => {
    const progress = new SnapshotProgress();
    progress.judge(one(1), holds(2));
    const climb = (): string | null => {
      const back = progress.judge(one(2), holds(0));
      return back ?? progress.judge(one(0), holds(1)) ?? progress.judge(one(1), holds(2));
    };
    for (let count = 0; count < 8; count += 1) expect(climb()).toBeNull();
    expect(climb()).toMatch('starting over');
  });

  it('ends it at once when another attempt could not help', () => {
    expect(new SnapshotProgress().judge(question, failed(true))).toBe('broken');
  });

  it('waits for a verification, but not for ever', () => {
    const progress = new SnapshotProgress();
    const last = { ...one(2), last: true };
    for (let count = 0; count < 60; count += 1) expect(progress.judge(last, holds(3))).toBeNull();
    expect(progress.judge(last, holds(3))).toMatch('verifying');
  });
});

describe('a post of a snapshot', () => {
  const post = {
    term: term(4),
    transfer: 3,
    meta: META,
    fileBytes: 4711,
    batch: { offset: 7, crc: 0xffff_fffe, chunks: [Buffer.from('abc'), Buffer.from('d')], last: true },
  };

  it('comes out as it went in, with bytes of its own', () => {
    const bytes = encodeSnapshotPost(sealer(), post);
    const frame = openFrame(bytes, SNAPSHOT_BODY_BYTES_MAX);
    if (!frame.ok) throw new Error(frame.error.kind);
    const decoded = decodeSnapshotPost(frame.value);
    bytes.fill(0);
    expect(decoded).toEqual({ ok: true, value: post });
  });

  it('of the largest batch fits', () => {
    const chunks = [Buffer.alloc(SNAPSHOT_CHUNK_BYTES_MAX), Buffer.alloc(SNAPSHOT_CHUNK_BYTES_MAX)];
    const bytes = encodeSnapshotPost(sealer(), { ...post, batch: { ...post.batch, chunks } });
    expect(openFrame(bytes, SNAPSHOT_BODY_BYTES_MAX).ok).toBe(true);
  });

  it('of the most chunks is read, of more refused before anything is made of them', () => {
    const read = (count: number): unknown => {
      const chunks = Array.from({ length: count }, () => Buffer.of(1));
      const bytes = encodeSnapshotPost(sealer(), { ...post, batch: { ...post.batch, chunks } });
      const frame = openFrame(bytes, SNAPSHOT_BODY_BYTES_MAX);
      if (!frame.ok) throw new Error(frame.error.kind);
      return decodeSnapshotPost(frame.value);
    };
    expect(read(SNAPSHOT_BATCH_CHUNKS_MAX)).toMatchObject({ ok: true });
    expect(read(SNAPSHOT_BATCH_CHUNKS_MAX + 20)).toMatchObject({
      ok: false,
      error: { kind: 'malformed', reason: expect.stringContaining('binaries') },
    });
  });

  it('with bytes behind its end is refused before anything is made of it', () => {
    const sent = encodeSnapshotPost(sealer(), post);
    const body = Buffer.concat([sent.subarray(sealer().headBytes), Buffer.of(0)]);
    const frame = openFrame(sealed('snapshot', body), SNAPSHOT_BODY_BYTES_MAX);
    if (!frame.ok) throw new Error(frame.error.kind);
    expect(decodeSnapshotPost(frame.value)).toEqual({
      ok: false,
      error: { kind: 'malformed', reason: 'the body goes on behind its end' },
    });
  });

  const fields = [4, 3, snapshotMetaFields(META), 4711, 7, 5, [Buffer.from('abc')], true];
  it.each([
    ['no membership', fields.with(2, [10, 3])],
    ['a membership that is none', fields.with(2, [10, 3, Buffer.from('{}')])],
    [
      'a snapshot of nothing',
      fields.with(2, snapshotMetaFields({ ...META, index: logIndex(0), term: term(0) })),
    ],
    ['an empty chunk', fields.with(6, [Buffer.of()])],
    ['too large a chunk', fields.with(6, [Buffer.alloc(SNAPSHOT_CHUNK_BYTES_MAX + 1)])],
    ['chunks that are texts', fields.with(6, ['abc'])],
    ['fields missing', fields.slice(0, 7)],
    ['a map', { term: 1 }],
  ])('with %s is refused', (_name, body) => {
    const frame = openFrame(sealed('snapshot', packr.pack(body)), SNAPSHOT_BODY_BYTES_MAX);
    if (!frame.ok) throw new Error(frame.error.kind);
    expect(decodeSnapshotPost(frame.value)).toMatchObject({ ok: false, error: { kind: 'malformed' } });
  });

  it('of any bytes is refused without an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (body) => {
        const frame = openFrame(sealed('snapshot', body), SNAPSHOT_BODY_BYTES_MAX);
        if (!frame.ok) throw new Error(frame.error.kind);
        expect(decodeSnapshotPost(frame.value).ok).toBe(false);
      }),
      { numRuns: 1000 },
    );
  });
});
