// The previous release, taken from git, and this one in one group: up, back, up again, and no further back once it was finalized.

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { FEATURE_LEVEL } from '../../src/base/feature-level.ts';
import { type ControllerGroup, type ControllerProcess, prepareTrio } from '../support/controller-process.ts';
import { Load } from '../support/load.ts';
import { type PreviousRelease, takePreviousRelease } from '../support/previous-release.ts';
import { expectStatus, masterOf, replicasOf, Scene } from '../support/scene.ts';
import { notYet, waitUntil } from '../support/wait-until.ts';

const KVCTL = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const UPGRADE = '/api/v1/controller/upgrade';
const FINALIZE = `${UPGRADE}/finalize`;
const KEYS = 50;
/** Keys with it are in slot 0, at first of the first shard. */
const TAG = '{06S}';
/** Ten members start one after the other: half a minute on two cores, several on a machine with other work to do. */
const TIMEOUT_MS = 400_000;

let previous: PreviousRelease;
let group: ControllerGroup;
let stage: Scene;

beforeAll(async () => {
  previous = await takePreviousRelease();
  // Snapshots of both releases, too, are read by the other one.
  group = await prepareTrio({
    raft: { heartbeatIntervalMs: 100, electionTimeoutMs: 3000, snapshotEntries: 200 },
  });
  stage = new Scene(group.api);
});

afterAll(async () => {
  await stage.end();
  await group.stop();
  previous.remove();
});

async function kvctl(hosts: readonly ControllerProcess[], ...words: readonly string[]): Promise<string> {
  const host = hosts.map(({ address }) => address).join(',');
  return (await promisify(execFile)(process.execPath, [KVCTL, ...words, '-H', host])).stdout;
}

/** Which level every running member has applied. */
async function levels(): Promise<ReadonlySet<number>> {
  const answers = await Promise.all(
    group.members.map(({ url }) => group.api.sendTo(url, 'GET', '/api/v1/raft/peers')),
  );
  return new Set(answers.map(({ body }) => body.data.featureLevel));
}

async function reached(level: number): Promise<void> {
  await waitUntil(`level ${level} at every member`, async () => {
    const seen = await levels();
    return seen.size === 1 && seen.has(level) ? true : notYet([...seen]);
  });
}

/** The followers one after the other, then the leader, which hands over: the order of `docs/operations.md`. */
async function exchange(
  start: (member: ControllerProcess) => void,
  beforeLeader: () => Promise<void>,
): Promise<void> {
  const leader = await group.leader();
  for (const member of [...group.members.filter((each) => each !== leader), leader]) {
    if (member === leader) {
      // On a busy machine the lead may have moved by itself.
      if ((await group.leader()) !== leader)
        expectStatus(await group.api.post('/api/v1/controller/leader/transfer', { to: leader.id }), 200);
      await beforeLeader();
    }
    expect(await member.stop()).toEqual({ code: 0, signal: null });
    start(member);
    await group.ready();
  }
}

const previousRelease = (member: ControllerProcess): void => member.start([], previous.release);
const thisRelease = (member: ControllerProcess): void => member.start();

/** Kills the master of the first shard, waits for its replica to take over and for the old master to follow it. */
async function failOver(): Promise<void> {
  const [before] = (await stage.converged('c')).shards;
  if (before === undefined) throw new Error('two shards');
  const master = masterOf(before);
  await stage.inSync(master.addr, replicasOf(before)[0]?.addr ?? '');
  await stage.nodeAt(master.addr).kill();
  await stage.viewWhere('c', 'another master', ({ shards: [shard] }) => {
    return shard !== undefined && masterOf(shard).id !== master.id;
  });
  await stage.nodeAt(master.addr).restart();
  await stage.converged('c');
}

/** Of what was written to slot 0, which has been moved to the second shard. */
async function lostKeys(): Promise<readonly string[]> {
  const [, shard] = (await stage.view('c')).shards;
  if (shard === undefined) throw new Error('two shards');
  const keys = Array.from({ length: KEYS }, (_, index) => `${TAG}-${index}`);
  const values = await stage.askAll(
    masterOf(shard).addr,
    keys.map((key) => ['GET', key] as const),
  );
  return keys.filter((_, index) => values[index] !== 'kept');
}

/** Why the group cannot be finalized, as it is told when `member` is asked. */
async function refusedAt(member: ControllerProcess): Promise<string> {
  const answer = await group.api.sendTo(member.url, 'POST', FINALIZE);
  expectStatus(answer, 409);
  return answer.body.error.message;
}

function other(than: ControllerProcess): ControllerProcess {
  const member = group.members.find((each) => each !== than);
  if (member === undefined) throw new Error('a trio has others');
  return member;
}

/** Asks for a move of several ranges, which came with this release. */
async function moveRanges(): ReturnType<ControllerGroup['api']['post']> {
  return group.api.post(stage.path('c', '/migrate'), { slots: ['0-9', '20'], target: 1 });
}

describe('a group of the previous release', () => {
  test(
    'is upgraded and taken back under load with failovers on the way, loses nothing, and rises only when it is finalized',
    async () => {
      expect(previous.featureLevel).toBeLessThan(FEATURE_LEVEL);
      for (const member of group.members) previousRelease(member);
      await group.leader();
      await group.ready();
      await reached(previous.featureLevel);
      const view = await stage.cluster('c', await stage.nodes(4), { replicas: 2 });
      const [shard] = view.shards;
      if (shard === undefined) throw new Error('two shards');
      for (let index = 0; index < KEYS; index += 1)
        await stage.ask(masterOf(shard).addr, 'SET', `${TAG}-${index}`, 'kept');
      const load = new Load(group, 'across', 50);

      // Up: the previous release leads until its last member goes, and judges with the word of members of this one.
      await exchange(thisRelease, async () => {
        await failOver();
        const leader = await group.leader();
        expect(await refusedAt(other(leader))).toContain(
          `(member ${leader.id} supports level ${previous.featureLevel})`,
        );
        expect(await kvctl([leader], 'upgrade', 'status')).toContain(
          `member ${leader.id} supports level ${previous.featureLevel}`,
        );
      });
      await load.progress(50);
      await reached(previous.featureLevel);
      const early = await moveRanges();
      expectStatus(early, 409);
      expect(early.body.error.message).toContain(`level ${previous.featureLevel}`);
      expectStatus(await group.api.post(FINALIZE, { dry_run: true }), 200);
      expect(await levels()).toEqual(new Set([previous.featureLevel]));

      // And back, to the last member: this release leads meanwhile.
      await exchange(previousRelease, async () => {
        await failOver();
        const leader = await group.leader();
        const older = other(leader);
        expect(await refusedAt(leader)).toContain(
          `member ${older.id} supports level ${previous.featureLevel}`,
        );
      });
      await load.progress(50);
      await reached(previous.featureLevel);

      // Up again, for good.
      await exchange(thisRelease, () => load.progress(50));
      expect(await kvctl(group.members, 'upgrade', 'finalize', '--yes')).toContain(
        `the group works at feature level ${FEATURE_LEVEL}`,
      );
      await reached(FEATURE_LEVEL);
      expectStatus(await moveRanges(), 200);
      await waitUntil('the move to end', async () => {
        const { body } = await group.api.get(stage.path('c', '/migrations/1'));
        return body.data.migration.state === 'succeeded' ? true : notYet(body);
      });
      const { acknowledged } = await load.stop();
      const kept = new Set((await group.api.get('/api/v1/namespaces')).body.data.namespaces);
      expect(acknowledged.filter((name) => !kept.has(name))).toEqual([]);
      expect(await lostKeys()).toEqual([]);

      const member = other(await group.leader());
      await member.stop();
      const { exit, stderr } = await member.startRefused([], previous.release);
      expect(exit).toEqual({ code: 1, signal: null });
      expect(stderr).toContain(
        `the group works at feature level ${FEATURE_LEVEL}, and this release understands level ${previous.featureLevel} at most`,
      );
      member.start();
      await group.ready();
    },
    TIMEOUT_MS,
  );
});
