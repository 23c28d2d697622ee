// The envelope of frames: what goes in comes out, and damage has a name.

import { crc32 } from 'node:zlib';

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { clusterId } from '../../../../src/raft/cluster-id.ts';
import { incarnation, memberId } from '../../../../src/raft/core/types.ts';
import {
  FRAME_HEAD_BYTES_MAX,
  FrameSealer,
  openFrame,
  type FrameHead,
  type FrameKind,
} from '../../../../src/raft/transport/frame.ts';
import { ADDRESS_LENGTH_MAX } from '../../../../src/raft/transport/peer-address.ts';
import { HEAD, sealed, sealer } from './wire.ts';

const LIMIT = 4096;

const hex128 = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((bytes) => Buffer.from(bytes).toString('hex'));
const member = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }).map((id) => memberId(id));
const head: fc.Arbitrary<FrameHead> = fc.record({
  clusterId: hex128.map(clusterId),
  incarnation: hex128.map(incarnation),
  from: member,
  to: member,
  address: fc.string({
    unit: fc.constantFrom('a', 'z', '0', '9', '.', ':', '[', ']', '-'),
    maxLength: ADDRESS_LENGTH_MAX,
  }),
});
const kind = fc.constantFrom<FrameKind>('messages', 'snapshot');
const body = fc.uint8Array({ maxLength: LIMIT });

describe('a frame', () => {
  it('comes out as it went in', () => {
    fc.assert(
      fc.property(head, kind, body, (anyHead, anyKind, anyBody) => {
        const opened = openFrame(sealed(anyKind, anyBody, anyHead), LIMIT);
        if (!opened.ok) throw new Error(JSON.stringify(opened.error));
        expect(opened.value.kind).toBe(anyKind);
        expect(opened.value.head).toEqual(anyHead);
        expect(Buffer.from(opened.value.body)).toEqual(Buffer.from(anyBody));
      }),
    );
  });

  it('has a head that fits what is reserved in front of a body', () => {
    const longest = new FrameSealer({ ...HEAD, address: 'a'.repeat(ADDRESS_LENGTH_MAX) });
    expect(longest.headBytes).toBe(FRAME_HEAD_BYTES_MAX);
    expect(longest.headBytes).toBeLessThan(256);
    expect(() => new FrameSealer({ ...HEAD, address: 'a'.repeat(ADDRESS_LENGTH_MAX + 1) })).toThrow('fits');
  });

  it('is never opened with any bit flipped, and never throws', () => {
    const frame = sealed('messages', Buffer.from('some body'));
    for (let bit = 0; bit < frame.byteLength * 8; bit += 1) {
      const flipped = Buffer.from(frame);
      flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(openFrame(flipped, LIMIT).ok).toBe(false);
    }
  });

  it('is never opened cut short or with more behind it', () => {
    const frame = sealed('messages', Buffer.from('some body'));
    for (let bytes = 0; bytes < frame.byteLength; bytes += 1)
      expect(openFrame(frame.subarray(0, bytes), LIMIT)).toEqual({ ok: false, error: { kind: 'truncated' } });
    expect(openFrame(Buffer.concat([frame, frame]), LIMIT)).toEqual({
      ok: false,
      error: { kind: 'truncated' },
    });
  });

  it('of any bytes is refused without an exception', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 400 }),
      // Past the first checks: the right magic, version and kind, then anything.
      fc
        .uint8Array({ maxLength: 400 })
        .map((rest) => Buffer.concat([sealed('messages', Buffer.of()).subarray(0, 4), rest])),
    );
    fc.assert(
      fc.property(bytes, (any) => {
        expect(openFrame(Buffer.from(any), LIMIT).ok).toBe(false);
      }),
      { numRuns: 2000 },
    );
  });

  it('that declares more than is allowed is refused before anything else is believed', () => {
    const frame = sealed('messages', Buffer.from('x'));
    frame.writeUInt32BE(0xffff_ffff, 4);
    expect(openFrame(frame, LIMIT)).toEqual({ ok: false, error: { kind: 'tooLarge', bytes: 0xffff_ffff } });
    expect(openFrame(sealed('messages', Buffer.alloc(LIMIT)), LIMIT).ok).toBe(true);
    expect(openFrame(sealed('messages', Buffer.alloc(LIMIT + 1)), LIMIT)).toMatchObject({
      ok: false,
      error: { kind: 'tooLarge' },
    });
  });

  it('of another version, an unknown kind or another protocol says so', () => {
    const frame = sealed('messages', Buffer.from('x'));
    const changed = (offset: number, value: number): Buffer => {
      const copy = Buffer.from(frame);
      copy.writeUInt8(value, offset);
      return copy;
    };
    expect(openFrame(changed(2, 1), LIMIT)).toEqual({ ok: false, error: { kind: 'version', version: 1 } });
    expect(openFrame(changed(2, 3), LIMIT)).toEqual({ ok: false, error: { kind: 'version', version: 3 } });
    expect(openFrame(changed(3, 2), LIMIT)).toEqual({ ok: false, error: { kind: 'unknownFrame', code: 2 } });
    expect(openFrame(Buffer.from('GET / HTTP/1.1'), LIMIT)).toEqual({
      ok: false,
      error: { kind: 'notAFrame' },
    });
  });

  it('of the first version, twelve bytes of head, is recognised as such', () => {
    const old = Buffer.alloc(12);
    old.write('KR\u0001\u0001', 'latin1');
    expect(openFrame(old, LIMIT)).toEqual({ ok: false, error: { kind: 'version', version: 1 } });
  });

  it.each([
    ['sender 0', 44, 0n],
    ['a sender beyond 2^53', 44, 2n ** 53n],
    ['recipient 0', 52, 0n],
    ['a recipient beyond 2^53', 52, 2n ** 64n - 1n],
  ])('with %s is malformed, though its checksum is right', (_name, offset, id) => {
    const seal = sealer();
    const frame = seal.seal('messages', Buffer.alloc(seal.headBytes));
    frame.writeBigUInt64BE(id, offset);
    expect(openFrame(withChecksum(frame), LIMIT)).toMatchObject({ ok: false, error: { kind: 'malformed' } });
  });
});

/** `frame` with the checksum of what it holds now. */
function withChecksum(frame: Buffer): Buffer {
  frame.writeUInt32BE(crc32(frame.subarray(12), crc32(frame.subarray(0, 8))), 8);
  return frame;
}
