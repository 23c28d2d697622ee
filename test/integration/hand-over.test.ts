// Slots that were handed over are never taken back: whoever paused, lost an answer, died or was told by hand, every write stays where it is.

import { describe, expect, test } from 'vitest';

import { restartOnNewDisk, write } from '../support/copies.ts';
import { fillSlot, isMigrating, limitSpeed, migrationEnded, sourceSays } from '../support/migrations.ts';
import { fieldsOf } from '../support/node-commands.ts';
import { problemTold, linesOf } from '../support/problems.ts';
import { RespClient } from '../support/resp-client.ts';
import { expectStatus, masterOf, type Scene } from '../support/scene.ts';
import { expectServedOnce } from '../support/served-once.ts';
import { StandIn } from '../support/stand-in.ts';
import { taskShown, taskWaits } from '../support/tasks.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { notYet, waitFor, waitUntil } from '../support/wait-until.ts';

/** Longer than a request looks at a node that does not answer: a migration begins although its source hangs. */
const trio = useTrio({ maxPingCount: 20 });
const scene = useScenes(trio);

const SLOT = 1000;
const isSimulated = (process.env['KVROCKS_BIN'] ?? '') === '';

interface Stage {
  readonly stage: Scene;
  readonly source: string;
  readonly target: string;
  readonly targetId: string;
  readonly addresses: readonly string[];
}

/** A cluster `c` of two shards with a master each. */
async function twoShards(): Promise<Stage> {
  const stage = scene();
  const nodes = await stage.nodes(2);
  const { shards } = await stage.cluster('c', nodes);
  const [source, target] = shards.map((shard) => masterOf(shard));
  if (source === undefined || target === undefined) throw new Error('two shards');
  const addresses = [source.addr, target.addr];
  return { stage, source: source.addr, target: target.addr, targetId: target.id, addresses };
}

/** A shard of one fresh node is added; it touches no end of any migration. */
async function addShard(stage: Scene): Promise<string> {
  const [fresh] = await stage.nodes(1);
  const address = fresh?.address ?? '';
  expectStatus(await stage.api.post(stage.path('c', '/shards'), { nodes: [address] }), 201);
  return address;
}

async function importState(stage: Scene, address: string): Promise<string | undefined> {
  return fieldsOf(String(await stage.ask(address, 'CLUSTER', 'INFO'))).get('import_state');
}

/** Over which nothing else is asked. */
function openConnection(stage: Scene, address: string): Promise<RespClient> {
  const { host, port } = stage.nodeAt(address);
  return RespClient.open({ host, port, timeoutMs: 5000 });
}

/** Writes at the target as soon as it takes the slot. */
async function writtenAt(stage: Scene, target: string, key: string): Promise<void> {
  await waitUntil(`${target} to take writes`, () => stage.ask(target, 'SET', key, 'new'), { intervalMs: 2 });
}

/** A job of `count` keys that copies `speed` of them a second; returns when both ends are at it. */
async function runningJob(
  { stage, source, target }: Stage,
  { count, speed }: { readonly count: number; readonly speed: number },
): Promise<readonly string[]> {
  const keys = await fillSlot(stage, source, { slot: SLOT, count });
  await limitSpeed(stage, source, speed);
  expectStatus(await stage.api.post(stage.path('c', '/migrate'), { slot: SLOT, target: 1 }), 200);
  await waitUntil(`${target} to import`, async () => {
    const state = await importState(stage, target);
    return state === 'start' ? true : notYet(state);
  });
  return keys;
}

describe('a source that hangs', () => {
  test('KC1: in the middle of a move carries it out when it goes on, and the move is recorded', async () => {
    const two = await twoShards();
    const { stage, source, target } = two;
    const [key = ''] = await runningJob(two, { count: 128, speed: 48 });
    stage.nodeAt(source).pause();
    await problemTold(trio(), stage, { kind: 'masterUnreachable', addr: source });
    const fresh = await addShard(stage);
    expect(isMigrating(await stage.view('c'))).toBe(true);
    stage.nodeAt(source).resume();
    await writtenAt(stage, target, key);
    await migrationEnded(stage, 'c');
    await addShard(stage);
    const after = await stage.converged('c');
    expect(after.shards[1]?.slot_ranges).toContain(String(SLOT));
    await expectServedOnce(stage, [...two.addresses, fresh], { key, value: 'new' });
  });

  test('KC1: before a move begins is sent no request that it could carry out later', async () => {
    const two = await twoShards();
    const { stage, source } = two;
    const [key = ''] = await fillSlot(stage, source, { slot: SLOT, count: 3 });
    stage.nodeAt(source).pause();
    expectStatus(await stage.api.post(stage.path('c', '/migrate'), { slot: SLOT, target: 1 }), 200);
    // It waits for the source, and would begin with it.
    await taskWaits(stage, 'c', { id: 1, reason: /does not answer/ });
    expectStatus(await stage.api.post(stage.path('c', '/migrate/cancel')), 200);
    await addShard(stage);
    stage.nodeAt(source).resume();
    const after = await stage.converged('c');
    expect(after.shards[0]?.slot_ranges).toEqual(['0-8191']);
    expect(linesOf(trio(), stage, 'migrate.sent')).toEqual([]);
    await expectServedOnce(stage, two.addresses, { key, value: key });
  });
});

test('KC2: a target whose every success is lost on the way does not go on serving what is given up', async () => {
  const stage = scene();
  const [sourceNode, targetNode] = await stage.nodes(2);
  if (sourceNode === undefined || targetNode === undefined) throw new Error('two nodes');
  const { host, port } = targetNode;
  const isSuccess = ([verb, sub, , state]: readonly string[]): boolean =>
    `${verb} ${sub} ${state}`.toUpperCase() === 'CLUSTER IMPORT 1';
  const way = await StandIn.start({ host, port, losesReplyTo: isSuccess });
  const [source, target] = [sourceNode.address, way.address];
  await stage.cluster('c', [sourceNode, way]);
  const [key = ''] = await fillSlot(stage, source, { slot: SLOT, count: 3 });
  expectStatus(await stage.api.post(stage.path('c', '/migrate'), { slot: SLOT, target: 1 }), 200);
  await waitFor(
    'three attempts',
    async () => linesOf(trio(), stage, 'migrate.sent').length >= 3 && !isMigrating(await stage.view('c')),
  );
  // It would be tried again.
  expectStatus(await stage.api.post(stage.path('c', '/migrate/cancel')), 200);
  const after = await migrationEnded(stage, 'c');
  expect(after.shards[0]?.slot_ranges).toEqual(['0-8191']);
  await stage.converged('c');
  await stage.untilWritable(source, key, 'new');
  await expectServedOnce(stage, [source, target], { key, value: 'new' });
  way.replace({ host, port });
  expectStatus(await stage.api.post(stage.path('c', '/migrate'), { slot: SLOT, target: 1 }), 200);
  const moved = await migrationEnded(stage, 'c');
  expect(moved.shards[1]?.slot_ranges).toContain(String(SLOT));
  await stage.converged('c');
  await expectServedOnce(stage, [source, target], { key, value: 'new' });
  await way.close();
});

test('an import whose connection ends late is waited for: its end would delete what the next one brings', async () => {
  const { stage, source, target } = await twoShards();
  const keys = await fillSlot(stage, source, { slot: SLOT, count: 3 });
  const left = await openConnection(stage, target);
  expect(await left.command(['CLUSTER', 'IMPORT', String(SLOT), '0'])).toBe('OK');
  // Every node is looked at.
  expectStatus(await stage.api.post(stage.path('c', '/sync')), 200);
  expectStatus(await stage.api.post(stage.path('c', '/migrate'), { slot: SLOT, target: 1 }), 200);
  await taskWaits(stage, 'c', {
    id: 1,
    reason: /still takes in slots 1000 from a source that sends none any more/,
  });
  expect(linesOf(trio(), stage, 'migrate.sent')).toEqual([]);
  left.close();
  const moved = await migrationEnded(stage, 'c');
  expect(moved.shards[1]?.slot_ranges).toContain(String(SLOT));
  await stage.converged('c');
  for (const key of keys) expect(await stage.ask(target, 'GET', key)).toBe(key);
});

test('an import whose connection did not end with its success is ended before the next one: its end would delete what that brings', async () => {
  const { stage, source, target } = await twoShards();
  const keys = await fillSlot(stage, source, { slot: SLOT, count: 200 });
  await limitSpeed(stage, source, 100);
  const left = await openConnection(stage, target);
  expect(await left.command(['CLUSTER', 'IMPORT', String(SLOT + 1), '0'])).toBe('OK');
  expect(await left.command(['CLUSTER', 'IMPORT', String(SLOT + 1), '1'])).toBe('OK');
  const before = await stage.position(target);
  expectStatus(await stage.api.post(stage.path('c', '/migrate'), { slot: SLOT, target: 1 }), 200);
  await waitFor(`${target} to have some of it`, async () => (await stage.position(target)) > before + 30);
  left.close();
  const moved = await migrationEnded(stage, 'c');
  expect(moved.shards[1]?.slot_ranges).toContain(String(SLOT));
  await stage.converged('c');
  expect(
    await stage.askAll(
      target,
      keys.map((key) => ['GET', key]),
    ),
  ).toEqual(keys);
});

test('an import that a replaced master held open is ended before it is promoted again: its end would delete what came since', async () => {
  const stage = scene();
  const { shards } = await stage.cluster('c', await stage.nodes(4), { replicas: 2 });
  const [source = '', before = ''] = shards.map((shard) => masterOf(shard).addr);
  const keys = await fillSlot(stage, source, { slot: SLOT, count: 50 });
  const left = await openConnection(stage, before);
  expect(await left.command(['CLUSTER', 'IMPORT', String(SLOT), '0'])).toBe('OK');
  const changeMasters = async (): Promise<string> => {
    const answer = await stage.api.post(stage.path('c', '/shards/1/failover'));
    expectStatus(answer, 200);
    const { shards: after } = await stage.converged('c');
    return after[1] === undefined ? '' : masterOf(after[1]).addr;
  };
  const next = await changeMasters();
  expectStatus(await stage.api.post(stage.path('c', '/migrate'), { slot: SLOT, target: 1 }), 200);
  await migrationEnded(stage, 'c');
  await stage.converged('c');
  await stage.inSync(next, before);
  expect(await changeMasters()).toBe(before);
  left.close();
  expect(
    await stage.askAll(
      before,
      keys.map((key) => ['GET', key]),
    ),
  ).toEqual(keys);
  // What the end of a connection sets off is there a moment later at most.
  await expect(left.command(['PING'])).rejects.toThrow();
  expect(
    await stage.askAll(
      before,
      keys.map((key) => ['GET', key]),
    ),
  ).toEqual(keys);
});

test('KC1: a move that somebody made by hand is adopted with what was written since', async () => {
  const two = await twoShards();
  const { stage, source, target, targetId } = two;
  const [key = ''] = await fillSlot(stage, source, { slot: SLOT, count: 3 });
  await stage.ask(source, 'CLUSTERX', 'MIGRATE', String(SLOT), targetId);
  await sourceSays(stage, source, { slots: String(SLOT), state: 'success' });
  await writtenAt(stage, target, key);
  await addShard(stage);
  await stage.viewWhere(
    'c',
    'the slot at its new owner',
    ({ shards }) => shards[1]?.slot_ranges?.includes(String(SLOT)) === true,
  );
  await stage.converged('c');
  await expectServedOnce(stage, two.addresses, { key, value: 'new' });
});

test.each([
  ['', 'resume'],
  [', also by controllers that never saw it otherwise', 'restart'],
  [', once a source that hangs can be asked', 'hang'],
] as const)(
  'one to a node that then lost its disk is told with the one call that leads out%s',
  async (_, how) => {
    const { stage, source, target, targetId } = await twoShards();
    const [key = ''] = await fillSlot(stage, source, { slot: SLOT, count: 3 });
    await write(stage, target, { slot: 16_000, count: 30, value: 'lost' });
    for (const member of trio().members) member.pause();
    await stage.ask(source, 'CLUSTERX', 'MIGRATE', String(SLOT), targetId);
    await sourceSays(stage, source, { slots: String(SLOT), state: 'success' });
    await restartOnNewDisk(stage.nodeAt(target));
    if (how === 'hang') stage.nodeAt(source).pause();
    for (const member of trio().members) {
      if (how === 'resume') member.resume();
      else await member.kill();
      if (how !== 'resume') member.start();
    }
    if (how === 'hang') {
      await problemTold(trio(), stage, {
        kind: 'notConverged',
        addr: target,
        detail: /may have handed slots over/,
      });
      stage.nodeAt(source).resume();
    }
    const call = /POST \.\.\.(\/shards\/1\/failover) (\{[^}]*\})/;
    const line = await problemTold(trio(), stage, { kind: 'unrecordedHandOver', addr: source, detail: call });
    const recorded = { slot: SLOT, target: 1, slot_only: true };
    const refused = await stage.api.post(stage.path('c', '/migrate'), recorded);
    expect([refused.status, refused.text]).toEqual([409, expect.stringContaining('which is empty')]);
    const [, route = '', body = '{}'] = call.exec(String(line['detail'])) ?? [];
    expectStatus(await stage.api.post(stage.path('c', route), JSON.parse(body)), 200);
    await stage.converged('c');
    expect(await stage.askCluster(target, 'GET', key)).toBe(key);
    await stage.untilWritable(target, 'after', 'the loss');
    await problemTold(trio(), stage, { kind: 'slotsWriteForbidden', addr: source });
    await stage.nodeAt(source).restart();
    await stage.untilWritable(source, key, 'new');
    await stage.converged('c');
  },
);

test.runIf(isSimulated)('an import whose end is never answered ends at one of the two', async () => {
  const two = await twoShards();
  const { stage, source, target } = two;
  const keys = await fillSlot(stage, source, { slot: SLOT, count: 3 });
  // Once for each attempt: the target has the slot every time and the source says every time that it failed.
  await stage.ask(target, 'SIMULATOR', 'LOSE-IMPORT-REPLY');
  expectStatus(await stage.api.post(stage.path('c', '/migrate'), { slot: SLOT, target: 1 }), 200);
  const requests = await waitUntil('three attempts', async () => {
    const sent = linesOf(trio(), stage, 'migrate.sent');
    const isArmed = sent.length >= 3 || (await taskShown(stage, 'c', 1))['ended_at'] !== null;
    if (!isArmed) await stage.ask(target, 'SIMULATOR', 'LOSE-IMPORT-REPLY');
    return isArmed ? sent : notYet(sent);
  });
  expect(requests.length).toBeGreaterThanOrEqual(1);
  await waitFor('its end', async () => (await taskShown(stage, 'c', 1))['ended_at'] !== null);
  await stage.converged('c');
  const [key = ''] = keys;
  await expectServedOnce(stage, two.addresses, { key, value: key });
});

describe('a migration that does not end', () => {
  const MINUTES = { count: 2048, speed: 16 };

  test('KC4: because its source died for good is led out of by a cancel', async () => {
    const two = await twoShards();
    const { stage, source, target } = two;
    const keys = await runningJob(two, MINUTES);
    // A hang first: the target keeps its import, as one does whose source host vanished from the network.
    stage.nodeAt(source).pause();
    await problemTold(trio(), stage, { kind: 'masterUnreachable', addr: source });
    expect(await importState(stage, target)).toBe('start');
    await addShard(stage);
    expect(isMigrating(await stage.view('c'))).toBe(true);
    expectStatus(await stage.api.post(stage.path('c', '/migrate/cancel'), { slot: SLOT }), 200);
    await migrationEnded(stage, 'c');
    // Changes of both ends are possible again, and the source comes back with everything it had.
    expectStatus(
      await stage.api.post(stage.path('c', '/migrate'), { slot: 9000, target: 2, slot_only: true }),
      200,
    );
    await stage.converged('c', [source]);
    stage.nodeAt(source).resume();
    await stage.converged('c');
    await expectServedOnce(stage, two.addresses, { key: keys[0] ?? '', value: keys[0] ?? '' });
  });

  test('KC4: is given up while both ends are well, and can be asked for again', async () => {
    const two = await twoShards();
    const { stage, source, target } = two;
    const keys = await runningJob(two, MINUTES);
    const before = await stage.view('c');
    expectStatus(await stage.api.post(stage.path('c', '/migrate/cancel'), { source: 0 }), 200);
    const after = await migrationEnded(stage, 'c');
    expect(after.shards.map((shard) => shard.slot_ranges)).toEqual(
      before.shards.map((shard) => shard.slot_ranges),
    );
    await stage.converged('c');
    await sourceSays(stage, source, { slots: String(SLOT), state: 'fail' });
    await expectServedOnce(stage, two.addresses, { key: keys[7] ?? '', value: keys[7] ?? '' });
    expect((await stage.api.post(stage.path('c', '/migrate/cancel'))).status).toBe(404);
    await limitSpeed(stage, source, 0);
    expectStatus(await stage.api.post(stage.path('c', '/migrate'), { slot: SLOT, target: 1 }), 200);
    await migrationEnded(stage, 'c');
    await stage.converged('c');
    for (const key of keys) expect(await stage.ask(target, 'GET', key)).toBe(key);
  });
});
