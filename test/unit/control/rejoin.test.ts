import { expect, test } from 'vitest';

import type { PushAction } from '../../../src/control/actions.ts';
import { addNode, removeNode } from '../../../src/topology/change-nodes.ts';
import { clusterWithVersion, findNode, masterOf } from '../../../src/topology/cluster.ts';
import {
  TAKEN_TO_REMAKE,
  isQuarantined,
  NO_NODE_POLICY,
  withNodePolicy,
} from '../../../src/topology/policy.ts';
import { isolationText, setNodesText } from '../../../src/topology/setnodes-text.ts';
import { factsFor } from '../../../src/topology/facts.ts';
import { slotRange } from '../../../src/topology/slot.ts';
import type { NodeId } from '../../../src/topology/types.ts';
import { valueOf } from '../topology/arbitrary.ts';
import { FRESH, Scene, actionsOf, only } from './scene.ts';

/** The master of shard 0 died at sequence 100 or more, its replica took over at 100, and everybody else has the topology. */
function takenOver(groupSize = 2): Scene {
  const scene = new Scene(2, groupSize);
  scene.rounds(2);
  expect(scene.decide().actions).toEqual([]);
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.rounds(3);
  expect(scene.commit().reasons).toMatchObject([{ kind: 'failover', to: scene.id(0, 1) }]);
  scene.settle();
  return scene;
}

function old(scene: Scene): NodeId {
  return scene.id(0, 0);
}

/** The old master is started again with its data and its topology. */
function comeBack(scene: Scene, sequence: number): void {
  scene.answers.set(old(scene), {
    ...scene.converged(old(scene)),
    role: 'master',
    master: null,
    link: null,
    lastIoSeconds: null,
    version: 1,
    sequence,
  });
  scene.round();
}

function pushTo(scene: Scene, id: NodeId): PushAction {
  const found = actionsOf(scene.decide(), 'push').filter(({ node }) => node === id);
  expect(found).toHaveLength(1);
  return found[0]!;
}

/** Back, cut off from clients, and seen so. */
function isolated(sequence: number): Scene {
  const scene = takenOver();
  comeBack(scene, sequence);
  scene.takeIsolation(pushTo(scene, old(scene)));
  scene.round();
  return scene;
}

/** Condemned by a commit. */
function condemned(sequence = 120): Scene {
  const scene = isolated(sequence);
  expect(scene.commit().reasons).toMatchObject([{ kind: 'copyCondemned', node: old(scene), shardIndex: 0 }]);
  return scene;
}

/** Steps of outrunning until the node is told its role: that push, and how many numbers were used up. */
function outrun(scene: Scene): { readonly push: PushAction; readonly count: number } {
  let count = 0;
  for (let step = 0; step < 20; step += 1) {
    const decision = scene.decide();
    const [action] = actionsOf(decision, 'outrun');
    if (action === undefined) return { push: only(decision, 'push'), count };
    expect(action.node).toBe(old(scene));
    expect(action.count).toBeLessThanOrEqual(20_000);
    count += action.count;
    const before = scene.answers.get(old(scene));
    const sequence = before && 'version' in before ? (before.sequence ?? 0) : 0;
    scene.set(old(scene), { sequence: sequence + action.count });
    scene.nowMs += 100;
    scene.tell({
      kind: 'outran',
      node: action.node,
      endedAtMs: scene.nowMs,
      result: { ok: true, value: undefined },
    });
    scene.round();
  }
  throw new Error('outrun for ever');
}

function follow(scene: Scene, push: PushAction, sequence: number): void {
  expect(push.purpose).toBe('role');
  scene.endPush(push);
  scene.answers.set(old(scene), { ...scene.converged(old(scene)), sequence });
  scene.round();
}

test('KA7: a master that returns is first cut off from clients, by a topology of its own, before anything else', () => {
  const scene = takenOver();
  comeBack(scene, 100);
  const push = only(scene.decide(), 'push');
  expect(push).toMatchObject({ node: old(scene), purpose: 'isolation', version: 2, isForced: false });
  expect(push.text).toBe(isolationText(scene.cluster, old(scene)));
  expect(push.text).toContain(`${old(scene)} 127.0.0.1 7000 master -\n`);
});

test('an old master in its new place is written down so with its first look there: the next leader does not throw its copy away', () => {
  const scene = isolated(100);
  const push = only(scene.decide(), 'push');
  scene.endPush(push);
  scene.answers.set(old(scene), { ...scene.converged(old(scene)), link: 'down', lastIoSeconds: null });
  // Something else was written down a moment ago.
  scene.memory = { ...scene.memory, notedAtMs: scene.nowMs };
  for (const id of [scene.id(0, 1), old(scene)]) scene.probe(id);
  expect(scene.decide().actions).toEqual([]);
  expect(scene.facts.nodes.get(old(scene))?.following).toBeNull();
  scene.changeLeader();
  scene.rounds(2);
  expect(scene.decide().actions).toEqual([]);
  expect(scene.facts.nodes.get(old(scene))?.remake).toBeNull();
});

test.each([
  ['were coming to it', { range: slotRange(9000, 9001), state: 'start' }, true],
  ['had come in a move that was given up', { range: slotRange(9000, 9001), state: 'success' }, true],
  ['had come, and are its shard’s', { range: slotRange(5, 6), state: 'success' }, false],
  ['were dropped', { range: slotRange(9000, 9001), state: 'error' }, false],
] as const)(
  'a prefix may go on by itself for as long as the source of slots can have them deleted: slots that %s',
  (_, targetJob, isCondemned) => {
    const scene = takenOver();
    comeBack(scene, 100);
    scene.takeIsolation(pushTo(scene, old(scene)));
    scene.set(old(scene), { targetJob });
    scene.round();
    if (isCondemned)
      expect(scene.commit().reasons).toMatchObject([
        { kind: 'copyCondemned', text: /their source may have it delete them yet/ },
      ]);
    else expect(only(scene.decide(), 'push')).toMatchObject({ node: old(scene), purpose: 'role' });
  },
);

test('KA7: a prefix of the new history rejoins at once', () => {
  const scene = isolated(100);
  const push = only(scene.decide(), 'push');
  expect(push).toMatchObject({ node: old(scene), purpose: 'role', isForced: true, version: 2 });
  expect(push.text).toBe(setNodesText(scene.cluster));
  follow(scene, push, 100);
  expect(scene.decide()).toMatchObject({ actions: [], problems: [] });
  expect(scene.facts.nodes.get(old(scene))?.remake).toBeNull();
});

test('KA7: it is judged by where it stands once it is cut off, not by what it said before', () => {
  const scene = takenOver();
  comeBack(scene, 100);
  const push = pushTo(scene, old(scene));
  scene.takeIsolation(push);
  scene.set(old(scene), { sequence: 101 });
  scene.round();
  expect(scene.commit().reasons).toMatchObject([{ kind: 'copyCondemned' }]);
});

test('nothing is concluded from an isolation that was not seen', () => {
  const scene = takenOver();
  comeBack(scene, 120);
  const push = pushTo(scene, old(scene));
  scene.endPush(push, 'timedOut');
  expect(scene.decide().actions).toEqual([]);
  scene.round();
  expect(only(scene.decide(), 'push')).toMatchObject({ purpose: 'isolation' });
  scene.round();
  expect(actionsOf(scene.decide(), 'commit')).toEqual([]);
});

test('KA7: one that diverged is condemned first, and its status says how much is its own', () => {
  const scene = isolated(120);
  const action = scene.commit();
  expect(action.reasons).toMatchObject([
    { kind: 'copyCondemned', text: expect.stringMatching(/up to 20 numbers are its own/) },
  ]);
  expect(action.next.version).toBe(2);
  expect(action.facts.nodes.get(old(scene))).toMatchObject({
    following: null,
    remake: expect.stringMatching(/sequence 120/),
  });
  expect(scene.problems()).toEqual(['copyNotProven']);
});

test('KA7: a condemned copy is outrun in steps, rejoins, and counts as a copy after a full synchronisation only', () => {
  const scene = condemned();
  const { push, count } = outrun(scene);
  expect(count).toBeGreaterThanOrEqual(50_000);
  expect(push).toMatchObject({ node: old(scene), purpose: 'role', isForced: true });
  scene.endPush(push);
  scene.answers.set(old(scene), {
    ...scene.converged(old(scene)),
    link: 'down',
    syncInProgress: true,
    sequence: 60_120,
  });
  scene.round();
  expect(scene.decide().actions).toEqual([]);
  scene.set(old(scene), { link: 'up', syncInProgress: false, sequence: 100 });
  scene.round();
  expect(scene.commit().reasons).toMatchObject([
    { kind: 'copyRemade', node: old(scene), text: expect.stringMatching(/was made anew from/) },
  ]);
  expect(scene.facts.nodes.get(old(scene))).toMatchObject({ remake: null, following: scene.id(0, 1) });
  expect(scene.decide()).toMatchObject({ actions: [], problems: [] });
});

test('a full synchronisation nobody saw shows in a number that fell back', () => {
  const scene = condemned();
  follow(scene, outrun(scene).push, 100);
  expect(scene.commit().reasons).toMatchObject([{ kind: 'copyRemade' }]);
});

test('KA7: a node that got its numbers by a partial synchronisation is not taken for remade, and is outrun again', () => {
  const scene = condemned();
  const { push } = outrun(scene);
  scene.set(scene.id(0, 1), { sequence: 300_000 });
  follow(scene, push, 300_000);
  expect(only(scene.decide(), 'push')).toMatchObject({ node: old(scene), purpose: 'isolation' });
});

test('while its copy is made anew it cannot take over, even if nothing else is left', () => {
  const scene = condemned();
  const { push } = outrun(scene);
  scene.endPush(push);
  scene.answers.set(old(scene), { ...scene.converged(old(scene)), syncInProgress: true, sequence: 60_120 });
  scene.round();
  scene.fail(scene.id(0, 1), 'connectionRefused');
  scene.set(old(scene), { syncInProgress: false, link: 'down' });
  scene.rounds(4);
  const decision = scene.decide();
  expect(decision.actions).toEqual([]);
  expect(decision.problems.find(({ kind }) => kind === 'masterUnreachable')?.detail).toMatch(
    /its copy is not proven/,
  );
});

test('it is outrun only while the position of its master is known', () => {
  const scene = condemned();
  scene.fail(scene.id(0, 1), 'loading');
  scene.round();
  expect(scene.decide().actions).toEqual([]);
});

test('KA7: a way that is too long is not gone: the node is kept aside, cut off, with the remedy', () => {
  const scene = condemned();
  scene.set(scene.id(0, 1), { sequence: 9_000_000 });
  scene.round();
  const decision = scene.decide();
  expect(decision.actions).toEqual([]);
  expect(decision.problems).toMatchObject([
    { kind: 'copyNotProven', node: old(scene), detail: expect.stringMatching(/kept aside: .* 9099880 /) },
  ]);
});

test('a node kept aside joins by itself on a new data directory', () => {
  const scene = condemned();
  scene.set(scene.id(0, 1), { sequence: 9_000_000 });
  scene.set(old(scene), FRESH);
  scene.round();
  expect(scene.commit().reasons).toMatchObject([
    { kind: 'copyRemade', text: expect.stringMatching(/on a new data directory/) },
  ]);
  expect(only(scene.decide(), 'push')).toMatchObject({ node: old(scene), id: old(scene), purpose: 'role' });
});

test('a refused or lost step of outrunning is repeated after a pause', () => {
  const scene = condemned();
  const action = only(scene.decide(), 'outrun');
  expect(scene.decide().actions).toEqual([]);
  scene.tell({
    kind: 'outran',
    node: action.node,
    endedAtMs: scene.nowMs,
    result: { ok: false, error: { kind: 'timedOut', message: 'no reply' } },
  });
  const paused = scene.decide();
  expect(paused.actions).toEqual([]);
  expect(paused.wakeAtMs).toBe(scene.nowMs + 800);
  scene.nowMs = paused.wakeAtMs;
  only(scene.decide(), 'outrun');
});

test('a change of leaders after the isolation: what it was cannot be told any more, so it is made anew', () => {
  const scene = isolated(100);
  scene.changeLeader();
  scene.round();
  const push = only(scene.decide(), 'push');
  expect(push).toMatchObject({ node: old(scene), purpose: 'isolation', isForced: true });
  scene.takeIsolation(push);
  scene.round();
  expect(scene.commit().reasons).toMatchObject([{ kind: 'copyCondemned', node: old(scene) }]);
});

test('a change of leaders in the middle of outrunning begins with cutting it off again', () => {
  const scene = condemned();
  const action = only(scene.decide(), 'outrun');
  scene.set(old(scene), { sequence: 120 + action.count });
  scene.changeLeader();
  scene.round();
  scene.takeIsolation(only(scene.decide(), 'push'));
  scene.round();
  const { push, count } = outrun(scene);
  expect(count).toBe(40_000);
  follow(scene, push, 100);
  expect(scene.commit().reasons).toMatchObject([{ kind: 'copyRemade' }]);
});

test('a change of leaders during the full synchronisation lets it end, and has the copy made anew once more: whoever saw only the end cannot tell what it came from', () => {
  const scene = condemned();
  const { push } = outrun(scene);
  scene.endPush(push);
  scene.answers.set(old(scene), {
    ...scene.converged(old(scene)),
    link: 'down',
    syncInProgress: true,
    sequence: 60_120,
  });
  scene.changeLeader();
  scene.round();
  expect(scene.decide().actions).toEqual([]);
  scene.set(old(scene), { link: 'up', syncInProgress: false, sequence: 100 });
  scene.rounds(2);
  expect(only(scene.decide(), 'push')).toMatchObject({ node: old(scene), purpose: 'isolation' });
});

test('a new version in the middle: the node is cut off under that one, and its history is still known', () => {
  const scene = isolated(120);
  scene.cluster = valueOf(clusterWithVersion(scene.cluster, 5));
  const push = pushTo(scene, old(scene));
  expect(push).toMatchObject({ purpose: 'isolation', version: 5, isForced: false });
  scene.takeIsolation(push);
  for (const other of actionsOf(scene.decide(), 'push')) scene.takePush(other);
  scene.round();
  expect(scene.commit().reasons).toMatchObject([
    { kind: 'copyCondemned', text: expect.stringMatching(/up to 20 numbers are its own/) },
  ]);
});

test('a replica of an old master at whose address nobody listens is cut off before it is judged: that one may be back in a moment, and be copied once more', () => {
  for (const [sequence, purpose] of [
    [100, 'role'],
    [103, null],
  ] as const) {
    const scene = new Scene(2, 3);
    scene.rounds(2);
    expect(scene.decide().actions).toEqual([]);
    scene.fail(scene.id(0, 0), 'connectionRefused');
    scene.fail(scene.id(0, 2), 'loading');
    scene.rounds(3);
    scene.commit();
    scene.settle();
    scene.answers.set(scene.id(0, 2), {
      ...scene.converged(scene.id(0, 2)),
      version: 1,
      master: scene.cluster.shards[0]!.nodes[0]!.address,
      link: 'down',
      sequence: 100,
    });
    scene.round();
    scene.takeIsolation(pushTo(scene, scene.id(0, 2)));
    scene.set(scene.id(0, 2), { sequence });
    scene.round();
    const decision = scene.decide();
    if (purpose === null) expect(only(decision, 'commit').reasons).toMatchObject([{ kind: 'copyCondemned' }]);
    else expect(only(decision, 'push')).toMatchObject({ node: scene.id(0, 2), purpose });
  }
});

test('a replica seen with cluster mode off is condemned at once, cannot take over, and is made anew under any leader', () => {
  const scene = new Scene(1, 2);
  scene.rounds(2);
  scene.decide();
  scene.fail(scene.id(0, 1), 'clusterDisabled');
  scene.round();
  expect(scene.commit().reasons).toMatchObject([
    { kind: 'copyCondemned', node: scene.id(0, 1), text: expect.stringMatching(/with cluster mode off/) },
  ]);
  expect(scene.decide().actions).toEqual([]);
  expect(scene.problems()).toEqual(['clusterDisabled', 'copyNotProven']);
  scene.changeLeader();
  scene.answers.set(scene.id(0, 1), scene.converged(scene.id(0, 1)));
  scene.round();
  expect(only(scene.decide(), 'push')).toMatchObject({ node: scene.id(0, 1), purpose: 'isolation' });
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.rounds(4);
  expect(scene.decide().problems.find(({ kind }) => kind === 'masterUnreachable')?.detail).toMatch(
    /its copy is not proven: it was seen with cluster mode off/,
  );
});

test('a master seen with cluster mode off is told and stays: its replicas have what it takes', () => {
  const scene = new Scene(1, 2);
  scene.rounds(2);
  scene.fail(scene.id(0, 0), 'clusterDisabled');
  scene.rounds(10);
  expect(scene.decide().actions).toEqual([]);
  expect(scene.problems()).toEqual(['clusterDisabled']);
});

test('one that is back before that could be written down is condemned all the same', () => {
  const scene = new Scene(1, 2);
  scene.rounds(2);
  scene.decide();
  scene.fail(scene.id(0, 1), 'clusterDisabled');
  scene.round();
  const lost = only(scene.decide(), 'commit');
  scene.answers.set(scene.id(0, 1), scene.converged(scene.id(0, 1)));
  scene.round();
  scene.endCommit(lost, false);
  scene.rounds(2);
  expect(scene.commit().reasons).toMatchObject([{ kind: 'copyCondemned', node: scene.id(0, 1) }]);
});

test('a master that was seen so and is back is no other than before: it may be replaced and follow', () => {
  const scene = new Scene(1, 2);
  scene.rounds(2);
  scene.fail(scene.id(0, 0), 'clusterDisabled');
  scene.rounds(2);
  scene.answers.set(scene.id(0, 0), scene.converged(scene.id(0, 0)));
  scene.rounds(2);
  expect(scene.problems()).toEqual([]);
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.rounds(4);
  const { next } = scene.commit();
  expect(masterOf(next.shards[0]!).id).toBe(scene.id(0, 1));
  scene.settle();
  scene.set(scene.id(0, 0), { version: 1, role: 'master', master: null });
  scene.rounds(2);
  expect(only(scene.decide(), 'push')).toMatchObject({ node: scene.id(0, 0), purpose: 'isolation' });
});

test('in quarantine what diverges is cut off and kept, until just that is released', () => {
  const scene = takenOver();
  const { policy } = scene;
  scene.policy = { ...policy, cluster: { ...policy.cluster, onDivergence: 'quarantine' } };
  comeBack(scene, 120);
  scene.takeIsolation(pushTo(scene, old(scene)));
  scene.round();
  expect(scene.commit().reasons).toMatchObject([{ kind: 'copyCondemned', node: old(scene) }]);
  scene.rounds(5);
  const { actions, problems } = scene.decide();
  expect(actions).toEqual([]);
  expect(problems.find(({ kind }) => kind === 'copyNotProven')?.detail).toMatch(
    /20 .*kept aside: what diverges is kept/,
  );
  // A new version reaches it as an isolation, like any other.
  const remake = scene.facts.nodes.get(old(scene))?.remake ?? '';
  const release = (released: string): void => {
    const cluster = withNodePolicy(scene.policy.cluster, old(scene), { ...NO_NODE_POLICY, released });
    scene.policy = { ...scene.policy, cluster };
  };
  release('another reason');
  expect(scene.decide().actions).toEqual([]);
  release(remake);
  expect(actionsOf(scene.decide(), 'outrun')).toMatchObject([{ node: old(scene) }]);
});

test('in quarantine a prefix follows at once, and so does what somebody brought to be made anew', () => {
  const scene = takenOver();
  const { policy } = scene;
  scene.policy = { ...policy, cluster: { ...policy.cluster, onDivergence: 'quarantine' } };
  expect(isQuarantined(scene.policy.cluster, old(scene), `${TAKEN_TO_REMAKE}: it has data`)).toBe(false);
  comeBack(scene, 100);
  scene.takeIsolation(pushTo(scene, old(scene)));
  scene.round();
  expect(pushTo(scene, old(scene))).toMatchObject({ purpose: 'role' });
});

test('KA1: who comes back following an old master that belongs to another shard by now is no copy, however well its numbers fit', () => {
  const scene = new Scene(2, 3);
  scene.rounds(2);
  const late = scene.id(0, 2);
  const [from, to] = [scene.id(0, 0), scene.id(0, 1)];
  scene.decide();
  scene.fail(late, 'connectionRefused');
  scene.rounds(4);
  scene.fail(from, 'connectionRefused');
  scene.rounds(4);
  expect(scene.commit().reasons).toMatchObject([{ kind: 'failover', to }]);
  scene.settle();
  const { node } = findNode(scene.cluster, from)!;
  const without = valueOf(removeNode(scene.cluster, 0, from));
  scene.cluster = valueOf(addNode(without, 1, { ...node, role: 'replica' }));
  scene.facts = factsFor(factsFor(scene.facts, without), scene.cluster);
  for (const id of scene.answers.keys()) if (id !== late) scene.answers.set(id, scene.converged(id));
  scene.changeLeader();
  scene.rounds(3);
  expect(scene.decide().actions).toEqual([]);

  const back = { ...scene.converged(late), version: 1, master: node.address, sequence: 90 };
  scene.answers.set(late, back);
  scene.round();
  scene.takeIsolation(pushTo(scene, late));
  scene.round();
  expect(scene.commit().reasons).toMatchObject([{ kind: 'copyCondemned', node: late }]);
});

test('an old master that has just been told to follow, and is told something else at once, is the copy it was', () => {
  const scene = isolated(100);
  scene.takePush(pushTo(scene, old(scene)));
  scene.probe(old(scene));
  // The cluster changes before it was written down that it follows.
  expect(scene.facts.nodes.get(old(scene))?.following).toBe(old(scene));
  scene.cluster = valueOf(clusterWithVersion(scene.cluster, scene.cluster.version + 1));
  // While this is under way it still has what it was told before.
  pushTo(scene, old(scene));
  scene.probe(old(scene));
  expect(actionsOf(scene.decide(), 'commit')).toEqual([]);
  scene.settleAtOnce();
  expect(scene.facts.nodes.get(old(scene))?.remake).toBeNull();
});
