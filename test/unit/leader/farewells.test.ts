// Nodes that have left, as a leader tells them: one act at a time, never without a confirmed lead, and nothing outlives its term.

import { describe, expect, it } from 'vitest';

import { removeNode } from '../../../src/topology/change-nodes.ts';
import { findNode } from '../../../src/topology/cluster.ts';
import { untold } from '../../../src/topology/departure.ts';
import type { Node } from '../../../src/topology/types.ts';
import type { ModelNode } from './model-fleet.ts';
import { makeCluster, nameOf, Scene } from './scene.ts';

interface Left {
  readonly scene: Scene;
  readonly node: Node;
  readonly model: ModelNode;
}

/** A settled cluster of a master and two replicas, of which the last leaves after `before`. */
async function left(before: (model: ModelNode, scene: Scene) => void = () => undefined): Promise<Left> {
  const scene = new Scene(1, 3);
  await scene.settle();
  const node = scene.node(0, 2);
  const model = scene.model(0, 2);
  before(model, scene);
  const next = removeNode(scene.cluster, 0, node.id);
  if (!next.ok) throw new Error('a replica can leave');
  scene.put(scene.namespace, next.value);
  return { scene, node, model };
}

function departed({ scene }: Left): ReturnType<typeof statusOf> {
  return statusOf(scene);
}

function statusOf(scene: Scene): readonly { readonly state: string; readonly error: string | null }[] {
  return scene.leadership.status(scene.namespace, scene.name)?.departed ?? [];
}

describe('a node that leaves', () => {
  it('KD11: is cut off under the committed version, asked to be reset, and closed with an event', async () => {
    const made = await left();
    const { scene, node, model } = made;
    await scene.clock.until(() => departed(made)[0]?.state === 'detached', 1000);
    expect(model.isMaster).toBe(true);
    expect(model.version).toBe(scene.cluster.version);
    expect(scene.records.departed).toMatchObject([
      { id: node.id, cutOff: { version: 2, before: { version: 1, role: 'replica' } } },
    ]);
    expect(scene.records.told.filter(({ kind }) => kind === 'nodeDetached')).toMatchObject([
      { node: node.id, text: expect.stringContaining('keeps its data') },
    ]);
    expect(scene.fleet.released).toContain(node.address);
    const { probes } = model;
    await scene.clock.advance(120_000);
    expect(model.probes).toBe(probes);
    await scene.stop();
  });

  it('KD11: and is empty is reset', async () => {
    const made = await left((model) => {
      model.hasKeys = false;
    });
    const { scene, model } = made;
    await scene.clock.until(() => scene.records.departed.length === 0, 1000);
    expect([model.version, model.id]).toEqual([-1, null]);
    expect(scene.records.told.at(-1)).toMatchObject({
      text: expect.stringContaining('is empty and was reset'),
    });
    await scene.stop();
  });

  it('KD11: while it is down is told to people after a minute, and heard by it when it is back, whoever leads', async () => {
    const made = await left((model) => {
      model.state = 'dead';
    });
    const { scene, node, model } = made;
    await scene.clock.advance(59_000);
    const told = (): boolean =>
      scene.events('problem.found').some(({ fields }) => fields['problem'] === 'departedUntold');
    expect(told()).toBe(false);
    expect(departed(made)).toMatchObject([
      { state: 'untold', error: expect.stringContaining('ECONNREFUSED') },
    ]);
    await scene.clock.advance(5000);
    expect(told()).toBe(true);
    expect(scene.leadership.status(scene.namespace, scene.name)?.problems).toMatchObject([
      { kind: 'departedUntold', node: node.id, address: node.address },
    ]);
    await scene.clock.advance(300_000);
    await scene.stop();

    scene.currentTerm = 2;
    scene.records.term = 2;
    const fleet = scene.fleet.successor();
    scene.leadership = scene.lead(2, fleet);
    scene.leadership.start();
    model.state = 'up';
    await scene.clock.until(() => untold(scene.records.departed).length === 0, 1500);
    expect(model.isMaster).toBe(true);
    await scene.stop();
  });

  it('KD11d: is looked at once a second for ever, and told as soon as it is back', async () => {
    const made = await left((model) => {
      model.state = 'dead';
    });
    const { scene, model } = made;
    await scene.clock.advance(400_000);
    const before = model.looks;
    await scene.clock.advance(10_000);
    expect(model.looks - before).toBeGreaterThan(8);
    expect(model.looks - before).toBeLessThan(12);
    model.state = 'up';
    await scene.clock.until(() => untold(scene.records.departed).length === 0, 1100);
    await scene.stop();
  });

  it('KD11d: and was a master is looked at ten times as often, also by the next leader, so that clients find it as briefly as possible', async () => {
    const scene = new Scene(1, 3);
    await scene.settle();
    const node = scene.node(0, 0);
    const model = scene.model(0, 0);
    model.state = 'dead';
    await scene.clock.until(() => findNode(scene.cluster, node.id)?.node.role === 'replica', 20_000);
    await scene.clock.advance(5000);
    const next = removeNode(scene.cluster, 0, node.id);
    if (!next.ok) throw new Error('an old master can leave');
    scene.put(scene.namespace, next.value);
    await scene.clock.advance(200_000);
    await scene.stop();
    scene.currentTerm = 2;
    scene.records.term = 2;
    scene.leadership = scene.lead(2, scene.fleet.successor());
    scene.leadership.start();
    await scene.clock.advance(200_000);
    const before = model.looks;
    await scene.clock.advance(10_000);
    expect(model.looks - before).toBeGreaterThan(80);
    model.state = 'up';
    await scene.clock.until(() => model.version === scene.cluster.version, 150);
    expect(model.isMaster).toBe(true);
    await scene.clock.until(() => untold(scene.records.departed).length === 0, 100);
    expect(scene.records.told.filter(({ kind }) => kind === 'nodeDetached')).toMatchObject([
      { node: node.id },
    ]);
    await scene.stop();
  });

  it('KD11d: is looked at at once when its connection ends, but not without end', async () => {
    const made = await left((model) => {
      model.error = { kind: 'loading', message: 'LOADING' };
    });
    const { scene, node, model } = made;
    await scene.clock.advance(30_500);
    const before = model.looks;
    for (let count = 0; count < 5; count += 1) {
      scene.fleet.onLost(node.address);
      await scene.clock.advance(10);
    }
    expect(model.looks - before).toBe(1);
    await scene.stop();
  });

  it('KD11: is not told once it belongs to a cluster again, wherever in between that happens', async () => {
    const made = await left((_, scene) => {
      scene.records.beforeConfirmation = () => {
        scene.records.beforeConfirmation = () => undefined;
        const address = scene.records.departed[0]!.address;
        scene.put(scene.namespace, makeCluster(nameOf('other'), [address], 1));
      };
    });
    const { scene, model } = made;
    const told = (): boolean => scene.records.told.some(({ kind }) => kind === 'departureForgotten');
    await scene.clock.until(told, 5000);
    expect(model.pushes.some(({ text }) => text.endsWith('master -'))).toBe(false);
    expect(scene.records.told.at(-1)?.text).toContain('belongs to cluster ns/other now');
    await scene.stop();
  });

  it('KD11: is told nothing without a confirmed lead', async () => {
    const made = await left((_, scene) => {
      scene.records.nextErrors.push({ kind: 'notLeader' });
    });
    const { scene, model } = made;
    await scene.clock.advance(500);
    expect(model.isMaster).toBe(false);
    expect(departed(made)).toMatchObject([{ state: 'untold', error: expect.stringContaining('not sent') }]);
    await scene.clock.until(() => model.isMaster, 2000);
    await scene.stop();
  });

  it('KD11: is told again where it refused, and what cannot be written down stops nothing', async () => {
    const made = await left((model, scene) => {
      model.pushError = { kind: 'loading', message: 'LOADING' };
      const change = scene.records.departures.change.bind(scene.records.departures);
      let refusals = 2;
      Object.assign(scene.records.departures, {
        change: (...given: Parameters<typeof change>) => {
          refusals -= 1;
          if (refusals < 0) return change(...given);
          return Promise.resolve({ ok: false, error: { kind: 'overloaded' } });
        },
      });
    });
    const { scene, model } = made;
    await scene.clock.advance(500);
    expect(departed(made)).toMatchObject([{ error: expect.stringContaining('overloaded') }]);
    await scene.clock.advance(5000);
    expect(departed(made)).toMatchObject([{ error: 'LOADING' }]);
    model.pushError = null;
    await scene.clock.until(() => departed(made)[0]?.state === 'detached', 2000);
    await scene.stop();
  });

  it('KD11: is looked at at once when somebody asks, and forgotten when somebody says so', async () => {
    const made = await left((model) => {
      model.state = 'dead';
    });
    const { scene, node, model } = made;
    await scene.clock.advance(400_000);
    model.error = { kind: 'loading', message: 'LOADING' };
    model.state = 'up';
    scene.leadership.nudge(scene.namespace, scene.name);
    await scene.clock.until(() => departed(made)[0]?.error === 'LOADING', 50);
    scene.records.departed = [];
    scene.records.changed();
    await scene.clock.advance(100);
    const probes = model.probes;
    await scene.clock.advance(60_000);
    expect(model.probes).toBe(probes);
    expect(scene.fleet.node(node.address).pushes.some(({ text }) => text.endsWith('master -'))).toBe(false);
    await scene.stop();
  });

  it('KD11: is left to the next leader when the lead ends in the midst of it: nothing is sent any more', async () => {
    const made = await left((model) => {
      model.state = 'hung';
    });
    const { scene } = made;
    await scene.clock.advance(2500);
    await scene.stop();
    expect(scene.clock.pendingCount).toBe(0);
  });
});

describe('a topology told again', () => {
  it('KD11b: goes to every node, and the answer says what became of each', async () => {
    const scene = new Scene(2, 2);
    await scene.settle();
    scene.model(1, 1).state = 'hung';
    const before = scene.model(0, 0).pushes.length;
    const place = { namespace: scene.namespace, cluster: scene.name };
    const asked = scene.leadership.sync(place, null);
    await scene.clock.advance(10);
    expect(await scene.leadership.sync(place, null)).toEqual({ ok: false, error: { kind: 'busy' } });
    await scene.clock.advance(5000);
    const answer = await asked;
    if (!answer.ok) throw new Error('an answer');
    expect(answer.value.map(({ isTold, isConverged }) => [isTold, isConverged])).toEqual([
      [true, true],
      [true, true],
      [true, true],
      [false, false],
    ]);
    expect(answer.value[3]?.why).toMatch(/\w/);
    expect(scene.model(0, 0).pushes.slice(before)).toMatchObject([{ force: true, version: 1 }]);
    expect(scene.records.confirmations).toBeGreaterThan(0);
    expect(scene.cluster.version).toBe(1);
    await scene.stop();
  });

  it('KD11b: goes to one node alone, at once, and to nobody when the lead is lost', async () => {
    const scene = new Scene(1, 2);
    await scene.settle();
    const place = { namespace: scene.namespace, cluster: scene.name };
    const pushes = scene.model(0, 1).pushes.length;
    const one = scene.leadership.sync(place, scene.node(0, 0).id);
    await scene.clock.advance(100);
    expect(await one).toMatchObject({ ok: true, value: [{ isTold: true, why: null }] });
    expect(scene.model(0, 1).pushes).toHaveLength(pushes);
    const elsewhere = { ...place, cluster: nameOf('other') };
    expect(await scene.leadership.sync(elsewhere, null)).toEqual({ ok: false, error: { kind: 'missing' } });
    scene.model(0, 1).state = 'hung';
    const late = scene.leadership.sync(place, null);
    await scene.clock.advance(50);
    await scene.stop();
    expect(await late).toEqual({ ok: false, error: { kind: 'notLeader' } });
    expect(await scene.leadership.sync(place, null)).toEqual({ ok: false, error: { kind: 'notLeader' } });
  });
});
