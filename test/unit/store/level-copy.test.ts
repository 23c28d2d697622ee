import { setImmediate as turn } from 'node:timers/promises';

import { describe, expect, it } from 'vitest';

import { LevelCopy, type LevelOperation, type LevelTarget } from '../../../src/store/level-copy.ts';
import { type LevelRecord, verifyRecords } from '../../../src/store/level-records.ts';
import { logPosition } from '../../../src/store/log-entry.ts';
import { EMPTY_CONTENTS, KeyValueState } from '../../../src/store/state/key-value-state.ts';
import type { Transaction } from '../../../src/store/types.ts';
import { put, transaction } from './support.ts';

interface Batch {
  readonly operations: readonly LevelOperation[];
  readonly sync: boolean;
}

/** A database in memory that completes and fails when told, and can be looked at as after a crash between any two writes. */
class ModelTarget implements LevelTarget {
  readonly records = new Map<string, Uint8Array>();
  readonly batches: Batch[] = [];
  /** What a crash after each write would leave. */
  readonly states: LevelRecord[][] = [];
  inFlight = 0;
  failAt: number | null = null;
  #gate: Promise<void> = Promise.resolve();
  #open: () => void = () => undefined;

  hold(): void {
    this.#gate = new Promise((resolve) => {
      this.#open = resolve;
    });
  }

  release(): void {
    this.#open();
  }

  async batch(operations: LevelOperation[], { sync }: { readonly sync: boolean }): Promise<void> {
    this.inFlight += 1;
    expect(this.inFlight).toBe(1);
    this.batches.push({ operations, sync });
    const number = this.batches.length;
    await this.#gate;
    this.inFlight -= 1;
    if (number === this.failAt) throw new Error('no space left on device');
    for (const operation of operations) {
      if (operation.type === 'put') this.records.set(operation.key, operation.value);
      else this.records.delete(operation.key);
    }
    this.#remember();
  }

  /** One by one, as LevelDB does: a clear is not atomic. */
  async clear(range: { readonly lt: string } | { readonly gt: string }): Promise<void> {
    for (const key of this.records.keys()) {
      if ('lt' in range ? key >= range.lt : key <= range.gt) continue;
      await Promise.resolve();
      this.records.delete(key);
      this.#remember();
    }
  }

  close(): Promise<void> {
    return this.failAt === 0 ? Promise.reject(new Error('cannot close')) : Promise.resolve();
  }

  #remember(): void {
    this.states.push([...this.records]);
  }
}

function scene() {
  const target = new ModelTarget();
  const faults: Error[] = [];
  const copy = new LevelCopy(target, null, (error) => faults.push(error));
  const state = new KeyValueState(EMPTY_CONTENTS);
  let index = 0;
  const apply = (...transactions: Transaction[]): void => {
    const changes = transactions.flatMap((one) => {
      index += 1;
      return state.apply(index, one).changes;
    });
    copy.write({ position: logPosition(index, 1), hash: state.hash, changes });
  };
  const flush = (): Promise<Error | null> =>
    new Promise((resolve) => {
      copy.flush(resolve);
    });
  const replace = (): Promise<Error | null> =>
    new Promise((resolve) => {
      copy.replace(
        { position: logPosition(index, 1), hash: state.hash, contents: state.contents() },
        resolve,
      );
    });
  return { target, faults, copy, state, apply, flush, replace };
}

describe('LevelDB copy', () => {
  it('writes changes, position and hash in one batch, unsynced', async () => {
    const { target, apply } = scene();
    apply(put(1, 'a', 'x'));
    await turn();
    expect(target.batches).toHaveLength(1);
    expect(target.batches[0]?.sync).toBe(false);
    expect(target.batches[0]?.operations.map(({ key }) => key)).toEqual([
      'meta',
      'k/a',
      'r/0000000000000001',
    ]);
  });

  it('has one batch in flight and makes one batch of what came meanwhile, the last change of a key only', async () => {
    const { target, apply, flush, state } = scene();
    target.hold();
    apply(put(1, 'a', 'x'));
    await turn();
    for (let number = 2; number < 50; number += 1) apply(put(number, 'a', String(number)));
    apply(transaction(50, { remove: ['a'] }));
    const done = flush();
    await turn();
    expect(target.batches).toHaveLength(1);
    target.release();
    expect(await done).toBeNull();
    expect(target.batches).toHaveLength(2);
    expect(target.batches[1]?.operations.filter(({ key }) => key === 'k/a')).toEqual([
      { type: 'del', key: 'k/a' },
    ]);
    const loaded = verifyRecords([...target.records]);
    expect(loaded.ok && loaded.value?.state.contents()).toEqual(state.contents());
  });

  it('is a whole, verified state after every batch', async () => {
    const { target, apply, flush } = scene();
    for (let number = 1; number < 30; number += 1) {
      apply(put(number, `k${number % 4}`, 'x'), transaction(number + 100, { remove: [`k${number % 3}`] }));
      if (number % 5 === 0) await flush();
    }
    await flush();
    expect(target.states.length).toBeGreaterThan(5);
    for (const records of target.states) expect(verifyRecords(records).ok).toBe(true);
  });

  it('a flush is a synced batch of everything before it, and calls back later even when there is nothing', async () => {
    const { target, apply, flush, copy } = scene();
    let isInside = true;
    const called = new Promise<void>((resolve) => {
      copy.flush((error) => {
        expect(isInside).toBe(false);
        expect(error).toBeNull();
        resolve();
      });
    });
    isInside = false;
    await called;
    expect(target.batches).toHaveLength(0);
    apply(put(1, 'a', 'x'));
    expect(await flush()).toBeNull();
    expect(await flush()).toBeNull();
    expect(target.batches.map(({ sync }) => sync)).toEqual([true, true]);
  });

  it('after a failed write it writes nothing more, answers with that error and reports it once', async () => {
    const { target, faults, apply, flush, replace, copy } = scene();
    apply(put(1, 'a', 'x'));
    await flush();
    target.failAt = 2;
    apply(put(2, 'a', 'y'));
    const failed = await flush();
    expect(failed?.message).toBe('no space left on device');
    apply(put(3, 'a', 'z'));
    expect(await flush()).toBe(failed);
    expect(await replace()).toBe(failed);
    await copy.close();
    expect(target.batches).toHaveLength(2);
    expect(faults).toEqual([failed]);
    const loaded = verifyRecords([...target.records]);
    expect(loaded.ok && loaded.value?.position.index).toBe(1);
  });

  it('a crash at any point of a replacement leaves the old state, the new state, or a copy known to be unusable', async () => {
    const { target, apply, flush, replace, state } = scene();
    const large = (number: number): Transaction =>
      transaction(number, { put: [{ key: `key/${number}`, value: new Uint8Array(300_000) }] });
    for (let number = 1; number <= 10; number += 1) apply(large(number));
    await flush();
    const before = target.states.length;
    for (let number = 11; number <= 14; number += 1)
      apply(large(number), transaction(number + 50, { remove: [`key/${number - 10}`] }));
    const replaced = replace();
    apply(put(90, 'later', 'x'));
    expect(await replaced).toBeNull();
    await flush();
    const verdicts = target.states.slice(before - 1, -1).map((records) => {
      const verified = verifyRecords(records);
      return verified.ok ? `state ${verified.value?.position.index}` : verified.error;
    });
    const unusable = 'the process ended while the copy was being replaced';
    const middle = verdicts.slice(1, -2);
    expect(middle.length).toBeGreaterThan(20);
    expect(verdicts).toEqual(['state 10', ...middle.map(() => unusable), 'state 18', 'state 19']);
    const last = verifyRecords([...target.records]);
    expect(last.ok && last.value?.state.contents()).toEqual(state.contents());
  });

  it('closing writes what was taken over', async () => {
    const { target, apply, copy } = scene();
    apply(put(1, 'a', 'x'));
    await copy.close();
    expect(verifyRecords([...target.records]).ok).toBe(true);
    expect(() => apply(put(2, 'a', 'x'))).toThrow('closed');
  });

  it('a failure to close is reported like a failed write', async () => {
    const { target, faults, copy } = scene();
    target.failAt = 0;
    await copy.close();
    expect(faults.map(({ message }) => message)).toEqual(['cannot close']);
  });
});

describe('verification of the records', () => {
  const contents = async (): Promise<Map<string, Uint8Array>> => {
    const { target, apply, flush } = scene();
    apply(put(1, 'a', 'x'), put(2, 'b', 'y'));
    await flush();
    return target.records;
  };
  const reason = (records: Map<string, Uint8Array>): string => {
    const verified = verifyRecords([...records]);
    return verified.ok ? 'accepted' : verified.error;
  };

  it('finds any record missing, any record doubled and any bit flipped', async () => {
    const records = await contents();
    expect(reason(records)).toBe('accepted');
    for (const [key, value] of records) {
      const without = new Map(records);
      without.delete(key);
      expect(reason(without)).not.toBe('accepted');
      if (key !== 'meta') expect(reason(new Map(records).set(`${key}0`, value))).toMatch('is damaged');
      for (let bit = 0; bit < value.length * 8; bit += 1) {
        const flipped = Uint8Array.from(value);
        flipped[bit >>> 3]! ^= 1 << (bit & 7);
        expect(reason(new Map(records).set(key, flipped))).not.toBe('accepted');
      }
    }
  });

  it('names the reason', async () => {
    const records = await contents();
    const without = new Map(records);
    without.delete('meta');
    expect(reason(without)).toBe('the summary record is missing');
    expect(reason(new Map(records).set('x', records.get('k/a')!))).toBe('the record "x" is damaged');
    expect(reason(new Map(records).set('k/a', Uint8Array.of(0xc1)))).toBe('the record "k/a" is damaged');
    expect(reason(new Map(records).set('k/a', records.get('k/b')!))).toBe('the record "k/a" is damaged');
    expect(verifyRecords([])).toEqual({ ok: true, value: null });
  });
});
