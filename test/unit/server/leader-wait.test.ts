// Who asks between two leaders waits for the next one, and nobody waits for long, or in vain in a dead group.

import { describe, expect, test } from 'vitest';

import { foundingMembership } from '../../../src/raft/core/membership.ts';
import { memberId } from '../../../src/raft/core/types.ts';
import { leaderSource, NextLeader } from '../../../src/server/leader-wait.ts';
import { FakeClock } from '../leader/fake-clock.ts';

const ELECTION_MS = 500;
const NEVER = new AbortController().signal;

/** A group whose leader comes and goes, and who waits for it. */
function scene({ isKnown = true, electionTimeoutMs = ELECTION_MS } = {}) {
  const clock = new FakeClock();
  const listeners = new Set<() => void>();
  let known = isKnown;
  let isMember = true;
  const leaders = new NextLeader(
    {
      isKnown: () => known,
      isMember: () => isMember,
      onChange: (listener) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    { clock, electionTimeoutMs },
  );
  const ended: number[] = [];
  const startMs = clock.monotonicMs();
  return {
    clock,
    leaders,
    listeners,
    /** Milliseconds from the start at which each wait ended. */
    ended,
    tell: (next: boolean): void => {
      known = next;
      for (const listener of listeners) listener();
    },
    remove: (): void => {
      isMember = false;
      for (const listener of listeners) listener();
    },
    wait: (abandoned = NEVER): void => {
      void leaders.untilKnown(abandoned).then(() => ended.push(clock.monotonicMs() - startMs));
    },
  };
}

describe('a request between two leaders', () => {
  test('waits until the next one is known', async () => {
    const { clock, tell, wait, ended } = scene();
    tell(false);
    wait();
    await clock.advance(20);
    // An election may take two terms.
    tell(false);
    expect(ended).toEqual([]);
    tell(true);
    await clock.advance(10);
    expect(ended).toEqual([20]);
    expect(clock.pendingCount).toBe(0);
  });

  test('waits until an election timeout after the loss at most, however late it came, and later ones do not wait', async () => {
    const { clock, tell, wait, ended } = scene();
    tell(false);
    wait();
    await clock.advance(400);
    // Another term without a leader does not begin the time anew.
    tell(false);
    wait();
    await clock.advance(99);
    expect(ended).toEqual([]);
    await clock.advance(1);
    expect(ended).toEqual([500, 500]);
    await clock.advance(1000);
    wait();
    await clock.advance(0);
    expect(ended).toEqual([500, 500, 1500]);
  });

  test('never waits where no leader was known yet', async () => {
    const { clock, tell, wait, ended } = scene({ isKnown: false });
    tell(false);
    wait();
    await clock.advance(0);
    expect(ended).toEqual([0]);
  });

  test('waits two seconds at most, however slow elections are', async () => {
    const { clock, tell, wait, ended } = scene({ electionTimeoutMs: 60_000 });
    tell(false);
    wait();
    await clock.advance(10_000);
    expect(ended).toEqual([2000]);
  });

  test('is given up by its client at once', async () => {
    const { clock, tell, wait, ended } = scene();
    const client = new AbortController();
    tell(false);
    wait(client.signal);
    await clock.advance(10);
    client.abort();
    wait(client.signal);
    await clock.advance(0);
    expect(ended).toEqual([10, 10]);
  });

  test('is not kept beside a thousand others', async () => {
    const { clock, tell, wait, ended } = scene();
    tell(false);
    for (let count = 0; count < 1025; count += 1) wait();
    await clock.advance(1);
    expect(ended).toEqual([0]);
    tell(true);
    await clock.advance(0);
    expect(ended).toHaveLength(1025);
  });

  test('does not wait at a member that was removed, which will hear of no other', async () => {
    const { clock, tell, remove, wait, ended } = scene();
    tell(false);
    wait();
    await clock.advance(10);
    remove();
    wait();
    await clock.advance(0);
    expect([ended, clock.pendingCount]).toEqual([[10, 10], 0]);
    const other = scene();
    other.remove();
    other.tell(false);
    other.wait();
    await other.clock.advance(0);
    expect(other.ended).toEqual([0]);
  });

  test('ends with the member, which waits for nobody then', async () => {
    const { clock, leaders, listeners, tell, wait, ended } = scene();
    tell(false);
    wait();
    await leaders.close();
    await clock.advance(0);
    expect([ended, listeners.size, clock.pendingCount]).toEqual([[0], 0, 0]);
  });
});

test('a leader is known once its address is, a removed member is none, and both are told', () => {
  const [ONE, TWO] = [memberId(1), memberId(2)];
  const listeners = new Set<() => void>();
  const listen = (listener: () => void): (() => void) => {
    const own = (): void => listener();
    listeners.add(own);
    return () => listeners.delete(own);
  };
  const led = {
    role: { leader: TWO },
    membership: foundingMembership(new Map([[ONE, 'a:1']])),
    onRole: listen,
    onMembership: listen,
  };
  const source = leaderSource(led, ONE);
  let calls = 0;
  const stop = source.onChange(() => {
    calls += 1;
  });
  expect([source.isKnown(), source.isMember()]).toEqual([false, true]);
  led.membership = foundingMembership(new Map([[TWO, 'b:1']]));
  for (const listener of listeners) listener();
  expect([source.isKnown(), source.isMember(), calls]).toEqual([true, false, 2]);
  stop();
  expect(listeners.size).toBe(0);
});
