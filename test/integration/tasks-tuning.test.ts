// Settings of sources that a migration wants otherwise: set for its jobs, and set back in the end, whoever leads by then.

import { describe, expect, test } from 'vitest';

import { fillSlot, serves, sourceSays } from '../support/migrations.ts';
import { expectStatus, masterOf, type Scene } from '../support/scene.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { notYet, waitUntil } from '../support/wait-until.ts';

const trio = useTrio();
const scene = useScenes(trio);

const SLOT = 2000;
/** Keys that take the source so long that much can happen meanwhile. */
const KEY_COUNT = 480;
const WANTED = { speed: 48, type: 'redis-command' };
/** What an operator has set, and finds again. */
const BEFORE = { speed: 3000, type: 'raw-key-value' };

interface Two {
  readonly stage: Scene;
  readonly source: string;
  readonly sourceId: string;
  readonly target: string;
  readonly keys: readonly string[];
}

async function twoShards(replicas = 1): Promise<Two> {
  const stage = scene();
  const view = await stage.cluster('c', await stage.nodes(2 * replicas), { replicas });
  const [first, second] = view.shards.map(masterOf);
  if (first === undefined || second === undefined) throw new Error('two shards');
  const keys = await fillSlot(stage, first.addr, { slot: SLOT, count: KEY_COUNT });
  await stage.ask(first.addr, 'CONFIG', 'SET', 'migrate-speed', String(BEFORE.speed));
  await stage.ask(first.addr, 'CONFIG', 'SET', 'migrate-type', BEFORE.type);
  return { stage, source: first.addr, sourceId: first.id, target: second.addr, keys };
}

async function tuningOf(
  { stage, source }: Two,
  address = source,
): Promise<{ readonly speed: number; readonly type: string }> {
  const [speed, type] = await stage.askAll(address, [
    ['CONFIG', 'GET', 'migrate-speed'],
    ['CONFIG', 'GET', 'migrate-type'],
  ]);
  return { speed: Number((speed as string[])[1]), type: String((type as string[])[1]) };
}

async function migration({ stage }: Two, id = 1): Promise<Record<string, unknown>> {
  const answer = await stage.api.get(stage.path('c', `/migrations/${id}`));
  expectStatus(answer, 200);
  return answer.body.data.migration as Record<string, unknown>;
}

/** Asks for the move, and waits until the job runs under its settings. */
async function begin(two: Two, wanted = WANTED): Promise<void> {
  const { stage, source } = two;
  const body = { target: 1, slot: SLOT, ...wanted };
  expectStatus(await stage.api.post(stage.path('c', '/migrate'), body), 200);
  await sourceSays(stage, source, { slots: String(SLOT), state: 'start' });
  expect(await tuningOf(two)).toEqual(wanted);
}

/** The leading controller dies, and is started again once another one leads. */
async function changeLeader(): Promise<void> {
  const leader = await trio().leader();
  await leader.kill();
  await trio().leader();
  leader.start();
  await trio().leader();
}

async function expectSetBack(two: Two, state: string, id = 1): Promise<void> {
  await waitUntil(`the migration to have ${state}, and its source to be as before`, async () => {
    const { state: seen, reason, tuned } = await migration(two, id);
    return seen === state && (tuned as unknown[]).length === 0 ? true : notYet({ seen, reason, tuned });
  });
  expect(await tuningOf(two)).toEqual(BEFORE);
}

describe('the leader is killed while a job runs that was tuned', () => {
  test('the next one finishes it, and sets back what was before', async () => {
    const two = await twoShards();
    await begin(two);
    expect(await migration(two)).toMatchObject({
      ...WANTED,
      tuned: [{ node: two.sourceId, before: BEFORE }],
    });
    await changeLeader();
    await expectSetBack(two, 'succeeded');
    expect(await serves(two.stage, two.target, two.keys)).toBe(true);
  });

  test('and somebody cancels it then: what was before is set back likewise', async () => {
    const two = await twoShards();
    await begin(two);
    await changeLeader();
    expectStatus(await two.stage.api.post(two.stage.path('c', '/migrations/1/cancel')), 200);
    await expectSetBack(two, 'cancelled');
    expect(await serves(two.stage, two.source, two.keys)).toBe(true);
  });
});

test('a source that hangs is replaced: the new one is set, and the old one is as before when it goes on', async () => {
  const two = await twoShards(2);
  const { stage, source, sourceId } = two;
  const [shard] = (await stage.view('c')).shards;
  const replica = shard?.nodes.find(({ role }) => role === 'slave');
  if (replica === undefined) throw new Error('a replica');
  await stage.inSync(source, replica.addr);
  const own = await tuningOf(two, replica.addr);
  const slow = { ...WANTED, speed: 16 };
  await begin(two, slow);
  stage.nodeAt(source).pause();
  await waitUntil('the new master to be set', async () => {
    const seen = await tuningOf(two, replica.addr);
    return seen.speed === slow.speed && seen.type === slow.type ? true : notYet(seen);
  });
  stage.nodeAt(source).resume();
  await waitUntil('the old master to be as before', async () => {
    const { tuned } = await migration(two);
    const nodes = (tuned as { readonly node: string }[]).map(({ node }) => node);
    return nodes.includes(sourceId) ? notYet(nodes) : true;
  });
  expect(await tuningOf(two)).toEqual(BEFORE);
  expectStatus(await stage.api.post(stage.path('c', '/migrations/1/cancel')), 200);
  await expectSetBack(two, 'cancelled');
  expect(await tuningOf(two, replica.addr)).toEqual(own);
});

test('what one migration had set is not what the next one finds', async () => {
  const two = await twoShards();
  await begin(two);
  const other = { target: 1, slot: '10-12', speed: 7 };
  expectStatus(await two.stage.api.post(two.stage.path('c', '/migrate'), other), 200);
  expect(await tuningOf(two)).toEqual(WANTED);
  expectStatus(await two.stage.api.post(two.stage.path('c', '/migrations/1/cancel')), 200);
  await expectSetBack(two, 'succeeded', 2);
  await expect(migration(two)).resolves.toMatchObject({ state: 'cancelled', tuned: [] });
});
