// A joining member asks until it knows which group it joins, and refuses what cannot be right.

import { describe, expect, test } from 'vitest';

import { err, ok, type Result } from '../../../src/base/result.ts';
import { clusterId } from '../../../src/raft/cluster-id.ts';
import { learnCluster, type JoinParts, type ToldIdentity } from '../../../src/server/join.ts';
import { silentLogger } from '../../support/silent-logger.ts';

const GROUP = clusterId('1'.repeat(32));
const OTHER = clusterId('2'.repeat(32));

/** Rounds of answers by address; the last round repeats. Time passes at once. */
function asking(
  rounds: readonly Readonly<Record<string, Result<ToldIdentity, string>>>[],
  more: Partial<JoinParts> = {},
): { readonly parts: JoinParts; readonly waited: string[]; readonly asked: string[] } {
  const waited: string[] = [];
  const asked: string[] = [];
  let round = 0;
  const parts: JoinParts = {
    contacts: Object.keys(rounds[0] ?? {}),
    self: 4,
    ask: (address) => {
      asked.push(address);
      return Promise.resolve(rounds[Math.min(round, rounds.length - 1)]?.[address] ?? err('silent'));
    },
    clock: {
      monotonicMs: () => 0,
      wallMs: () => 0,
      setTimer: (_delayMs, callback) => {
        round += 1;
        queueMicrotask(callback);
        return { cancel: () => undefined };
      },
    },
    logger: silentLogger,
    onWaiting: (reason) => waited.push(reason),
    abandoned: new AbortController().signal,
    ...more,
  };
  return { parts, waited, asked };
}

const told = (memberId: number, group = GROUP): Result<ToldIdentity, string> =>
  ok({ clusterId: group, memberId });

describe('learning the group', () => {
  test('one answer is enough', async () => {
    const { parts, waited } = asking([{ a: err('connect ECONNREFUSED'), b: told(2) }]);
    expect(await learnCluster(parts)).toEqual(ok(GROUP));
    expect(waited).toEqual([]);
  });

  test('while nobody answers it waits, and says for whom and why', async () => {
    const { parts, waited, asked } = asking([
      { a: err('connect ECONNREFUSED'), b: err('is starting') },
      { a: err('connect ECONNREFUSED'), b: told(2) },
    ]);
    expect(await learnCluster(parts)).toEqual(ok(GROUP));
    expect(asked).toEqual(['a', 'b', 'a', 'b']);
    expect(waited).toEqual([
      'waiting for a member of the group to join to say which group it is (a: connect ECONNREFUSED; b: is starting)',
    ]);
  });

  test('members of two groups are refused, whoever answers first', async () => {
    const { parts } = asking([{ a: told(1), b: told(2, OTHER) }]);
    const result = await learnCluster(parts);
    expect(result).toMatchObject({ ok: false, error: expect.stringContaining('two groups') });
  });

  test('a number that another process uses is refused', async () => {
    const { parts } = asking([{ a: told(1), b: told(4) }]);
    const result = await learnCluster(parts);
    expect(result).toMatchObject({ ok: false, error: expect.stringContaining('member 4 runs at b already') });
  });

  test('it can be abandoned', async () => {
    const stop = new AbortController();
    const { parts } = asking([{ a: err('silent') }], {
      onWaiting: () => stop.abort(),
      abandoned: stop.signal,
    });
    expect(await learnCluster(parts)).toBeNull();
  });
});
