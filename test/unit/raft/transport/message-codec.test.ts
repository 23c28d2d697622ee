// Frames of messages: what goes in comes out, and nothing a peer can send does harm.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { Message } from '../../../../src/raft/core/messages.ts';
import { logIndex, memberId, term, type Entry, type EntryKind } from '../../../../src/raft/core/types.ts';
import { FRAME_HEADER_BYTES, sealFrame } from '../../../../src/raft/transport/frame.ts';
import {
  decodeMessages,
  encodeMessages,
  messageBytes,
  packr,
} from '../../../../src/raft/transport/message-codec.ts';

const FROM = memberId(1);
const TO = memberId(2);
const LIMIT = 1024 * 1024;

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
      term: term(entryTerm),
      previous,
      commit,
      entries: list,
    };
  });

const from = fc.constant(FROM);
const to = fc.constant(TO);
const head = { from, to, term: anyTerm };

function kindOf<const Kind extends string>(name: Kind): fc.Arbitrary<Kind> {
  return fc.constant(name);
}

const message: fc.Arbitrary<Message> = fc.oneof(
  appendRequest,
  fc.record({ kind: kindOf('voteRequest'), ...head, last: position }),
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
        const decoded = decodeMessages(encodeMessages(FROM, TO, messages), LIMIT);
        if (!decoded.ok) throw new Error(JSON.stringify(decoded.error));
        expect(decoded.value.from).toBe(FROM);
        expect(decoded.value.to).toBe(TO);
        expect(plain(decoded.value.messages)).toEqual(plain(messages));
      }),
    );
  });

  it('is not much larger than estimated', () => {
    fc.assert(
      fc.property(fc.array(message, { maxLength: 20 }), (messages) => {
        const estimate = messages.reduce((bytes, item) => bytes + messageBytes(item), 0);
        expect(encodeMessages(FROM, TO, messages).byteLength).toBeLessThanOrEqual(estimate + 64);
      }),
    );
  });

  it('yields entries that do not share memory with the received bytes', () => {
    const data = Buffer.from('payload');
    const entry: Entry = { index: logIndex(1), term: term(1), kind: 'command', data };
    const previous = { index: logIndex(0), term: term(0) };
    const request: Message = {
      kind: 'appendRequest',
      from: FROM,
      to: TO,
      term: term(1),
      previous,
      commit: logIndex(0),
      entries: [entry],
    };
    const frame = encodeMessages(FROM, TO, [request]);
    const decoded = decodeMessages(frame, LIMIT);
    frame.fill(0);
    if (!decoded.ok || decoded.value.messages[0]?.kind !== 'appendRequest') throw new Error('not decoded');
    expect(Buffer.from(decoded.value.messages[0].entries[0]!.data).toString()).toBe('payload');
  });

  it('is refused, never thrown at the caller, when any byte of it is changed or missing', () => {
    const frame = encodeMessages(FROM, TO, [
      { kind: 'heartbeat', from: FROM, to: TO, term: term(3), commit: logIndex(9), readRound: 4 },
    ]);
    for (let at = 0; at < frame.byteLength; at += 1) {
      const changed = Buffer.from(frame);
      changed.writeUInt8((changed.readUInt8(at) + 1) % 256, at);
      expect(decodeMessages(changed, LIMIT).ok).toBe(false);
      expect(decodeMessages(frame.subarray(0, at), LIMIT).ok).toBe(false);
    }
    expect(decodeMessages(Buffer.concat([frame, Buffer.from([0])]), LIMIT)).toEqual({
      ok: false,
      error: { kind: 'truncated' },
    });
  });

  it('may hold any bytes at all without an exception', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        decodeMessages(bytes, LIMIT);
        decodeMessages(sealFrame('messages', bytes), LIMIT);
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
        decodeMessages(sealFrame('messages', packr.pack(outer)), LIMIT);
        const code = fields.length % 11;
        decodeMessages(sealFrame('messages', packr.pack([1, 2, [[code, 1, ...fields]]])), LIMIT);
      }),
      { numRuns: 500 },
    );
  });

  it.each([
    ['an unknown message kind', [1, 2, [[99, 1, 1]]]],
    ['a negative term', [1, 2, [[9, -1, 1]]]],
    ['a fractional index', [1, 2, [[6, 1, 1.5]]]],
    ['an integer beyond 2^53', [1, 2, [[6, 1, 2n ** 60n]]]],
    ['member 0', [0, 2, []]],
    ['a position with an index and no term', [1, 2, [[1, 1, 5, 0]]]],
    [
      'entries whose terms fall',
      [
        1,
        2,
        [
          [
            5,
            9,
            1,
            2,
            0,
            [
              [0, 3, Buffer.of()],
              [0, 2, Buffer.of()],
            ],
          ],
        ],
      ],
    ],
    ['an entry younger than its leader', [1, 2, [[5, 9, 1, 2, 0, [[0, 10, Buffer.of()]]]]]],
    ['an unknown entry kind', [1, 2, [[5, 9, 1, 2, 0, [[7, 9, Buffer.of()]]]]]],
    ['an index beyond 2^53', [1, 2, [[5, 9, Number.MAX_SAFE_INTEGER, 2, 0, [[0, 9, Buffer.of()]]]]]],
    ['text instead of bytes', [1, 2, [[5, 9, 1, 2, 0, [[0, 9, 'text']]]]]],
    ['a map', { from: 1, to: 2 }],
  ])('is refused with %s', (_name, body) => {
    const decoded = decodeMessages(sealFrame('messages', packr.pack(body)), LIMIT);
    expect(decoded).toMatchObject({ ok: false, error: { kind: 'malformed' } });
  });

  it('is read even when a later release appended fields', () => {
    const decoded = decodeMessages(
      sealFrame('messages', packr.pack([1, 2, [[9, 5, 7, 'later']], 'later'])),
      LIMIT,
    );
    expect(decoded).toMatchObject({
      ok: true,
      value: { messages: [{ kind: 'heartbeatReply', term: 5, readRound: 7 }] },
    });
  });

  it('is refused when it is too large, of another version or of another kind', () => {
    const frame = encodeMessages(FROM, TO, []);
    expect(decodeMessages(frame, 1)).toMatchObject({ ok: false, error: { kind: 'tooLarge' } });
    const other = Buffer.from(frame);
    other.writeUInt8(9, 2);
    expect(decodeMessages(other, LIMIT)).toEqual({ ok: false, error: { kind: 'version', version: 9 } });
    expect(
      decodeMessages(sealFrame('snapshotChunk', frame.subarray(FRAME_HEADER_BYTES)), LIMIT),
    ).toMatchObject({
      ok: false,
      error: { kind: 'malformed' },
    });
  });
});
