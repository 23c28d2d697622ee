// A planned change of masters, rule by rule: drained, reached, taken over; or undone.

import { expect, test } from 'vitest';

import type { CommitAction, PushAction } from '../../../src/control/actions.ts';
import { type Choice, chooseByHand, floorOf, isCatchingUp } from '../../../src/control/failover-by-hand.ts';
import { planByHand } from '../../../src/control/plan-by-hand.ts';
import { lookAt } from '../../../src/control/situation.ts';
import {
  addNode,
  removeNode,
  removeShard,
  startDrain,
  undoDrain,
} from '../../../src/topology/change-nodes.ts';
import {
  addSlots,
  markMigrationStarted,
  moveSlots,
  removeSlots,
  startMigration,
} from '../../../src/topology/change-slots.ts';
import { clusterWithVersion, makeCluster, masterOf } from '../../../src/topology/cluster.ts';
import { NO_NODE_POLICY, withNodePolicy } from '../../../src/topology/policy.ts';
import { drainText, setNodesText } from '../../../src/topology/setnodes-text.ts';
import { slotRange, slotSetOf } from '../../../src/topology/slot.ts';
import type { Result } from '../../../src/base/result.ts';
import { Secret } from '../../../src/base/secret.ts';
import { NOW_SECONDS, address, sampleCluster, valueOf } from '../topology/arbitrary.ts';
import { INTERVAL_MS, Scene, actionsOf, only } from './scene.ts';

function settled(groupSize = 3): Scene {
  const scene = new Scene(2, groupSize);
  scene.rounds(2);
  expect(scene.decide().actions).toEqual([]);
  return scene;
}

/** Everybody is looked at, then a person asks about shard 0. */
function ask(scene: Scene, isForced = false): Result<Choice, string> {
  const askedAtMs = scene.nowMs;
  scene.round();
  const situation = lookAt(scene);
  const floor = floorOf(situation, scene.cluster.shards[0]!, askedAtMs);
  return chooseByHand(situation, {
    shardIndex: 0,
    preferred: scene.id(0, 1),
    isForced,
    askedAtMs,
    floor,
    canDrain: true,
  });
}

function refusal(answer: Result<Choice, string>): string {
  return answer.ok ? `begun toward ${answer.value.newMaster}` : answer.error;
}

/** A drain of shard 0 toward its second node is committed. */
function begun(scene = settled()): Scene {
  const choice = valueOf(ask(scene));
  expect(choice).toMatchObject({ isDrain: true, newMaster: scene.id(0, 1), warning: null });
  scene.endCommit(choice.action);
  return scene;
}

/** The old master takes what it is told: from now on it stands at `sequence`. */
function takeDrain(scene: Scene, push: PushAction, sequence = 100): void {
  expect(push).toMatchObject({ node: scene.id(0, 0), purpose: 'drain' });
  scene.endPush(push);
  scene.set(push.node, { version: push.version, sequence });
}

function drained(sequence = 100, scene = begun()): Scene {
  takeDrain(scene, only(scene.decide(), 'push'), sequence);
  return scene;
}

function reasonOf(action: CommitAction): string {
  return action.reasons.map((reason) => ('text' in reason ? reason.text : '')).join(' ');
}

test('a living master is first told, and nobody else, that its slots are those of the new one', () => {
  const scene = begun();
  expect(scene.cluster.shards[0]?.drain).toEqual({ to: scene.id(0, 1), version: 2 });
  expect(masterOf(scene.cluster.shards[0]!).id).toBe(scene.id(0, 0));
  const push = only(scene.decide(), 'push');
  expect(push).toMatchObject({ node: scene.id(0, 0), purpose: 'drain', version: 2, isForced: false });
  expect(push.text).toBe(drainText(scene.cluster, scene.id(0, 0)));
});

test('the text of a drain shows the slots at the new master alone, and leaves every other line as it is', () => {
  const scene = begun();
  const plain = setNodesText(scene.cluster).split('\n');
  const own = drainText(scene.cluster, scene.id(0, 0)).split('\n');
  const [old, successor] = [scene.id(0, 0), scene.id(0, 1)];
  expect(own.find((line) => line.startsWith(old))).toMatch(/ master -$/);
  expect(own.find((line) => line.startsWith(successor))).toMatch(/ master - 0-8191$/);
  const isOther = (line: string): boolean => !line.startsWith(old) && !line.startsWith(successor);
  expect(own.filter(isOther)).toEqual(plain.filter(isOther));
  // Another master is told the plain topology.
  expect(drainText(scene.cluster, scene.id(1, 0))).toBe(setNodesText(scene.cluster));
});

test('one that is named takes over although it never does by itself, and a wish that comes in the midst of it is for later', () => {
  for (const wish of [
    { failoverPriority: 0 },
    { maintenance: { untilSeconds: null, reason: '', setAtSeconds: 0 } },
  ]) {
    const scene = settled();
    const set = (): void => {
      const cluster = withNodePolicy(scene.policy.cluster, scene.id(0, 1), { ...NO_NODE_POLICY, ...wish });
      scene.policy = { ...scene.policy, cluster };
    };
    if ('failoverPriority' in wish) set();
    drained(100, begun(scene));
    set();
    for (const index of [0, 1]) scene.probe(scene.id(0, index));
    expect(scene.commit().reasons).toMatchObject([{ kind: 'failover', isDrained: true, to: scene.id(0, 1) }]);
  }
});

test('both ends are looked at every 20 ms until it is over', () => {
  const scene = drained();
  expect(scene.decide().urgent).toEqual(new Set([scene.id(0, 0), scene.id(0, 1)]));
});

test('the new master takes over with the look that shows that it has all of the old one, and is told first', () => {
  const scene = drained(130);
  scene.probe(scene.id(0, 0));
  scene.set(scene.id(0, 1), { sequence: 129 });
  scene.probe(scene.id(0, 1));
  expect(scene.decide().actions).toEqual([]);
  scene.set(scene.id(0, 1), { sequence: 130 });
  scene.probe(scene.id(0, 1));
  const action = scene.commit();
  expect(action.reasons).toMatchObject([{ kind: 'failover', isDrained: true, to: scene.id(0, 1) }]);
  expect(reasonOf(action)).toMatch(/drained at sequence 130, and the replica stands at 130: nothing is lost/);
  expect(scene.cluster.version).toBe(3);
  expect(scene.cluster.shards[0]?.drain).toBeNull();
  expect(scene.facts.shards.get(scene.cluster.shards[0]!.id)?.promotions).toMatchObject([
    { from: scene.id(0, 0), to: scene.id(0, 1), sequence: 130, isConfirmed: false },
  ]);
  const first = only(scene.decide(), 'push');
  expect(first).toMatchObject({ node: scene.id(0, 1), purpose: 'role', version: 3 });
  scene.takePush(first);
  scene.probe(scene.id(0, 1));
  const rest = actionsOf(scene.decide(), 'push');
  // A drained master takes no writes, and its replicas have nothing that the new one lacks: nobody has to be cut off first.
  expect(rest.map(({ node, purpose }) => [node, purpose])).toEqual([
    [scene.id(0, 0), 'role'],
    [scene.id(0, 2), 'role'],
    ...scene.cluster.shards[1]!.nodes.map(({ id }) => [id, 'role']),
  ]);
});

test('what was seen before the old master was told says nothing of where it stands', () => {
  const scene = begun();
  const push = only(scene.decide(), 'push');
  expect(scene.decide().actions).toEqual([]);
  takeDrain(scene, push, 150);
  expect(scene.decide().actions).toEqual([]);
  scene.probe(scene.id(0, 0));
  expect(scene.decide().actions).toEqual([]);
});

test('a drain that is not over in time is undone, with how far the replica was behind, and the master is told to serve again', () => {
  const scene = drained(500);
  scene.probe(scene.id(0, 0));
  scene.set(scene.id(0, 1), { sequence: 120 });
  scene.probe(scene.id(0, 1));
  const decision = scene.decide();
  expect(decision.actions).toEqual([]);
  expect(decision.wakeAtMs).toBeLessThanOrEqual(scene.nowMs + scene.settings.switchoverTimeoutMs);
  scene.nowMs = decision.wakeAtMs;
  const action = scene.commit();
  expect(action.reasons).toMatchObject([{ kind: 'drainUndone', shardIndex: 0, to: scene.id(0, 1) }]);
  expect(reasonOf(action)).toMatch(
    /did not come to take over within 2000 ms: it lacks 380 of the 500 numbers of its master; .* is the master as before/,
  );
  expect([scene.cluster.version, scene.cluster.shards[0]?.drain]).toEqual([3, null]);
  const told = actionsOf(scene.decide(), 'push');
  expect(told[0]).toMatchObject({ node: scene.id(0, 0), purpose: 'role', version: 3 });
  // Clients wait for that one: it is the first wave.
  expect(told).toHaveLength(1);
});

test('a drain of a master that cannot be told is undone in time, too', () => {
  const scene = begun();
  const push = only(scene.decide(), 'push');
  scene.endPush(push, 'timedOut');
  scene.nowMs += scene.settings.switchoverTimeoutMs;
  expect(reasonOf(scene.commit())).toMatch(/was not seen to turn its clients away within 2000 ms/);
});

test.each([
  ['is gone', (scene: Scene) => scene.fail(scene.id(0, 1), 'connectionRefused'), /does not answer any more/],
  ['gives errors', (scene: Scene) => scene.fail(scene.id(0, 1), 'loading'), /answers with an error: loading/],
])('a drain toward a replica that %s is undone at once', (_how, harm, why) => {
  const scene = drained(500);
  harm(scene);
  scene.probe(scene.id(0, 1));
  expect(reasonOf(scene.commit())).toMatch(why);
});

test('a drain toward a copy that turns out to be none is undone at once', () => {
  const scene = drained(500);
  const known = scene.facts.nodes.get(scene.id(0, 1))!;
  const nodes = new Map(scene.facts.nodes).set(scene.id(0, 1), { ...known, remake: 'it diverged' });
  scene.facts = { ...scene.facts, nodes };
  scene.probe(scene.id(0, 1));
  expect(reasonOf(scene.commit())).toMatch(/is to be made anew: it diverged/);
});

test('a drain of a master whose slots begin to move is undone at once', () => {
  const scene = drained(500);
  scene.set(scene.id(0, 0), {
    sourceJob: { range: slotRange(0, 9), destination: scene.id(1, 0), state: 'start', isInEffect: null },
  });
  scene.probe(scene.id(0, 0));
  expect(reasonOf(scene.commit())).toMatch(/slots of .* are being moved/);
});

test('a replica that has everything and lost its link is told to be what keeps the drain from its end', () => {
  const scene = drained(130);
  scene.probe(scene.id(0, 0));
  scene.set(scene.id(0, 1), { sequence: 130, syncInProgress: true });
  scene.probe(scene.id(0, 1));
  expect(scene.decide().actions).toEqual([]);
  scene.nowMs += scene.settings.switchoverTimeoutMs;
  expect(reasonOf(scene.commit())).toMatch(/within 2000 ms: a full synchronisation is going on/);
});

test('the next leader finishes what the last one began: the version that the old master has says what it was told', () => {
  const scene = drained(130);
  scene.changeLeader();
  scene.set(scene.id(0, 1), { sequence: 130 });
  scene.round();
  expect(scene.commit().reasons).toMatchObject([{ kind: 'failover', isDrained: true }]);
});

test('the next leader undoes what cannot be finished, and gives it the whole time', () => {
  const scene = drained(130);
  scene.changeLeader();
  scene.nowMs += 60_000;
  scene.probe(scene.id(0, 0));
  scene.probe(scene.id(0, 1));
  expect(scene.decide().actions).toEqual([]);
  scene.nowMs += scene.settings.switchoverTimeoutMs;
  expect(scene.commit().reasons).toMatchObject([{ kind: 'drainUndone' }]);
});

test('a leader that finds a drain of which the master never heard tells it', () => {
  const scene = begun();
  scene.changeLeader();
  scene.round();
  expect(only(scene.decide(), 'push')).toMatchObject({ node: scene.id(0, 0), purpose: 'drain', version: 2 });
});

test('a drained master that comes back without a topology is drained again, not repaired', () => {
  const scene = drained(130);
  scene.probe(scene.id(0, 0));
  scene.set(scene.id(0, 0), { id: null, version: -1, sequence: 130 });
  scene.nowMs += 500;
  scene.probe(scene.id(0, 0));
  expect(only(scene.decide(), 'push')).toMatchObject({
    node: scene.id(0, 0),
    id: scene.id(0, 0),
    purpose: 'drain',
  });
});

test('a drained master is in its place: nobody counts it as overruled, and no problem is told', () => {
  const scene = drained(130);
  scene.probe(scene.id(0, 0));
  expect(scene.problems()).toEqual([]);
  scene.probe(scene.id(0, 0));
  scene.decide();
  expect(scene.memory.raise.count).toBe(0);
  expect(scene.memory.nodes.get(scene.id(0, 0))?.placedAt).toBe(2);
});

test('an old master that dies while it is drained is replaced as any other', () => {
  const scene = drained(100);
  scene.settings = { ...scene.settings, switchoverTimeoutMs: 60_000 };
  scene.fail(scene.id(0, 0), 'hang');
  for (const index of [1, 2]) scene.set(scene.id(0, index), { link: 'down' });
  for (let round = 0; round < 5; round += 1) {
    scene.nowMs += INTERVAL_MS;
    for (const index of [0, 1, 2]) scene.probe(scene.id(0, index));
  }
  const { reasons } = scene.commit();
  expect(reasons).toMatchObject([{ kind: 'failover', isDrained: false }]);
  expect(scene.cluster.shards[0]?.drain).toBeNull();
});

test('an old master that was seen drained and then died loses nothing either', () => {
  const scene = drained(130);
  scene.probe(scene.id(0, 0));
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.probe(scene.id(0, 0));
  scene.set(scene.id(0, 1), { sequence: 130, link: 'down' });
  scene.probe(scene.id(0, 1));
  expect(scene.commit().reasons).toMatchObject([{ kind: 'failover', isDrained: true }]);
});

test('an old master that was seen drained some time ago and is silent may have been told something else since', () => {
  const scene = drained(130);
  scene.probe(scene.id(0, 0));
  scene.nowMs += 600;
  scene.set(scene.id(0, 1), { sequence: 130 });
  scene.probe(scene.id(0, 1));
  expect(scene.decide().actions).toEqual([]);
  scene.probe(scene.id(0, 0));
  expect(scene.commit().reasons).toMatchObject([{ kind: 'failover', isDrained: true }]);

  const undone = drained(130);
  undone.probe(undone.id(0, 0));
  undone.set(undone.id(0, 1), { sequence: 130 });
  undone.decide();
  undone.nowMs += undone.settings.switchoverTimeoutMs;
  undone.probe(undone.id(0, 1));
  expect(reasonOf(undone.commit())).toMatch(/does not answer any more/);
});

test('another shard whose master dies meanwhile fails over, and its nodes hear of it at once', () => {
  const scene = drained(500);
  scene.settings = { ...scene.settings, switchoverTimeoutMs: 60_000 };
  scene.fail(scene.id(1, 0), 'hang');
  for (const index of [1, 2]) scene.set(scene.id(1, index), { link: 'down' });
  scene.rounds(4);
  expect(scene.commit().reasons).toMatchObject([{ kind: 'failover', shardIndex: 1 }]);
  expect(scene.cluster.shards[0]?.drain).not.toBeNull();
  const told = actionsOf(scene.decide(), 'push');
  expect(told.map(({ node, purpose }) => [node, purpose])).toEqual([
    [scene.id(0, 0), 'drain'],
    [scene.id(1, 1), 'role'],
  ]);
});

test('one at a time, not while slots move, and not while nothing is pushed', () => {
  expect(refusal(ask(begun()))).toMatch(/another planned change of masters of this shard is under way/);
  const contested = settled();
  contested.facts = { ...contested.facts, contestedVersion: contested.cluster.version };
  expect(refusal(ask(contested))).toMatch(/nothing is pushed to this cluster.*POST .*sync/);
  const moving = settled();
  moving.set(moving.id(0, 0), {
    sourceJob: { range: slotRange(0, 9), destination: moving.id(1, 0), state: 'start', isInEffect: null },
  });
  expect(refusal(ask(moving))).toMatch(/slots of the master .* are being moved/);
});

test('a master that was not seen as one yet is not drained', () => {
  const scene = drained(100);
  scene.probe(scene.id(0, 0));
  scene.commit();
  scene.nowMs += INTERVAL_MS;
  const askedAtMs = scene.nowMs;
  for (const { id } of scene.cluster.shards[0]!.nodes) scene.probe(id);
  const choice = {
    shardIndex: 0,
    preferred: scene.id(0, 2),
    isForced: false,
    askedAtMs,
    floor: 100,
    canDrain: true,
  };
  expect(refusal(chooseByHand(lookAt(scene), choice))).toMatch(/was just chosen and not seen as master yet/);
});

test('a master that has not heard yet that it keeps slots is not drained: with the drain it would delete them', () => {
  const scene = settled();
  const range = slotRange(0, 9);
  const destination = scene.id(1, 0);
  scene.set(scene.id(0, 0), { sourceJob: { range, destination, state: 'success', isInEffect: true } });
  // The target is gone, and the copy of the source is kept: a higher version says so to it.
  scene.cluster = valueOf(clusterWithVersion(scene.cluster, scene.cluster.version + 1));
  const askedAtMs = scene.nowMs;
  expect(refusal(ask(scene))).toMatch(/was not told the present topology yet: please retry/);
  const choice = { shardIndex: 0, preferred: null, isForced: false, askedAtMs, floor: 100, canDrain: true };
  expect(isCatchingUp(lookAt(scene), choice), 'it is worth another look').toBe(true);
});

test('by force the rules of before stay: nobody is drained', () => {
  expect(valueOf(ask(settled(), true))).toMatchObject({ isDrain: false, newMaster: expect.any(String) });
});

test('a planned migration of a drained shard waits for its end', () => {
  const scene = settled();
  const move = { range: slotRange(0, 9), targetIndex: 1, nowSeconds: NOW_SECONDS };
  scene.cluster = valueOf(startDrain(valueOf(startMigration(scene.cluster, move)), 0, scene.id(0, 1)));
  scene.round();
  expect(scene.problems()).toContain('migrationWaiting');
  expect(actionsOf(scene.decide(), 'commit')).toEqual([]);
});

test('the shard takes no other change meanwhile, and other shards do', () => {
  const cluster = valueOf(startDrain(sampleCluster(3, 2), 0, sampleCluster(3, 2).shards[0]!.nodes[1]!.id));
  const fresh = {
    id: sampleCluster(4, 4).shards[3]!.nodes[3]!.id,
    address: address(7100),
    password: Secret.none,
    createdAtSeconds: 1,
    role: 'replica',
  } as const;
  const replica = cluster.shards[0]!.nodes[1]!.id;
  const range = slotRange(0, 9);
  const refused = { ok: false, error: { kind: 'drainRunning', shardIndex: 0 } };
  expect(addNode(cluster, 0, fresh)).toEqual(refused);
  expect(removeNode(cluster, 0, replica)).toEqual(refused);
  expect(removeShard(cluster, 0)).toEqual(refused);
  expect(addSlots(cluster, 0, slotSetOf([range]))).toEqual(refused);
  expect(removeSlots(cluster, 0, slotSetOf([range]))).toEqual(refused);
  expect(moveSlots(cluster, { range, targetIndex: 1 })).toEqual(refused);
  expect(startMigration(cluster, { range, targetIndex: 1, nowSeconds: 1 })).toEqual(refused);
  expect(startDrain(cluster, 0, replica)).toEqual(refused);
  expect(addNode(cluster, 1, fresh).ok).toBe(true);
  expect(clusterWithVersion(cluster, 9).ok).toBe(true);
});

test('a drain leads to a replica of its shard, began in the past, and is beside no migration that was started', () => {
  const plain = sampleCluster(2, 2);
  const [master, replica] = plain.shards[0]!.nodes;
  expect(startDrain(plain, 0, master!.id)).toMatchObject({ error: { kind: 'alreadyMaster' } });
  expect(startDrain(plain, 0, plain.shards[1]!.nodes[1]!.id)).toMatchObject({
    error: { kind: 'unknownNode' },
  });
  expect(undoDrain(plain, 0)).toMatchObject({ error: { kind: 'noDrain' } });
  const cluster = valueOf(startDrain(plain, 0, replica!.id));
  const withDrain = (drain: object): unknown =>
    makeCluster({
      ...cluster,
      shards: cluster.shards.map((shard, index) => (index === 0 ? Object.assign({}, shard, drain) : shard)),
    });
  expect(withDrain({ drain: { to: master!.id, version: 2 } })).toMatchObject({
    error: { kind: 'invalidDrain' },
  });
  expect(withDrain({ drain: { to: replica!.id, version: 3 } })).toMatchObject({
    error: { kind: 'invalidDrain' },
  });
  const move = { range: slotRange(0, 9), targetIndex: 1, nowSeconds: NOW_SECONDS };
  const planned = valueOf(startDrain(valueOf(startMigration(plain, move)), 0, replica!.id));
  expect(markMigrationStarted(planned, 0, false)).toMatchObject({ error: { kind: 'invalidDrain' } });
  const started = valueOf(markMigrationStarted(valueOf(startMigration(plain, move)), 0, false));
  expect(startDrain(started, 0, replica!.id)).toMatchObject({ error: { kind: 'migrationRunning' } });
});

function planOf(scene: Scene, isForced = false, canDrain = true): ReturnType<typeof planByHand> {
  const askedAtMs = scene.nowMs;
  scene.round();
  const situation = lookAt(scene);
  const shard = scene.cluster.shards[0]!;
  const floor = floorOf(situation, shard, askedAtMs);
  const choice = { shardIndex: 0, preferred: null, isForced, askedAtMs, floor, canDrain };
  return planByHand(situation, { shard, choice });
}

test('a plan tells who would take over, how far each is behind, and what may be lost', () => {
  const scene = settled();
  scene.set(scene.id(0, 2), { sequence: 60 });
  expect(planOf(scene)).toMatchObject({
    kind: 'drain',
    newMaster: scene.id(0, 1),
    mayBeLost: null,
    master: { id: scene.id(0, 0), isAnswering: true, sequence: 100 },
    candidates: [
      { id: scene.id(0, 1), behind: 0, isEligible: true },
      { id: scene.id(0, 2), behind: 40, isEligible: false, why: expect.stringContaining('it lacks 40') },
    ],
  });
  expect(planOf(scene, false, false)).toMatchObject({
    kind: 'failover',
    mayBeLost: expect.stringContaining('until it is told that it was replaced'),
  });
  scene.set(scene.id(0, 0), { sequence: 102 });
  scene.round();
  scene.fail(scene.id(0, 0), 'hang');
  for (const index of [1, 2]) scene.set(scene.id(0, index), { link: 'down' });
  expect(planOf(scene)).toMatchObject({
    kind: 'failover',
    newMaster: scene.id(0, 1),
    mayBeLost: expect.stringMatching(/after it was last looked at, .*; 2 numbers are known to be missing/),
    master: { isAnswering: false },
  });
  for (const index of [1, 2]) scene.fail(scene.id(0, index), 'hang');
  expect(planOf(scene)).toMatchObject({ kind: 'none', newMaster: null, mayBeLost: null });
});

test('a plan of accepting a master without its data says so', () => {
  const scene = new Scene(2, 1);
  scene.rounds(2);
  scene.decide();
  scene.set(scene.id(0, 0), { id: null, version: -1, sequence: 0 });
  scene.round();
  const askedAtMs = scene.nowMs;
  scene.round();
  const shard = scene.cluster.shards[0]!;
  const choice = {
    shardIndex: 0,
    preferred: scene.id(0, 0),
    isForced: true,
    askedAtMs,
    floor: null,
    canDrain: true,
  };
  expect(planByHand(lookAt(scene), { shard, choice })).toMatchObject({
    kind: 'acceptance',
    newMaster: scene.id(0, 0),
    mayBeLost: expect.stringMatching(/stays master without the data it had/),
    candidates: [],
  });
});
