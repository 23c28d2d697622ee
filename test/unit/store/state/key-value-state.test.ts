import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { StateAssembly } from '../../../../src/store/state/assembly.ts';
import { EMPTY_HASH, equalHashes } from '../../../../src/store/state/hash.ts';
import { KeyValueState } from '../../../../src/store/state/key-value-state.ts';
import { RequestTable } from '../../../../src/store/state/request-table.ts';
import type { StoredValue, TransactionOutcome } from '../../../../src/store/types.ts';
import { arbitraryTransaction } from '../commands.ts';
import { bytes, put, requestId, transaction } from '../support.ts';

/** The specification again, without any care for speed. */
class NaiveState {
  values = new Map<string, StoredValue>();
  requests: { id: string; outcome: TransactionOutcome }[] = [];
  readonly limit: number;

  constructor(limit: number) {
    this.limit = limit;
  }

  apply(
    index: number,
    { requestId: id, compare, put: puts, remove }: ReturnType<typeof transaction>,
  ): TransactionOutcome {
    const known = this.requests.find((request) => request.id === id);
    if (known !== undefined) return known.outcome;
    const broken = compare.find(({ key, revision }) => (this.values.get(key)?.revision ?? 0) !== revision);
    let outcome: TransactionOutcome = { kind: 'committed', revision: index };
    if (broken === undefined) {
      for (const { key, value } of puts) this.values.set(key, { key, value, revision: index });
      for (const key of remove) this.values.delete(key);
    } else {
      outcome = { kind: 'conflict', key: broken.key, revision: this.values.get(broken.key)?.revision ?? 0 };
    }
    this.requests = [...this.requests, { id, outcome }].slice(-this.limit);
    return outcome;
  }

  list(prefix: string): StoredValue[] {
    const keys = [...this.values.keys()].filter((key) => key.startsWith(prefix));
    // The default order of sort is by code unit.
    return keys.toSorted().map((key) => this.values.get(key)!);
  }
}

describe('key-value state', () => {
  it('does what a naive map does, for every sequence of transactions', () => {
    const limit = 5;
    fc.assert(
      fc.property(fc.array(arbitraryTransaction, { maxLength: 40 }), (transactions) => {
        const state = new KeyValueState(limit);
        const naive = new NaiveState(limit);
        transactions.forEach((one, offset) => {
          expect(state.apply(offset + 1, one).outcome).toEqual(naive.apply(offset + 1, one));
        });
        for (const prefix of ['', 'a', 'a/', 'b', 'c/\u{1f600}', 'zz']) {
          expect(state.list(prefix)).toEqual(naive.list(prefix));
        }
        for (const key of ['a', 'a/1', 'nothing'])
          expect(state.get(key)).toEqual(naive.values.get(key) ?? null);
        expect(state.contents().requests.map((request) => request.requestId)).toEqual(
          naive.requests.map((request) => request.id),
        );
      }),
    );
  });

  it('keeps the hash that a state built from its contents has, also after evictions', () => {
    fc.assert(
      fc.property(fc.array(arbitraryTransaction, { maxLength: 40 }), (transactions) => {
        const state = new KeyValueState(5);
        transactions.forEach((one, offset) => state.apply(offset + 1, one));
        const { stored, requests } = state.contents();
        const rebuilt = new KeyValueState(5);
        for (const value of stored) expect(rebuilt.restoreStored(value)).toBe(true);
        for (const request of requests) expect(rebuilt.restoreRequest(request)).toBe(true);
        expect(rebuilt.hash).toEqual(state.hash);
      }),
    );
  });

  it('reports exactly the records that differ', () => {
    const state = new KeyValueState(1);
    state.apply(1, put(1, 'a', 'x'));
    const both = transaction(2, { put: [{ key: 'b', value: bytes('y') }], remove: ['a', 'absent'] });
    expect(state.apply(2, both).changes).toEqual([
      { kind: 'put', stored: { key: 'b', value: bytes('y'), revision: 2 } },
      { kind: 'removed', key: 'a' },
      {
        kind: 'recorded',
        request: { requestId: requestId(2), index: 2, outcome: { kind: 'committed', revision: 2 } },
      },
      {
        kind: 'forgotten',
        request: { requestId: requestId(1), index: 1, outcome: { kind: 'committed', revision: 1 } },
      },
    ]);
  });

  it('answers a repeated request with its first outcome and changes nothing', () => {
    const state = new KeyValueState();
    state.apply(1, put(1, 'a', 'first'));
    const before = state.hash;
    expect(state.apply(2, put(1, 'a', 'second'))).toEqual({
      outcome: { kind: 'committed', revision: 1 },
      changes: [],
    });
    expect(state.hash).toEqual(before);
    expect(state.get('a')?.value).toEqual(bytes('first'));
  });

  it('remembers a conflict as the outcome of the request, even when a retry would succeed', () => {
    const state = new KeyValueState();
    state.apply(1, put(1, 'a', 'x'));
    const create = transaction(2, {
      compare: [{ key: 'a', revision: 0 }],
      put: [{ key: 'a', value: bytes('y') }],
    });
    const conflict = { kind: 'conflict', key: 'a', revision: 1 };
    expect(state.apply(2, create).outcome).toEqual(conflict);
    state.apply(3, transaction(3, { remove: ['a'] }));
    expect(state.apply(4, create).outcome).toEqual(conflict);
  });

  it('records an entry that is no transaction', () => {
    const state = new KeyValueState();
    expect(state.refuse(1, 'garbage').outcome).toEqual({ kind: 'refused', reason: 'garbage' });
    expect(equalHashes(state.hash, EMPTY_HASH)).toBe(false);
    expect(state.contents().requests).toHaveLength(1);
  });

  it('a copy of the contents does not follow later changes', () => {
    const state = new KeyValueState();
    state.apply(1, put(1, 'a', 'x'));
    const cut = state.contents();
    state.apply(2, put(2, 'a', 'y'));
    state.apply(3, put(3, 'b', 'z'));
    expect([...cut.stored]).toEqual([{ key: 'a', value: bytes('x'), revision: 1 }]);
    expect(cut.requests).toHaveLength(1);
  });
});

describe('request table', () => {
  it('forgets the oldest line when it is full, and nothing before', () => {
    const table = new RequestTable(2);
    const line = (number: number) =>
      ({
        requestId: requestId(number),
        index: number,
        outcome: { kind: 'committed', revision: number },
      }) as const;
    expect(table.add(line(1))).toBeNull();
    expect(table.add(line(2))).toBeNull();
    expect(table.add(line(3))).toEqual(line(1));
    expect(table.lines()).toEqual([line(2), line(3)]);
    expect(table.find(requestId(1))).toBeNull();
    expect(table.find(requestId(3))).toEqual({ kind: 'committed', revision: 3 });
    expect(() => table.add(line(3))).toThrow('once');
  });

  it('cannot be made without room', () => {
    expect(() => new RequestTable(0)).toThrow('at least one');
  });
});

describe('a state read back', () => {
  const state = new KeyValueState();
  state.apply(1, put(1, 'a', 'x'));
  state.apply(2, put(2, 'b', 'y'));
  const { stored, requests } = state.contents();
  const contents = { stored: [...stored], requests };
  const summary = { index: 2, hash: state.hash };
  const reason = (
    changed: Partial<typeof contents>,
    changedSummary: Partial<typeof summary> = {},
  ): string => {
    const assembly = new StateAssembly();
    const all = { ...contents, ...changed };
    for (const value of all.stored) {
      const problem = assembly.addStored(value);
      if (problem !== null) return problem;
    }
    for (const request of all.requests) {
      const problem = assembly.addRequest(request);
      if (problem !== null) return problem;
    }
    const built = assembly.finish({ ...summary, ...changedSummary });
    return built.ok ? 'accepted' : built.error;
  };

  it('is accepted when nothing is missing, added or changed', () => {
    expect(reason({})).toBe('accepted');
  });

  it('is refused otherwise, with the reason', () => {
    const [a, b] = contents.stored;
    const [first, second] = contents.requests;
    expect(reason({ stored: [a!] })).toMatch('hashes to');
    expect(reason({ stored: [a!, { ...b!, value: bytes('Y') }] })).toMatch('hashes to');
    expect(reason({ requests: [second!] })).toMatch('hashes to');
    expect(reason({ stored: [a!, a!] })).toMatch('stored twice');
    expect(reason({ requests: [first!, first!] })).toMatch('recorded twice');
    expect(reason({ requests: [second!, first!] })).toMatch('not in log order');
    expect(reason({}, { index: 1 })).toMatch('a value of entry 2 lies in the state of entry 1');
    expect(reason({ stored: [a!] }, { index: 1 })).toMatch(
      'a request of entry 2 lies in the state of entry 1',
    );
  });
});
