// Members that support different levels in one group: a new one takes the level that all of them understand, and rises when it is finalized. What real releases do together: `two-releases.test.ts`.

import { afterEach, describe, expect, test } from 'vitest';

import {
  type ControllerGroup,
  type ControllerProcess,
  prepareTrio,
  startTrio,
  type TrioOptions,
} from '../support/controller-process.ts';
import { FEATURE_LEVEL } from '../../src/base/feature-level.ts';
import { expectStatus, masterOf, replicasOf, Scene } from '../support/scene.ts';
import { notYet, waitUntil } from '../support/wait-until.ts';

const PEERS = '/api/v1/raft/peers';
const FINALIZE = '/api/v1/controller/upgrade/finalize';
/** Stands for a release that supports less than this one: such a member says so, and refuses what is beyond it. */
const HELD = ['--set', 'raft.feature_level_max=1'];
const groups: ControllerGroup[] = [];

afterEach(async (context) => {
  for (const group of groups.splice(0)) {
    if (context.task.result?.state === 'fail') console.error(group.logTails());
    await group.stop();
  }
});

async function started(options: TrioOptions = {}): Promise<ControllerGroup> {
  const group = await startTrio(options);
  groups.push(group);
  return group;
}

/** A trio of which member 3 is held at the first level. */
async function startedMixed(): Promise<readonly [ControllerGroup, ControllerProcess]> {
  const group = await prepareTrio();
  groups.push(group);
  const old = group.member(3);
  for (const member of group.members) member.start(member === old ? HELD : []);
  await group.leader();
  await group.ready();
  return [group, old];
}

/** What `member` supports and the group works at, as the leader tells it. */
interface LevelsView {
  readonly group: number;
  readonly members: readonly (number | null)[];
}

async function levels(group: ControllerGroup): Promise<LevelsView> {
  const { url } = await group.leader();
  const { featureLevel, members } = (await group.api.sendTo(url, 'GET', PEERS)).body.data;
  return {
    group: featureLevel,
    members: members.map((member: { featureLevel: number | null }) => member.featureLevel),
  };
}

/** Waits until the leader says so of the group and its members, in the order of their ids. */
async function told(group: ControllerGroup, wanted: LevelsView): Promise<void> {
  await waitUntil(`levels ${JSON.stringify(wanted)}`, async () => {
    const seen = await levels(group);
    return JSON.stringify(seen) === JSON.stringify(wanted) ? true : notYet(seen);
  });
}

/** Waits until every running member has applied that level. */
async function risen(group: ControllerGroup, level: number): Promise<void> {
  await waitUntil(`all members at level ${level}`, async () => {
    const running = group.members.filter((member) => member.isRunning);
    const answers = await Promise.all(running.map(({ url }) => group.api.sendTo(url, 'GET', PEERS)));
    const seen = answers.map(({ body }) => body.data.featureLevel);
    return seen.every((found) => found === level) ? true : notYet(seen);
  });
}

/** Why it cannot be finalized at what this release supports. */
async function refusedToFinalize(group: ControllerGroup): Promise<string> {
  const answer = await group.api.post(FINALIZE, { level: FEATURE_LEVEL });
  expectStatus(answer, 409);
  return answer.body.error.message;
}

describe('a group that has no level yet', () => {
  test('waits for its oldest member, whoever leads meanwhile, and takes its level once that one is upgraded', async () => {
    const [group, old] = await startedMixed();
    await told(group, { group: 1, members: [FEATURE_LEVEL, FEATURE_LEVEL, 1] });
    expect((await group.api.post('/api/v1/namespaces', { namespace: 'before' })).status).toBe(201);
    // The old one leads, and then another again: neither raises what not all understand.
    for (const to of [old.id, 1]) {
      const { url } = await group.leader();
      const leads = (await group.leader()).id === to;
      if (!leads) await group.api.sendTo(url, 'POST', '/api/v1/controller/leader/transfer', { body: { to } });
      await told(group, { group: 1, members: [FEATURE_LEVEL, FEATURE_LEVEL, 1] });
    }
    expect(group.logged('raft.feature_level.held').map(({ reason }) => reason)).toContain(
      'member 3 supports level 1',
    );
    expect(await old.stop()).toEqual({ code: 0, signal: null });
    old.start();
    await group.ready();
    await told(group, {
      group: FEATURE_LEVEL,
      members: [FEATURE_LEVEL, FEATURE_LEVEL, FEATURE_LEVEL],
    });
    await risen(group, FEATURE_LEVEL);
    expect(group.logged('raft.feature_level.raised')).toEqual([
      expect.objectContaining({ from: 1, to: FEATURE_LEVEL, why: 'founded' }),
    ]);
    expect((await group.api.post('/api/v1/namespaces', { namespace: 'after' })).status).toBe(201);
  });

  test('takes none while a member is away, as it may come back as anything', async () => {
    const [group, old] = await startedMixed();
    await told(group, { group: 1, members: [FEATURE_LEVEL, FEATURE_LEVEL, 1] });
    await old.stop();
    await told(group, { group: 1, members: [FEATURE_LEVEL, FEATURE_LEVEL, null] });
    // Removed, it does not count any more.
    await group.api.post(PEERS, { id: old.id, operation: 'remove' });
    await told(group, { group: FEATURE_LEVEL, members: [FEATURE_LEVEL, FEATURE_LEVEL] });
  });
});

test('a group held below level 3 replaces a living master at once, and drains it first when it was finalized, which no member may be away for', async () => {
  const group = await started({ env: { KVROCKS_CONTROLLER_RAFT_FEATURE_LEVEL_MAX: '2' } });
  await risen(group, 2);
  const stage = new Scene(group.api);
  try {
    const [shard] = (await stage.cluster('c', await stage.nodes(2), { replicas: 2 })).shards;
    if (shard === undefined) throw new Error('one shard');
    await stage.ask(masterOf(shard).addr, 'SET', 'first', '1');
    const failover = async (): Promise<void> => {
      const [now] = (await stage.converged('c')).shards;
      if (now === undefined) throw new Error('one shard');
      await stage.inSync(masterOf(now).addr, replicasOf(now)[0]?.addr ?? '');
      expectStatus(await stage.api.post(stage.path('c', '/shards/0/failover')), 200);
    };
    await failover();
    expect(group.logged('failover.committed')).toMatchObject([{ isDrained: false }]);
    expect(group.logged('switchover.drain.committed')).toEqual([]);
    for (const member of group.members) {
      expect(await refusedToFinalize(group)).toContain(`member ${member.id} supports level 2`);
      await member.stop();
      expect(await refusedToFinalize(group)).toContain(`member ${member.id} does not say what it supports`);
      member.start(['--set', `raft.feature_level_max=${FEATURE_LEVEL}`]);
      await group.ready();
    }
    await risen(group, 2);
    for (const from of [2, FEATURE_LEVEL])
      expect((await group.api.post(FINALIZE, { level: FEATURE_LEVEL })).body).toEqual({
        data: { from, to: FEATURE_LEVEL, dry_run: false },
      });
    await risen(group, FEATURE_LEVEL);
    await failover();
    expect(group.logged('switchover.drain.committed')).toHaveLength(1);
    expect(group.logged('failover.committed').map(({ isDrained }) => isDrained)).toEqual(
      expect.arrayContaining([false, true]),
    );
  } finally {
    await stage.end();
  }
});

describe('a member that does not support the level of its group', () => {
  test('does not start, says why in one line, and is well again with what it says', async () => {
    const group = await started();
    await risen(group, FEATURE_LEVEL);
    const [follower] = await group.followers();
    if (follower === undefined) throw new Error('two members follow');
    await follower.stop();
    const { exit, stderr } = await follower.startRefused(HELD);
    expect([exit, stderr.trimEnd().split('\n')]).toEqual([
      { code: 1, signal: null },
      [
        expect.stringContaining(
          `feature level ${FEATURE_LEVEL}, but raft.feature_level_max is 1 here; remove that setting`,
        ),
      ],
    ]);
    follower.start();
    await group.ready();
  });

  test('is not added when it is there to be asked, and stops by itself when it was not', async () => {
    const group = await started();
    await risen(group, FEATURE_LEVEL);
    const old = await group.prepareJoiner(4);
    old.start(HELD);
    await waitUntil('the new member to know its group', async () => {
      const answer = await group.api.sendTo(old.url, 'GET', '/raft/identity');
      return answer.status === 200 ? true : notYet(answer.text);
    });
    const request = { id: 4, peer: old.address, operation: 'add' };
    const refused = await group.api.post(PEERS, request);
    expect([refused.status, refused.body.error.message]).toEqual([
      409,
      expect.stringContaining(`supports feature level 1 and the group works at level ${FEATURE_LEVEL}`),
    ]);
    await old.stop();
    expect((await group.api.post(PEERS, request)).status).toBe(200);
    old.start(HELD);
    const { exit, stderr } = await old.endsByItself();
    expect(exit).toEqual({ code: 1, signal: null });
    expect(stderr).toContain(`feature level ${FEATURE_LEVEL}, but raft.feature_level_max is 1 here`);
    old.start();
    await group.ready();
  });
});
