import { expect, test } from 'vitest';

import type { Result } from '../../../src/base/result.ts';
import { type Choice, chooseByHand, floorOf, isCatchingUp } from '../../../src/control/failover-by-hand.ts';
import { forgetNode } from '../../../src/control/memory.ts';
import type { NodeReport } from '../../../src/control/observation.ts';
import { lookAt } from '../../../src/control/situation.ts';
import { markMigrationStarted, startMigration } from '../../../src/topology/change-slots.ts';
import { masterOf } from '../../../src/topology/cluster.ts';
import { slotRange } from '../../../src/topology/slot.ts';
import type { NodeId } from '../../../src/topology/types.ts';
import { NOW_SECONDS, nodeIdAt, sampleCluster, valueOf } from '../topology/arbitrary.ts';
import { FRESH, Scene, actionsOf, only } from './scene.ts';

function settled(groupSize = 3): Scene {
  const scene = new Scene(2, groupSize);
  scene.rounds(2);
  expect(scene.decide().actions).toEqual([]);
  return scene;
}

/** Everybody is looked at, then a person asks about shard 0, in a group that cannot record a drain yet. */
function ask(
  scene: Scene,
  { preferred = null, isForced = false }: { preferred?: NodeId | null; isForced?: boolean } = {},
): Result<Choice, string> {
  const askedAtMs = scene.nowMs;
  scene.round();
  const situation = lookAt(scene);
  const [shard] = scene.cluster.shards;
  const floor = shard === undefined ? null : floorOf(situation, shard, askedAtMs);
  return chooseByHand(situation, { shardIndex: 0, preferred, isForced, askedAtMs, floor, canDrain: false });
}

function refusal(answer: Result<Choice, string>): string {
  return answer.ok ? `promoted ${answer.value.newMaster}` : answer.error;
}

function textOf(choice: Choice): string {
  return choice.action.reasons.map((reason) => ('text' in reason ? reason.text : '')).join(' ');
}

/** A scene whose master lives and whose replicas are as `change` says. */
function withReplicas(change: Partial<NodeReport>): Scene {
  const scene = settled();
  for (const nodeIndex of [1, 2]) scene.set(scene.id(0, nodeIndex), change);
  return scene;
}

test('the furthest replica takes over from a living master, with its position in the facts', () => {
  const scene = settled();
  scene.set(scene.id(0, 2), { sequence: 110 });
  const choice = valueOf(ask(scene));
  expect(choice).toMatchObject({ newMaster: scene.id(0, 2), isAcceptance: false });
  const { next, facts, reasons } = choice.action;
  expect(masterOf(next.shards[0]!).id).toBe(scene.id(0, 2));
  expect(next.version).toBe(2);
  expect(facts.shards.get(next.shards[0]!.id)?.promotions).toMatchObject([
    { from: scene.id(0, 0), to: scene.id(0, 2), sequence: 110, isConfirmed: false },
  ]);
  expect(reasons).toMatchObject([{ kind: 'failover', text: expect.stringMatching(/^asked for by hand; /) }]);
});

test('the preferred node is taken even if another is further, and never another', () => {
  const scene = settled();
  scene.set(scene.id(0, 2), { sequence: 110 });
  expect(valueOf(ask(scene, { preferred: scene.id(0, 1) })).newMaster).toBe(scene.id(0, 1));
  scene.set(scene.id(0, 1), { link: 'down' });
  expect(refusal(ask(scene, { preferred: scene.id(0, 1) }))).toMatch(/its link to the master is down/);
});

test('KB1: with a living master a link that only says "up" is refused, with the age of its last word', () => {
  const scene = withReplicas({ lastIoSeconds: 24 });
  expect(refusal(ask(scene))).toMatch(
    /it last heard from its master 24 s ago, and the master is alive.*With "force": true the best copy/,
  );
});

test('KB1: with a living master a replica that lacks anything it had is refused, and looked at again', () => {
  const scene = settled();
  scene.set(scene.id(0, 0), { sequence: 101 });
  expect(refusal(ask(scene))).toMatch(/it lacks 1 of the numbers that the living master had/);
  const asked = {
    shardIndex: 0,
    preferred: null,
    isForced: false,
    askedAtMs: 0,
    floor: 101,
    canDrain: false,
  };
  expect(isCatchingUp(lookAt(scene), asked)).toBe(true);
  expect(isCatchingUp(lookAt(scene), { ...asked, floor: 100 })).toBe(false);
  for (const nodeIndex of [1, 2]) scene.set(scene.id(0, nodeIndex), { link: 'down' });
  scene.round();
  expect(isCatchingUp(lookAt(scene), asked)).toBe(false);
  expect(ask(scene, { isForced: true }).ok).toBe(true);
});

test('KB1: where the living master stands counts by a look from after the request only', () => {
  const scene = settled();
  const floorNow = (askedAtMs: number) => floorOf(lookAt(scene), scene.cluster.shards[0]!, askedAtMs);
  const askedAtMs = scene.nowMs;
  scene.set(scene.id(0, 0), { sequence: 500 });
  scene.probe(scene.id(0, 1));
  expect(floorNow(askedAtMs)).toBeNull();
  scene.probe(scene.id(0, 0));
  expect(floorNow(askedAtMs)).toBe(500);
});

test('a node that did not answer since the request is no candidate, with or without force', () => {
  for (const isForced of [false, true]) {
    const scene = settled(2);
    scene.fail(scene.id(0, 1), 'hang');
    expect(refusal(ask(scene, { isForced }))).toMatch(
      isForced ? /no node of this shard/ : /did not bring a report/,
    );
  }
});

test('while the master does not answer, the word of its replicas and what is known of it decide', () => {
  const scene = settled();
  scene.fail(scene.id(0, 0), 'hang');
  for (const nodeIndex of [1, 2]) scene.set(scene.id(0, nodeIndex), { link: 'down', lastIoSeconds: 2 });
  expect(valueOf(ask(scene)).newMaster).toBe(scene.id(0, 1));
});

test('unknown shards and nodes, nodes of other shards and the master itself are refused', () => {
  const scene = settled();
  const situation = lookAt(scene);
  const choice = { preferred: null, isForced: false, askedAtMs: 0, floor: null, canDrain: false };
  expect(refusal(chooseByHand(situation, { ...choice, shardIndex: 7 }))).toMatch(/there is no shard 7/);
  const stranger = nodeIdAt(sampleCluster(4, 4), 3, 3);
  for (const preferred of [stranger, scene.id(1, 1)]) {
    expect(refusal(ask(scene, { preferred }))).toMatch(/is not in this shard/);
  }
  for (const isForced of [false, true]) {
    expect(refusal(ask(scene, { preferred: scene.id(0, 0), isForced }))).toMatch(/is already the master/);
  }
});

test('KD6b: a living master that cannot be told to step down is not failed over by hand without force', () => {
  for (const kind of ['tooManyClients', 'passwordRequired', 'loading'] as const) {
    const scene = settled();
    scene.fail(scene.id(0, 0), kind);
    expect(refusal(ask(scene))).toMatch(/lives but cannot be told to step down .* "force": true/);
    expect(ask(scene, { isForced: true }).ok).toBe(true);
  }
  const scene = settled();
  scene.set(scene.id(0, 0), { login: 'refused' });
  expect(refusal(ask(scene))).toMatch(/refuses the password recorded for it/);
  expect(ask(scene, { isForced: true }).ok).toBe(true);
});

test('KD6b: a replica that cannot be told is not chosen', () => {
  const scene = withReplicas({ login: 'refused' });
  expect(refusal(ask(scene))).toMatch(/refuses the password recorded for it/);
});

test('while slots of the shard are being moved, a living master stays, even by force', () => {
  const scene = settled();
  const planned = startMigration(scene.cluster, {
    range: slotRange(1, 2),
    targetIndex: 1,
    nowSeconds: NOW_SECONDS,
  });
  scene.cluster = valueOf(markMigrationStarted(valueOf(planned), 0, false));
  for (const isForced of [false, true]) {
    expect(refusal(ask(scene, { isForced }))).toMatch(/give the move up: POST .*\/migrate\/cancel/);
  }
});

test('KB7: force promotes the best copy that answers and says what may be lost', () => {
  const scene = withReplicas({ link: 'down', lastIoSeconds: 500, sequence: 40 });
  scene.set(scene.id(0, 2), { sequence: 60 });
  scene.rounds(3);
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.rounds(4);
  expect(refusal(ask(scene))).toMatch(/no replica can take over/);
  const choice = valueOf(ask(scene, { isForced: true }));
  expect(choice.newMaster).toBe(scene.id(0, 2));
  expect(textOf(choice)).toMatch(
    /by force, although .*the master was last seen at 100\); what it lacks is lost/,
  );
  expect(choice.warning).toMatch(
    /^forced: .* is not known to have everything \(it stands at sequence 60, the master was last seen at 100\); what it lacks is lost$/,
  );
});

test('force is no way out where no copy answers, and is not said to be one', () => {
  const scene = settled(2);
  scene.fail(scene.id(0, 1), 'hang');
  const said = refusal(ask(scene));
  expect(said).toMatch(/No copy answers that could be promoted by force either: start one of them first$/);
  expect(refusal(ask(scene, { isForced: true }))).toMatch(/no node of this shard .* answers/);
});

test('a master that hangs hands nothing over, and who asked is warned; not so of one whose process is gone', () => {
  for (const [failure, warning] of [
    ['hang', /^the master .* did not answer and handed nothing over: it is silent and has no lease: clients/],
    ['connectionRefused', null],
  ] as const) {
    const scene = settled(2);
    scene.fail(scene.id(0, 0), failure);
    if (failure === 'connectionRefused') scene.set(scene.id(0, 1), { link: 'down' });
    const choice = valueOf(ask(scene));
    expect(choice.newMaster).toBe(scene.id(0, 1));
    if (warning === null) expect(choice.warning).toBeNull();
    else expect(choice.warning).toMatch(warning);
  }
});

test('a promotion by force of an unproven copy makes no old copy a prefix of it', () => {
  const scene = withReplicas({ link: 'down', lastIoSeconds: 500, sequence: 40 });
  scene.rounds(3);
  scene.fail(scene.id(0, 0), 'connectionRefused');
  const { facts, next } = valueOf(ask(scene, { isForced: true })).action;
  expect(facts.shards.get(next.shards[0]!.id)?.promotions).toMatchObject([{ sequence: null }]);
});

test('force prefers a proven copy to one that only has higher numbers', () => {
  const scene = settled();
  scene.set(scene.id(0, 1), { master: masterOf(scene.cluster.shards[1]!).address, sequence: 9000 });
  scene.round();
  const choice = valueOf(ask(scene, { isForced: true }));
  expect(choice.newMaster).toBe(scene.id(0, 2));
  expect(textOf(choice)).not.toMatch(/by force/);
});

test('force takes a copy that forgot its topology, the way out when nothing else is left', () => {
  const scene = settled(2);
  scene.changeLeader();
  scene.set(scene.id(0, 1), { ...FRESH, sequence: 100 });
  scene.set(scene.id(0, 0), FRESH);
  expect(refusal(ask(scene))).toMatch(/it does not know itself as this node/);
  const choice = valueOf(ask(scene, { isForced: true }));
  expect(choice.newMaster).toBe(scene.id(0, 1));
  expect(choice.action.facts.nodes.get(scene.id(0, 0))?.remake).toMatch(/without a topology at sequence 0/);
});

test('force never takes what cannot be: another node, a negative or an unknown position', () => {
  for (const change of [{ sequence: -5 }, { sequence: null }]) {
    const scene = withReplicas(change);
    expect(refusal(ask(scene, { isForced: true }))).toMatch(/no node of this shard that could be promoted/);
  }
});

test('a condemned copy is taken by force only, and counts as the copy of its shard then', () => {
  const scene = settled(2);
  const known = scene.facts.nodes.get(scene.id(0, 1));
  if (known === undefined) throw new Error('no facts');
  scene.facts = {
    ...scene.facts,
    nodes: new Map(scene.facts.nodes).set(scene.id(0, 1), { ...known, remake: 'it diverged' }),
  };
  scene.fail(scene.id(0, 0), 'connectionRefused');
  scene.rounds(4);
  expect(refusal(ask(scene))).toMatch(/its copy is not proven: it diverged/);
  const choice = valueOf(ask(scene, { isForced: true }));
  expect(choice.newMaster).toBe(scene.id(0, 1));
  expect(choice.action.facts.nodes.get(scene.id(0, 1))?.remake).toBeNull();
});

test('a master that lost its data is accepted as it is by force, and then gets its role', () => {
  const scene = settled(1);
  scene.set(scene.id(0, 0), FRESH);
  scene.round();
  expect(scene.problems()).toContain('masterDataLost');
  const preferred = scene.id(0, 0);
  expect(refusal(ask(scene, { preferred }))).toMatch(/is already the master/);
  const choice = valueOf(ask(scene, { preferred, isForced: true }));
  expect(choice).toMatchObject({ newMaster: preferred, isAcceptance: true });
  expect(choice.action.next).toBe(scene.cluster);
  expect(textOf(choice)).toMatch(/is accepted as it is, by hand and by force, although it came back without/);
  scene.endCommit(choice.action);
  scene.memory = forgetNode(scene.memory, preferred);
  scene.round();
  expect(only(scene.decide(), 'push')).toMatchObject({ node: preferred, id: preferred, purpose: 'role' });
});

test('a copy that lost its data before it was promoted by force is not missed afterwards', () => {
  const scene = settled(2);
  scene.set(scene.id(0, 0), FRESH);
  scene.set(scene.id(0, 1), FRESH);
  scene.rounds(2);
  const choice = valueOf(ask(scene, { isForced: true }));
  expect(choice).toMatchObject({ newMaster: scene.id(0, 1), isAcceptance: true });
  scene.endCommit(choice.action);
  scene.memory = forgetNode(scene.memory, choice.newMaster);
  scene.round();
  scene.commit([scene.id(0, 0)]);
  const told = actionsOf(scene.decide(), 'push').find(({ node }) => node === scene.id(0, 1));
  expect(told).toMatchObject({ purpose: 'role', version: 2 });
  expect(scene.problems()).not.toContain('masterDataLost');
});

test('only a loss that is seen now can be accepted', () => {
  const scene = settled(1);
  scene.set(scene.id(0, 0), FRESH);
  scene.round();
  scene.fail(scene.id(0, 0), 'hang');
  expect(refusal(ask(scene, { preferred: scene.id(0, 0), isForced: true }))).toMatch(
    /the master of this shard, does not answer now/,
  );
});

const HANDED_OVER = slotRange(9000, 9009);

/** Slots of shard 1 were handed over by hand to the master of shard 0, which had `sequence` and then came back empty. */
function handedToNothing(groupSize: number, sequence: number): Scene {
  const scene = new Scene(2, groupSize);
  for (const { id } of scene.cluster.shards[0]?.nodes ?? []) scene.set(id, { sequence });
  scene.rounds(2);
  expect(scene.decide().actions).toEqual([]);
  scene.set(scene.id(1, 0), {
    sourceJob: { range: HANDED_OVER, destination: scene.id(0, 0), state: 'success', isInEffect: true },
  });
  scene.set(scene.id(0, 0), FRESH);
  scene.round();
  return scene;
}

test.each([
  [1, 100],
  [1, 0],
  [3, 0],
])(
  'slots that went to a master which then lost its disk (of %i nodes, at sequence %i before): the call that leads out is told, and leads out',
  (groupSize, sequence) => {
    const scene = handedToNothing(groupSize, sequence);
    const [target, source] = [scene.id(0, 0), scene.id(1, 0)];
    const decision = scene.decide();
    expect(actionsOf(decision, 'push')).toEqual([]);
    expect(decision.problems.find(({ kind }) => kind === 'unrecordedHandOver')?.detail).toContain(
      `/shards/0/failover {"force":true,"preferred_node_id":"${target}"}`,
    );
    const { action } = valueOf(ask(scene, { preferred: target, isForced: true }));
    expect(action.reasons).toMatchObject([
      { kind: 'migrationGivenUp', slots: '9000-9009' },
      { kind: 'copyRemade' },
    ]);
    expect(action.next.version).toBe(2);
    scene.endCommit(action);
    scene.memory = forgetNode(scene.memory, target);
    scene.round();
    const told = new Set<NodeId>();
    while (!told.has(target)) {
      const pushes = actionsOf(scene.decide(), 'push');
      expect(pushes).not.toEqual([]);
      for (const push of pushes) {
        if (push.node === target) expect(told).toContain(source);
        told.add(push.node);
        if (push.purpose === 'role') scene.takePush(push);
        else scene.takeIsolation(push);
      }
      if (told.has(source))
        scene.set(source, {
          sourceJob: { range: HANDED_OVER, destination: target, state: 'success', isInEffect: false },
        });
      scene.round();
    }
    expect(scene.problems()).not.toContain('unrecordedHandOver');
  },
);

test('what a new master took since it was seen in office is not given up by another failover at once: its history counts, not that before it', () => {
  const scene = settled();
  scene.endCommit(valueOf(ask(scene, { preferred: scene.id(0, 1) })).action);
  for (const push of actionsOf(scene.decide(), 'push'))
    if (push.node === scene.id(0, 1)) scene.takePush(push);
  // It is in office, and the other replica still follows the old master, whose numbers have gone as far.
  for (const index of [1, 2]) scene.set(scene.id(0, index), { sequence: 105 });
  scene.set(scene.id(0, 2), {
    version: 1,
    role: 'replica',
    master: scene.cluster.shards[0]!.nodes[0]!.address,
  });
  expect(refusal(ask(scene, { preferred: scene.id(0, 2) }))).toMatch(
    /it follows 127.0.0.1:7000, not the failed master/,
  );
});
