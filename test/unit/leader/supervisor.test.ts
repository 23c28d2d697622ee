import { describe, expect, it } from 'vitest';

import { startMigration } from '../../../src/topology/change-slots.ts';
import { clusterWithVersion, masterOf } from '../../../src/topology/cluster.ts';
import { slotRange } from '../../../src/topology/slot.ts';
import { addressOf, makeCluster, nameOf, OPTIONS, PING_INTERVAL_MS, Scene } from './scene.ts';

const WINDOW_MS = PING_INTERVAL_MS * OPTIONS.maxPingCount;

/** Every push was of a committed cluster, and was sent after the commit. */
function expectOnlyCommitted(scene: Scene): void {
  for (const node of scene.fleet.nodes.values()) {
    for (const push of node.pushes) expect(scene.isCommitted(push, node.address)).toBe(true);
  }
  expect(scene.fleet.earlyPushes).toBe(0);
}

function watchCommits(scene: Scene): void {
  scene.fleet.isCommitted = (push, address) => scene.isCommitted(push, address);
}

describe('a new cluster', () => {
  it('is pushed to every node once, id and nodes, and then nothing more is sent', async () => {
    const scene = new Scene(3, 2);
    watchCommits(scene);
    await scene.settle();
    for (const node of scene.fleet.nodes.values()) {
      expect(node.pushes).toHaveLength(1);
      expect(node.pushes[0]?.id).toBe(node.id);
    }
    await scene.clock.advance(10 * PING_INTERVAL_MS);
    expect([...scene.fleet.nodes.values()].every((node) => node.pushes.length === 1)).toBe(true);
    expect(scene.events('cluster.converged')).toHaveLength(1);
    expectOnlyCommitted(scene);
    await scene.stop();
  });

  it('that is stored later gets a supervisor, and one that is deleted loses it and its connections', async () => {
    const scene = new Scene(1, 1);
    await scene.settle();
    const address = addressOf(7100);
    scene.fleet.add(address);
    const other = makeCluster(nameOf('later'), [address], 1);
    scene.put(scene.namespace, other);
    await scene.clock.until(() => scene.fleet.node(address).version === 1, 2000);
    scene.records.remove(scene.namespace, other.name);
    await scene.clock.advance(100);
    expect(scene.fleet.released).toEqual([address]);
    const { probes } = scene.fleet.node(address);
    await scene.clock.advance(5 * PING_INTERVAL_MS);
    expect(scene.fleet.node(address).probes).toBe(probes);
    expect(scene.leadership.status(scene.namespace, other.name)).toBeNull();
    await scene.stop();
  });
});

describe('a change that somebody else commits', () => {
  it('goes out after one more look at the masters: slots handed over by hand a moment ago are recorded first', async () => {
    const scene = new Scene(2, 1);
    await scene.settle();
    const [source, target] = [scene.model(0, 0), scene.model(1, 0)];
    const range = slotRange(0, 0);
    source.sourceJob = { range, destination: scene.node(1, 0).id, state: 'success', isInEffect: true };
    target.targetJob = { range, state: 'success' };
    const before = source.pushes.length;
    const next = clusterWithVersion(scene.cluster, scene.cluster.version + 1);
    if (!next.ok) throw new Error('a higher version');
    scene.put(scene.namespace, next.value);
    await scene.clock.until(() => scene.isConverged(), 2000);
    expect(source.pushes.slice(before).map(({ version }) => version)).toEqual([next.value.version + 1]);
    expect(scene.cluster.shards[1]?.slots[0]).toEqual(range);
    await scene.stop();
  });
});

describe('a nudge', () => {
  it('looks at every node at once', async () => {
    const scene = new Scene(2, 1);
    await scene.settle();
    const probes = scene.model(0, 0).probes;
    scene.leadership.nudge(scene.namespace, scene.name);
    await scene.clock.advance(10);
    expect(scene.model(0, 0).probes).toBe(probes + 1);
    expect(scene.leadership.statuses()).toMatchObject([{ cluster: scene.name, isConverged: true }]);
    await scene.stop();
  });
});

describe('a dead master', () => {
  it('is replaced within the window: committed first, the new master told first, one log line each', async () => {
    const scene = new Scene(2, 3);
    watchCommits(scene);
    await scene.settle();
    const oldMaster = masterOf(scene.cluster.shards[0]!);
    scene.model(0, 2).sequence = 105;
    const best = scene.node(0, 2);
    scene.model(0, 0).state = 'dead';
    const tookMs = await scene.clock.until(() => scene.fleet.node(best.address).isMaster, 2 * WINDOW_MS);
    expect(tookMs).toBeLessThanOrEqual(WINDOW_MS + 300);
    await scene.clock.until(() => scene.isConverged(), 2000);
    expect(masterOf(scene.cluster.shards[0]!).id).toBe(best.id);
    expect(scene.cluster.version).toBe(2);
    expect(scene.fleet.pushOrder.find((push) => push.version === 2)?.address).toBe(best.address);
    expect(scene.events('failover.started')).toHaveLength(1);
    expect(scene.events('failover.committed')).toHaveLength(1);
    expect(scene.events('failover.committed')[0]?.fields).toMatchObject({
      from: oldMaster.id,
      to: best.id,
      shardIndex: 0,
    });
    expectOnlyCommitted(scene);
    await scene.stop();
  });

  it.each([
    ['only once its successor has ended the connections of its clients', 'timedOut', false],
    ['by one whose server knows no way to end them', 'refused', true],
  ] as const)('is followed %s', async (_, kind, isFollowed) => {
    const scene = new Scene(1, 2);
    await scene.settle();
    const next = scene.model(0, 1);
    next.endError = { kind, message: 'no' };
    scene.model(0, 0).state = 'dead';
    await scene.clock.until(() => next.ends.length > 0, 2 * WINDOW_MS);
    await scene.clock.advance(100);
    expect(next.isMaster).toBe(isFollowed);
    next.endError = null;
    await scene.clock.until(() => next.isMaster, 10_000);
    expect(next.ends.every(({ whose, version }) => whose === 'clients' && version === 1)).toBe(true);
    await scene.stop();
  });

  it('is told its new role as soon as it returns', async () => {
    const scene = new Scene(1, 2);
    await scene.settle();
    const old = scene.model(0, 0);
    old.state = 'dead';
    await scene.clock.until(() => scene.cluster.version === 2, 2 * WINDOW_MS);
    await scene.clock.advance(5 * PING_INTERVAL_MS);
    old.state = 'up';
    expect(old.isMaster).toBe(true);
    await scene.clock.until(() => !old.isMaster, PING_INTERVAL_MS + 100);
    await scene.stop();
  });

  it.each([
    ['a moment', 0],
    ['minutes', 600_000],
  ])(
    'that hung, and goes on %s after its failover, is told within a look, not a round',
    async (_, awayMs) => {
      const scene = new Scene(1, 2, { ...OPTIONS, pingIntervalMs: 3000 });
      await scene.settle();
      const old = scene.model(0, 0);
      old.state = 'hung';
      await scene.clock.until(() => scene.model(0, 1).isMaster, 20_000);
      await scene.clock.advance(awayMs + 100);
      old.state = 'up';
      // A real node answers the look that is under way; a model only the next one.
      await scene.clock.until(() => !old.isMaster, 1300);
      await scene.stop();
    },
  );

  it('that hangs is replaced within the window and 300 ms, whenever it began', async () => {
    for (let phaseMs = 0; phaseMs < PING_INTERVAL_MS; phaseMs += 130) {
      const scene = new Scene(1, 2);
      await scene.settle();
      await scene.clock.advance(phaseMs);
      scene.model(0, 0).state = 'hung';
      const tookMs = await scene.clock.until(() => scene.model(0, 1).isMaster, 2 * WINDOW_MS);
      expect(tookMs).toBeLessThanOrEqual(WINDOW_MS + 500);
      scene.fleet.close();
      await scene.stop();
    }
  });

  it('without a replica is a problem with its reason, told once', async () => {
    const scene = new Scene(2, 1);
    await scene.settle();
    scene.model(0, 0).state = 'dead';
    await scene.clock.advance(10 * WINDOW_MS);
    expect(scene.cluster.version).toBe(1);
    expect(scene.leadership.status(scene.namespace, scene.name)?.problems).toMatchObject([
      { kind: 'masterUnreachable', severity: 'critical' },
    ]);
    expect(scene.events('problem.found')).toHaveLength(1);
    scene.model(0, 0).state = 'up';
    await scene.clock.advance(2 * PING_INTERVAL_MS);
    expect(scene.events('problem.gone')).toHaveLength(1);
    await scene.stop();
  });

  it('blinking for less than the window is nothing', async () => {
    const scene = new Scene(1, 2);
    await scene.settle();
    for (let count = 0; count < 5; count += 1) {
      scene.model(0, 0).state = 'dead';
      await scene.clock.advance(1.5 * PING_INTERVAL_MS);
      scene.model(0, 0).state = 'up';
      await scene.clock.advance(1.5 * PING_INTERVAL_MS);
    }
    expect(scene.cluster.version).toBe(1);
    await scene.stop();
  });
});

describe('a node that executes SETNODES for long', () => {
  it('is not failed over and does not hold the other shards back for good; its own shard follows once it is master', async () => {
    const scene = new Scene(2, 3);
    await scene.settle();
    scene.model(0, 1).pushMs = 10_000;
    scene.model(0, 0).state = 'dead';
    scene.model(0, 1).sequence = 120;
    scene.model(0, 2).sequence = 110;
    await scene.clock.until(() => scene.cluster.version === 2, 2 * WINDOW_MS);
    await scene.clock.until(() => scene.model(1, 2).version === 2, 4000);
    expect(scene.model(0, 2).version).toBe(1);
    await scene.clock.until(() => scene.model(0, 1).isMaster, 15_000);
    await scene.clock.until(() => scene.model(0, 2).version === 2, 1000);
    expect(scene.cluster.version).toBe(2);
    await scene.stop();
  });
});

describe('the fence', () => {
  it('a member that lost the lead neither commits nor pushes', async () => {
    const scene = new Scene(1, 2);
    await scene.settle();
    const pushes = scene.fleet.pushOrder.length;
    scene.currentTerm = 2;
    scene.model(0, 0).state = 'dead';
    await scene.clock.advance(5 * WINDOW_MS);
    expect(scene.cluster.version).toBe(1);
    expect(scene.fleet.pushOrder).toHaveLength(pushes);
    await scene.stop();
  });

  it('a member that does not know yet that it was deposed cannot commit, and so pushes nothing', async () => {
    const scene = new Scene(1, 2);
    await scene.settle();
    const pushes = scene.fleet.pushOrder.length;
    scene.records.term = 2;
    scene.model(0, 0).state = 'dead';
    await scene.clock.advance(5 * WINDOW_MS);
    expect(scene.cluster.version).toBe(1);
    expect(scene.fleet.pushOrder).toHaveLength(pushes);
    expect(scene.events('commit.failed')).toHaveLength(1);
    await scene.stop();
  });

  it('the next leader goes on where this one stopped', async () => {
    const scene = new Scene(1, 3);
    await scene.settle();
    scene.model(0, 0).state = 'dead';
    scene.model(0, 2).state = 'hung';
    await scene.clock.until(() => scene.cluster.version === 2, 20 * WINDOW_MS);
    await scene.stop();
    scene.model(0, 2).state = 'up';
    scene.currentTerm = 2;
    scene.records.term = 2;
    const next = scene.lead(2, scene.fleet.successor());
    next.start();
    await scene.clock.until(() => scene.isConverged(), 2000);
    await next.stop();
  });

  it('a commit of unknown outcome is looked up, not repeated', async () => {
    const scene = new Scene(1, 2);
    await scene.settle();
    scene.records.nextErrors.push({ kind: 'unknown', reason: 'no answer' });
    scene.model(0, 0).state = 'dead';
    await scene.clock.until(() => scene.model(0, 1).isMaster, 2 * WINDOW_MS);
    expect(scene.cluster.version).toBe(2);
    await scene.stop();
  });

  it('a change by a route in the same moment wins, and the decision is made anew', async () => {
    const scene = new Scene(2, 2);
    await scene.settle();
    scene.records.nextErrors.push({ kind: 'conflict' });
    scene.model(0, 0).state = 'dead';
    await scene.clock.until(() => scene.model(0, 1).isMaster, 2 * WINDOW_MS);
    await scene.stop();
  });
});

describe('stopping', () => {
  it('ends pushes and looks under way at once and leaves no timer and no listener', async () => {
    const scene = new Scene(2, 2);
    scene.model(0, 0).pushMs = 60_000;
    scene.model(1, 0).state = 'hung';
    scene.leadership.start();
    await scene.clock.advance(100);
    const before = scene.clock.monotonicMs();
    await scene.leadership.stop();
    expect(scene.clock.monotonicMs()).toBe(before);
    expect(scene.clock.pendingCount).toBe(0);
    expect(scene.records.listenerCount).toBe(0);
    expect(scene.fleet.isClosed).toBe(true);
    await scene.stop();
  });

  it('waits for a commit under way', async () => {
    const scene = new Scene(1, 2);
    await scene.settle();
    scene.model(0, 0).state = 'dead';
    await scene.clock.until(() => scene.events('failover.started').length === 1, 2 * WINDOW_MS, 1);
    let hasStopped = false;
    const stopped = scene.leadership.stop().then(() => {
      hasStopped = true;
    });
    await scene.clock.advance(0);
    expect(hasStopped).toBe(false);
    await scene.clock.advance(10);
    await stopped;
    expect(scene.clock.pendingCount).toBe(0);
  });
});

describe('log lines', () => {
  it('a push that fails again and again is told when it starts and when its nature changes', async () => {
    const scene = new Scene(1, 2);
    const replica = scene.model(0, 1);
    replica.pushError = { kind: 'refused', message: 'ERR no' };
    scene.leadership.start();
    await scene.clock.advance(60_000);
    expect(replica.pushes.length).toBe(0);
    expect(scene.counts.get('push failed')).toBeGreaterThan(5);
    expect(scene.events('push.failed')).toHaveLength(1);
    replica.pushError = { kind: 'invalidVersion', message: 'ERR Invalid cluster version' };
    await scene.clock.advance(60_000);
    expect(scene.events('push.failed')).toHaveLength(2);
    replica.pushError = null;
    await scene.clock.until(() => scene.isConverged(), 30_000);
    await scene.stop();
  });
});

describe('a migration', () => {
  it('that the source refuses to start is asked for again, and its refusal is told', async () => {
    const scene = new Scene(2, 1);
    await scene.settle();
    const planned = startMigration(scene.cluster, { targetIndex: 1, range: slotRange(5, 5), nowSeconds: 5 });
    if (!planned.ok) throw new Error(JSON.stringify(planned.error));
    scene.model(0, 0).migrateError = {
      kind: 'migrationRunning',
      message: 'ERR There is already a migrating job',
    };
    scene.put(scene.namespace, planned.value);
    await scene.clock.until(() => scene.events('migrate.failed').length === 2, 10_000);
    scene.model(0, 0).migrateError = null;
    await scene.clock.until(() => scene.model(0, 0).migrates.length === 1, 10_000);
    await scene.stop();
  });

  it('is begun once the target has ended what came to it before, and not while it does not', async () => {
    const scene = new Scene(2, 1);
    await scene.settle();
    const planned = startMigration(scene.cluster, { targetIndex: 1, range: slotRange(5, 5), nowSeconds: 5 });
    if (!planned.ok) throw new Error(JSON.stringify(planned.error));
    const [source, target] = [scene.model(0, 0), scene.model(1, 0)];
    target.endError = { kind: 'refused', message: 'it takes in slots 9 from somewhere else' };
    scene.put(scene.namespace, planned.value);
    await scene.clock.until(() => target.ends.length === 2, 10_000);
    expect(source.migrates).toEqual([]);
    expect(scene.events('migrate.failed')[0]?.fields).toMatchObject({
      reason: 'ownFault',
      message: expect.stringContaining('it takes in slots 9 from somewhere else'),
    });
    target.endError = null;
    await scene.clock.until(() => source.migrates.length === 1, 10_000);
    expect(target.ends.at(-1)).toMatchObject({ whose: 'imports' });
    await scene.stop();
  });

  it('is not begun by a leader that lost the lead in the moment before', async () => {
    const scene = new Scene(2, 1);
    await scene.settle();
    const planned = startMigration(scene.cluster, { targetIndex: 1, range: slotRange(5, 5), nowSeconds: 5 });
    if (!planned.ok) throw new Error(JSON.stringify(planned.error));
    scene.records.beforeConfirmation = () => {
      scene.currentTerm = 2;
    };
    scene.put(scene.namespace, planned.value);
    await scene.clock.until(() => scene.records.confirmations > 0, 10_000, 1);
    await scene.clock.advance(5 * PING_INTERVAL_MS);
    expect(scene.model(0, 0).migrates).toEqual([]);
    expect(scene.events('migrate.sent')).toEqual([]);
    await scene.stop();
  });

  it('is started, followed and recorded in the very next version, the target told first', async () => {
    const scene = new Scene(2, 2);
    watchCommits(scene);
    await scene.settle();
    const planned = startMigration(scene.cluster, {
      targetIndex: 1,
      range: slotRange(100, 120),
      nowSeconds: 5,
    });
    if (!planned.ok) throw new Error(JSON.stringify(planned.error));
    scene.put(scene.namespace, planned.value);
    const source = scene.model(0, 0);
    const target = scene.model(1, 0);
    await scene.clock.until(() => source.migrates.length === 1, 3000);
    expect(source.migrates[0]).toEqual({ range: { start: 100, stop: 120 }, target: target.id });
    await scene.clock.advance(2 * PING_INTERVAL_MS);
    expect(source.migrates).toHaveLength(1);
    expect(scene.cluster.version).toBe(1);
    source.sourceJob = { ...source.sourceJob!, state: 'success' };
    target.targetJob = { ...target.targetJob!, state: 'success' };
    const tookMs = await scene.clock.until(() => scene.cluster.version === 2, 3000);
    // One look that shows the success, and one at the target that is younger.
    expect(tookMs).toBeLessThanOrEqual(250);
    await scene.clock.until(() => scene.isConverged(), 3000);
    const order = scene.fleet.pushOrder.filter((push) => push.version === 2).map((push) => push.address);
    expect(order.slice(0, 2)).toEqual([target.address, source.address]);
    expect(scene.cluster.shards[0]!.migration).toBeNull();
    expectOnlyCommitted(scene);
    await scene.stop();
  });
});

describe('other settings while it leads', () => {
  const never = { ...OPTIONS, pingIntervalMs: 600_000, maxPingCount: 1000 };

  it('count from the next decision on, for what is missed already, too', async () => {
    const scene = new Scene(1, 2, never);
    await scene.settle();
    scene.model(0, 0).state = 'hung';
    await scene.clock.advance(10 * WINDOW_MS);
    expect(scene.cluster.version).toBe(1);
    scene.leadership.adopt(OPTIONS);
    await scene.clock.until(() => scene.model(0, 1).isMaster, 2 * WINDOW_MS);
    await scene.stop();
  });

  it('count for clusters that come later', async () => {
    const scene = new Scene(1, 1, never);
    await scene.settle();
    scene.leadership.adopt(OPTIONS);
    const address = addressOf(7100);
    scene.fleet.add(address);
    scene.put(scene.namespace, makeCluster(nameOf('later'), [address], 1));
    await scene.clock.advance(10 * PING_INTERVAL_MS);
    expect(scene.fleet.node(address).probes).toBeGreaterThan(8);
    await scene.stop();
  });
});
