// A leader that asks its members what they support and raises the level of the group when all of them do.

import { describe, expect, test } from 'vitest';

import type { LogFields } from '../../../../src/base/logger.ts';
import { createSeededRandom } from '../../../../src/base/random.ts';
import { err, ok, type Result } from '../../../../src/base/result.ts';
import { clusterId } from '../../../../src/raft/cluster-id.ts';
import { foundingMembership } from '../../../../src/raft/core/membership.ts';
import type { RoleView } from '../../../../src/raft/core/step.ts';
import { incarnation, memberId, term, type Membership } from '../../../../src/raft/core/types.ts';
import { AppliedLevel } from '../../../../src/server/feature-level/applied-level.ts';
import { LevelKeeper, type ToldLevel } from '../../../../src/server/feature-level/level-keeper.ts';
import { ReplicatedStore } from '../../../../src/store/replicated-store.ts';
import { silentLogger } from '../../../support/silent-logger.ts';
import { FakeClock } from '../../leader/fake-clock.ts';
import { GroupOfOne } from '../../registry/support.ts';

const GROUP = clusterId('a'.repeat(32));
const [ONE, TWO, THREE, FOUR] = [memberId(1), memberId(2), memberId(3), memberId(4)];
const DISK = incarnation('c'.repeat(32));
const OTHER_DISK = incarnation('d'.repeat(32));
const FOUNDERS: Membership = {
  ...foundingMembership(
    new Map([
      [ONE, 'a:1'],
      [TWO, 'b:1'],
      [THREE, 'c:1'],
    ]),
  ),
  incarnations: new Map([
    [ONE, DISK],
    [TWO, DISK],
    [THREE, DISK],
  ]),
};

interface Line {
  readonly event: string;
  readonly fields: LogFields;
}

/** Member 1, which supports `supported`, in a group whose others say what `say` has under their address. */
function scene(supported = 2) {
  const consensus = new GroupOfOne();
  const clock = new FakeClock();
  const applied = new AppliedLevel(consensus.machine, supported);
  const lines: Line[] = [];
  const listeners = new Set<(view: RoleView) => void>();
  const driver = {
    role: follower(1),
    membership: FOUNDERS,
    onRole: (listener: (view: RoleView) => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  const says = new Map<string, Result<ToldLevel, string>>();
  let onAsked: () => void = () => undefined;
  const keeper = new LevelKeeper({
    driver,
    self: ONE,
    clusterId: GROUP,
    applied,
    store: new ReplicatedStore(consensus, consensus.machine),
    ask: (address) => {
      onAsked();
      return Promise.resolve(says.get(address) ?? err(`${address} cannot be asked`));
    },
    clock,
    random: createSeededRandom(1),
    logger: { ...silentLogger, info: (event, fields = {}) => void lines.push({ event, fields }) },
  });
  return {
    consensus,
    clock,
    applied,
    keeper,
    driver,
    lines,
    say: (id: number, featureLevel: number, more: Partial<ToldLevel> = {}) => {
      const address = driver.membership.addresses.get(memberId(id)) ?? '';
      says.set(address, ok({ clusterId: GROUP, memberId: id, incarnation: DISK, featureLevel, ...more }));
    },
    whenAsked: (then: () => void) => {
      onAsked = then;
    },
    become: (view: RoleView) => {
      driver.role = view;
      consensus.isLeader = view.established;
      consensus.term = view.term;
      for (const listener of listeners) listener(view);
    },
  };
}

function follower(number: number): RoleView {
  return { role: 'follower', term: term(number), leader: TWO, established: false };
}

function leader(number: number): RoleView {
  return { role: 'leader', term: term(number), leader: ONE, established: true };
}

/** Long enough for several looks. */
const LOOKS_MS = 5000;

describe('a leader', () => {
  test('raises the level once all members have said that they support it', async () => {
    const { become, say, clock, applied, lines, keeper } = scene();
    say(2, 2);
    say(3, 2);
    become(leader(1));
    await clock.until(() => applied.recorded.level === 2, LOOKS_MS);
    await clock.advance(LOOKS_MS);
    expect(lines).toEqual([{ event: 'raft.feature_level.raised', fields: { from: 1, to: 2 } }]);
    expect([ONE, TWO, THREE].map((member) => keeper.levelOf(member))).toEqual([2, 2, 2]);
  });

  test('waits for the last one, and says for whom, once', async () => {
    const { become, say, clock, applied, lines } = scene();
    say(2, 1);
    become(leader(1));
    await clock.advance(LOOKS_MS);
    expect(applied.recorded.level).toBe(1);
    say(2, 2);
    await clock.advance(LOOKS_MS);
    say(3, 2);
    await clock.until(() => applied.recorded.level === 2, LOOKS_MS);
    await clock.advance(0);
    expect(lines.map(({ event, fields }) => [event, fields['reason']])).toEqual([
      ['raft.feature_level.held', 'member 2 supports level 1, member 3 does not say what it supports'],
      ['raft.feature_level.held', 'member 3 does not say what it supports'],
      ['raft.feature_level.raised', undefined],
    ]);
  });

  test('rises no further than its own operator allows', async () => {
    const { become, say, clock, applied, consensus } = scene(1);
    say(2, 2);
    say(3, 2);
    become(leader(1));
    await clock.advance(LOOKS_MS);
    expect([applied.recorded.level, consensus.proposals]).toEqual([1, 0]);
  });

  test.each<[string, Partial<ToldLevel>]>([
    ['another group', { clusterId: clusterId('b'.repeat(32)) }],
    ['another member', { memberId: 2 }],
    ['another data directory than the member is bound to', { incarnation: OTHER_DISK }],
  ])('does not take the word of %s for that of a member', async (_who, told) => {
    const { become, say, clock, applied, keeper } = scene();
    say(2, 2);
    say(3, 2, told);
    become(leader(1));
    await clock.advance(LOOKS_MS);
    expect([applied.recorded.level, keeper.levelOf(THREE)]).toEqual([1, null]);
  });

  test('counts a learner as everybody else', async () => {
    const { become, say, clock, applied, driver } = scene();
    const addresses = new Map([...FOUNDERS.addresses, [FOUR, 'd:1'] as const]);
    driver.membership = { ...FOUNDERS, learners: [FOUR], addresses };
    say(2, 2);
    say(3, 2);
    become(leader(1));
    await clock.advance(LOOKS_MS);
    expect(applied.recorded.level).toBe(1);
    say(4, 2);
    await clock.until(() => applied.recorded.level === 2, LOOKS_MS);
  });

  test('does not raise on the word of a configuration that has changed meanwhile', async () => {
    const { become, say, clock, applied, driver, whenAsked } = scene();
    say(2, 2);
    say(3, 2);
    const addresses = new Map([...FOUNDERS.addresses, [FOUR, 'd:1'] as const]);
    whenAsked(() => {
      driver.membership = { ...FOUNDERS, learners: [FOUR], addresses };
    });
    become(leader(1));
    await clock.advance(LOOKS_MS);
    expect(applied.recorded.level).toBe(1);
  });

  test('forgets what it was told when it loses the lead, and asks anew in the next one', async () => {
    const { become, say, clock, applied, keeper } = scene();
    say(2, 2);
    become(leader(1));
    await clock.until(() => keeper.levelOf(TWO) === 2, LOOKS_MS);
    become(follower(2));
    expect(keeper.levelOf(TWO)).toBeNull();
    say(2, 1);
    say(3, 2);
    become(leader(3));
    await clock.advance(LOOKS_MS);
    expect([applied.recorded.level, keeper.levelOf(TWO)]).toEqual([1, 1]);
  });

  test('that lost the lead while it asked raises nothing', async () => {
    const { become, say, clock, consensus, whenAsked } = scene();
    say(2, 2);
    say(3, 2);
    whenAsked(() => become(follower(2)));
    become(leader(1));
    await clock.advance(LOOKS_MS);
    expect(consensus.proposals).toBe(0);
  });

  test('tries again when a raise had no outcome', async () => {
    const { become, say, clock, consensus, applied } = scene();
    say(2, 2);
    say(3, 2);
    consensus.fates = ['lost', 'overloaded', 'applied'];
    become(leader(1));
    await clock.until(() => applied.recorded.level === 2, LOOKS_MS);
    expect(consensus.proposals).toBe(3);
  });
});

describe('a member that does not lead', () => {
  test('asks nobody', async () => {
    const { clock, say, applied, whenAsked } = scene();
    let asked = 0;
    whenAsked(() => {
      asked += 1;
    });
    say(2, 2);
    say(3, 2);
    await clock.advance(LOOKS_MS);
    expect([asked, applied.recorded.level, clock.pendingCount]).toEqual([0, 1, 0]);
  });

  test('has nothing left to do once it is closed', async () => {
    const { become, clock, keeper, consensus } = scene();
    become(leader(1));
    await keeper.close();
    await clock.advance(LOOKS_MS);
    expect([clock.pendingCount, consensus.proposals]).toEqual([0, 0]);
  });
});
