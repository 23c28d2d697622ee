import { expect, test } from 'vitest';

import { electCandidate } from '../../../src/control/candidates.ts';
import { NO_MEMORY } from '../../../src/control/memory.ts';
import type { NodeErrorKind } from '../../../src/control/observation.ts';
import { lookAt, silenceText, viewOf } from '../../../src/control/situation.ts';
import { masterOf } from '../../../src/topology/cluster.ts';
import { FRESH, INTERVAL_MS, Scene, actionsOf, only } from './scene.ts';

/** A converged scene in which the master of shard 0 then falls silent for `rounds` rounds. */
function sceneWithDeadMaster(rounds: number, groupSize = 2): Scene {
  const scene = new Scene(2, groupSize);
  scene.rounds(2);
  expect(scene.decide().actions).toEqual([]);
  scene.fail(scene.id(0, 0));
  scene.rounds(rounds);
  return scene;
}

function whyNot(scene: Scene): string {
  const decision = scene.decide();
  expect(decision.actions).toEqual([]);
  const problem = decision.problems.find(({ kind }) => kind === 'masterUnreachable');
  return problem?.detail ?? 'no problem';
}

test('a master that missed maxPingCount probes is replaced by its replica, and not before', () => {
  const scene = sceneWithDeadMaster(2);
  expect(scene.decide().actions).toEqual([]);
  scene.round();
  const action = scene.commit();
  expect(action.next.version).toBe(2);
  expect(masterOf(action.next.shards[0]!).id).toBe(scene.id(0, 1));
  expect(action.reasons).toMatchObject([
    { kind: 'failover', shardIndex: 0, from: scene.id(0, 0), to: scene.id(0, 1) },
  ]);
});

test('a master that answered once more is not replaced', () => {
  const scene = sceneWithDeadMaster(2);
  scene.set(scene.id(0, 0), {});
  scene.round();
  scene.fail(scene.id(0, 0));
  scene.rounds(2);
  expect(scene.decide().actions).toEqual([]);
});

test('a commit is made once; a refused one is made again after a pause, and not if the master is back by then', () => {
  const scene = sceneWithDeadMaster(3);
  const action = only(scene.decide(), 'commit');
  expect(scene.decide().actions).toEqual([]);
  scene.endCommit(action, false);
  const paused = scene.decide();
  expect(paused.actions).toEqual([]);
  expect(paused.wakeAtMs).toBe(scene.nowMs + 200);
  scene.nowMs += 200;
  expect(scene.decide().urgent).toEqual(new Set([scene.id(0, 0)]));
  scene.glance(scene.id(0, 0));
  only(scene.decide(), 'commit');
  scene.tell({ kind: 'commitEnded', endedAtMs: scene.nowMs, isCommitted: false });
  scene.set(scene.id(0, 0), {});
  scene.round();
  expect(scene.decide().actions).toEqual([]);
});

test('a commit that keeps failing is told to people', () => {
  const scene = sceneWithDeadMaster(3);
  for (let index = 0; index < 3; index += 1) {
    scene.endCommit(only(scene.decide(), 'commit'), false);
    scene.nowMs += 10_000;
    scene.glance(scene.id(0, 0));
  }
  expect(scene.problems()).toContain('storeUnavailable');
});

test('faster probing does not make a node look dead sooner', () => {
  const scene = new Scene();
  scene.round();
  scene.fail(scene.id(0, 0), 'hang');
  for (let index = 0; index < 20; index += 1) {
    scene.nowMs += 50;
    scene.probe(scene.id(0, 0));
    scene.probe(scene.id(0, 1));
  }
  expect(scene.decide().actions).toEqual([]);
  scene.nowMs += INTERVAL_MS;
  scene.probe(scene.id(0, 0));
  scene.probe(scene.id(0, 1));
  only(scene.decide(), 'commit');
});

test('all masters of a dead host are replaced in one commit', () => {
  const scene = new Scene(3, 2);
  scene.round();
  scene.fail(scene.id(0, 0));
  scene.fail(scene.id(2, 0));
  scene.rounds(3);
  const action = scene.commit();
  expect(action.reasons.map((reason) => reason.kind)).toEqual(['failover', 'failover']);
  expect(action.next.shards.map((shard) => masterOf(shard).id)).toEqual([
    scene.id(0, 1),
    scene.id(1, 0),
    scene.id(2, 1),
  ]);
});

test('the highest sequence wins, and order decides between equals', () => {
  const scene = sceneWithDeadMaster(2, 4);
  scene.set(scene.id(0, 1), { sequence: 90 });
  scene.set(scene.id(0, 2), { sequence: 95 });
  scene.set(scene.id(0, 3), { sequence: 95 });
  scene.round();
  expect(only(scene.decide(), 'commit').reasons).toMatchObject([{ to: scene.id(0, 2) }]);
});

test('the choice waits for a replica that has not answered yet, until it is down, too', () => {
  const scene = sceneWithDeadMaster(2, 3);
  scene.fail(scene.id(0, 2));
  scene.round();
  expect(whyNot(scene)).toMatch(/Waiting for replica .* answer is still to come/);
  expect(scene.decide().expectant).toContain(scene.id(0, 2));
  scene.rounds(2);
  expect(only(scene.decide(), 'commit').reasons).toMatchObject([{ to: scene.id(0, 1) }]);
});

test('a replica is asked after the failure before it is chosen', () => {
  const scene = new Scene();
  scene.settings = { ...scene.settings, maxPingCount: 1 };
  scene.round();
  scene.fail(scene.id(0, 0));
  scene.nowMs += INTERVAL_MS;
  scene.probe(scene.id(0, 0));
  expect(whyNot(scene)).toMatch(/not asked since the failure/);
  expect(scene.decide().expectant).toContain(scene.id(0, 1));
  scene.probe(scene.id(0, 1));
  only(scene.decide(), 'commit');
});

test('KB8, KD6b: never a replica that loads, synchronises, is broken, unknown, fresh, a master or of another master', () => {
  const cases: [(scene: Scene) => void, RegExp][] = [
    [(scene) => scene.fail(scene.id(0, 1), 'loading'), /loading its data/],
    [(scene) => scene.fail(scene.id(0, 1), 'masterDown'), /answers with an error: masterDown/],
    [(scene) => scene.set(scene.id(0, 1), { syncInProgress: true }), /full synchronisation/],
    [(scene) => scene.set(scene.id(0, 1), { sequence: null }), /position is unknown/],
    [(scene) => scene.set(scene.id(0, 1), { id: null }), /does not know itself/],
    [(scene) => scene.set(scene.id(0, 1), { version: 9 }), /foreign version 9/],
    [(scene) => scene.set(scene.id(0, 1), { role: 'master', master: null }), /not a replica of anybody/],
    [
      (scene) => scene.set(scene.id(0, 1), { master: masterOf(scene.cluster.shards[1]!).address }),
      /follows 127.0.0.1:7002, not the failed master/,
    ],
    [(scene) => scene.set(scene.id(0, 1), { master: null }), /follows nobody/],
    [(scene) => scene.fail(scene.id(0, 1)), /does not answer either/],
  ];
  for (const [spoil, why] of cases) {
    const scene = sceneWithDeadMaster(0);
    spoil(scene);
    scene.rounds(3);
    const decision = scene.decide();
    expect(actionsOf(decision, 'commit').filter(({ reasons }) => reasons[0]?.kind === 'failover')).toEqual(
      [],
    );
    expect(decision.problems.find(({ kind }) => kind === 'masterUnreachable')?.detail).toMatch(why);
  }
});

test('a shard without replicas is told to people', () => {
  expect(whyNot(sceneWithDeadMaster(3, 1))).toMatch(
    /missed 3 probes in 2.0 s \(unreachable\)\. No eligible replica: the shard has no replica\./,
  );
});

test('a link that was down while the master still answered excludes a replica; one that broke with the master does not', () => {
  const before = new Scene();
  before.round();
  before.set(before.id(0, 1), { link: 'down' });
  before.rounds(2);
  expect(before.problems()).toEqual(['replicaLinkDown']);
  before.fail(before.id(0, 0));
  before.rounds(3);
  expect(whyNot(before)).toMatch(/its link was down while the master still answered/);
  const after = sceneWithDeadMaster(0);
  after.set(after.id(0, 1), { link: 'down' });
  after.rounds(3);
  only(after.decide(), 'commit');
});

test('a replica that followed another node while the master answered is excluded even if it follows it now', () => {
  const scene = new Scene();
  const right = masterOf(scene.cluster.shards[0]!).address;
  scene.set(scene.id(0, 1), { master: masterOf(scene.cluster.shards[1]!).address, version: 0 });
  scene.rounds(2);
  scene.endPush(only(scene.decide(), 'push'));
  scene.fail(scene.id(0, 0));
  scene.set(scene.id(0, 1), { master: right, version: 1, link: 'down' });
  scene.rounds(3);
  expect(whyNot(scene)).toMatch(/did not follow the master/);
});

test('a new leader without memory trusts a replica whose last word from the master is about as old as the failure', () => {
  const scene = new Scene();
  scene.fail(scene.id(0, 0));
  scene.set(scene.id(0, 1), { link: 'down', lastIoSeconds: 12 });
  scene.rounds(3);
  only(scene.decide(), 'commit');
});

test('a new leader without memory refuses a replica that lost its master long ago, or says nothing about it', () => {
  for (const [lastIoSeconds, why] of [
    [600, /last heard from the master 600 s ago/],
    [null, /nothing is known of its link/],
  ] as const) {
    const scene = new Scene();
    scene.fail(scene.id(0, 0));
    scene.set(scene.id(0, 1), { link: 'down', lastIoSeconds });
    scene.rounds(3);
    expect(whyNot(scene)).toMatch(why);
  }
});

test('KA6: sequence 0 is promoted only in a shard that its own master is known to have been empty, also after a change of leaders', () => {
  const full = sceneWithDeadMaster(0);
  full.set(full.id(0, 1), { sequence: 0 });
  full.rounds(3);
  expect(whyNot(full)).toMatch(/sequence is 0 and the shard is not known to be empty/);

  const empty = new Scene();
  empty.set(empty.id(0, 0), { sequence: 0 });
  empty.set(empty.id(0, 1), { sequence: 0 });
  empty.round();
  empty.fail(empty.id(0, 0));
  empty.rounds(3);
  only(empty.decide(), 'commit');

  const unknown = new Scene(2, 3);
  unknown.fail(unknown.id(0, 0));
  unknown.set(unknown.id(0, 1), { sequence: 0 });
  unknown.set(unknown.id(0, 2), { sequence: 0 });
  unknown.rounds(3);
  expect(whyNot(unknown)).toMatch(/sequence is 0 and the shard is not known to be empty/);

  const written = new Scene();
  written.set(written.id(0, 0), { sequence: 0 });
  written.set(written.id(0, 1), { sequence: 0 });
  written.round();
  expect(written.decide().actions).toEqual([]);
  expect(written.facts.nodes.get(written.id(0, 0))?.sequence).toBe(0);
  written.changeLeader();
  written.fail(written.id(0, 0));
  written.rounds(3);
  only(written.decide(), 'commit');
});

test('a living but misconfigured master is a problem and no reason for failover', () => {
  const kinds: [NodeErrorKind, string][] = [
    ['loading', 'nodeLoading'],
    ['passwordRequired', 'passwordRefused'],
    ['wrongPassword', 'passwordRefused'],
    ['passwordNotSet', 'passwordRefused'],
    ['clusterDisabled', 'clusterDisabled'],
    ['tooManyClients', 'tooManyClients'],
    ['fragile', 'nodeRefuses'],
    ['malformedReply', 'nodeRefuses'],
    ['refused', 'nodeRefuses'],
    ['masterDown', 'replicaRefusesStale'],
  ];
  for (const [kind, problem] of kinds) {
    const scene = sceneWithDeadMaster(0);
    scene.fail(scene.id(0, 0), kind);
    scene.rounds(5);
    const decision = scene.decide();
    expect(decision.actions).toEqual([]);
    expect(decision.problems.map((found) => found.kind)).toEqual([problem]);
  }
});

test('probes that time out while our own SETNODES runs do not count, refused connections do (facts section 3.6)', () => {
  for (const [how, isDown] of [
    ['hang', false],
    ['unreachable', true],
  ] as const) {
    const scene = new Scene();
    scene.set(scene.id(0, 0), { version: 0 });
    scene.round();
    const push = only(scene.decide(), 'push');
    expect(push.node).toBe(scene.id(0, 0));
    scene.fail(scene.id(0, 0), how);
    scene.rounds(4);
    expect(actionsOf(scene.decide(), 'commit').length).toBe(isDown ? 1 : 0);
  }
});

test('a push that timed out excuses nothing that comes after it, and none follows before the node answers', () => {
  const scene = new Scene();
  scene.set(scene.id(0, 0), { version: 0 });
  scene.round();
  const push = only(scene.decide(), 'push');
  scene.fail(scene.id(0, 0), 'hang');
  scene.round();
  scene.endPush(push, 'timedOut');
  scene.rounds(2);
  expect(scene.decide().actions).toEqual([]);
  scene.round();
  expect(only(scene.decide(), 'commit').reasons).toMatchObject([{ kind: 'failover' }]);
});

test('after the promotion the new master is pushed first, and its own shard hears of it once it was seen as master', () => {
  const scene = sceneWithDeadMaster(3, 3);
  scene.commit();
  const first = only(scene.decide(), 'push');
  expect([first.node, first.version, first.id, first.purpose]).toEqual([scene.id(0, 1), 2, null, 'role']);
  expect(scene.decide().actions).toEqual([]);
  scene.endPush(first);
  scene.round();
  expect(actionsOf(scene.decide(), 'push').map((push) => push.node)).toEqual([scene.id(0, 1)]);
  expect(scene.facts.shards.get(scene.cluster.shards[0]!.id)?.promotions).toMatchObject([
    { from: scene.id(0, 0), to: scene.id(0, 1), version: 2, sequence: 100, isConfirmed: false },
  ]);
});

test('once the new master was seen, everybody else is told at once', () => {
  const scene = sceneWithDeadMaster(3, 3);
  scene.commit();
  const first = only(scene.decide(), 'push');
  scene.takePush(first);
  scene.probe(first.node);
  const others = actionsOf(scene.decide(), 'push');
  expect(new Set(others.map((push) => push.node))).toEqual(
    new Set([scene.id(0, 2), scene.id(1, 0), scene.id(1, 1), scene.id(1, 2)]),
  );
  expect(scene.facts.shards.get(scene.cluster.shards[0]!.id)?.promotions).toMatchObject([
    { isConfirmed: true },
  ]);
  for (const push of others) scene.takePush(push);
  scene.round();
  expect(scene.decide().actions).toEqual([]);
  expect(scene.problems()).toEqual(['replicaUnreachable']);
});

test('a slow push to the new master holds the others back for a while only', () => {
  const scene = sceneWithDeadMaster(3);
  scene.commit();
  only(scene.decide(), 'push');
  const waiting = scene.decide();
  expect(waiting.wakeAtMs).toBe(scene.nowMs + 2000);
  scene.nowMs = waiting.wakeAtMs;
  expect(actionsOf(scene.decide(), 'push').map((push) => push.node)).toEqual([
    scene.id(1, 0),
    scene.id(1, 1),
  ]);
});

test('a replica nobody has asked yet is asked first', () => {
  const scene = new Scene();
  scene.fail(scene.id(0, 0));
  for (let index = 0; index < 3; index += 1) {
    scene.nowMs += INTERVAL_MS;
    scene.probe(scene.id(0, 0));
  }
  expect(whyNot(scene)).toMatch(/its answer is still to come/);
  expect(scene.decide().expectant).toContain(scene.id(0, 1));
});

test('a replica that is loading is not asked again and again while its master is down', () => {
  const scene = sceneWithDeadMaster(0);
  scene.fail(scene.id(0, 1), 'loading');
  scene.rounds(3);
  expect(scene.decide().expectant.size).toBe(0);
});

test('the same rules choose a replica while the master lives, for a failover by hand', () => {
  const scene = new Scene(2, 2);
  scene.rounds(2);
  const situation = lookAt(scene);
  expect(electCandidate(situation, scene.cluster.shards[0]!)).toMatchObject({
    kind: 'elected',
    candidate: { sequence: 100 },
  });
  scene.memory = NO_MEMORY;
  const strangers = lookAt(scene);
  expect(silenceText(viewOf(strangers, scene.id(0, 0)))).toBe('missed 0 probes in 0.0 s (no error)');
  expect(electCandidate(strangers, scene.cluster.shards[0]!).kind).toBe('wait');
  scene.changeLeader();
  scene.set(scene.id(0, 1), { lastIoSeconds: 16 });
  scene.probe(scene.id(0, 1));
  expect(electCandidate(lookAt(scene), scene.cluster.shards[0]!).kind).toBe('nobody');
});

test('a replica whose link came up between the last look at its master and the failure is promoted', () => {
  const scene = new Scene();
  scene.set(scene.id(0, 1), { link: 'down', lastIoSeconds: null, sequence: 0 });
  scene.round();
  scene.set(scene.id(0, 1), { link: 'up', lastIoSeconds: 0, sequence: 100 });
  scene.probe(scene.id(0, 1));
  scene.fail(scene.id(0, 0));
  scene.set(scene.id(0, 1), { link: 'down', lastIoSeconds: 1 });
  scene.rounds(3);
  only(scene.decide(), 'commit');
});

test('a link that was up long ago and down ever since does not count', () => {
  const scene = new Scene();
  scene.rounds(2);
  scene.set(scene.id(0, 1), { link: 'down', lastIoSeconds: 5 });
  scene.rounds(10);
  scene.fail(scene.id(0, 0));
  scene.rounds(3);
  expect(whyNot(scene)).toContain('its link was down while the master still answered');
});

test('a replica that was gone for a moment while its master lived is not taken on a link from before', () => {
  const scene = new Scene();
  scene.rounds(2);
  expect(scene.decide().actions).toEqual([]);
  scene.set(scene.id(0, 0), { sequence: 600 });
  scene.fail(scene.id(0, 1), 'connectionRefused');
  scene.rounds(2);
  scene.set(scene.id(0, 1), { link: 'down', lastIoSeconds: null });
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.rounds(3);
  expect(whyNot(scene)).toContain('its link was down while the master still answered');
});

test('a look from before a fresh node had a topology says nothing about its link', () => {
  const scene = new Scene();
  scene.set(scene.id(0, 1), FRESH);
  scene.rounds(2);
  scene.endPush(only(scene.decide(), 'push'));
  scene.fail(scene.id(0, 0));
  scene.set(scene.id(0, 1), { ...scene.converged(scene.id(0, 1)), link: 'down', lastIoSeconds: 2 });
  scene.rounds(3);
  only(scene.decide(), 'commit');
});

test('a replica that came only after the last look at its master must have reached what that look showed', () => {
  const scene = new Scene();
  scene.set(scene.id(0, 1), FRESH);
  scene.rounds(2);
  scene.endPush(only(scene.decide(), 'push'));
  scene.fail(scene.id(0, 0));
  scene.set(scene.id(0, 1), {
    ...scene.converged(scene.id(0, 1)),
    link: 'down',
    lastIoSeconds: 2,
    sequence: 99,
  });
  scene.rounds(3);
  expect(whyNot(scene)).toContain('has reached sequence 99 of 100');
});

test('an old master that was told to follow just before the failure is not taken on its own sequence', () => {
  const scene = new Scene();
  scene.set(scene.id(0, 1), {
    role: 'master',
    master: null,
    link: null,
    lastIoSeconds: null,
    version: 0,
    sequence: 500,
  });
  scene.rounds(2);
  scene.endPush(only(scene.decide(), 'push'));
  scene.fail(scene.id(0, 0));
  scene.set(scene.id(0, 1), {
    ...scene.converged(scene.id(0, 1)),
    link: 'down',
    lastIoSeconds: 2,
    sequence: 500,
  });
  scene.rounds(3);
  expect(whyNot(scene)).toContain('it did not follow the master while that still answered');
});

test('a master that dies empty before its fresh replica ever reached it is replaced: nothing can be lacking', () => {
  const scene = new Scene();
  scene.set(scene.id(0, 0), { sequence: 0 });
  scene.set(scene.id(0, 1), FRESH);
  scene.rounds(2);
  scene.fail(scene.id(0, 0));
  const told = {
    ...scene.converged(scene.id(0, 1)),
    link: 'down',
    lastIoSeconds: null,
    sequence: 0,
  } as const;
  scene.set(scene.id(0, 1), told);
  scene.rounds(3);
  only(scene.decide(), 'commit');
});

test('in an empty shard a replica is taken although its link had not come up yet', () => {
  const scene = new Scene();
  scene.set(scene.id(0, 0), { sequence: 0 });
  scene.set(scene.id(0, 1), { link: 'down', lastIoSeconds: null, sequence: 0 });
  scene.rounds(2);
  scene.fail(scene.id(0, 0));
  scene.rounds(3);
  only(scene.decide(), 'commit');
});

test('an empty replica that was never linked is not taken when its master was looked at too long before it was missed', () => {
  const reports = [
    { link: 'down', lastIoSeconds: null },
    // A handshake that was refused counts as a word, too.
    { link: 'down', lastIoSeconds: 1 },
  ] as const;
  for (const report of reports) {
    const scene = new Scene();
    scene.set(scene.id(0, 0), { sequence: 0 });
    scene.set(scene.id(0, 1), { ...report, sequence: 0 });
    scene.rounds(2);
    scene.fail(scene.id(0, 0));
    scene.nowMs += 1000;
    scene.rounds(3);
    expect(whyNot(scene)).toMatch(/it is empty, and no living link to the master was seen/);
  }
});

test('an empty replica that is seen only after its master died is not taken on its word', () => {
  const scene = new Scene();
  scene.set(scene.id(0, 0), { sequence: 0 });
  scene.fail(scene.id(0, 1), 'loading');
  scene.rounds(2);
  scene.fail(scene.id(0, 0));
  scene.nowMs += 1000;
  const word = { link: 'down', lastIoSeconds: 1, sequence: 0 } as const;
  scene.answers.set(scene.id(0, 1), { ...scene.converged(scene.id(0, 1)), ...word });
  scene.rounds(3);
  expect(whyNot(scene)).toMatch(/it is empty, and no living link to the master was seen/);
});

test('an empty replica whose link was seen is taken however long before its master was looked at', () => {
  const scene = new Scene();
  for (const nodeIndex of [0, 1]) scene.set(scene.id(0, nodeIndex), { sequence: 0 });
  scene.rounds(2);
  scene.fail(scene.id(0, 0));
  scene.nowMs += 1000;
  scene.rounds(3);
  only(scene.decide(), 'commit');
});

test('a replica that received something after the look that showed its link down was linked since', () => {
  const scene = new Scene();
  scene.set(scene.id(0, 0), { sequence: 5 });
  scene.set(scene.id(0, 1), { link: 'down', lastIoSeconds: null, sequence: 0 });
  scene.rounds(2);
  scene.fail(scene.id(0, 0));
  scene.set(scene.id(0, 1), { lastIoSeconds: 1, sequence: 6 });
  scene.rounds(3);
  only(scene.decide(), 'commit');
});
