import { describe, expect, it } from 'vitest';

import { CLUSTER_VERSION_MAX, clusterWithVersion } from '../../../src/topology/cluster.ts';
import { addressOf, makeCluster, nameOf, OPTIONS, PING_INTERVAL_MS, Scene } from './scene.ts';

const WINDOW_MS = PING_INTERVAL_MS * OPTIONS.maxPingCount;

/** The master of the first shard died and was replaced; everybody else has the topology. */
async function takenOver(): Promise<Scene> {
  const scene = new Scene(1, 2);
  await scene.settle();
  scene.model(0, 0).state = 'dead';
  await scene.clock.until(() => scene.model(0, 1).isMaster, 2 * WINDOW_MS);
  await scene.clock.advance(2 * PING_INTERVAL_MS);
  return scene;
}

/** The replica is at our version, and is a master all the same: only FORCE reaches it. */
async function withWrongRole(): Promise<Scene> {
  const scene = new Scene(1, 2);
  await scene.settle();
  const model = scene.model(0, 1);
  model.text = model.text.replace(/slave \S+/, 'master -');
  return scene;
}

describe('a topology that is pushed with FORCE', () => {
  it('is sent once the lead was confirmed, at the committed version', async () => {
    const scene = await withWrongRole();
    const model = scene.model(0, 1);
    const before = model.pushes.length;
    expect(scene.records.confirmations).toBe(0);
    await scene.clock.until(() => model.pushes.length > before, 2 * PING_INTERVAL_MS);
    expect(model.pushes.at(-1)).toMatchObject({ force: true, version: 1 });
    expect(scene.records.confirmations).toBeGreaterThan(0);
    await scene.stop();
  });

  it.each([
    ['the lead was lost meanwhile', (scene: Scene) => (scene.currentTerm = 2)],
    [
      'the lead could not be confirmed',
      (scene: Scene) => scene.records.nextErrors.push({ kind: 'overloaded' }),
    ],
    [
      'the topology changed meanwhile',
      (scene: Scene) => {
        const next = clusterWithVersion(scene.cluster, scene.cluster.version + 1);
        if (next.ok) scene.put(scene.namespace, next.value);
      },
    ],
  ])('is not sent when %s', async (_name, harm) => {
    const scene = await withWrongRole();
    const model = scene.model(0, 1);
    const before = model.pushes.length;
    let hasHarmed = false;
    scene.records.beforeConfirmation = () => {
      if (!hasHarmed) harm(scene);
      hasHarmed = true;
    };
    await scene.clock.until(() => scene.records.confirmations === 1, 2 * PING_INTERVAL_MS, 1);
    await scene.clock.advance(50);
    const forced = model.pushes.slice(before).filter((push) => push.force && push.version === 1);
    expect(forced).toEqual([]);
    await scene.stop();
  });

  it('without FORCE no confirmation is asked for', async () => {
    const scene = new Scene(2, 2);
    await scene.settle();
    expect(scene.records.confirmations).toBe(0);
    await scene.stop();
  });
});

describe('an old master that returns with writes of its own', () => {
  it('KA7: is cut off, outrun and made anew, each told once', async () => {
    const scene = await takenOver();
    const old = scene.model(0, 0);
    old.sequence = 150;
    old.link = 'down';
    old.state = 'up';
    await scene.clock.until(() => old.sequence > 50_000, 20 * PING_INTERVAL_MS);
    expect(scene.events('copy.condemn.committed')).toHaveLength(1);
    await scene.clock.until(() => !old.isMaster, 20 * PING_INTERVAL_MS);
    expect(scene.events('copy.remake.committed')).toHaveLength(0);
    old.sequence = scene.model(0, 1).sequence;
    old.link = 'up';
    await scene.clock.until(() => scene.events('copy.remake.committed').length === 1, 5 * PING_INTERVAL_MS);
    await scene.clock.advance(5 * PING_INTERVAL_MS);
    expect(scene.leadership.status(scene.namespace, scene.name)).toMatchObject({
      isConverged: true,
      problems: [],
    });
    await scene.stop();
  });

  it('is not outrun by a leader that lost the lead in the moment before: somebody else may have made it master since', async () => {
    const scene = await takenOver();
    const old = scene.model(0, 0);
    old.sequence = 150;
    old.link = 'down';
    scene.records.beforeConfirmation = () => {
      scene.currentTerm = 2;
    };
    old.state = 'up';
    await scene.clock.until(() => scene.records.confirmations > 0, 20 * PING_INTERVAL_MS, 1);
    await scene.clock.advance(5 * PING_INTERVAL_MS);
    expect(old.sequence).toBe(150);
    await scene.stop();
  });

  it('is told no role before it was compared', async () => {
    const scene = await takenOver();
    const old = scene.model(0, 0);
    const before = old.pushes.length;
    old.sequence = 150;
    old.state = 'up';
    await scene.clock.until(() => scene.events('copy.condemn.committed').length === 1, 5 * PING_INTERVAL_MS);
    const texts = old.pushes.slice(before).map(({ text }) => text);
    expect(texts.length).toBeGreaterThan(0);
    for (const text of texts) expect(text).toMatch(new RegExp(`${old.id} \\S+ \\S+ master -$`, 'm'));
    await scene.stop();
  });
});

describe('what is only written down', () => {
  it('restarts nothing: no push, no extra look, no line in the log', async () => {
    const scene = new Scene(1, 2);
    await scene.settle();
    await scene.clock.advance(20 * PING_INTERVAL_MS);
    const { length } = scene.log;
    const pushes = scene.fleet.pushOrder.length;
    const probes = scene.model(0, 0).probes;
    const before = scene.records.getCluster(scene.namespace, scene.name);
    for (let second = 0; second < 20; second += 1) {
      for (const node of scene.fleet.nodes.values()) node.sequence += 1;
      await scene.clock.advance(PING_INTERVAL_MS);
    }
    const after = scene.records.getCluster(scene.namespace, scene.name);
    expect(after?.factsRevision).not.toBe(before?.factsRevision);
    expect(after?.revision).toBe(before?.revision);
    expect(scene.log).toHaveLength(length);
    expect(scene.fleet.pushOrder).toHaveLength(pushes);
    expect(scene.model(0, 0).probes - probes).toBe(20);
    await scene.stop();
  });
});

describe('an exception in the decision of one cluster', () => {
  it('KD4: is told once, the others are decided on, and it is tried again', async () => {
    const scene = new Scene(1, 2);
    await scene.settle();
    const addresses = [addressOf(7300), addressOf(7301)];
    for (const address of addresses) scene.fleet.add(address);
    const sane = makeCluster(nameOf('other'), addresses, 2);
    const wild = clusterWithVersion(sane, CLUSTER_VERSION_MAX);
    if (!wild.ok) throw new Error(JSON.stringify(wild.error));
    scene.put(scene.namespace, wild.value);
    await scene.clock.advance(5 * PING_INTERVAL_MS);
    scene.fleet.node(addresses[0]!).state = 'dead';
    await scene.clock.until(() => scene.events('decision.failed').length === 1, 3 * WINDOW_MS);
    scene.model(0, 0).state = 'dead';
    await scene.clock.until(() => scene.model(0, 1).isMaster, 2 * WINDOW_MS);
    await scene.clock.advance(10 * PING_INTERVAL_MS);
    expect(scene.events('decision.failed')).toHaveLength(1);
    expect(scene.leadership.statuses()).toHaveLength(2);
    scene.put(scene.namespace, sane);
    Object.assign(scene.fleet.node(addresses[0]!), { state: 'up', version: 1 });
    scene.fleet.node(addresses[1]!).version = 1;
    await scene.clock.until(
      () => scene.leadership.status(scene.namespace, sane.name)?.isConverged === true,
      30 * PING_INTERVAL_MS,
    );
    await scene.stop();
  });
});

/** The master is back on an empty disk: its replica is about to copy that. */
async function emptied(): Promise<Scene> {
  const scene = new Scene(1, 2);
  await scene.settle();
  const model = scene.model(0, 0);
  Object.assign(model, { id: null, version: -1, text: '', sequence: 0, hasKeys: false });
  return scene;
}

describe('an emptied master', () => {
  it('is fenced whatever is committed meanwhile: its successor, or what somebody asked for', async () => {
    const scene = await emptied();
    const model = scene.model(0, 0);
    scene.records.beforeConfirmation = () => {
      const next = clusterWithVersion(scene.cluster, scene.cluster.version + 1);
      if (next.ok) scene.put(scene.namespace, next.value);
      scene.records.beforeConfirmation = () => {};
    };
    await scene.clock.until(() => model.isFenced, PING_INTERVAL_MS + 100);
    expect(scene.records.confirmations).toBe(1);
    await scene.stop();
  });

  it('is not fenced by a member that lost the lead', async () => {
    const scene = await emptied();
    const { address } = scene.node(0, 0);
    scene.records.beforeConfirmation = () => {
      scene.currentTerm = 2;
    };
    await scene.clock.until(() => scene.currentTerm === 2, PING_INTERVAL_MS + 100);
    await scene.clock.advance(PING_INTERVAL_MS);
    expect(scene.fleet.node(address).isFenced).toBe(false);
    await scene.stop();
  });
});
