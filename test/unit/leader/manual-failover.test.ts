import { describe, expect, it } from 'vitest';

import { ok, type Result } from '../../../src/base/result.ts';
import type { FailoverRefusal } from '../../../src/control/failover-request.ts';
import { addReplica } from './changes.ts';
import { masterOf } from '../../../src/topology/cluster.ts';
import { newNodeId } from '../../../src/topology/node.ts';
import { createSeededRandom } from '../../../src/base/random.ts';
import { promote, removeNode } from '../../../src/topology/change-nodes.ts';
import type { Cluster, NodeId } from '../../../src/topology/types.ts';
import { PING_INTERVAL_MS, Scene, addressOf, nameOf } from './scene.ts';

type Answer = Result<NodeId, FailoverRefusal>;

/** Asks, and moves the clock until the answer is there: the answer and how long it took. */
async function ask(
  scene: Scene,
  preferred: NodeId | null,
  shardIndex = 0,
  isForced = false,
): Promise<{ answer: Answer; tookMs: number }> {
  let answer: Answer | null = null;
  void scene.leadership
    .failover({ namespace: scene.namespace, cluster: scene.name, shardIndex, preferred, isForced })
    .then((given) => {
      answer = given.ok ? ok(given.value.newMaster) : given;
    });
  const tookMs = await scene.clock.until(() => answer !== null, 10_000);
  return { answer: answer!, tookMs };
}

describe('a failover by hand', () => {
  it('takes the replica that is furthest and answers when it has its role', async () => {
    const scene = new Scene(1, 3);
    await scene.settle();
    scene.model(0, 2).sequence = 120;
    const best = scene.node(0, 2);
    const { answer, tookMs } = await ask(scene, null);
    expect(answer).toEqual({ ok: true, value: best.id });
    expect(scene.fleet.node(best.address).isMaster).toBe(true);
    expect(masterOf(scene.cluster.shards[0]!).id).toBe(best.id);
    expect(tookMs).toBeLessThan(100);
    await scene.clock.until(() => scene.isConverged(), 1000);
    await scene.stop();
  });

  it('is answered also when the master was replaced, and has left, while the nodes were asked', async () => {
    const scene = new Scene(1, 3);
    await scene.settle();
    const [old, next] = [scene.node(0, 0), scene.node(0, 1)];
    scene.model(0, 0).state = 'hung';
    let answer: unknown = null;
    void scene.leadership.failover(scene.failoverRequest()).then((given) => (answer = given));
    await scene.clock.advance(100);
    for (const change of [
      (cluster: Cluster) => promote(cluster, 0, next.id),
      (cluster: Cluster) => removeNode(cluster, 0, old.id),
    ]) {
      const changed = change(scene.cluster);
      if (!changed.ok) throw new Error(changed.error.kind);
      scene.put(scene.namespace, changed.value);
    }
    await scene.clock.until(() => answer !== null, 10_000);
    expect(answer).toMatchObject({ ok: expect.any(Boolean) });
    await scene.stop();
  });

  it('is refused when another node than the one that was meant is the master by then', async () => {
    const scene = new Scene(1, 2);
    await scene.settle();
    const meant = { ...scene.failoverRequest(), onlyFrom: scene.node(0, 1).id };
    const answer = scene.leadership.failover(meant);
    await scene.clock.advance(3000);
    expect(await answer).toMatchObject({
      ok: false,
      error: { kind: 'refused', reason: 'the master of this shard has changed meanwhile' },
    });
    expect(scene.cluster.version).toBe(1);
    const right = scene.leadership.failover({ ...meant, onlyFrom: scene.node(0, 0).id });
    await scene.clock.until(() => scene.cluster.version > 1, 3000);
    await scene.clock.advance(10_000);
    expect(await right).toMatchObject({ ok: true });
    await scene.stop();
  });

  it('takes the preferred node even if another is further', async () => {
    const scene = new Scene(1, 3);
    await scene.settle();
    scene.model(0, 2).sequence = 120;
    const preferred = scene.node(0, 1).id;
    expect((await ask(scene, preferred)).answer).toEqual({ ok: true, value: preferred });
    await scene.stop();
  });

  it('KB1: waits for what is on its way to the replica, and refuses what does not come', async () => {
    const scene = new Scene(1, 2);
    await scene.settle();
    const version = scene.cluster.version;
    scene.model(0, 0).sequence += 500;
    const refused = await ask(scene, null);
    expect(refused.answer).toMatchObject({
      error: {
        kind: 'refused',
        reason: expect.stringContaining('it lacks 500 of the numbers that the living'),
      },
    });
    expect(refused.tookMs).toBeGreaterThan(1000);
    expect(scene.cluster.version).toBe(version);
    scene.clock.setTimer(500, () => (scene.model(0, 1).sequence += 500));
    const { answer, tookMs } = await ask(scene, null);
    expect(answer.ok).toBe(true);
    expect(tookMs).toBeGreaterThan(450);
    expect(tookMs).toBeLessThan(1000);
    await scene.stop();
  });

  it('works while the master is dead and before the window has passed', async () => {
    const scene = new Scene(1, 2);
    await scene.settle();
    scene.model(0, 0).state = 'dead';
    const replica = scene.node(0, 1).id;
    const { answer, tookMs } = await ask(scene, null);
    expect(answer).toEqual({ ok: true, value: replica });
    expect(tookMs).toBeLessThan(2000);
    await scene.stop();
  });

  it('asked about a master that is replaced meanwhile, it lets the clients of the new one go first', async () => {
    const scene = new Scene(1, 3);
    await scene.settle();
    const old = masterOf(scene.cluster.shards[0]!).id;
    scene.model(0, 0).state = 'hung';
    await scene.clock.advance(2 * PING_INTERVAL_MS);
    const answer = scene.leadership.failover(scene.failoverRequest());
    await scene.clock.until(() => masterOf(scene.cluster.shards[0]!).id !== old, 1500);
    // The other replica comes to it at once, whatever it is told on the way.
    for (let step = 0; step < 100; step += 1) {
      scene.model(0, 2).link = 'up';
      await scene.clock.advance(20);
    }
    await scene.clock.advance(10_000);
    await answer;
    const changes = scene.records.told.filter(({ kind }) => /failover|switchover/i.test(kind));
    expect(changes.map(({ kind }) => kind).slice(0, 2)).toEqual(['failover', 'switchoverStarted']);
    await scene.stop();
  });

  it('takes a master that was hung and answers in the last moment for living', async () => {
    const scene = new Scene(1, 2);
    await scene.settle();
    const master = scene.model(0, 0);
    const { probes } = master;
    await scene.clock.until(() => master.probes > probes, 2 * PING_INTERVAL_MS);
    // The look of the round after the next one begins 1,497 ms after the request.
    await scene.clock.advance(2 * PING_INTERVAL_MS - 1497);
    master.state = 'hung';
    scene.clock.setTimer(1490, () => {
      master.state = 'up';
      master.sequence += 5;
    });
    const { answer } = await ask(scene, null);
    expect(scene.events('failover.started').every(({ fields }) => fields['isDrained'] === true)).toBe(true);
    expect(answer).toMatchObject({ error: { reason: expect.stringContaining('it lacks 5 of the numbers') } });
    await scene.stop();
  });

  it('answers after a bounded time when the new master takes long to obey', async () => {
    const scene = new Scene(1, 2);
    await scene.settle();
    scene.model(0, 1).pushMs = 12_000;
    const { answer, tookMs } = await ask(scene, null);
    expect(answer.ok).toBe(true);
    expect(tookMs).toBeGreaterThan(4000);
    expect(tookMs).toBeLessThan(6500);
    scene.fleet.close();
    await scene.stop();
  });

  it.each([
    ['is hung', (scene: Scene) => (scene.model(0, 1).state = 'hung'), 'did not bring a report'],
    ['is dead', (scene: Scene) => (scene.model(0, 1).state = 'dead'), 'did not bring a report'],
    [
      'has no link',
      (scene: Scene) => (scene.model(0, 1).link = 'down'),
      'its link to the master is down, and the master is alive',
    ],
    [
      'is loading',
      (scene: Scene) => (scene.model(0, 1).error = { kind: 'loading', message: 'LOADING' }),
      'LOADING',
    ],
  ])('refuses a preferred node that %s, with the reason, and takes no other', async (_name, harm, reason) => {
    const scene = new Scene(1, 3);
    await scene.settle();
    const preferred = scene.node(0, 1).id;
    harm(scene);
    const { answer } = await ask(scene, preferred);
    expect(answer).toMatchObject({
      ok: false,
      error: { kind: 'refused', reason: expect.stringContaining(reason) },
    });
    expect(scene.cluster.version).toBe(1);
    scene.fleet.close();
    await scene.stop();
  });

  it('refuses the master itself, strangers, unknown shards and unknown clusters', async () => {
    const scene = new Scene(1, 2);
    await scene.settle();
    const refusal = async (preferred: NodeId | null, shardIndex = 0): Promise<unknown> =>
      (await ask(scene, preferred, shardIndex)).answer;
    expect(await refusal(scene.node(0, 0).id)).toMatchObject({
      error: { reason: expect.stringContaining('already the master') },
    });
    expect(await refusal(newNodeId(createSeededRandom(99)))).toMatchObject({
      error: { reason: expect.stringContaining('not in this shard') },
    });
    expect(await refusal(null, 7)).toMatchObject({ error: { kind: 'missing' } });
    const elsewhere = { ...scene.failoverRequest(), cluster: nameOf('other') };
    expect(await scene.leadership.failover(elsewhere)).toMatchObject({ error: { kind: 'missing' } });
    await scene.stop();
    const late = scene.failoverRequest();
    expect(await scene.leadership.failover(late)).toMatchObject({ error: { kind: 'notLeader' } });
  });

  it('a shard without replicas is refused with that reason', async () => {
    const scene = new Scene(2, 1);
    await scene.settle();
    expect((await ask(scene, null)).answer).toMatchObject({
      error: { kind: 'refused', reason: expect.stringContaining('no replica') },
    });
    await scene.stop();
  });

  it('chooses anew when the record changed in between', async () => {
    const scene = new Scene(1, 2);
    await scene.settle();
    scene.records.nextErrors.push({ kind: 'conflict' }, { kind: 'conflict' });
    expect((await ask(scene, null)).answer.ok).toBe(true);
    await scene.stop();
  });

  it('gives a store that cannot answer back as it is', async () => {
    const scene = new Scene(1, 2);
    await scene.settle();
    scene.records.term = 2;
    expect((await ask(scene, null)).answer).toEqual({ ok: false, error: { kind: 'notLeader' } });
    await scene.stop();
  });

  it('runs one at a time, and a stop ends it', async () => {
    const scene = new Scene(1, 2);
    await scene.settle();
    scene.model(0, 1).state = 'hung';
    const request = scene.failoverRequest();
    const first = scene.leadership.failover(request);
    expect(await scene.leadership.failover(request)).toMatchObject({
      error: { reason: expect.stringContaining('under way') },
    });
    await scene.stop();
    expect(await first).toMatchObject({ error: { kind: 'notLeader' } });
    expect(scene.clock.pendingCount).toBe(0);
  });

  it('by force promotes what no rule would, and writes down that no old copy is a beginning of it', async () => {
    const scene = new Scene(1, 2);
    await scene.settle();
    scene.model(0, 1).link = 'down';
    await scene.clock.advance(3000);
    const replica = scene.node(0, 1).id;
    expect((await ask(scene, null)).answer.ok).toBe(false);
    expect((await ask(scene, null, 0, true)).answer).toEqual({ ok: true, value: replica });
    const facts = scene.records.getCluster(scene.namespace, scene.name)?.facts;
    const [promotion] = facts?.shards.get(scene.cluster.shards[0]!.id)?.promotions ?? [];
    expect(promotion).toMatchObject({ to: replica, sequence: null });
    expect(scene.events('failover.committed')[0]?.fields['why']).toMatch(/by force, although/);
    await scene.stop();
  });

  it('by force accepts a master that lost its data, which then gets its role', async () => {
    const scene = new Scene(1, 1);
    await scene.settle();
    const model = scene.model(0, 0);
    Object.assign(model, { id: null, version: -1, text: '', sequence: 0 });
    await scene.clock.advance(5000);
    expect(model.version).toBe(-1);
    const { id } = scene.node(0, 0);
    expect((await ask(scene, id)).answer).toMatchObject({ error: { kind: 'refused' } });
    expect((await ask(scene, id, 0, true)).answer).toEqual({ ok: true, value: id });
    expect([model.id, model.version, scene.cluster.version]).toEqual([id, 1, 1]);
    await scene.stop();
  });

  it('a replica added a moment ago is judged by its own answers', async () => {
    const scene = new Scene(1, 1);
    await scene.settle();
    const address = addressOf(7200);
    scene.fleet.add(address);
    const added = addReplica(scene.cluster, address);
    scene.put(scene.namespace, added.cluster);
    await scene.clock.until(() => scene.fleet.node(address).masterAddress !== null, 3000);
    scene.fleet.node(address).sequence = 100;
    await scene.clock.advance(2000);
    expect((await ask(scene, added.id)).answer).toEqual({ ok: true, value: added.id });
    await scene.stop();
  });

  it('drains a living master first: that one alone is told, then the new one, then everybody', async () => {
    const scene = new Scene(2, 3);
    await scene.settle();
    scene.fleet.isCommitted = (push, address) => scene.isCommitted(push, address);
    const [old, next] = [scene.node(0, 0), scene.node(0, 1)];
    const before = scene.fleet.pushOrder.length;
    expect((await ask(scene, next.id)).answer).toEqual({ ok: true, value: next.id });
    await scene.clock.until(() => scene.isConverged(), 1000);
    const order = scene.fleet.pushOrder.slice(before);
    expect(order.slice(0, 2)).toEqual([
      { address: old.address, version: 2 },
      { address: next.address, version: 3 },
    ]);
    expect(new Set(order.slice(2).map(({ version }) => version))).toEqual(new Set([3]));
    expect(order).toHaveLength(7);
    expect(scene.fleet.earlyPushes).toBe(0);
    expect(scene.events('switchover.drain.committed')).toHaveLength(1);
    expect(scene.events('failover.committed')[0]?.fields).toMatchObject({ isDrained: true });
    await scene.stop();
  });

  it('undoes a drain that does not come to its end, says how far the replica was, and has the master serve again', async () => {
    const scene = new Scene(1, 2);
    await scene.settle();
    const old = scene.model(0, 0);
    scene.clock.setTimer(5, () => (old.sequence += 500));
    const { answer, tookMs } = await ask(scene, null);
    expect(answer).toMatchObject({
      error: {
        kind: 'refused',
        reason: expect.stringMatching(/within 2000 ms: it lacks 500 of the 600 numbers of its master/),
      },
    });
    expect(tookMs).toBeLessThan(2500);
    expect([old.version, scene.cluster.version, scene.cluster.shards[0]?.drain]).toEqual([3, 3, null]);
    expect(old.text).toContain(`${old.id} 127.0.0.1 7000 master - 0-16383`);
    await scene.stop();
  });

  it('does not drain while the group cannot record it', async () => {
    const scene = new Scene(1, 2);
    await scene.settle();
    scene.records.storesDrains = false;
    expect((await ask(scene, null)).answer.ok).toBe(true);
    expect(scene.cluster.version).toBe(2);
    expect(scene.events('switchover.drain.committed')).toEqual([]);
    await scene.stop();
  });

  it('whose lead is lost in its midst has an unknown outcome, and the next leader finishes it', async () => {
    const scene = new Scene(1, 2);
    await scene.settle();
    const next = scene.node(0, 1);
    scene.clock.setTimer(5, () => (scene.model(0, 0).sequence += 5));
    const asked = scene.leadership.failover({ ...scene.failoverRequest(), preferred: next.id });
    await scene.clock.until(() => scene.model(0, 0).version === 2, 1000);
    const successor = scene.fleet.successor();
    await scene.stop();
    expect(await asked).toMatchObject({
      error: { kind: 'unknown', reason: expect.stringContaining('look') },
    });
    scene.model(0, 1).sequence = 105;
    scene.currentTerm = 2;
    scene.records.term = 2;
    scene.leadership = scene.lead(2, successor);
    scene.leadership.start();
    await scene.clock.until(() => masterOf(scene.cluster.shards[0]!).id === next.id, 3000);
    expect(scene.cluster.shards[0]?.drain).toBeNull();
    await scene.stop();
  });

  it('is told without being done: who would take over, and nothing is committed', async () => {
    const scene = new Scene(1, 2);
    await scene.settle();
    const request = scene.failoverRequest();
    const told = scene.leadership.planFailover(request);
    await scene.clock.advance(2000);
    expect(await told).toMatchObject({ value: { kind: 'drain', newMaster: scene.node(0, 1).id } });
    const missing = scene.leadership.planFailover({ ...request, shardIndex: 3 });
    await scene.clock.advance(2000);
    expect(await missing).toMatchObject({ error: { kind: 'missing' } });
    expect(scene.cluster.version).toBe(1);
    await scene.stop();
    expect(await scene.leadership.planFailover(request)).toMatchObject({ error: { kind: 'notLeader' } });
  });
});
