import { expect, test } from 'vitest';

import { assert } from '../../../src/base/assert.ts';
import { err, ok } from '../../../src/base/result.ts';
import { promote } from '../../../src/topology/change-nodes.ts';
import { startMigration } from '../../../src/topology/change-slots.ts';
import { masterOf } from '../../../src/topology/cluster.ts';
import { PROBLEMS } from '../../../src/control/problems.ts';
import { initialFacts } from '../../../src/topology/facts.ts';
import { slotRange } from '../../../src/topology/slot.ts';
import { NOW_SECONDS, valueOf } from '../topology/arbitrary.ts';
import { FRESH, INTERVAL_MS, Scene, actionsOf, only } from './scene.ts';

/** A settled scene whose positions were written down. */
function settled(groupSize = 2): Scene {
  const scene = new Scene(2, groupSize);
  scene.rounds(2);
  expect(scene.decide().actions).toEqual([]);
  return scene;
}

/** Nothing is done but that replicas are kept away from the emptied master. */
function dataLost(scene: Scene): string {
  const decision = scene.decide();
  expect(decision.actions.filter(({ kind }) => kind !== 'fence')).toEqual([]);
  return decision.problems.find(({ kind }) => kind === 'masterDataLost')?.detail ?? 'no problem';
}

test('KA3: a master that comes back on an empty disk is replaced at once and told nothing, and fenced beside that', () => {
  const scene = settled();
  scene.set(scene.id(0, 0), FRESH);
  scene.round();
  const decision = scene.decide();
  const [fence, action] = decision.actions;
  expect(fence).toMatchObject({ kind: 'fence', node: scene.id(0, 0) });
  assert(action?.kind === 'commit', 'nothing else');
  expect(action.reasons).toMatchObject([
    {
      kind: 'failover',
      from: scene.id(0, 0),
      to: scene.id(0, 1),
      text: expect.stringMatching(/has lost its data: it came back without a topology at sequence 0/),
    },
  ]);
  const [problem] = decision.problems;
  expect(problem).toMatchObject({ kind: 'masterDataLost', node: scene.id(0, 0), shardIndex: 0 });
  expect(problem?.detail).toMatch(/sequence 0, it was seen at 100 before\. Replica .* takes over\./);
  expect(PROBLEMS.masterDataLost.severity).toBe('critical');
  scene.endCommit(action);
  expect(scene.commit().reasons).toMatchObject([
    { kind: 'copyRemade', node: scene.id(0, 0), text: expect.stringMatching(/new data directory/) },
  ]);
  // Until its successor is in office, those who know the old address only are kept from copying it.
  expect(scene.decide().actions).toMatchObject([{ kind: 'push', node: scene.id(0, 1) }]);
});

test('KA3: a replica that already synchronises from its emptied master takes over: that ends the synchronisation', () => {
  const scene = settled(3);
  scene.set(scene.id(0, 0), FRESH);
  scene.set(scene.id(0, 1), { syncInProgress: true });
  scene.set(scene.id(0, 2), { sequence: 60, link: 'down' });
  scene.round();
  expect(scene.commit([scene.id(0, 0)]).reasons).toMatchObject([{ kind: 'failover', to: scene.id(0, 1) }]);
});

test('one that has all that was seen and is losing it is not kept waiting for the word of another', () => {
  const scene = settled(3);
  scene.set(scene.id(0, 0), FRESH);
  scene.set(scene.id(0, 1), { syncInProgress: true });
  scene.fail(scene.id(0, 2), 'timedOut');
  scene.round();
  expect(scene.commit([scene.id(0, 0)]).reasons).toMatchObject([{ kind: 'failover', to: scene.id(0, 1) }]);
  const behind = settled(3);
  behind.set(behind.id(0, 0), FRESH);
  behind.set(behind.id(0, 1), { syncInProgress: true, sequence: 99 });
  behind.fail(behind.id(0, 2), 'timedOut');
  behind.round();
  expect(dataLost(behind)).toMatch(/Waiting for replica .*: its answer is still to come/);
});

test('a replica that was asked before its master was seen empty is asked again at once', () => {
  const scene = settled();
  scene.set(scene.id(0, 0), FRESH);
  scene.nowMs += INTERVAL_MS;
  scene.probe(scene.id(0, 1));
  scene.probe(scene.id(0, 0));
  expect(dataLost(scene)).toMatch(/Waiting for replica .*: it was not asked since the failure/);
  expect(scene.decide().expectant).toContain(scene.id(0, 1));
  scene.probe(scene.id(0, 1));
  expect(scene.commit().reasons).toMatchObject([{ kind: 'failover' }]);
});

test('KA3: it is fenced while something else is being committed, and again when that could not be confirmed', () => {
  const scene = settled();
  scene.fail(scene.id(1, 0), 'unreachable');
  scene.rounds(3);
  const other = scene.due();
  scene.set(scene.id(0, 0), FRESH);
  scene.round();
  const fence = only(scene.decide(), 'fence');
  expect(fence.node).toBe(scene.id(0, 0));
  expect(scene.decide().actions).toEqual([]);
  const endedAtMs = scene.nowMs;
  const result = err({ kind: 'ownFault', message: 'the lead could not be confirmed' } as const);
  scene.tell({ kind: 'fenced', node: fence.node, endedAtMs, result });
  const { wakeAtMs } = scene.decide();
  expect(wakeAtMs).toBeLessThanOrEqual(endedAtMs + 1000);
  scene.nowMs = Math.max(scene.nowMs, wakeAtMs);
  expect(only(scene.decide(), 'fence').node).toBe(scene.id(0, 0));
  scene.endCommit(other);
  expect(scene.commit().reasons).toMatchObject([{ kind: 'failover', from: scene.id(0, 0) }]);
});

test('KA3: the emptied master joins as a replica once its successor was seen', () => {
  const scene = settled();
  scene.set(scene.id(0, 0), FRESH);
  scene.round();
  const failover = scene.commit([scene.id(0, 0)]);
  expect(failover.facts.nodes.get(scene.id(0, 0))?.remake).toMatch(/at sequence 0/);
  scene.commit();
  for (const push of actionsOf(scene.decide(), 'push')) scene.takePush(push);
  scene.probe(scene.id(0, 1));
  const joined = actionsOf(scene.decide(), 'push').find(({ node }) => node === scene.id(0, 0));
  expect(joined).toMatchObject({ purpose: 'role', id: scene.id(0, 0), version: 2 });
});

test('a restart that forgot only the topology is no loss: the master gets its role back', () => {
  const scene = settled();
  scene.set(scene.id(0, 0), { ...FRESH, sequence: 100 });
  scene.round();
  expect(only(scene.decide(), 'push')).toMatchObject({
    node: scene.id(0, 0),
    id: scene.id(0, 0),
    purpose: 'role',
  });
});

test('KA3: a master that keeps its name but stands behind what was seen of it has lost its data, too', () => {
  const scene = settled();
  scene.set(scene.id(0, 0), { sequence: 60 });
  scene.round();
  expect(scene.commit().reasons).toMatchObject([
    { kind: 'failover', text: expect.stringMatching(/it goes on at sequence 60, it was seen at 100 before/) },
  ]);
});

test('a master that lost data and goes on beyond where it was seen has not got that back', () => {
  const scene = settled(1);
  scene.set(scene.id(0, 0), { sequence: 40 });
  scene.round();
  expect(scene.commit().reasons).toMatchObject([
    { kind: 'copyCondemned', node: scene.id(0, 0), text: expect.stringMatching(/it was seen at 100 before/) },
  ]);
  scene.set(scene.id(0, 0), { sequence: 500 });
  scene.changeLeader();
  scene.round();
  expect(dataLost(scene)).toMatch(/it goes on at sequence 40, it was seen at 100 before/);
});

test('a living master that a replica seems to be ahead of, because it is looked at later, has lost nothing', () => {
  const scene = settled();
  scene.set(scene.id(0, 1), { sequence: 130 });
  scene.round();
  expect(scene.decide()).toMatchObject({ actions: [], problems: [] });
});

test('a node with data is not told to follow a master that nobody has looked at yet', () => {
  const scene = settled();
  scene.changeLeader();
  scene.set(scene.id(0, 1), { ...FRESH, sequence: 100 });
  scene.probe(scene.id(0, 1));
  expect(scene.decide().actions).toEqual([]);
  scene.round();
  expect(only(scene.decide(), 'push')).toMatchObject({ node: scene.id(0, 1), purpose: 'role' });
});

test('KA3: after an outage of everything the written positions tell which disk was exchanged', () => {
  const scene = settled();
  scene.changeLeader();
  scene.set(scene.id(0, 0), FRESH);
  scene.set(scene.id(0, 1), { ...FRESH, sequence: 100 });
  scene.round();
  // The replica forgot its topology, too: it is told whom it follows only after that was decided.
  expect(dataLost(scene)).toMatch(/it was seen at 100 before\. No eligible replica/);
  scene.set(scene.id(0, 1), { ...scene.converged(scene.id(0, 1)), link: 'down', lastIoSeconds: null });
  scene.round();
  expect(scene.commit().reasons).toMatchObject([{ kind: 'failover', to: scene.id(0, 1) }]);
});

test('KA3: without anything written down a replica that has more shows the loss', () => {
  const scene = new Scene();
  scene.set(scene.id(0, 0), FRESH);
  scene.set(scene.id(0, 1), { link: 'down', lastIoSeconds: 3 });
  scene.round();
  expect(scene.commit([scene.id(0, 0)]).reasons).toMatchObject([
    { kind: 'failover', text: expect.stringMatching(/a replica of it has 100/) },
  ]);
});

test('KA3: when every copy is gone, nobody is promoted and nobody is told to follow an empty master', () => {
  const scene = settled();
  scene.set(scene.id(0, 0), FRESH);
  scene.set(scene.id(0, 1), FRESH);
  scene.round();
  expect(dataLost(scene)).toMatch(/has lost its data/);
  scene.rounds(20);
  const decision = scene.decide();
  expect(actionsOf(decision, 'commit')).toEqual([]);
  expect(actionsOf(decision, 'push').filter(({ node }) => node === scene.id(0, 0))).toEqual([]);
});

test('a replica that was far behind is what is left when the disk of its master was exchanged', () => {
  const scene = new Scene(2, 2);
  scene.set(scene.id(0, 0), { sequence: 5100 });
  scene.rounds(7);
  expect(scene.problems()).toEqual(['replicaBehind']);
  scene.set(scene.id(0, 0), FRESH);
  scene.rounds(2);
  const action = scene.commit([scene.id(0, 0)]);
  expect(masterOf(action.next.shards[0]!).id).toBe(scene.id(0, 1));
});

test('what was lost is not forgotten, however often and however long the node is looked at', () => {
  const scene = new Scene(2, 1);
  scene.set(scene.id(0, 0), { sequence: 0 });
  scene.round();
  expect(scene.decide().actions).toEqual([]);
  scene.set(scene.id(0, 0), { sequence: 100 });
  scene.round();
  scene.set(scene.id(0, 0), FRESH);
  for (let look = 0; look < 600; look += 1) {
    scene.nowMs += 100;
    scene.probe(scene.id(0, 0));
  }
  expect(dataLost(scene)).toMatch(/at sequence 0, it was seen at 100 before/);
});

test('a loss ends with the role: as a replica the node has what its master has, and may be master again', () => {
  const scene = settled();
  scene.set(scene.id(0, 1), { sequence: 40 });
  scene.set(scene.id(0, 0), FRESH);
  scene.round();
  scene.set(scene.id(0, 0), { ...scene.converged(scene.id(0, 1)), id: scene.id(0, 0), sequence: 40 });
  scene.rounds(2);
  scene.cluster = valueOf(promote(scene.cluster, 0, scene.id(0, 1)));
  scene.cluster = valueOf(promote(scene.cluster, 0, scene.id(0, 0)));
  scene.facts = initialFacts(scene.cluster);
  scene.answers.set(scene.id(0, 0), { ...scene.converged(scene.id(0, 0)), sequence: 40 });
  scene.round();
  const decision = scene.decide();
  expect(actionsOf(decision, 'commit')).toEqual([]);
  expect(decision.problems.map(({ kind }) => kind)).not.toContain('masterDataLost');
});

test('a replica that already copied the emptiness is not taken; one that still has the data is', () => {
  const scene = settled(3);
  scene.set(scene.id(0, 0), FRESH);
  scene.set(scene.id(0, 1), { sequence: 0 });
  scene.round();
  expect(scene.commit([scene.id(0, 0)]).reasons).toMatchObject([{ kind: 'failover', to: scene.id(0, 2) }]);
});

test('an emptied master that dies afterwards does not make an emptied replica eligible', () => {
  for (const isLeaderNew of [false, true]) {
    const scene = settled(3);
    if (isLeaderNew) scene.changeLeader();
    scene.fail(scene.id(0, 2), 'connectionRefused');
    scene.set(scene.id(0, 0), FRESH);
    scene.set(scene.id(0, 1), { sequence: 0 });
    scene.rounds(3);
    expect(scene.commit([scene.id(0, 0)]).reasons).toMatchObject([
      { kind: 'copyCondemned', node: scene.id(0, 1), text: /it has copied a master that lost its data/ },
    ]);
    expect(dataLost(scene)).toMatch(/No eligible replica/);
    scene.fail(scene.id(0, 0), 'connectionRefused');
    scene.set(scene.id(0, 1), { link: 'down' });
    scene.rounds(5);
    const decision = scene.decide();
    expect(actionsOf(decision, 'commit')).toEqual([]);
    scene.set(scene.id(0, 2), { ...scene.converged(scene.id(0, 2)), link: 'down', lastIoSeconds: 8 });
    scene.round();
    expect(scene.commit().reasons).toMatchObject([{ kind: 'failover', to: scene.id(0, 2) }]);
  }
});

test('a replica that copied a master without its data is not taken for what was lost, however much clients write to that', () => {
  for (const isLeaderNew of [false, true]) {
    const scene = settled();
    // The data directory is gone, and who it is was kept elsewhere: it serves its clients.
    scene.set(scene.id(0, 0), { sequence: 3 });
    scene.set(scene.id(0, 1), { sequence: 3 });
    if (isLeaderNew) scene.changeLeader();
    scene.round();
    expect(scene.commit().reasons).toMatchObject([
      { kind: 'copyCondemned', node: scene.id(0, 0) },
      { kind: 'copyCondemned', node: scene.id(0, 1), text: /it has copied a master that lost its data/ },
    ]);
    scene.set(scene.id(0, 0), { sequence: 500 });
    scene.set(scene.id(0, 1), { sequence: 500 });
    scene.rounds(3);
    expect(actionsOf(scene.decide(), 'commit')).toEqual([]);
    scene.fail(scene.id(0, 0));
    scene.set(scene.id(0, 1), { link: 'down' });
    scene.rounds(5);
    expect(actionsOf(scene.decide(), 'commit')).toEqual([]);
  }
});

test('an emptied replica is no loss: it follows its master again', () => {
  const scene = settled();
  scene.set(scene.id(0, 1), FRESH);
  scene.round();
  expect(only(scene.decide(), 'push')).toMatchObject({ node: scene.id(0, 1), purpose: 'role' });
});

test('KA3: a target that lost its data before the hand-over was recorded is not given the slots; its replica takes over', () => {
  const scene = new Scene(2, 2);
  const range = slotRange(10, 19);
  scene.rounds(2);
  scene.cluster = valueOf(startMigration(scene.cluster, { range, targetIndex: 1, nowSeconds: NOW_SECONDS }));
  scene.commit();
  scene.endMigrate(only(scene.decide(), 'migrate'));
  const job = { range, destination: scene.id(1, 0), state: 'success', isInEffect: true } as const;
  scene.set(scene.id(0, 0), { sourceJob: job });
  scene.set(scene.id(1, 0), { ...FRESH, targetJob: null });
  scene.nowMs += INTERVAL_MS;
  scene.round();
  const action = scene.commit([scene.id(1, 0)]);
  expect(action.reasons.map(({ kind }) => kind)).toEqual(['migrationGivenUp', 'failover']);
  expect(masterOf(action.next.shards[1]!).id).toBe(scene.id(1, 1));
  expect(action.next.shards[0]!.slots).toEqual(scene.cluster.shards[0]!.slots);
});

test('KA3: the move to a target that lost its data and has no replica is given up: the source is not told to delete its copy', () => {
  const scene = new Scene(2, 1);
  const range = slotRange(10, 19);
  scene.rounds(2);
  scene.cluster = valueOf(startMigration(scene.cluster, { range, targetIndex: 1, nowSeconds: NOW_SECONDS }));
  scene.commit();
  scene.endMigrate(only(scene.decide(), 'migrate'));
  const job = { range, destination: scene.id(1, 0), state: 'success', isInEffect: true } as const;
  scene.set(scene.id(0, 0), { sourceJob: job });
  scene.set(scene.id(1, 0), { ...FRESH, targetJob: null });
  scene.rounds(10);
  const { shards } = scene.cluster;
  const { reasons, next } = scene.commit();
  expect(reasons.map(({ kind }) => kind)).toEqual(['migrationGivenUp']);
  expect(next.shards.map(({ slots }) => slots)).toEqual(shards.map(({ slots }) => slots));
  expect(scene.problems()).toContain('masterDataLost');
});

test('KA3: an emptied master is fenced as long as nobody takes over, and told its new place when somebody does', () => {
  const scene = settled();
  scene.fail(scene.id(0, 1), 'connectionRefused');
  scene.rounds(4);
  scene.decide();
  scene.set(scene.id(0, 0), FRESH);
  scene.round();
  const fence = only(scene.decide(), 'fence');
  expect(fence).toMatchObject({ node: scene.id(0, 0), address: masterOf(scene.cluster.shards[0]!).address });
  expect(scene.decide().actions).toEqual([]);
  scene.tell({
    kind: 'fenced',
    node: fence.node,
    endedAtMs: scene.nowMs,
    result: err({ kind: 'refused', message: 'no' }),
  });
  scene.round();
  expect(dataLost(scene)).toMatch(/could not be fenced \(no\)/);
  scene.tell({ kind: 'fenced', node: fence.node, endedAtMs: scene.nowMs, result: ok(undefined) });
  scene.set(scene.id(0, 0), { isFenced: true });
  scene.round();
  expect(scene.decide().actions).toEqual([]);
  expect(dataLost(scene)).toMatch(/Replicas are kept from copying it/);
  scene.set(scene.id(0, 1), { link: 'down', lastIoSeconds: null });
  scene.round();
  expect(scene.commit().reasons).toMatchObject([{ kind: 'failover', to: scene.id(0, 1) }]);
});

test('a master whose fence is left over is told its topology again, which takes it down', () => {
  const scene = settled();
  scene.set(scene.id(0, 0), { isFenced: true });
  scene.round();
  expect(only(scene.decide(), 'push')).toMatchObject({
    node: scene.id(0, 0),
    isForced: true,
    purpose: 'role',
  });
});

test('KA3: an old master that is back on an empty disk before its successor was seen in office is fenced, too, also by the next leader', () => {
  const scene = settled(3);
  scene.fail(scene.id(0, 0), 'connectionRefused');
  for (const index of [1, 2]) scene.set(scene.id(0, index), { link: 'down' });
  scene.rounds(3);
  scene.commit();
  // The successor dies before it hears of it, and so does the leader; the other replica still knows the old address only.
  scene.changeLeader();
  for (const index of [1, 2]) scene.fail(scene.id(0, index), 'connectionRefused');
  scene.set(scene.id(0, 0), FRESH);
  scene.round();
  expect(actionsOf(scene.decide(), 'fence')).toMatchObject([
    {
      node: scene.id(0, 0),
      why: expect.stringMatching(/came back without a topology at sequence 0, it was seen at 100 before/),
    },
  ]);
});
