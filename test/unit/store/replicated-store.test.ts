import { describe, expect, it } from 'vitest';

import type { Result } from '../../../src/base/result.ts';
import { ReplicatedStore } from '../../../src/store/replicated-store.ts';
import type { Consensus, StoreChange, StoreUnavailable, TransactOptions } from '../../../src/store/types.ts';
import { bytes, entry, memoryMachine, put, transaction } from './support.ts';

/** A group of one: every proposal is committed and applied at once, unless told otherwise. */
class GroupOfOne implements Consensus {
  readonly machine = memoryMachine();
  readonly proposed: TransactOptions[] = [];
  unavailable: StoreUnavailable | null = null;

  async propose(data: Uint8Array, options: TransactOptions): Promise<Result<unknown, StoreUnavailable>> {
    this.proposed.push(options);
    if (this.unavailable !== null) return { ok: false, error: this.unavailable };
    return { ok: true, value: this.machine.apply([entry(this.machine.applied + 1, data)])[0] };
  }

  async read(deadlineMs: number): Promise<Result<void, StoreUnavailable>> {
    return deadlineMs > 0
      ? { ok: true, value: undefined }
      : { ok: false, error: { kind: 'unknown', reason: 'late' } };
  }
}

const options = { deadlineMs: 1000, term: 3 };

describe('replicated store', () => {
  it('commits, answers with the outcome, and reads what was applied', async () => {
    const group = new GroupOfOne();
    const store = new ReplicatedStore(group, group.machine);
    const seen: StoreChange[] = [];
    const stop = store.watch((change) => seen.push(change));
    expect(await store.transact(put(1, 'a', 'x'), options)).toEqual({
      ok: true,
      value: { kind: 'committed', revision: 1 },
    });
    expect(group.proposed).toEqual([options]);
    expect(store.get('a')).toEqual({ key: 'a', value: bytes('x'), revision: 1 });
    expect(store.list('')).toHaveLength(1);
    expect(seen).toEqual([{ kind: 'keys', revision: 1, keys: ['a'] }]);
    stop();
    expect(await store.linearize(1)).toEqual({ ok: true, value: undefined });
    expect(await store.linearize(0)).toEqual({ ok: false, error: { kind: 'unknown', reason: 'late' } });
  });

  it('passes on why there is no outcome', async () => {
    const group = new GroupOfOne();
    group.unavailable = { kind: 'notLeader' };
    const store = new ReplicatedStore(group, group.machine);
    expect(await store.transact(put(1, 'a', 'x'), options)).toEqual({
      ok: false,
      error: { kind: 'notLeader' },
    });
  });

  it('proposes nothing that breaks a limit', async () => {
    const group = new GroupOfOne();
    const store = new ReplicatedStore(group, group.machine);
    const tooLarge = ['a', 'b', 'c', 'd', 'e'].map((key) => ({ key, value: new Uint8Array(1024 * 1024) }));
    for (const one of [
      transaction(1, { put: [{ key: '', value: bytes('') }] }),
      transaction(1, { put: tooLarge }),
    ]) {
      const result = await store.transact(one, options);
      expect(!result.ok && result.error.kind).toBe('invalid');
    }
    expect(group.proposed).toEqual([]);
  });

  it('an answer that is no outcome is a bug', async () => {
    const consensus: Consensus = {
      propose: async () => ({ ok: true, value: 7 }),
      read: async () => ({ ok: true, value: undefined }),
    };
    await expect(
      new ReplicatedStore(consensus, memoryMachine()).transact(put(1, 'a', 'x'), options),
    ).rejects.toThrow('outcome');
  });
});
