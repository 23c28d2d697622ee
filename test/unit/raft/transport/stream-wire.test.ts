// What both ends of a message stream read off it: frames on the way there, answers on the way back.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { openFrame } from '../../../../src/raft/transport/frame.ts';
import {
  AnswerReader,
  encodeAnswer,
  FrameCutter,
  type StreamAnswer,
} from '../../../../src/raft/transport/stream-wire.ts';
import { sealed } from './wire.ts';

const BODY_BYTES_MAX = 4096;

const bodies = fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 12 });
const cuts = fc.array(fc.nat(), { maxLength: 40 });

/** `bytes` in pieces, cut at places that `places` pick. */
function pieces(bytes: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places.map((place) => place % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return ends.map((end, index) => bytes.subarray(index === 0 ? 0 : ends[index - 1], end));
}

function cutAll(cutter: FrameCutter, chunks: readonly Buffer[]): Buffer[] {
  const frames: Buffer[] = [];
  for (const chunk of chunks) {
    cutter.push(chunk);
    for (let frame = cutter.next(); frame !== null; frame = cutter.next()) frames.push(frame);
  }
  return frames;
}

describe('frames of a stream', () => {
  it('come out whole and in order, wherever the network cuts it', () => {
    fc.assert(
      fc.property(bodies, cuts, (contents, places) => {
        const frames = contents.map((body) => sealed('messages', body));
        const chunks = pieces(Buffer.concat(frames), places);
        expect(cutAll(new FrameCutter(BODY_BYTES_MAX), chunks)).toEqual(frames);
      }),
    );
  });

  it('that cannot become one are handed out at once, to be refused', () => {
    const tooLarge = sealed('messages', Buffer.alloc(BODY_BYTES_MAX + 1)).subarray(0, 61);
    for (const bytes of [Buffer.from('GET / HTTP/1.1\r\n\r\n'), tooLarge]) {
      const [handed] = cutAll(new FrameCutter(BODY_BYTES_MAX), [bytes]);
      expect(handed).toEqual(bytes);
      expect(openFrame(bytes, BODY_BYTES_MAX).ok).toBe(false);
    }
  });

  it('never come out of any bytes by an exception, and never hold up what is refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 4, maxLength: 400 }), cuts, (bytes, places) => {
        const [first] = cutAll(new FrameCutter(BODY_BYTES_MAX), pieces(Buffer.from(bytes), places));
        if (first !== undefined) expect(openFrame(first, BODY_BYTES_MAX).ok).toBe(false);
        else expect(Buffer.from(bytes).readUInt16BE(0)).toBe(0x4b52);
      }),
    );
  });
});

describe('answers', () => {
  const answers = fc.array(
    fc.record({
      status: fc.integer({ min: 200, max: 599 }),
      received: fc.nat({ max: 2 ** 48 - 1 }),
      text: fc.string({ maxLength: 200 }),
    }),
    { maxLength: 10 },
  );

  it('come out as they went in, wherever the network cuts them', () => {
    fc.assert(
      fc.property(answers, cuts, (sent, places) => {
        const reader = new AnswerReader();
        const read: StreamAnswer[] = [];
        for (const chunk of pieces(Buffer.concat(sent.map(encodeAnswer)), places))
          read.push(...reader.push(chunk));
        expect(read).toEqual(sent);
      }),
    );
  });
});
