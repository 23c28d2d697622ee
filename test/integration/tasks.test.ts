// Moves of slots as tasks: worked off one job after the other, whatever happens to controllers and nodes meanwhile.

import { describe, expect, test } from 'vitest';

import { fillSlot, limitSpeed, serves, sourceSays } from '../support/migrations.ts';
import { type ClusterView, expectStatus, masterOf, type Scene } from '../support/scene.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { notYet, waitUntil } from '../support/wait-until.ts';

const trio = useTrio();
const scene = useScenes(trio);

interface Stage {
  readonly stage: Scene;
  readonly view: ClusterView;
  /** Addresses of the masters, by shard. */
  readonly masters: readonly [string, string, string];
}

/** A cluster `c` of three shards. */
async function threeShards(replicas = 1): Promise<Stage> {
  const stage = scene();
  const nodes = await stage.nodes(3 * replicas);
  const view = await stage.cluster('c', nodes, { replicas });
  const [one = '', two = '', three = ''] = view.shards.map((shard) => masterOf(shard).addr);
  return { stage, view, masters: [one, two, three] };
}

async function ask(stage: Scene, body: Record<string, unknown>): Promise<void> {
  expectStatus(await stage.api.post(stage.path('c', '/migrate'), body), 200);
}

async function shown(stage: Scene, id: number): Promise<Record<string, unknown>> {
  return migrationOf(await stage.api.get(stage.path('c', `/migrations/${id}`)));
}

function migrationOf(answer: Awaited<ReturnType<Scene['api']['get']>>): Record<string, unknown> {
  expectStatus(answer, 200);
  return answer.body.data.migration;
}

async function reached(stage: Scene, id: number, state: string): Promise<Record<string, unknown>> {
  return waitUntil(`migration ${id} to be ${state}`, async () => {
    const task = await shown(stage, id);
    return task['state'] === state ? task : notYet(JSON.stringify(task));
  });
}

async function want(stage: Scene, id: number, wish: string): Promise<Record<string, unknown>> {
  return migrationOf(await stage.api.post(stage.path('c', `/migrations/${id}/${wish}`)));
}

/** Slots of a shard, as the API says. */
function slotsOf(view: ClusterView, shard: number): readonly string[] {
  return view.shards[shard]?.slot_ranges ?? [];
}

describe('a migration of many slots', () => {
  test('brings ranges of several shards to one, job by job, with their data', async () => {
    const { stage, masters } = await threeShards();
    const keys = [
      ...(await fillSlot(stage, masters[0], { slot: 3, count: 20 })),
      ...(await fillSlot(stage, masters[1], { slot: 5500, count: 20 })),
    ];
    await ask(stage, { target: 2, slots: ['0-9', '20', '5461-5520'], batch: 25 });
    const task = await reached(stage, 1, 'succeeded');
    expect(task).toMatchObject({
      kind: 'migrate',
      slots: { total: 71, moved: 71, left: 0 },
      percent: 100,
      retries: 0,
      running: [],
      reason: 'all 71 slots have come to their targets',
    });
    expect(task['ranges']).toMatchObject([
      { slots: '0-9', source: 0, target: 2, moved: 10, state: 'done' },
      { slots: '20', source: 0, target: 2, state: 'done' },
      { slots: '5461-5520', source: 1, target: 2, moved: 60, state: 'done' },
    ]);
    const view = await stage.converged('c');
    expect(slotsOf(view, 2).slice(0, 3)).toEqual(['0-9', '20', '5461-5520']);
    expect(await serves(stage, masters[2], keys)).toBe(true);
    const { events } = (await stage.api.get(stage.path('c', '/events'))).body.data;
    const kinds = events
      .map(({ kind }: { kind: string }) => kind)
      .filter((kind: string) => kind.startsWith('task'));
    expect(kinds).toEqual(['taskSucceeded', 'taskCreated']);
    // Jobs are in the task, not in the log of what happened.
    expect(events.map(({ kind }: { kind: string }) => kind)).not.toContain('migrationFinished');
  });

  test('waits for the one before it, is shown meanwhile, and can be paused, resumed, cancelled and tried again', async () => {
    const { stage, masters } = await threeShards();
    await fillSlot(stage, masters[0], { slot: 100, count: 192 });
    await limitSpeed(stage, masters[0], 48);
    await ask(stage, { target: 1, slot: 100 });
    await sourceSays(stage, masters[0], { slots: '100', state: 'start' });
    await ask(stage, { target: 1, slots: ['200-203'], batch: 2 });
    await ask(stage, { target: 2, slots: ['300-303'] });
    expect(await shown(stage, 2)).toMatchObject({ state: 'pending', slots: { moved: 0 } });
    expect((await want(stage, 3, 'cancel'))['state']).toBe('cancelled');
    expect((await want(stage, 2, 'pause'))['state']).toBe('paused');
    const again = await stage.api.post(stage.path('c', '/migrate'), { target: 2, slot: '203-205' });
    expect([again.status, again.body.error.message]).toEqual([
      409,
      'migration 2 moves slots 203 already; wait for it, or cancel it first',
    ]);
    await limitSpeed(stage, masters[0], 0);
    await reached(stage, 1, 'succeeded');
    expect(await shown(stage, 2)).toMatchObject({ state: 'paused', reason: 'it is paused' });
    await want(stage, 2, 'resume');
    await reached(stage, 2, 'succeeded');
    await want(stage, 3, 'retry');
    await reached(stage, 3, 'succeeded');
    const { migrations } = (await stage.api.get(stage.path('c', '/migrations'))).body.data;
    expect(migrations.map(({ id }: { id: number }) => id)).toEqual([3, 2, 1]);
    for (const [path, status] of [
      ['/migrations/4', 404],
      ['/migrations/x', 404],
      ['/migrations/1/pause', 409],
      ['/migrations/1/retry', 409],
    ] as const) {
      const isRead = !path.includes('/pause') && !path.includes('/retry');
      const answer = await (isRead
        ? stage.api.get(stage.path('c', path))
        : stage.api.post(stage.path('c', path)));
      expect(answer.status, path).toBe(status);
    }
  });

  test('goes on under the next leader, without beginning a running job anew', async () => {
    const { stage, masters } = await threeShards();
    const keys = await fillSlot(stage, masters[0], { slot: 100, count: 192 });
    await limitSpeed(stage, masters[0], 48);
    await ask(stage, { target: 1, slots: ['100', '200-219'], batch: 5 });
    await sourceSays(stage, masters[0], { slots: '100', state: 'start' });
    const leader = await trio().leader();
    await leader.kill();
    await trio().leader();
    leader.start();
    await limitSpeed(stage, masters[0], 0);
    const task = await reached(stage, 1, 'succeeded');
    expect(task).toMatchObject({ slots: { moved: 21 }, retries: 0 });
    await stage.converged('c');
    expect(await serves(stage, masters[1], keys)).toBe(true);
    expect(migratesOf(masters[0]).filter((slots) => slots === '100')).toHaveLength(1);
  });

  test('is tried again after the master of its source has failed over', async () => {
    const { stage, view, masters } = await threeShards(2);
    const keys = await fillSlot(stage, masters[0], { slot: 100, count: 192 });
    const replica = view.shards[0]?.nodes.find(({ role }) => role === 'slave')?.addr ?? '';
    await stage.inSync(masters[0], replica);
    for (const node of [masters[0], replica]) await limitSpeed(stage, node, 48);
    await ask(stage, { target: 1, slots: ['100'] });
    await sourceSays(stage, masters[0], { slots: '100', state: 'start' });
    await stage.nodeAt(masters[0]).kill();
    await stage.viewWhere('c', 'the replica as master', ({ shards: [shard] }) =>
      shard === undefined ? false : masterOf(shard).addr === replica,
    );
    await limitSpeed(stage, replica, 0);
    await reached(stage, 1, 'succeeded');
    await stage.nodeAt(masters[0]).restart();
    await stage.converged('c');
    expect(await serves(stage, masters[1], keys)).toBe(true);
  });

  test('that comes back leaves slots that take writes', async () => {
    const { stage, masters } = await threeShards();
    const keys = await fillSlot(stage, masters[0], { slot: 100, count: 3 });
    await ask(stage, { target: 1, slots: ['100-102'] });
    await reached(stage, 1, 'succeeded');
    await ask(stage, { target: 0, slots: ['100-102'] });
    await reached(stage, 2, 'succeeded');
    await stage.converged('c');
    expect(await serves(stage, masters[0], keys)).toBe(true);
    for (const key of keys) expect(await stage.ask(masters[0], 'SET', key, key)).toBe('OK');
    await ask(stage, { target: 1, slots: ['100-102'] });
    await reached(stage, 3, 'succeeded');
  });

  test('of a part of what was moved away comes back to slots that take writes', async () => {
    const { stage, masters } = await threeShards();
    const keys = await fillSlot(stage, masters[0], { slot: 110, count: 3 });
    await ask(stage, { target: 1, slots: ['100-139'] });
    await reached(stage, 1, 'succeeded');
    await ask(stage, { target: 0, slots: ['105-119'] });
    await reached(stage, 2, 'succeeded');
    await stage.converged('c');
    expect(await serves(stage, masters[0], keys)).toBe(true);
    for (const key of keys) expect(await stage.ask(masters[0], 'SET', key, key)).toBe('OK');
    // One slot was lent for that, and is back.
    await reached(stage, 4, 'succeeded');
    expect(slotsOf(await stage.view('c'), 1).slice(0, 2)).toEqual(['100-104', '120-139']);
  });

  test('of slots that nobody owns, of a shard to itself, or of what cannot be, is refused, and nothing is stored', async () => {
    const { stage } = await threeShards();
    expectStatus(await stage.api.delete(stage.path('c', '/shards/2/slots'), { slots: ['16000'] }), 200);
    for (const [body, status, why] of [
      [{ target: 0, slots: ['15999-16001'] }, 400, /nobody owns some of the slots/],
      [{ target: 0, slots: ['0-5'] }, 400, /shard 0/],
      [{ target: 1, slots: ['5-3'] }, 400, /slots/],
      [{ target: 1, slots: ['16384'] }, 400, /slots/],
      [{ target: 1, slots: ['1-5', '4-9'] }, 400, /listed twice/],
      [{ target: 1, slots: [] }, 400, /at least one slot/],
      [{ target: 1, slots: ['1'], slot: 2 }, 400, /either "slot"/],
      [{ target: 1 }, 400, /either "slot"/],
      [{ target: 9, slots: ['1'] }, 404, /does not exist/],
      [{ target: 1, slots: ['1'], batch: 0 }, 400, /batch/],
    ] as const) {
      const answer = await stage.api.post(stage.path('c', '/migrate'), body);
      expect(answer.status, JSON.stringify(body)).toBe(status);
      expect(answer.body.error.message).toMatch(why);
    }
    expect((await stage.api.get(stage.path('c', '/migrations'))).body.data.migrations).toEqual([]);
  });
});

/** The slots of every MIGRATE that leaders have sent to the node, by their logs. */
function migratesOf(address: string): readonly unknown[] {
  return trio()
    .members.flatMap((member) => member.log())
    .filter((line) => line['event'] === 'migrate.sent' && line['addr'] === address)
    .map((line) => line['slots']);
}
