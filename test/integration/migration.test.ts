// Slots move with their data, whatever happens on the way; while they move nothing else may endanger them.

import { describe, expect, test } from 'vitest';

import { freePort } from '../support/free-port.ts';
import {
  fillSlot,
  isMigrating,
  limitSpeed,
  migrationEnded,
  serves,
  sourceSays,
} from '../support/migrations.ts';
import { type ClusterView, expectStatus, masterOf, replicasOf, type Scene } from '../support/scene.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { waitFor } from '../support/wait-until.ts';

const trio = useTrio();
const scene = useScenes(trio);

const SLOT = 1000;

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

/** Starts a migration of `SLOT` from shard 0 to shard 1 that takes some seconds; returns when the source is at it. */
async function slowMigration({ stage, view, masters: [source] }: Stage): Promise<readonly string[]> {
  const keys = await fillSlot(stage, source, { slot: SLOT, count: 192 });
  for (const shard of view.shards.slice(0, 1))
    for (const replica of replicasOf(shard)) await stage.inSync(source, replica.addr);
  await limitSpeed(stage, source, 48);
  expectStatus(await stage.api.post(stage.path('c', '/migrate'), { target: 1, slot: SLOT }), 200);
  await sourceSays(stage, source, { slots: String(SLOT), state: 'start' });
  return keys;
}

/** Whether `SLOT` is no longer in shard 0, where it was at the beginning. */
function hasLeftShard0(view: ClusterView): boolean {
  return view.shards[0]?.slot_ranges?.includes(`0-${SLOT - 1}`) === true;
}

describe('a migration', () => {
  test.each([
    { what: 'a slot in the middle', slot: 1234, from: 0, to: 1, filled: [1234] },
    { what: 'the first slot, as text', slot: '0', from: 0, to: 2, filled: [0] },
    { what: 'the last slot', slot: 16383, from: 2, to: 0, filled: [16383] },
    { what: 'a range', slot: '5461-5470', from: 1, to: 0, filled: [5461, 5465, 5470] },
  ])('carries $what with its data to the other shard', async ({ slot, from, to, filled }) => {
    const { stage, view, masters } = await threeShards();
    const [source = '', target = ''] = [masters[from], masters[to]];
    const keys: string[] = [];
    for (const each of filled) keys.push(...(await fillSlot(stage, source, { slot: each, count: 20 })));
    const answer = await stage.api.post(stage.path('c', '/migrate'), {
      target: to,
      slot,
      slot_only: 'false',
    });
    expect([answer.status, answer.body]).toEqual([200, { data: 'ok' }]);
    const after = await migrationEnded(stage, 'c');
    await stage.converged('c');
    expect(after.version).toBe(view.version + 1);
    expect(await serves(stage, target, keys)).toBe(true);
    await expect(stage.ask(source, 'GET', keys[0] ?? '')).rejects.toThrow(`MOVED ${filled[0]} ${target}`);
    for (const other of masters) expect(await stage.askCluster(other, 'GET', keys[0] ?? '')).toBe(keys[0]);
    const owned = after.shards.flatMap((shard) => shard.slot_ranges ?? []);
    const count = owned.reduce((sum, range) => {
      const [start = 0, stop = start] = range.split('-').map(Number);
      return sum + stop - start + 1;
    }, 0);
    expect(count).toBe(16384);
  });

  test('is shown while it runs, and refuses every other change of its two shards and no other', async () => {
    const three = await threeShards();
    const { stage, view } = three;
    const [fresh] = await stage.nodes(1);
    const keys = await slowMigration(three);
    const during = await stage.view('c');
    expect(during.version).toBe(view.version);
    expect(
      during.shards.map((shard) => [shard.migrating_slot, shard.import_slot, shard.target_shard_index]),
    ).toEqual([
      [SLOT, -1, 1],
      [-1, SLOT, -1],
      [-1, -1, -1],
    ]);
    const free = `127.0.0.1:${await freePort()}`;
    const unchecked = { headers: { 'X-Dont-Check-Cluster-Mode': 'yes' } };
    const refused = [
      await stage.api.post(stage.path('c', '/shards/1/nodes'), { addr: free }, unchecked),
      await stage.api.post(stage.path('c', '/migrate'), { target: 1, slot: SLOT }),
      await stage.api.post(stage.path('c', '/migrate'), { target: 2, slot: 7, slot_only: true }),
      await stage.api.delete(stage.path('c', '/shards/0/slots'), { slots: ['0'] }),
      await stage.api.delete(stage.path('c', '/shards/1')),
    ];
    for (const answer of refused) {
      expect(answer.status, answer.text).toBe(409);
      expect(answer.body.error.message).toMatch(
        /moving from shard 0 to shard 1.*retry|migration 1 moves slots/,
      );
    }
    expectStatus(await stage.api.post(stage.path('c', '/shards'), { nodes: [fresh?.address] }), 201);
    expect(isMigrating(await stage.view('c'))).toBe(true);
    const after = await migrationEnded(stage, 'c');
    expect(after.version).toBe(view.version + 2);
    expect(after.shards[1]?.slot_ranges).toContain(String(SLOT));
    await stage.converged('c');
    expect(await serves(stage, three.masters[1], keys)).toBe(true);
  });

  test('takes writes that come while it runs with it', async () => {
    const three = await threeShards();
    const { stage, masters } = three;
    const keys = await slowMigration(three);
    await stage.ask(masters[0], 'SET', `${keys[0] ?? ''}:late`, 'late');
    await stage.ask(masters[0], 'DEL', keys[1] ?? '');
    await migrationEnded(stage, 'c');
    await stage.converged('c');
    expect(await stage.ask(masters[1], 'GET', `${keys[0] ?? ''}:late`)).toBe('late');
    expect(await stage.ask(masters[1], 'GET', keys[1] ?? '')).toBeNull();
  });

  test('goes on while another shard fails over', async () => {
    const three = await threeShards(2);
    const { stage, view, masters } = three;
    const keys = await slowMigration(three);
    await stage.nodeAt(masters[2]).kill();
    const promoted = await stage.viewWhere('c', 'a new master in shard 2', ({ shards }) =>
      shards[2] === undefined ? false : masterOf(shards[2]).addr !== masters[2],
    );
    const [replica] = view.shards[2] === undefined ? [] : replicasOf(view.shards[2]);
    expect(promoted.shards[2] && masterOf(promoted.shards[2]).id).toBe(replica?.id);
    await migrationEnded(stage, 'c');
    const after = await stage.converged('c', [masters[2]]);
    expect(after.version).toBe(view.version + 2);
    expect(await serves(stage, masters[1], keys)).toBe(true);
    const requests = trio()
      .logged('migrate.sent')
      .filter((line) => line['namespace'] === stage.namespace);
    expect(requests).toHaveLength(1);
  });

  test('whose target was killed does not lose a key: the slot ends whole, at one of the two', async () => {
    const three = await threeShards();
    const { stage, masters } = three;
    const keys = await slowMigration(three);
    const target = stage.nodeAt(masters[1]);
    await target.kill();
    await waitFor('the source to serve the whole slot', () => serves(stage, masters[0], keys));
    await stage.ask(masters[0], 'SET', keys[0] ?? '', keys[0] ?? '');
    await limitSpeed(stage, masters[0], 0);
    await target.restart();
    const after = await migrationEnded(stage, 'c');
    await stage.converged('c');
    const isMoved = hasLeftShard0(after);
    expect(await serves(stage, masters[isMoved ? 1 : 0], keys)).toBe(true);
    // Either way the cluster is free for the next one.
    const next = await stage.api.post(stage.path('c', '/migrate'), { target: isMoved ? 0 : 1, slot: SLOT });
    expectStatus(next, 200);
    await migrationEnded(stage, 'c');
    await stage.converged('c');
    expect(await serves(stage, masters[isMoved ? 0 : 1], keys)).toBe(true);
  });

  test('whose source was killed and fails over does not lose a key', async () => {
    const three = await threeShards(2);
    const { stage, view, masters } = three;
    const keys = await slowMigration(three);
    const replica = view.shards[0] === undefined ? undefined : replicasOf(view.shards[0])[0];
    await stage.nodeAt(masters[0]).kill();
    await stage.viewWhere('c', 'a new master in shard 0', ({ shards }) =>
      shards[0] === undefined ? false : masterOf(shards[0]).addr !== masters[0],
    );
    const after = await migrationEnded(stage, 'c');
    await stage.converged('c', [masters[0]]);
    const isMoved = hasLeftShard0(after);
    expect(await serves(stage, isMoved ? masters[1] : (replica?.addr ?? ''), keys)).toBe(true);
  });

  test('one after the other in quick succession all end well', async () => {
    const { stage, view, masters } = await threeShards();
    const keys: string[] = [];
    for (const slot of [10, 11, 12]) {
      keys.push(...(await fillSlot(stage, masters[0], { slot, count: 5 })));
      expectStatus(await stage.api.post(stage.path('c', '/migrate'), { target: 2, slot }), 200);
      await migrationEnded(stage, 'c');
    }
    expect((await stage.converged('c')).version).toBe(view.version + 3);
    expect(await serves(stage, masters[2], keys)).toBe(true);
  });
});
