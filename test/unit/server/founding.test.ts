// While a group is founded: who answers in the place of a missing member, and what may be done about it.

import { expect, test } from 'vitest';

import type { Logger } from '../../../src/base/logger.ts';
import { err, ok, type Result } from '../../../src/base/result.ts';
import { clusterId, type ClusterId } from '../../../src/raft/cluster-id.ts';
import { foundingMembership } from '../../../src/raft/core/membership.ts';
import { logIndex, memberId, term } from '../../../src/raft/core/types.ts';
import type { DriverStatus } from '../../../src/raft/status.ts';
import { FoundingWatch } from '../../../src/server/founding.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { FakeClock } from '../leader/fake-clock.ts';

const GROUP = clusterId('a'.repeat(32));
const OTHER = clusterId('b'.repeat(32));
const FOUNDERS = foundingMembership(
  new Map([
    [memberId(1), 'a:1'],
    [memberId(2), 'b:1'],
    [memberId(3), 'c:1'],
  ]),
);

/** Member 1 waits, heard nobody, and asks; what it says after its first look. */
async function look(
  told: Readonly<Record<string, Result<{ clusterId: ClusterId; memberId: number }, string>>>,
) {
  const clock = new FakeClock();
  const lines: unknown[] = [];
  const logger: Logger = { ...silentLogger, info: (event, fields) => void lines.push([event, fields]) };
  const status = {
    id: memberId(1),
    last: { index: logIndex(0), term: term(0) },
    peers: [],
  } as unknown as DriverStatus;
  const watch = new FoundingWatch(
    { membership: FOUNDERS, status: () => status },
    {
      clock,
      logger,
      awayMs: 1000,
      clusterId: GROUP,
      ask: (address) => Promise.resolve(told[address] ?? err('silent')),
    },
  );
  watch.start();
  await clock.advance(1000);
  watch.stop();
  return { trouble: watch.trouble, lines };
}

test('members that are merely missing are no trouble', async () => {
  const { trouble, lines } = await look({ 'b:1': ok({ clusterId: GROUP, memberId: 2 }) });
  expect(trouble).toBeNull();
  expect(lines).toEqual([
    ['raft.founding.waiting', expect.objectContaining({ awaited: '2,3', trouble: null })],
  ]);
});

test('members of another group are left alone: it is this one whose disk may have been emptied', async () => {
  const { trouble, lines } = await look({
    'b:1': ok({ clusterId: OTHER, memberId: 2 }),
    'c:1': ok({ clusterId: OTHER, memberId: 3 }),
  });
  expect(trouble).toContain(
    'member 2 at b:1 was started for another group, member 3 at c:1 was started for another group: ',
  );
  expect(trouble).toContain('the same list in the same order on all members');
  expect(trouble).toContain('the data directory of member 1 was emptied: leave the others as they are');
  expect(trouble).toContain('POST /api/v1/raft/peers {"id":1,"operation":"remove"}');
  expect(trouble).toContain('raft.cluster_state: existing');
  // Whoever follows this must never come to delete what the others hold.
  expect(trouble).not.toMatch(/director(y|ies) of (earlier|the other)|delete/);
  expect(trouble?.match(/director/g)).toHaveLength(2);
  expect(lines).toEqual([['raft.founding.waiting', expect.objectContaining({ trouble })]]);
});

test('a member under another number is told apart', async () => {
  const { trouble } = await look({ 'b:1': ok({ clusterId: GROUP, memberId: 3 }) });
  expect(trouble).toBe('member 3 answers at b:1: correct raft.id or raft.peers');
});
