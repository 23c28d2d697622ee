import { expect, test } from 'vitest';

import type { NodeReport } from '../../../src/control/observation.ts';
import { masterOf } from '../../../src/topology/cluster.ts';
import { openPromotion, UNSEEN_NODE, withNodeFacts } from '../../../src/topology/facts.ts';
import { FRESH, Scene, actionsOf, only } from './scene.ts';

function settled(groupSize = 2): Scene {
  const scene = new Scene(2, groupSize);
  scene.rounds(2);
  expect(scene.decide().actions).toEqual([]);
  return scene;
}

/** Rounds in which the master of shard 0 writes and its replicas have what `lag` leaves them. */
function write(scene: Scene, rounds: number, lag: number): void {
  for (let index = 0; index < rounds; index += 1) {
    const answer = scene.answers.get(scene.id(0, 0));
    const sequence = (answer && 'version' in answer ? (answer.sequence ?? 0) : 0) + 500;
    scene.set(scene.id(0, 0), { sequence });
    scene.set(scene.id(0, 1), { sequence: Math.max(100, sequence - lag) });
    scene.round();
  }
}

function die(scene: Scene): void {
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.set(scene.id(0, 1), { link: 'down' });
  scene.rounds(4);
}

function refusal(scene: Scene): string {
  const decision = scene.decide();
  expect(decision.actions).toEqual([]);
  return decision.problems.find(({ kind }) => kind === 'masterUnreachable')?.detail ?? 'no problem';
}

function promotes(scene: Scene, nodeIndex: number): void {
  expect(scene.commit().reasons).toMatchObject([{ kind: 'failover', to: scene.id(0, nodeIndex) }]);
}

test('KB1, KB2: a link that says "up" and heard nothing for 10 s is dead: told while the master lives, and an exclusion when it dies', () => {
  const scene = settled();
  scene.set(scene.id(0, 1), { lastIoSeconds: 24 });
  scene.rounds(2);
  const [problem] = scene.decide().problems;
  expect(problem).toMatchObject({
    kind: 'replicaLinkDown',
    detail: expect.stringMatching(/says "up", but it last heard from its master 24 s ago/),
  });
  scene.fail(scene.id(0, 0));
  scene.rounds(3);
  expect(refusal(scene)).toMatch(/its link was down while the master still answered/);
});

test('KB1: a link is allowed three intervals where these are long', () => {
  const scene = settled();
  scene.settings = { ...scene.settings, pingIntervalMs: 5000 };
  scene.set(scene.id(0, 1), { lastIoSeconds: 15 });
  scene.rounds(2);
  expect(scene.problems()).toEqual([]);
  scene.set(scene.id(0, 1), { lastIoSeconds: 16 });
  scene.rounds(2);
  expect(scene.problems()).toEqual(['replicaLinkDown']);
});

test('KB2: a replica beyond the bound of what may be lost does not take over, and the reason has the figures', () => {
  const scene = settled();
  write(scene, 6, 1001);
  die(scene);
  expect(refusal(scene)).toMatch(/it lacks 1001 of the numbers its master was seen at, more than the 1000/);
});

test('KB3: a replica in the middle of a catch-up does not take over, however lively its link', () => {
  const scene = settled();
  scene.set(scene.id(0, 0), { sequence: 900_100 });
  scene.rounds(3);
  expect(scene.problems()).toEqual(['replicaBehind']);
  die(scene);
  expect(refusal(scene)).toMatch(/it lacks 900000 of the numbers/);
});

test('a replica that is behind by what a moment of writing makes takes over', () => {
  const scene = settled();
  write(scene, 6, 400);
  expect(scene.problems()).toEqual([]);
  die(scene);
  promotes(scene, 1);
});

test('KB5: a replica that stands still while its master moves is told and excluded, even within the bound', () => {
  const scene = settled();
  for (let sequence = 120; sequence < 300; sequence += 20) {
    scene.set(scene.id(0, 0), { sequence });
    scene.round();
  }
  const { problems } = scene.decide();
  expect(problems).toMatchObject([
    {
      kind: 'replicaBehind',
      detail: expect.stringMatching(/180 sequence numbers behind .*, and it does not move/),
    },
  ]);
  die(scene);
  expect(refusal(scene)).toMatch(
    /lacks 180 numbers, some of which the master had 1.5 s before it was missed/,
  );
});

test('KB2: of a process that is gone it counts what the master had 1.5 s before its end, not before it was last seen', () => {
  for (const [sequence, isPromoted] of [
    [150, false],
    [170, true],
  ] as const) {
    const scene = settled();
    for (let at = 120; at <= 200; at += 20) {
      scene.set(scene.id(0, 0), { sequence: at });
      scene.set(scene.id(0, 1), { sequence: Math.min(at, sequence) });
      scene.nowMs += 500;
      for (const id of [scene.id(0, 0), scene.id(0, 1)]) scene.probe(id);
    }
    // Last seen at 200, and missed half a second later: 1.5 s before that it stood at 160.
    scene.nowMs -= 500;
    die(scene);
    if (isPromoted) promotes(scene, 1);
    else
      expect(refusal(scene)).toMatch(
        /lacks 50 numbers, some of which the master had 1.5 s before it was missed/,
      );
  }
});

test('KB3: what a master had at its first sight after a pause in the looks counts as old: nobody knows when it got it', () => {
  for (const [pauseMs, isPromoted] of [
    [2000, true],
    [4000, false],
  ] as const) {
    const scene = settled();
    scene.nowMs += pauseMs;
    scene.set(scene.id(0, 0), { sequence: 150 });
    scene.set(scene.id(0, 1), { sequence: 120 });
    for (const id of [scene.id(0, 0), scene.id(0, 1)]) scene.probe(id);
    expect(scene.problems(), 'what it lacks may be young: a replica that lives is not called behind').toEqual(
      [],
    );
    die(scene);
    if (isPromoted) promotes(scene, 1);
    else
      expect(refusal(scene)).toMatch(
        /lacks 30 numbers, some of which the master had 1.5 s before it was missed/,
      );
  }
});

test('KB4: evidence has an age: a link that died behind a master that answers errors only does not count for ever', () => {
  const scene = settled();
  scene.fail(scene.id(0, 0), 'passwordRequired');
  scene.rounds(5);
  scene.set(scene.id(0, 1), { link: 'down', lastIoSeconds: 500 });
  scene.rounds(5);
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.rounds(4);
  expect(refusal(scene)).toMatch(/its link was down while the master still answered/);
});

test('KB4: a link that was seen long before the failure, and then nobody could look at, does not count either', () => {
  const scene = settled();
  scene.fail(scene.id(0, 1), 'loading');
  scene.rounds(8);
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.answers.set(scene.id(0, 1), {
    ...scene.converged(scene.id(0, 1)),
    link: 'down',
    lastIoSeconds: 500,
  });
  scene.rounds(4);
  expect(refusal(scene)).toMatch(/no living link to the master was seen shortly before the failure/);
});

test('KB8: what no node of this shard can say is a refusal with its reason', () => {
  const cases: readonly [Partial<NodeReport>, RegExp][] = [
    [{ sequence: -5 }, /its sequence is -5, which cannot be/],
    [{ version: 0 }, /it has no topology/],
    [{ version: -1 }, /it has no topology/],
    [{ version: 99 }, /it has the foreign version 99/],
    [{ id: null }, /it does not know itself as this node/],
    [{ login: 'refused' }, /it refuses the password recorded for it/],
  ];
  for (const [change, why] of cases) {
    const scene = settled();
    scene.set(scene.id(0, 1), change);
    scene.fail(scene.id(0, 0), 'connectionRefused');
    scene.rounds(4);
    const decision = scene.decide();
    const commits = actionsOf(decision, 'commit').flatMap(({ reasons }) => reasons.map(({ kind }) => kind));
    expect(commits).not.toContain('failover');
    expect(decision.problems.find(({ kind }) => kind === 'masterUnreachable')?.detail).toMatch(why);
  }
});

test('KD6: a replica that refuses its password is passed over while another can be told', () => {
  const scene = settled(3);
  scene.set(scene.id(0, 1), { login: 'refused', sequence: 120 });
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.rounds(4);
  promotes(scene, 2);
});

test('KD6: a refused login is told while everything else is well', () => {
  const scene = settled();
  scene.set(scene.id(0, 1), { login: 'refused' });
  scene.set(scene.id(1, 1), { login: 'needless' });
  scene.round();
  expect(scene.problems()).toEqual(['passwordRefused', 'passwordRefused']);
});

test('KB6: until the new master was seen as master, the old one is told nothing although it answers again', () => {
  const scene = settled();
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.rounds(3);
  promotes(scene, 1);
  scene.set(scene.id(0, 0), scene.converged(scene.id(0, 0)));
  scene.answers.set(scene.id(0, 0), {
    ...report(scene),
    version: 1,
    role: 'master',
    master: null,
    link: null,
  });
  scene.round();
  const push = only(scene.decide(), 'push');
  expect(push.node).toBe(scene.id(0, 1));
  scene.endPush(push, 'timedOut');
  for (let attempt = 2; attempt <= 4; attempt += 1) {
    scene.round();
    const again = only(scene.decide(), 'push');
    expect(again.node).toBe(scene.id(0, 1));
    scene.endPush(again, 'refused');
  }
  // Nor while the next attempt at the new one is not due yet.
  scene.round();
  const told = actionsOf(scene.decide(), 'push').map(({ node }) => node);
  expect(told).toEqual([scene.id(1, 0), scene.id(1, 1)]);
});

function report(scene: Scene): NodeReport {
  return scene.converged(scene.id(0, 0));
}

/** The replica took over and died before it was seen as master, while the old master answers again at `sequence`. */
function lostSuccessor(sequence: number): Scene {
  const scene = settled();
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.rounds(3);
  promotes(scene, 1);
  scene.answers.set(scene.id(0, 0), {
    ...report(scene),
    version: 1,
    role: 'master',
    master: null,
    link: null,
    sequence,
  });
  scene.fail(scene.id(0, 1), 'connectionRefused');
  scene.rounds(4);
  return scene;
}

test('KB6: a new master that dies before it was told: the complete old one is elected again, as if nothing had happened', () => {
  const scene = lostSuccessor(130);
  const action = scene.commit();
  expect(action.reasons).toMatchObject([{ kind: 'failover', from: scene.id(0, 1), to: scene.id(0, 0) }]);
  expect(action.next.version).toBe(3);
  expect(masterOf(action.next.shards[0]!).id).toBe(scene.id(0, 0));
  expect(action.facts.shards.get(action.next.shards[0]!.id)?.promotions).toEqual([]);
  scene.settle();
  expect(scene.problems()).toEqual(['replicaUnreachable', 'copyNotProven']);
});

test('a successor that may have been master for a moment is made anew when it returns', () => {
  const scene = lostSuccessor(130);
  const action = scene.commit();
  expect(action.facts.nodes.get(scene.id(0, 1))?.remake).toMatch(/may have been master for a moment/);
  scene.settle();
  scene.answers.set(scene.id(0, 1), {
    ...scene.converged(scene.id(0, 1)),
    version: 2,
    role: 'master',
    master: null,
    link: null,
    sequence: 100,
  });
  scene.round();
  expect(only(scene.decide(), 'push')).toMatchObject({ node: scene.id(0, 1), purpose: 'isolation' });
});

test('with the old master gone, too, another replica of its history takes over and the open promotion is forgotten', () => {
  const scene = settled(3);
  for (const nodeIndex of [1, 2]) scene.set(scene.id(0, nodeIndex), { sequence: 110 });
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.rounds(3);
  promotes(scene, 1);
  scene.fail(scene.id(0, 1), 'connectionRefused');
  scene.rounds(4);
  const action = scene.commit();
  expect(action.reasons).toMatchObject([{ kind: 'failover', to: scene.id(0, 2) }]);
  expect(action.facts.shards.get(action.next.shards[0]!.id)?.promotions).toMatchObject([
    { from: scene.id(0, 0), to: scene.id(0, 2), sequence: 110, version: 3 },
  ]);
});

test('a replica that stands behind the position at which an unseen successor was chosen does not follow it by itself', () => {
  const scene = settled(3);
  scene.set(scene.id(0, 1), { sequence: 110 });
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.rounds(3);
  promotes(scene, 1);
  scene.fail(scene.id(0, 1), 'connectionRefused');
  scene.rounds(4);
  const decision = scene.decide();
  expect(actionsOf(decision, 'commit')).toEqual([]);
  const problem = decision.problems.find(({ kind }) => kind === 'masterUnreachable');
  expect(problem?.detail).toMatch(/it lacks 10 numbers/);
});

test('a position that was written down just before the master died is no older than the look it came from', () => {
  const scene = settled();
  for (let round = 0; round < 12; round += 1) write(scene, 1, 300);
  scene.changeLeader();
  write(scene, 1, 300);
  const before = scene.notes;
  expect(scene.decide().actions).toEqual([]);
  expect(scene.notes).toBe(before + 1);
  die(scene);
  promotes(scene, 1);
});

test('KD6b: a new master that cannot be told for a whole window gives way, but not while it may still take its role', () => {
  const scene = settled();
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.rounds(3);
  promotes(scene, 1);
  scene.answers.set(scene.id(0, 0), {
    ...report(scene),
    version: 1,
    role: 'master',
    master: null,
    link: null,
  });
  scene.fail(scene.id(0, 1), 'tooManyClients');
  scene.rounds(2);
  expect(actionsOf(scene.decide(), 'commit')).toEqual([]);
  scene.rounds(3);
  expect(scene.commit().reasons).toMatchObject([{ kind: 'failover', to: scene.id(0, 0) }]);
});

test('KB6: an open promotion is known to the next leader, too', () => {
  const scene = settled();
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.rounds(3);
  promotes(scene, 1);
  scene.changeLeader();
  scene.answers.set(scene.id(0, 0), {
    ...report(scene),
    version: 1,
    role: 'master',
    master: null,
    link: null,
  });
  scene.round();
  expect(only(scene.decide(), 'push').node).toBe(scene.id(0, 1));
  scene.set(scene.id(0, 1), { ...scene.converged(scene.id(0, 1)) });
  scene.round();
  expect(only(scene.decide(), 'push')).toMatchObject({ node: scene.id(0, 0), purpose: 'isolation' });
  expect(openPromotion(scene.facts, scene.cluster.shards[0]!.id)).toBeNull();
});

test('KB7: a master that died while no controller ran is replaced from what was written down, however long ago', () => {
  const scene = settled();
  scene.changeLeader();
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.set(scene.id(0, 1), { link: 'down', lastIoSeconds: 600 });
  scene.rounds(4);
  promotes(scene, 1);
});

test('KB7: what was written down does not excuse a replica that is behind it', () => {
  const scene = settled();
  scene.changeLeader();
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.set(scene.id(0, 1), { link: 'down', lastIoSeconds: 600, sequence: 99 });
  scene.rounds(4);
  expect(refusal(scene)).toMatch(/last heard from the master 600 s ago/);
});

test('the next leader does not take a catch-up that was under way for a link that kept up', () => {
  const scene = new Scene(1, 2);
  scene.set(scene.id(0, 0), { sequence: 5000 });
  scene.set(scene.id(0, 1), { sequence: 100, link: 'up', lastIoSeconds: 0 });
  scene.rounds(4);
  scene.decide();
  scene.changeLeader();
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.set(scene.id(0, 1), { sequence: 5001, link: 'down', lastIoSeconds: 2 });
  scene.rounds(4);
  expect(refusal(scene)).toMatch(/last seen without a living link/);
});

test('the next leader, which saw both ends only once, does not take a replica that was written down as behind for one that keeps up', () => {
  const scene = settled();
  scene.set(scene.id(0, 0), { sequence: 300 });
  scene.rounds(4);
  scene.probe(scene.id(0, 0));
  scene.decide();
  const following = (): unknown => scene.facts.nodes.get(scene.id(0, 1))?.following;
  expect(following()).toBeNull();
  scene.changeLeader();
  scene.round();
  scene.decide();
  expect(following()).toBeNull();
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.set(scene.id(0, 1), { link: 'down' });
  scene.rounds(4);
  expect(refusal(scene)).toMatch(/it lacks 200 numbers, and it was last seen behind its master/);
});

test('the next leader, which saw the master only once, does not take one that came to it a moment ago for one that keeps up', () => {
  const scene = settled();
  const newcomer = scene.id(0, 1);
  scene.facts = withNodeFacts(scene.facts, newcomer, UNSEEN_NODE);
  scene.changeLeader();
  scene.set(scene.id(0, 0), { sequence: 700 });
  scene.set(newcomer, FRESH);
  scene.probe(scene.id(0, 0));
  scene.probe(newcomer);
  // It is told its role, links, and catches up for half a second.
  for (const push of actionsOf(scene.decide(), 'push')) scene.takePush(push);
  scene.set(newcomer, { ...scene.converged(newcomer), sequence: 120 });
  scene.probe(newcomer);
  scene.nowMs += 500;
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.probe(scene.id(0, 0));
  scene.set(newcomer, { link: 'down' });
  scene.rounds(4);
  expect(refusal(scene)).toMatch(
    /it lacks 580 numbers, and it was last seen behind .* or not as its copy at all/,
  );
});

test('the next leader believes one that was written down as keeping up, and one that is seen to do so for long enough', () => {
  for (const isBehind of [false, true]) {
    const scene = settled();
    scene.set(scene.id(0, 0), { sequence: isBehind ? 300 : 100 });
    scene.rounds(4);
    scene.probe(scene.id(0, 0));
    scene.decide();
    expect(scene.facts.nodes.get(scene.id(0, 1))?.following === null).toBe(isBehind);
    scene.changeLeader();
    scene.set(scene.id(0, 0), { sequence: 305 });
    scene.set(scene.id(0, 1), { sequence: isBehind ? 305 : 300 });
    scene.rounds(isBehind ? 4 : 1);
    scene.decide();
    expect(scene.facts.nodes.get(scene.id(0, 1))?.following).toBe(scene.id(0, 0));
    scene.fail(scene.id(0, 0), 'connectionRefused');
    scene.set(scene.id(0, 1), { link: 'down' });
    scene.rounds(4);
    promotes(scene, 1);
  }
});

test('the next leader does not take a refused handshake for a word from the master, be the shard ever so empty in what is written down', () => {
  const scene = new Scene(1, 2);
  scene.set(scene.id(0, 0), { sequence: 0 });
  scene.set(scene.id(0, 1), { sequence: 0, link: 'down', lastIoSeconds: 1 });
  scene.rounds(4);
  scene.decide();
  scene.changeLeader();
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.rounds(4);
  expect(refusal(scene)).toMatch(/last seen without a living link/);
});

test('KB7: after a power cut with both replicas at one sequence one of them takes over', () => {
  const scene = settled(3);
  scene.changeLeader();
  scene.fail(scene.id(0, 0), 'connectionRefused');
  for (const nodeIndex of [1, 2]) scene.set(scene.id(0, nodeIndex), { link: 'down', lastIoSeconds: null });
  scene.rounds(4);
  promotes(scene, 1);
});

test('KB7: a replica whose link was written down as lost does not take over after a restart of the group', () => {
  const scene = settled();
  scene.set(scene.id(0, 1), { link: 'down', lastIoSeconds: 30 });
  scene.rounds(3);
  expect(scene.problems()).toEqual(['replicaLinkDown']);
  expect(scene.facts.nodes.get(scene.id(0, 1))?.following).toBeNull();
  scene.changeLeader();
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.set(scene.id(0, 1), { lastIoSeconds: 600 });
  scene.rounds(4);
  expect(refusal(scene)).toMatch(/long before the failure/);
});

test('KA6: a first full synchronisation at sequence 0 is not promoted by a leader that knows nothing', () => {
  const scene = new Scene();
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.set(scene.id(0, 1), { sequence: 0, lastIoSeconds: 1 });
  scene.rounds(4);
  expect(refusal(scene)).toMatch(/sequence is 0 and the shard is not known to be empty/);
});

test('a fresh replica that reached only a part before its master died is not promoted', () => {
  const scene = new Scene();
  scene.set(scene.id(0, 1), FRESH);
  scene.rounds(2);
  scene.takePush(only(scene.decide(), 'push'));
  scene.set(scene.id(0, 1), { sequence: 60, lastIoSeconds: 0 });
  scene.rounds(3);
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.rounds(4);
  expect(refusal(scene)).toMatch(/lacks 40 numbers/);
});
