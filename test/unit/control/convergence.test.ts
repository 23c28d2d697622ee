import { expect, test } from 'vitest';

import { forgetOthers, NO_MEMORY } from '../../../src/control/memory.ts';
import { PROBLEMS, problemKey } from '../../../src/control/problems.ts';
import { retryDelayMs } from '../../../src/control/settings.ts';
import { ADOPTED_VERSION_MAX } from '../../../src/control/target.ts';
import { removeSlots } from '../../../src/topology/change-slots.ts';
import { masterOf } from '../../../src/topology/cluster.ts';
import { isolationText, setNodesText } from '../../../src/topology/setnodes-text.ts';
import { parseSlotSet } from '../../../src/topology/slot.ts';
import { sampleCluster, valueOf } from '../topology/arbitrary.ts';
import { FRESH, Scene, actionsOf, only } from './scene.ts';

test('nothing is done to a node nobody has seen, nor to a converged one', () => {
  const scene = new Scene();
  expect(scene.decide().actions).toEqual([]);
  scene.rounds(2);
  expect(scene.decide()).toMatchObject({ actions: [], problems: [], wakeAtMs: Infinity });
  expect(scene.decide().expectant.size).toBe(0);
});

test('fresh nodes get their id and the whole topology, masters before nobody and all at once', () => {
  const scene = new Scene();
  for (const id of scene.answers.keys()) scene.set(id, FRESH);
  scene.round();
  const first = actionsOf(scene.decide(), 'push');
  expect(first.map((push) => [push.node, push.id, push.version])).toEqual(
    [...scene.answers.keys()].map((id) => [id, id, 1]),
  );
  expect(first.every((push) => push.text === setNodesText(scene.cluster))).toBe(true);
});

test('one push a node at a time; the next needs a look younger than the last push, and waits ever longer up to 10 s', () => {
  const scene = new Scene();
  const id = scene.id(1, 1);
  scene.set(id, { version: 0 });
  scene.round();
  for (let attempt = 1; attempt <= 8; attempt += 1) {
    const push = only(scene.decide(), 'push');
    expect(scene.decide().actions).toEqual([]);
    scene.endPush(push, 'refused');
    expect(scene.decide().actions).toEqual([]);
    expect(scene.decide().expectant).toContain(id);
    scene.probe(id);
    const paused = scene.decide();
    expect(paused.actions).toEqual([]);
    expect(paused.wakeAtMs).toBe(scene.nowMs - 5 + retryDelayMs(attempt));
    expect(paused.expectant.size).toBe(0);
    scene.nowMs = paused.wakeAtMs;
  }
  expect(scene.decide().problems.map((problem) => problem.kind)).toEqual(['notConverged']);
  expect(retryDelayMs(50)).toBe(10_000);
});

test('a new version is pushed at once, whatever the pause of the old one, and convergence forgets the failures', () => {
  const scene = new Scene();
  const id = scene.id(1, 1);
  scene.set(id, { version: 0 });
  scene.round();
  scene.endPush(only(scene.decide(), 'push'), 'timedOut');
  scene.probe(id);
  scene.cluster = {
    ...scene.cluster,
    version: valueOf(removeSlots(scene.cluster, 0, scene.cluster.shards[0]!.slots)).version,
  };
  const pushes = actionsOf(scene.decide(), 'push');
  expect(pushes).toHaveLength(4);
  for (const push of pushes) scene.takePush(push);
  scene.round();
  expect(scene.decide().actions).toEqual([]);
  expect(scene.memory.nodes.get(id)?.push).toMatchObject({ attempts: 0, error: null });
});

test('an accepted push that changed nothing is told to people, too', () => {
  const scene = new Scene();
  scene.set(scene.id(1, 1), { version: 0 });
  scene.round();
  for (let attempt = 0; attempt < 3; attempt += 1) {
    scene.endPush(only(scene.decide(), 'push'));
    scene.nowMs += 10_000;
    scene.probe(scene.id(1, 1));
  }
  expect(scene.decide().problems[0]?.detail).toMatch(
    /it has version 0 after 3 pushes, the last: the node accepted it/,
  );
});

test('KD9: our version in the wrong role, with the wrong master or without an id is cured by FORCE at that node alone (facts section 2.2)', () => {
  const cases = [
    [{ role: 'master', master: null, link: null }, 'isolation'],
    [{ master: null }, 'isolation'],
    [{ id: null }, 'role'],
  ] as const;
  for (const [change, purpose] of cases) {
    const scene = new Scene();
    const id = scene.id(1, 1);
    scene.set(id, change);
    scene.round();
    const push = only(scene.decide(), 'push');
    expect(push).toMatchObject({ node: id, purpose, isForced: true, version: 1 });
    expect(push.text).toBe(
      purpose === 'role' ? setNodesText(scene.cluster) : isolationText(scene.cluster, id),
    );
    scene.rounds(20);
    expect(actionsOf(scene.decide(), 'commit')).toEqual([]);
  }
});

test('KD9: a master in the wrong role at our version gets its role by FORCE', () => {
  const scene = new Scene();
  scene.set(scene.id(0, 0), { role: 'replica', master: masterOf(scene.cluster.shards[1]!).address });
  scene.round();
  expect(only(scene.decide(), 'push')).toMatchObject({
    node: scene.id(0, 0),
    purpose: 'role',
    isForced: true,
    version: 1,
  });
});

test('the clients of a replica are ended before it becomes a master, be it alone, and nobody else’s are', () => {
  const cases = [
    [[0, 0], { role: 'replica' }, true],
    // To be told what it is without its master, as if it were one.
    [[1, 1], { master: null }, true],
    [[1, 1], { id: null }, false],
    [[1, 1], { role: 'master', master: null, link: null }, false],
    [[0, 0], { version: 0 }, false],
  ] as const;
  for (const [[shard, node], change, endsClients] of cases) {
    const scene = new Scene();
    const master = masterOf(scene.cluster.shards[1]!).address;
    scene.set(
      scene.id(shard, node),
      'role' in change && change.role === 'replica' ? { ...change, master } : change,
    );
    scene.round();
    expect(only(scene.decide(), 'push')).toMatchObject({ node: scene.id(shard, node), endsClients });
  }
});

test('what a look from before the end of a push shows is no reason to raise the version', () => {
  const scene = new Scene();
  const id = scene.id(1, 1);
  scene.set(id, { version: 0, master: null });
  scene.round();
  const push = only(scene.decide(), 'push');
  scene.set(id, { version: 1 });
  scene.probe(id);
  expect(scene.decide().actions).toEqual([]);
  scene.takePush(push);
  expect(scene.decide().actions).toEqual([]);
  expect(scene.decide().expectant).toContain(id);
  scene.probe(id);
  expect(scene.decide().actions).toEqual([]);
});

test('a higher version is put below ours and never adopted', () => {
  const scene = new Scene();
  scene.set(scene.id(1, 1), { version: 41 });
  scene.set(scene.id(0, 1), { version: 7 });
  scene.round();
  expect(scene.commit().next.version).toBe(42);
  expect(actionsOf(scene.decide(), 'push')).toHaveLength(4);
});

/** Somebody puts a node above our version again and again; when ours was raised. */
function raiseAgain(scene: Scene, count: number): number[] {
  const times: number[] = [];
  for (let index = 0; index < count; index += 1) {
    scene.set(scene.id(1, 1), { version: scene.cluster.version + 5 });
    scene.probe(scene.id(1, 1));
    const decision = scene.decide();
    const isPaused = actionsOf(decision, 'commit').length === 0;
    if (isPaused) scene.nowMs = decision.wakeAtMs;
    times.push(scene.nowMs);
    scene.endCommit(only(isPaused ? scene.decide() : decision, 'commit'));
  }
  return times;
}

test('raises follow each other ever more slowly', () => {
  const times = raiseAgain(new Scene(), 5);
  const gaps = times.slice(1).map((time, index) => Math.round(time - (times[index] ?? 0)));
  expect(gaps).toEqual([200, 400, 800, 1600]);
  const quick = new Scene();
  raiseAgain(quick, 4);
  quick.nowMs += 300_001;
  raiseAgain(quick, 4);
  expect(quick.facts.contestedVersion).toBeNull();
});

test('KD4: another node with a topology, and a version beyond all bounds, are left alone and told', () => {
  const other = new Scene();
  other.set(other.id(1, 1), { id: other.id(0, 0), version: 1 });
  other.rounds(2);
  expect(other.decide()).toMatchObject({
    actions: [],
    problems: [{ kind: 'foreignNode', node: other.id(1, 1) }],
  });
  const wild = new Scene();
  wild.set(wild.id(1, 1), { version: ADOPTED_VERSION_MAX + 1 });
  wild.round();
  expect(wild.decide()).toMatchObject({ actions: [], problems: [{ kind: 'foreignVersion' }] });
});

test('a node with another id but without a topology gets its id', () => {
  const scene = new Scene();
  scene.set(scene.id(1, 1), { ...FRESH, id: scene.id(0, 0) });
  scene.round();
  expect(only(scene.decide(), 'push').id).toBe(scene.id(1, 1));
});

test('a silent replica is a problem once it is down', () => {
  const scene = new Scene();
  scene.round();
  scene.fail(scene.id(1, 1), 'hang');
  scene.rounds(2);
  expect(scene.problems()).toEqual([]);
  scene.round();
  expect(scene.problems()).toEqual(['replicaUnreachable']);
});

test('slots nobody owns are told', () => {
  const scene = new Scene();
  scene.cluster = valueOf(removeSlots(scene.cluster, 0, valueOf(parseSlotSet(['5', '7-9']))));
  const { problems } = scene.decide();
  expect(problems.map((problem) => [problemKey(problem), problem.detail])).toEqual([
    ['slotsUncovered//', 'slots 5 7-9'],
  ]);
});

test('events of nodes that left, moved or were never asked change nothing', () => {
  const scene = new Scene();
  const gone = sampleCluster(4, 4).shards[3]!.nodes[3]!;
  const moved = scene.cluster.shards[0]!.nodes[0]!;
  const result = { kind: 'failed', error: { kind: 'unreachable', message: 'x' } } as const;
  const times = { startedAtMs: 1, endedAtMs: 2 };
  scene.tell(
    { kind: 'probed', node: gone.id, address: gone.address, ...times, result },
    { kind: 'probed', node: moved.id, address: gone.address, ...times, result },
    { kind: 'pushed', node: gone.id, endedAtMs: 2, result: { ok: true, value: undefined } },
    {
      kind: 'migrateAnswered',
      shard: scene.cluster.nextShardId,
      endedAtMs: 2,
      result: { ok: true, value: undefined },
    },
  );
  expect(scene.memory).toEqual(forgetOthers(NO_MEMORY, scene.cluster));
});

test('KD6c, KD8e: a node that takes no more connections, and one that drops its data too early, are told with their remedies', () => {
  const scene = new Scene(1, 3);
  scene.rounds(2);
  scene.decide();
  scene.fail(scene.id(0, 1), 'tooManyClients');
  scene.set(scene.id(0, 2), { emptiesBeforeFullSync: true });
  scene.round();
  expect(scene.problems()).toEqual(['tooManyClients', 'emptiesBeforeFullSync']);
  expect(PROBLEMS.tooManyClients.remedy).toContain('CONFIG SET maxclients');
  expect(PROBLEMS.emptiesBeforeFullSync.remedy).toContain('CONFIG SET slave-empty-db-before-fullsync no');
});

test('KD7: a disk that is nearly full is told, of a master and of a replica, and is no reason for a failover', () => {
  const scene = new Scene(1, 2);
  scene.rounds(2);
  scene.decide();
  scene.set(scene.id(0, 0), { diskUsedPercent: 100 });
  scene.set(scene.id(0, 1), { diskUsedPercent: 94.9 });
  scene.rounds(20);
  const decision = scene.decide();
  expect(decision.actions).toEqual([]);
  expect(decision.problems).toMatchObject([
    { kind: 'diskFull', node: scene.id(0, 0), detail: expect.stringContaining('100 % of its disk') },
  ]);
  scene.set(scene.id(0, 1), { diskUsedPercent: 95 });
  scene.round();
  expect(scene.problems()).toEqual(['diskFull', 'diskFull']);
});

test('every problem has words for people', () => {
  for (const entry of Object.values(PROBLEMS)) {
    for (const text of [entry.title, entry.when, entry.remedy]) expect(text.length).toBeGreaterThan(10);
  }
});

test('a replica just told whom to follow is looked at again soon until its link is up, and not for ever', () => {
  const scene = new Scene();
  scene.set(scene.id(0, 1), { version: 0 });
  scene.round();
  scene.takePush(only(scene.decide(), 'push'));
  scene.set(scene.id(0, 1), { link: 'down' });
  scene.probe(scene.id(0, 1));
  expect([...scene.decide().expectant]).toEqual([scene.id(0, 1)]);
  scene.rounds(6);
  expect([...scene.decide().expectant]).toEqual([]);
  scene.set(scene.id(0, 1), { version: 0, link: 'up' });
  scene.round();
  scene.takePush(only(scene.decide(), 'push'));
  scene.probe(scene.id(0, 1));
  expect([...scene.decide().expectant]).toEqual([]);
});

test('a new link is told as down or behind only when it had a fair chance, one that was up and broke at once', () => {
  const scene = new Scene(1, 2);
  scene.set(scene.id(0, 1), FRESH);
  scene.rounds(2);
  const id = scene.id(0, 1);
  scene.takePush(only(scene.decide(), 'push'));
  scene.set(id, { link: 'down', lastIoSeconds: null, sequence: 0 });
  scene.rounds(5);
  expect(scene.problems()).toEqual([]);
  scene.rounds(2);
  expect(scene.problems()).toEqual(['replicaLinkDown']);
  scene.set(id, { link: 'up', lastIoSeconds: 0 });
  scene.set(scene.id(0, 0), { sequence: 5000 });
  scene.rounds(5);
  expect(scene.problems()).toEqual([]);
  scene.rounds(2);
  expect(scene.problems()).toEqual(['replicaBehind']);
  scene.set(id, { sequence: 5000 });
  scene.rounds(3);
  expect(scene.problems()).toEqual([]);
  scene.set(id, { link: 'down' });
  scene.round();
  expect(scene.problems()).toEqual(['replicaLinkDown']);
});

test('a link that was written down as living and is down at the first look of a new leader is told at once', () => {
  const scene = new Scene(1, 2);
  scene.rounds(2);
  scene.decide();
  scene.changeLeader();
  scene.set(scene.id(0, 1), { link: 'down' });
  scene.round();
  expect(scene.problems()).toEqual(['replicaLinkDown']);
});
