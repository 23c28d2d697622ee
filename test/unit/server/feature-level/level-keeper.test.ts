// A leader that asks its members what they support, gives a new group its level, and leaves an old one to people.

import { describe, expect, test } from 'vitest';

import { FEATURE_LEVEL, FEATURES } from '../../../../src/base/feature-level.ts';
import type { LogFields } from '../../../../src/base/logger.ts';
import { createSeededRandom } from '../../../../src/base/random.ts';
import { err, ok, type Result } from '../../../../src/base/result.ts';
import { clusterId } from '../../../../src/raft/cluster-id.ts';
import { foundingMembership } from '../../../../src/raft/core/membership.ts';
import type { RoleView } from '../../../../src/raft/core/step.ts';
import { incarnation, memberId, term, type Membership } from '../../../../src/raft/core/types.ts';
import { AppliedLevel } from '../../../../src/server/feature-level/applied-level.ts';
import { LevelKeeper } from '../../../../src/server/feature-level/level-keeper.ts';
import type { ToldLevel } from '../../../../src/server/feature-level/survey.ts';
import { upgrades } from '../../../../src/server/feature-level/upgrades.ts';
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
  const parts = {
    driver,
    self: ONE,
    clusterId: GROUP,
    applied,
    store: new ReplicatedStore(consensus, consensus.machine),
    release: '1.2.3',
    ask: (address: string) => {
      onAsked();
      return Promise.resolve(says.get(address) ?? err(`${address} cannot be asked`));
    },
    clock,
    random: createSeededRandom(1),
    logger: {
      ...silentLogger,
      info: (event: string, fields: LogFields = {}) => void lines.push({ event, fields }),
    },
  };
  const keeper = new LevelKeeper(parts);
  return {
    consensus,
    clock,
    applied,
    keeper,
    upgrades: upgrades(parts),
    driver,
    lines,
    say: (id: number, featureLevel: number, more: Partial<ToldLevel> = {}) => {
      const address = driver.membership.addresses.get(memberId(id)) ?? '';
      says.set(
        address,
        ok({ clusterId: GROUP, memberId: id, incarnation: DISK, featureLevel, release: null, ...more }),
      );
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
  test('gives a new group its level once all members have said that they support it', async () => {
    const { become, say, clock, applied, lines, keeper } = scene();
    say(2, 2);
    say(3, 2);
    become(leader(1));
    await clock.until(() => applied.recorded.level === 2, LOOKS_MS);
    await clock.advance(LOOKS_MS);
    expect(lines).toEqual([
      { event: 'raft.feature_level.raised', fields: { from: 1, to: 2, why: 'founded' } },
    ]);
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

/** A group that works at level 2, all members of which support 3 by now, and its leader, member 1, `supported`. */
async function upgraded(supported = 3) {
  const it = scene(supported);
  for (const member of [2, 3]) it.say(member, 2);
  it.become(leader(1));
  await it.clock.until(() => it.applied.recorded.level === 2, LOOKS_MS);
  for (const member of [2, 3]) it.say(member, 3, { release: '1.2.3' });
  await it.clock.advance(LOOKS_MS);
  return it;
}

const NEWEST = { level: null, isDryRun: false };

describe('a group that has a level', () => {
  test('is not raised by itself, and the log says once what it waits for', async () => {
    const { applied, lines, clock } = await upgraded();
    await clock.advance(LOOKS_MS);
    expect(applied.recorded.level).toBe(2);
    expect(lines.slice(-1)).toEqual([
      {
        event: 'raft.feature_level.held',
        fields: { level: 2, reason: expect.stringContaining('kvctl upgrade finalize') },
      },
    ]);
  });

  test('is raised when somebody asks for it, to what all support; a second request changes nothing', async () => {
    const { applied, lines, consensus, upgrades: upgrade } = await upgraded();
    expect(await upgrade.finalize({ level: null, isDryRun: true })).toEqual(ok({ from: 2, to: 3 }));
    expect(applied.recorded.level).toBe(2);
    expect(await upgrade.finalize(NEWEST)).toEqual(ok({ from: 2, to: 3 }));
    expect(applied.recorded.level).toBe(3);
    expect(lines.slice(-1)).toEqual([
      { event: 'raft.feature_level.raised', fields: { from: 2, to: 3, why: 'finalized' } },
    ]);
    const { proposals } = consensus;
    expect(await upgrade.finalize(NEWEST)).toEqual(ok({ from: 3, to: 3 }));
    expect(consensus.proposals).toBe(proposals);
  });

  test('is asked anew for each request: what was said before does not count', async () => {
    const { say, applied, upgrades: upgrade } = await upgraded();
    say(3, 2);
    expect(await upgrade.finalize(NEWEST)).toEqual(
      err({ kind: 'conflict', reason: expect.stringContaining('member 3 supports level 2') }),
    );
    expect(await upgrade.finalize({ level: 1, isDryRun: false })).toMatchObject({
      error: { kind: 'conflict', reason: expect.stringContaining('never goes back') },
    });
    expect(applied.recorded.level).toBe(2);
  });

  test('is not raised on the word of members that have changed, nor by who has lost the lead meanwhile', async () => {
    const { driver, whenAsked, applied, become, upgrades: upgrade } = await upgraded();
    whenAsked(() => {
      driver.membership = { ...FOUNDERS, addresses: new Map([...FOUNDERS.addresses, [TWO, 'e:1'] as const]) };
    });
    expect(await upgrade.finalize(NEWEST)).toMatchObject({ error: { kind: 'conflict' } });
    whenAsked(() => become(follower(2)));
    expect(await upgrade.finalize(NEWEST)).toEqual(err({ kind: 'notLeader' }));
    expect(await upgrade.finalize(NEWEST)).toEqual(err({ kind: 'notLeader' }));
    driver.role = { ...leader(3), established: false };
    expect(await upgrade.finalize(NEWEST)).toMatchObject({ error: { kind: 'unavailable' } });
    expect(applied.recorded.level).toBe(2);
  });

  test.each([
    ['lost', 'unknown'],
    ['overloaded', 'unavailable'],
  ] as const)('says so when the raise was %s', async (fate, kind) => {
    const { consensus, upgrades: upgrade } = await upgraded();
    consensus.fates = [fate];
    expect(await upgrade.finalize(NEWEST)).toMatchObject({ error: { kind } });
  });
});

describe('the state of an upgrade', () => {
  test('names each member, who holds the group, what is off and the way back', async () => {
    const { say, upgrades: upgrade } = await upgraded();
    expect(await upgrade.status()).toMatchObject({
      release: '1.2.3',
      level: 2,
      highest: 3,
      heldBy: null,
      next: expect.stringContaining('makes the group work at level 3'),
      wayBack: expect.stringContaining('every release that supports level 2 can be started again'),
    });
    say(2, 2);
    say(3, 3, { incarnation: OTHER_DISK });
    const { members, heldBy, next, off } = await upgrade.status();
    expect(members).toEqual([
      { id: 1, address: 'a:1', release: '1.2.3', level: 3, fault: null },
      { id: 2, address: 'b:1', release: null, level: 2, fault: null },
      { id: 3, address: 'c:1', release: null, level: null, fault: expect.stringContaining('data directory') },
    ]);
    expect(heldBy).toBe('member 2 supports level 2, member 3 does not say what it supports');
    expect(next).toContain('restart who supports less');
    expect(off.map(({ level }) => level)).toEqual(FEATURES.map(({ level }) => level).slice(1));
  });

  test.each([
    [3, 'remove raft.feature_level_max'],
    [FEATURE_LEVEL, 'nothing: '],
  ])(
    'of a group that was finalized at %i is that there is no way back, and what is left to do',
    async (to, next) => {
      const { say, upgrades: upgrade } = await upgraded(to);
      for (const member of [2, 3]) say(member, to);
      await upgrade.finalize(NEWEST);
      expect(await upgrade.status()).toMatchObject({
        level: to,
        next: expect.stringContaining(next),
        wayBack: expect.stringContaining('only a backup'),
      });
    },
  );

  test('of a new group is that it takes its level by itself', async () => {
    const { say, become, upgrades: upgrade } = scene();
    say(2, 2);
    become(leader(1));
    expect((await upgrade.status()).next).toContain('by itself');
  });

  test('tells who does not lead when the leader is of a release that cannot be asked to finalize', async () => {
    const { say, upgrades: upgrade } = scene();
    expect(await upgrade.olderLeader()).toBeNull();
    say(2, 1);
    expect(await upgrade.olderLeader()).toContain(
      'member 2 at b:1 leads and runs an earlier release, which cannot finalize (member 2 supports level 1, member 3 ',
    );
    say(2, 1, { release: '1.2.3' });
    expect(await upgrade.olderLeader()).toBeNull();
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
