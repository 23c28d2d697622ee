// The durable copy over a model of LevelDB: what is written, when, and what any crash leaves.

import { describe, expect, it } from 'vitest';

import { LevelCopy } from '../../../src/store/level-copy.ts';
import { logPosition } from '../../../src/store/log-entry.ts';
import { KeyValueState } from '../../../src/store/state/key-value-state.ts';
import type { Transaction } from '../../../src/store/types.ts';
import { SimulatedDatabase } from '../../support/simulated-database.ts';
import { everything, put, transaction, verified } from './support.ts';

function scene() {
  const database = new SimulatedDatabase();
  const faults: Error[] = [];
  const { yieldTurn } = database;
  const copy = new LevelCopy({ database, yieldTurn, onFault: (error) => faults.push(error) }, null);
  const state = new KeyValueState();
  let index = 0;
  const apply = (...transactions: Transaction[]): void => {
    const changes = transactions.flatMap((one) => {
      index += 1;
      return state.apply(index, one).changes;
    });
    copy.write({ position: logPosition(index, 1), hash: state.hash, changes });
  };
  /** Starts a call and lets everything settle; its answer must come later, and once. */
  const settled = (start: (done: (error?: Error | null) => void) => void): Error | null => {
    const results: (Error | null)[] = [];
    start((error = null) => results.push(error));
    expect(results).toEqual([]);
    database.runUntilIdle();
    expect(results).toHaveLength(1);
    return results[0] ?? null;
  };
  const flush = (): Error | null => settled((done) => copy.flush(done));
  const cut = () => ({ position: logPosition(index, 1), hash: state.hash, contents: state.contents() });
  const replace = (): Error | null => settled((done) => copy.replace(cut(), done));
  const close = (): Error | null => settled((done) => copy.close(done));
  return { database, faults, copy, state, apply, flush, cut, replace, close };
}

describe('LevelDB copy', () => {
  it('writes changes, position and hash in one batch, unsynced', () => {
    const { database, apply } = scene();
    apply(put(1, 'a', 'x'));
    database.runUntilIdle();
    expect(database.steps).toHaveLength(1);
    expect(database.steps[0]?.sync).toBe(false);
    expect(database.steps[0]?.changes.map(([key]) => key)).toEqual(['meta', 'k/a', 'r/0000000000000001']);
  });

  it('has one batch in flight and makes one batch of what came meanwhile, the last change of a key only', () => {
    const { database, apply, flush, state } = scene();
    apply(put(1, 'a', 'x'));
    database.runOne();
    for (let number = 2; number < 50; number += 1) apply(put(number, 'a', String(number)));
    apply(transaction(50, { remove: ['a'] }));
    expect(database.steps).toHaveLength(0);
    expect(flush()).toBeNull();
    expect(database.steps).toHaveLength(2);
    expect(database.steps[1]?.changes.filter(([key]) => key === 'k/a')).toEqual([['k/a', null]]);
    const loaded = verified(database.records());
    expect(loaded.ok && everything(loaded.value?.state)).toEqual(everything(state));
  });

  it('is a whole, verified state after every batch', () => {
    const { database, apply, flush } = scene();
    for (let number = 1; number < 30; number += 1) {
      apply(put(number, `k${number % 4}`, 'x'), transaction(number + 100, { remove: [`k${number % 3}`] }));
      if (number % 5 === 0) flush();
    }
    flush();
    expect(database.steps.length).toBeGreaterThan(5);
    for (let count = 0; count <= database.steps.length; count += 1)
      expect(verified(database.records(count)).ok).toBe(true);
  });

  it('a flush is a synced batch of everything before it, and calls back later even when there is nothing', () => {
    const { database, apply, flush } = scene();
    expect(flush()).toBeNull();
    expect(database.steps).toHaveLength(0);
    apply(put(1, 'a', 'x'));
    expect(flush()).toBeNull();
    expect(flush()).toBeNull();
    expect(database.steps.map(({ sync }) => sync)).toEqual([true, true]);
  });

  it('a large batch is filled in slices, with turns of the event loop between them, and is still one batch', () => {
    const { database, apply, state } = scene();
    const many = Array.from({ length: 2600 }, (_, place) => ({ key: `k${place}`, value: new Uint8Array() }));
    apply(transaction(1, { put: many }));
    let turns = 0;
    while (database.steps.length === 0 && database.runOne()) turns += 1;
    expect(turns).toBeGreaterThanOrEqual(1 + 5 + 1);
    const loaded = verified(database.records());
    expect(loaded.ok && everything(loaded.value?.state)).toEqual(everything(state));
  });

  it('after a failed write it writes nothing more, answers with that error and reports it once', () => {
    const { database, faults, apply, flush, replace, close } = scene();
    apply(put(1, 'a', 'x'));
    flush();
    database.failAt = 2;
    apply(put(2, 'a', 'y'));
    const failed = flush();
    expect(failed?.message).toBe('no space left on device');
    // The next write would succeed, and be lost: after a short append LevelDB goes on as if nothing had been.
    database.failAt = null;
    apply(put(3, 'a', 'z'));
    expect(flush()).toBe(failed);
    expect(replace()).toBe(failed);
    close();
    expect(database.steps).toHaveLength(1);
    expect(faults).toEqual([failed]);
    const loaded = verified(database.records());
    expect(loaded.ok && loaded.value?.position.index).toBe(1);
  });

  it('a replacement that fails at any batch ends the copy, and leaves what is known to be unusable or whole', () => {
    for (let failing = 1; ; failing += 1) {
      const { database, faults, apply, flush, replace } = scene();
      for (let number = 1; number <= 5; number += 1) apply(large(number));
      flush();
      database.failAt = 1 + failing;
      const error = replace();
      if (error === null) break;
      expect(faults).toEqual([error]);
      expect(flush()).toBe(error);
      const left = verified(database.records());
      if (failing === 1) expect(left.ok && left.value?.position.index).toBe(5);
      else expect(left).toEqual({ ok: false, error: REPLACING });
    }
  });

  it('a crash at any point of a replacement leaves the old state, the new state, or a copy known to be unusable', () => {
    const { database, copy, cut, apply, flush, state } = scene();
    for (let number = 1; number <= 10; number += 1) apply(large(number));
    flush();
    const before = database.steps.length;
    for (let number = 11; number <= 14; number += 1)
      apply(large(number), transaction(number + 50, { remove: [`key/${number - 10}`] }));
    const results: (Error | null)[] = [];
    copy.replace(cut(), (error) => results.push(error));
    apply(put(90, 'later', 'x'));
    expect(flush()).toBeNull();
    expect(results).toEqual([null]);
    const verdicts: string[] = [];
    for (let count = before; count <= database.steps.length; count += 1) {
      const left = verified(database.records(count));
      verdicts.push(left.ok ? `state ${left.value?.position.index}` : left.error);
    }
    const middle = verdicts.slice(1, -2);
    expect(middle.length).toBeGreaterThan(20);
    expect(verdicts).toEqual(['state 10', ...middle.map(() => REPLACING), 'state 18', 'state 19']);
    const last = verified(database.records());
    expect(last.ok && everything(last.value?.state)).toEqual(everything(state));
  });

  it('S73: a power loss takes unsynced batches from the end, and what is left is a state of an earlier entry', () => {
    const { database, apply, flush } = scene();
    const hashes = new Map<number, string>();
    for (let number = 1; number <= 20; number += 1) {
      apply(put(number, `k${number % 3}`, String(number)));
      if (number === 7) flush();
      database.runUntilIdle();
      const now = verified(database.records());
      if (now.ok && now.value !== null) hashes.set(number, JSON.stringify(now.value.state.hash));
    }
    expect(hashes.size).toBe(20);
    const positions = new Set<number>();
    for (let lost = 0; lost <= database.steps.length; lost += 1) {
      const left = verified(database.afterPowerLoss(lost).records());
      if (!left.ok || left.value === null) throw new Error('what was synced is lost');
      const { position, state } = left.value;
      expect(position.index).toBeGreaterThanOrEqual(7);
      expect(JSON.stringify(state.hash)).toBe(hashes.get(position.index));
      positions.add(position.index);
    }
    expect(positions.size).toBe(14);
  });

  it('closing writes what was taken over', () => {
    const { database, apply, close } = scene();
    apply(put(1, 'a', 'x'));
    close();
    expect(verified(database.records()).ok).toBe(true);
    expect(() => apply(put(2, 'a', 'x'))).toThrow('closed');
  });

  it('a failure to close is reported like a failed write', () => {
    const { database, faults, close } = scene();
    database.failAt = 0;
    close();
    expect(faults.map(({ message }) => message)).toEqual(['cannot close']);
  });
});

const REPLACING = 'the process ended while the copy was being replaced';

function large(number: number): Transaction {
  return transaction(number, { put: [{ key: `key/${number}`, value: new Uint8Array(300_000) }] });
}

describe('verification of the records', () => {
  const contents = (): Map<string, Uint8Array> => {
    const { database, apply, flush } = scene();
    apply(put(1, 'a', 'x'), put(2, 'b', 'y'));
    flush();
    return database.records();
  };
  const reason = (records: Map<string, Uint8Array>): string => {
    const result = verified(records);
    return result.ok ? 'accepted' : result.error;
  };

  it('finds any record missing, any record doubled and any bit flipped', () => {
    const records = contents();
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

  it('names the reason', () => {
    const records = contents();
    const without = new Map(records);
    without.delete('meta');
    expect(reason(without)).toBe('the summary record is missing');
    expect(reason(new Map(records).set('x', records.get('k/a')!))).toBe('the record "x" is damaged');
    expect(reason(new Map(records).set('k/a', Uint8Array.of(0xc1)))).toBe('the record "k/a" is damaged');
    expect(reason(new Map(records).set('k/a', records.get('k/b')!))).toBe('the record "k/a" is damaged');
    expect(verified([])).toEqual({ ok: true, value: null });
  });
});
