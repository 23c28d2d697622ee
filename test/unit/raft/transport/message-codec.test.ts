// Frames of messages: what goes in comes out, and nothing a peer can send does harm.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { Message } from '../../../../src/raft/core/messages.ts';
import { logIndex, term, type Entry, type EntryKind } from '../../../../src/raft/core/types.ts';
import { openFrame, type FrameError } from '../../../../src/raft/transport/frame.ts';
import {
  decodeMessages,
  encodeMessages,
  messageBytes,
} from '../../../../src/raft/transport/message-codec.ts';
import type { Result } from '../../../../src/base/result.ts';
import { HEAD as FRAME_HEAD, packr, sealed, sealer } from './wire.ts';

const { from: FROM, to: TO, incarnation: INCARNATION } = FRAME_HEAD;
const HEAD = { from: FROM, to: TO, incarnation: INCARNATION };
const LIMIT = 1024 * 1024;

/** As the receiving side reads what a peer posted. */
function decode(bytes: Buffer): Result<readonly Message[], FrameError> {
  const frame = openFrame(bytes, LIMIT);
  return frame.ok ? decodeMessages(frame.value) : frame;
}

const number = fc.oneof(fc.nat(), fc.maxSafeNat());
const index = number.map((value) => logIndex(value));
const anyTerm = number.map((value) => term(value));
const position = fc.oneof(
  fc.constant({ index: logIndex(0), term: term(0) }),
  fc.record({
    index: fc.integer({ min: 1, max: 2 ** 50 }).map((value) => logIndex(value)),
    term: fc.integer({ min: 1, max: 2 ** 50 }).map((value) => term(value)),
  }),
);

const appendRequest: fc.Arbitrary<Message> = fc
  .record({
    previous: position,
    commit: index,
    entries: fc.array(
      fc.record({
        termStep: fc.nat(3),
        kind: fc.constantFrom<EntryKind>('command', 'noop', 'config'),
        data: fc.uint8Array({ maxLength: 200 }),
      }),
      { maxLength: 10 },
    ),
  })
  .map(({ previous, commit, entries }) => {
    let entryTerm = Math.max(1, previous.term);
    const list: Entry[] = entries.map(({ termStep, kind, data }, offset) => {
      entryTerm += termStep;
      return { index: logIndex(previous.index + 1 + offset), term: term(entryTerm), kind, data };
    });
    return {
      kind: 'appendRequest',
      from: FROM,
      to: TO,
      incarnation: INCARNATION,
      term: term(entryTerm),
      previous,
      commit,
      entries: list,
    };
  });

const from = fc.constant(FROM);
const to = fc.constant(TO);
const head = { from, to, incarnation: fc.constant(INCARNATION), term: anyTerm };

function kindOf<const Kind extends string>(name: Kind): fc.Arbitrary<Kind> {
  return fc.constant(name);
}

const message: fc.Arbitrary<Message> = fc.oneof(
  appendRequest,
  fc.record({ kind: kindOf('voteRequest'), ...head, last: position, transfer: fc.boolean() }),
  fc.record({ kind: kindOf('timeoutNow'), ...head, last: position }),
  fc.record({ kind: kindOf('preVoteRequest'), ...head, last: position }),
  fc.record({ kind: kindOf('voteReply'), ...head, granted: fc.boolean() }),
  fc.record({ kind: kindOf('preVoteReply'), ...head, granted: fc.boolean() }),
  fc.record({ kind: kindOf('appendAccepted'), ...head, matched: index }),
  fc.record({ kind: kindOf('appendRejected'), ...head, probed: index, hint: position }),
  fc.record({ kind: kindOf('heartbeat'), ...head, commit: index, readRound: number }),
  fc.record({ kind: kindOf('heartbeatReply'), ...head, readRound: number }),
);

/** The same content, whatever class its binaries are of. */
function plain(messages: readonly Message[]): unknown {
  return JSON.parse(
    JSON.stringify(messages, (_key, value: unknown) =>
      typeof value === 'object' &&
      value !== null &&
      'type' in value &&
      value.type === 'Buffer' &&
      'data' in value
        ? value.data
        : value instanceof Uint8Array
          ? [...value]
          : value,
    ),
  );
}

describe('a frame of messages', () => {
  it('comes out as it went in', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 20 }), (messages) => {
        const decoded = decode(encodeMessages(sealer(), messages));
        if (!decoded.ok) throw new Error(JSON.stringify(decoded.error));
        expect(plain(decoded.value)).toEqual(plain(messages));
      }),
    );
  });

  it('is not much larger than estimated', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 20 }), (messages) => {
        const estimate = messages.reduce((bytes, item) => bytes + messageBytes(item), 0);
        expect(encodeMessages(sealer(), messages).byteLength).toBeLessThanOrEqual(estimate + 128);
      }),
    );
  });

  it('yields entries that do not share memory with the received bytes', () => {
    const data = Buffer.from('payload');
    const entry: Entry = { index: logIndex(1), term: term(1), kind: 'command', data };
    const previous = { index: logIndex(0), term: term(0) };
    const request: Message = {
      kind: 'appendRequest',
      ...HEAD,
      term: term(1),
      previous,
      commit: logIndex(0),
      entries: [entry],
    };
    const frame = encodeMessages(sealer(), [request]);
    const decoded = decode(frame);
    frame.fill(0);
    if (!decoded.ok || decoded.value[0]?.kind !== 'appendRequest') throw new Error('not decoded');
    expect(Buffer.from(decoded.value[0].entries[0]!.data).toString()).toBe('payload');
  });

  it('is refused, never thrown at the caller, when any byte of it is changed or missing', () => {
    const frame = encodeMessages(sealer(), [
      { kind: 'heartbeat', ...HEAD, term: term(3), commit: logIndex(9), readRound: 4 },
    ]);
    for (let at = 0; at < frame.byteLength; at += 1) {
      const changed = Buffer.from(frame);
      changed.writeUInt8((changed.readUInt8(at) + 1) % 256, at);
      expect(decode(changed).ok).toBe(false);
      expect(decode(frame.subarray(0, at)).ok).toBe(false);
    }
    expect(decode(Buffer.concat([frame, Buffer.from([0])]))).toEqual({
      ok: false,
      error: { kind: 'truncated' },
    });
  });

  it('of the most entries that a link puts into one is read', () => {
    const entries: Entry[] = Array.from({ length: 512 }, (_, offset) => ({
      index: logIndex(1 + offset),
      term: term(2 ** 40),
      kind: 'command',
      data: Buffer.of(),
    }));
    const request: Message = {
      kind: 'appendRequest',
      ...HEAD,
      term: term(2 ** 40),
      previous: { index: logIndex(0), term: term(0) },
      commit: logIndex(2 ** 40),
      entries,
    };
    const requests = Array.from({ length: Math.floor(LIMIT / messageBytes(request)) }, () => request);
    expect(requests.length * entries.length).toBeGreaterThan(40_000);
    const decoded = decode(encodeMessages(sealer(), requests));
    expect(decoded.ok && decoded.value.length).toBe(requests.length);
    const answers: Message[] = Array.from({ length: 4096 }, () => ({
      kind: 'appendRejected',
      ...HEAD,
      term: term(1),
      probed: logIndex(9),
      hint: { index: logIndex(8), term: term(1) },
    }));
    expect(decode(encodeMessages(sealer(), answers)).ok).toBe(true);
  });

  it.each([
    [
      'bytes behind its end',
      Buffer.concat([packr.pack([[9, 1, 1]]), Buffer.of(0)]),
      'goes on behind its end',
    ],
    ['maps', packr.pack([[9, 1, 1, {}]]), 'more than lists'],
    [
      'a value for each of its bytes',
      packr.pack(Array.from({ length: 300_000 }, () => 1)),
      'more than 2\\d+ values',
    ],
  ])('with %s is refused before anything is made of it', (_name, body, reason) => {
    expect(decode(sealed('messages', body))).toEqual({
      ok: false,
      error: { kind: 'malformed', reason: expect.stringMatching(reason) },
    });
  });

  it('may hold any bytes at all without an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        decode(Buffer.from(bytes));
        decode(sealed('messages', bytes));
      }),
      { numRuns: 2000 },
    );
  });

  it('may hold any MessagePack value at all without an exception', () => {
    const value = fc.letrec((tie) => ({
      leaf: fc.oneof(
        fc.maxSafeInteger(),
        fc.double(),
        fc.string(),
        fc.boolean(),
        fc.constant(null),
        fc.uint8Array(),
      ),
      list: fc.array(tie('any'), { maxLength: 8 }),
      any: fc.oneof({ depthSize: 'small' }, tie('leaf'), tie('list'), fc.object()),
    })).any;
    fc.assert(
      fc.property(fc.array(value, { maxLength: 6 }), fc.array(value, { maxLength: 8 }), (outer, fields) => {
        decode(sealed('messages', packr.pack(outer)));
        const code = fields.length % 12;
        decode(sealed('messages', packr.pack([[code, 1, ...fields]])));
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['an unknown message kind', [[99, 1, 1]]],
    ['a negative term', [[9, -1, 1]]],
    ['a fractional index', [[6, 1, 1.5]]],
    ['an integer beyond 2^53', [[6, 1, 2n ** 60n]]],
    ['a position with an index and no term', [[1, 1, 5, 0]]],
    ['entries whose terms fall', [[5, 9, 1, 2, 0, [entryField(3), entryField(2)]]]],
    ['an entry younger than its leader', [[5, 9, 1, 2, 0, [entryField(10)]]]],
    ['an unknown entry kind', [[5, 9, 1, 2, 0, [[7, 9, Buffer.of()]]]]],
    ['an index beyond 2^53', [[5, 9, Number.MAX_SAFE_INTEGER, 2, 0, [entryField(9)]]]],
    ['text instead of bytes', [[5, 9, 1, 2, 0, [[0, 9, 'text']]]]],
    ['a vote request that does not say whether the leader asked for it', [[3, 9, 1, 2]]],
    ['a map', { from: 1, to: 2 }],
    ['more messages than any member sends', Array.from({ length: 4097 }, () => [9, 1, 1])],
  ])('is refused with %s', (_name, body) => {
    expect(decode(sealed('messages', packr.pack(body)))).toMatchObject({
      ok: false,
      error: { kind: 'malformed' },
    });
  });

  it('whose lists declare more than there is costs no memory', () => {
    // MessagePack lists, texts, binaries and maps of 2^32-1 elements, alone and inside each other.
    const tags = [0xdd, 0xdb, 0xc6, 0xdf, 0xc9];
    const claims = tags.map((tag) => Buffer.of(tag, 0xff, 0xff, 0xff, 0xff));
    const memory = (): number => process.memoryUsage().heapTotal + process.memoryUsage().arrayBuffers;
    const before = memory();
    for (const claim of claims) {
      const nested = Buffer.concat([
        Buffer.of(0xdc, 0x00, 0xff),
        ...Array.from({ length: 255 }, () => claim),
      ]);
      for (const body of [claim, nested])
        expect(decode(sealed('messages', body))).toMatchObject({ ok: false, error: { kind: 'malformed' } });
    }
    expect(memory() - before).toBeLessThan(256 * 1024 * 1024);
  });

  it('is read even when a later release appended fields', () => {
    expect(decode(sealed('messages', packr.pack([[9, 5, 7, 'later']])))).toMatchObject({
      ok: true,
      value: [{ kind: 'heartbeatReply', term: 5, readRound: 7, from: FROM, incarnation: INCARNATION }],
    });
  });

  it('is refused when it is of another kind', () => {
    expect(decode(sealed('snapshot', packr.pack([])))).toMatchObject({
      ok: false,
      error: { kind: 'malformed' },
    });
  });

  it('cannot be made of messages that come from or go to somebody else', () => {
    const reply: Message = { kind: 'heartbeatReply', ...HEAD, term: term(1), readRound: 1 };
    expect(() => encodeMessages(sealer({ from: TO }), [reply])).toThrow('one frame');
    expect(() => encodeMessages(sealer({ to: FROM }), [reply])).toThrow('one frame');
  });
});

/** A command without content of `entryTerm`, as it is sent. */
function entryField(entryTerm: number): readonly unknown[] {
  return [0, entryTerm, Buffer.of()];
}
