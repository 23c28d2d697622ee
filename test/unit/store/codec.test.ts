import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import {
  decodeTransaction,
  encodeTransaction,
  pack,
  parseRequest,
  parseStored,
  requestToFields,
  storedToFields,
  unpackArray,
} from '../../../src/store/codec.ts';
import type { RequestRecord } from '../../../src/store/state/request-table.ts';
import type { TransactionOutcome } from '../../../src/store/types.ts';
import { arbitraryTransaction } from './commands.ts';
import { bytes, put, requestId } from './support.ts';

const reasonOf = (data: Uint8Array): string => {
  const decoded = decodeTransaction(data);
  return decoded.ok ? 'read' : decoded.error;
};

describe('transaction codec', () => {
  it('reads what it wrote', () => {
    fc.assert(
      fc.property(arbitraryTransaction, (one) => {
        expect(decodeTransaction(encodeTransaction(one))).toEqual({ ok: true, value: one });
      }),
    );
  });

  it('never throws, whatever the bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (data) => {
        expect(decodeTransaction(data)).toHaveProperty('ok');
      }),
      { numRuns: 1000 },
    );
  });

  it('never throws on a damaged transaction', () => {
    fc.assert(
      fc.property(arbitraryTransaction, fc.nat(), fc.nat(255), (one, position, byte) => {
        const data = Uint8Array.from(encodeTransaction(one));
        data[position % data.length] = byte;
        expect(decodeTransaction(data)).toHaveProperty('ok');
        expect(decodeTransaction(data.subarray(0, position % data.length))).toHaveProperty('ok');
      }),
      { numRuns: 500 },
    );
  });

  it.each<[string, unknown[]]>([
    ['the command is of an unknown version', [2, requestId(1), [], [], []]],
    ['the command has not five fields', [1, requestId(1), [], [], [], 0]],
    ['the request id is malformed', [1, 'unreadable-1', [], [], []]],
    ['the request id is malformed', [1, 7, [], [], []]],
    ['a comparison is malformed', [1, requestId(1), null, [], []]],
    ['a comparison is malformed', [1, requestId(1), [['a', -1]], [], []]],
    ['a comparison is malformed', [1, requestId(1), [['a', 1, 1]], [], []]],
    ['a put is malformed', [1, requestId(1), [], [['a', 'text']], []]],
    ['a put is malformed', [1, requestId(1), [], ['a'], []]],
    ['a removal is malformed', [1, requestId(1), [], [], ['']]],
    ['a removal is malformed', [1, requestId(1), [], [], [1]]],
  ])('refuses: %s', (reason, fields) => {
    expect(reasonOf(pack(fields))).toBe(reason);
  });

  it('refuses what is no array', () => {
    expect(reasonOf(bytes(''))).toBe('the command is no msgpack array');
    expect(reasonOf(Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff))).toBe('the command is no msgpack array');
    expect(unpackArray(Uint8Array.of(0x01))).toBeNull();
  });

  it('values do not share memory with the entry they came in', () => {
    const data = Uint8Array.from(encodeTransaction(put(1, 'a', 'value')));
    const decoded = decodeTransaction(data);
    data.fill(0);
    expect(decoded.ok && decoded.value.put[0]?.value).toEqual(bytes('value'));
  });
});

describe('record codecs', () => {
  const outcomes: TransactionOutcome[] = [
    { kind: 'committed', revision: 2 ** 45 },
    { kind: 'conflict', key: 'a/ü', revision: 0 },
    { kind: 'refused', reason: '' },
  ];

  it.each(outcomes)('a request with the outcome $kind is read as it was written', (outcome) => {
    const request: RequestRecord = { requestId: requestId(5), index: 2 ** 45, outcome };
    expect(parseRequest(unpackArray(pack(requestToFields(request)))!)).toEqual(request);
    const unreadable: RequestRecord = { requestId: 'unreadable-7', index: 7, outcome };
    expect(parseRequest(requestToFields(unreadable))).toEqual(unreadable);
  });

  it.each([
    [['id', 1, 'committed', 1]],
    [['unreadable-7', 8, 'refused', 'x']],
    [[requestId(1), -1, 'committed', 1]],
    [[requestId(1), 1, 'committed', 1, 1]],
    [[requestId(1), 1, 'conflict', 1]],
    [[requestId(1), 1, 'conflict', 1, '']],
    [[requestId(1), 1, 'refused', 1]],
    [[requestId(1), 1, 'other', 1]],
  ])('refuses the request %j', (fields) => {
    expect(parseRequest(fields)).toBeNull();
  });

  it('a value is read as it was written, and nothing else is read', () => {
    const stored = { key: 'a', revision: 3, value: bytes('x') };
    expect(parseStored(unpackArray(pack(storedToFields(stored)))!)).toEqual(stored);
    for (const fields of [
      ['', 1, bytes('')],
      ['a', 0, bytes('')],
      ['a', 1, 'text'],
      ['a', 1],
      [1, 1, bytes('')],
    ]) {
      expect(parseStored(fields)).toBeNull();
    }
  });
});
