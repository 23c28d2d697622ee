// Clusters grow, shrink and are evened out by one request each, under writes, and every slot is owned by one shard at any time.

import { describe, expect, test } from 'vitest';

import { type ClusterView, expectStatus, masterOf, type Scene } from '../support/scene.ts';
import { SteadyWriter } from '../support/steady-writer.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { notYet, waitUntil } from '../support/wait-until.ts';

const trio = useTrio();
const scene = useScenes(trio);

/** Slots of each shard; fails where one is owned twice. */
function counts({ shards }: ClusterView): readonly number[] {
  const owned = new Set<number>();
  return shards.map(({ slot_ranges: ranges }) => {
    const before = owned.size;
    let count = 0;
    for (const range of ranges ?? []) {
      const [start = 0, stop = start] = range.split('-').map(Number);
      for (let slot = start; slot <= stop; slot += 1) owned.add(slot);
      count += stop - start + 1;
    }
    expect(owned.size - before, 'no slot has two owners').toBe(count);
    return count;
  });
}

function isCovered(view: ClusterView): boolean {
  return counts(view).reduce((sum, count) => sum + count, 0) === 16_384;
}

/** Until the newest migration has ended well; the cluster is covered whenever it is looked at. */
async function carriedOut(stage: Scene): Promise<void> {
  await waitUntil('the migration to succeed', async () => {
    expect(isCovered(await stage.view('c'))).toBe(true);
    const { migrations } = (await stage.api.get(stage.path('c', '/migrations'))).body.data;
    const [newest] = migrations;
    expect(['failed', 'cancelled'], JSON.stringify(newest)).not.toContain(newest?.state);
    return newest?.state === 'succeeded' ? true : notYet(JSON.stringify(newest?.slots));
  });
}

describe('a cluster of three shards', () => {
  test('is grown to five and shrunk back by two requests, covered throughout, and loses no write', async () => {
    const stage = scene();
    const nodes = await stage.nodes(6);
    const before = await stage.cluster('c', nodes, { replicas: 2 });
    const fresh = (await stage.nodes(4)).map(({ address }) => address);
    const addresses = before.shards.map((shard) => masterOf(shard).addr);
    // The last slot of a shard: it is among those that move.
    const writers = [5460, 10_922].map((slot) => new SteadyWriter(stage, addresses, slot));
    for (const writer of writers) await writer.progress(50);

    const dry = await stage.api.post(stage.path('c', '/scale-out'), {
      nodes: fresh,
      replicas: 2,
      dry_run: true,
    });
    expectStatus(dry, 200);
    expect(dry.body.data.migration).toBeNull();
    expect((await stage.view('c')).shards).toHaveLength(3);
    const plan = dry.body.data.plan;
    expect(plan.shards.map(({ after }: { after: number }) => after).toSorted()).toEqual([
      3276, 3277, 3277, 3277, 3277,
    ]);

    const grown = await stage.api.post(stage.path('c', '/scale-out'), {
      nodes: fresh,
      replicas: 2,
      batch: 1000,
    });
    expectStatus(grown, 200);
    expect(grown.body.data.migration).toMatchObject({ kind: 'scaleOut', slots: { total: plan.slots_moved } });
    await carriedOut(stage);
    const five = await stage.converged('c');
    expect(counts(five).toSorted((left, right) => left - right)).toEqual([3276, 3277, 3277, 3277, 3277]);
    for (const writer of writers) await writer.progress(50);

    const shrunk = await stage.api.post(stage.path('c', '/scale-in'), { shards: [3, 4], batch: 1000 });
    expectStatus(shrunk, 200);
    await carriedOut(stage);
    await stage.viewWhere('c', 'three shards', ({ shards }) => shards.length === 3);
    const three = await stage.converged('c', fresh);
    expect(counts(three).toSorted((left, right) => left - right)).toEqual([5461, 5461, 5462]);
    for (const writer of writers) {
      await writer.progress(50);
      await writer.stop();
      await writer.expectKept();
    }
    const { events } = (await stage.api.get(stage.path('c', '/events?kind=shardRemoved'))).body.data;
    expect(events).toHaveLength(2);
  }, 300_000);

  test('is evened out by weight, and emptied of a shard that is to go', async () => {
    const stage = scene();
    await stage.cluster('c', await stage.nodes(3));
    const weighed = await stage.api.post(stage.path('c', '/rebalance'), { weights: { '0': 2 }, batch: 5000 });
    expectStatus(weighed, 200);
    await carriedOut(stage);
    expect(counts(await stage.converged('c'))).toEqual([8192, 4096, 4096]);
    const refused = await stage.api.delete(stage.path('c', '/shards/1'));
    expectStatus(refused, 400);
    const drained = await stage.api.post(stage.path('c', '/shards/1/drain'), { batch: 5000 });
    expectStatus(drained, 200);
    await carriedOut(stage);
    await stage.converged('c');
    expectStatus(await stage.api.delete(stage.path('c', '/shards/1')), 200);
    const even = await stage.api.post(stage.path('c', '/rebalance'), { dry_run: true });
    expect(even.body.data).toMatchObject({ plan: { slots_moved: 0, moves: [] }, migration: null });
    for (const [path, body, status, why] of [
      ['/rebalance', { weights: { '7': 1 } }, 400, /no shard/],
      ['/rebalance', { weights: { '0': -1 } }, 400, /no weight/],
      ['/rebalance', { weights: { '0': 0, '1': 0 } }, 400, /weight above 0/],
      ['/scale-in', { shards: [0, 1] }, 400, /weight above 0/],
      ['/scale-in', { shards: [0, 0] }, 400, /listed twice/],
      ['/scale-in', { shards: [9] }, 404, /does not exist/],
      ['/scale-out', { nodes: ['127.0.0.1:1', '127.0.0.1:2'], replicas: 3 }, 400, /do not make shards/],
      ['/shards/0/drain', { dry_run: 1 }, 400, /dry_run/],
    ] as const) {
      const answer = await stage.api.post(stage.path('c', path), body);
      expect([path, answer.status]).toEqual([path, status]);
      expect(answer.body.error.message).toMatch(why);
    }
  });
});
