// What a node that has left hears, in which order, and what it counts for when it comes back.

import { describe, expect, test } from 'vitest';

import { type FarewellCase, farewellStep } from '../../../src/control/departure.ts';
import { type JoinedShard, type Newcomer, standingOfReplica } from '../../../src/control/joining.ts';
import type { NodeReport, ProbeResult } from '../../../src/control/observation.ts';
import { addNode, removeNode } from '../../../src/topology/change-nodes.ts';
import { parseClusterNodes } from '../../../src/topology/cluster-nodes-text.ts';
import { clusterWithVersion, findNode } from '../../../src/topology/cluster.ts';
import { type CutOff, type Departure, departuresAfter } from '../../../src/topology/departure.ts';
import { factsFor, initialFacts, withPromotion } from '../../../src/topology/facts.ts';
import { departureText } from '../../../src/topology/setnodes-text.ts';
import type { NodeId } from '../../../src/topology/types.ts';
import { address, name, nodeIdAt, sampleCluster, valueOf } from '../topology/arbitrary.ts';
import { nodesText } from '../topology/nodes-text.ts';
import { actionsOf, only, Scene } from './scene.ts';

const BEFORE = sampleCluster(1, 3);
const [MASTER, OTHER, LEFT] = [0, 1, 2].map((index) => nodeIdAt(BEFORE, 0, index)) as [
  NodeId,
  NodeId,
  NodeId,
];
const CLUSTER = valueOf(removeNode(BEFORE, 0, LEFT));
const ADDRESS = address(7002);

const REPORT: NodeReport = {
  id: LEFT,
  version: BEFORE.version,
  role: 'replica',
  master: address(7000),
  link: 'up',
  lastIoSeconds: 1,
  syncInProgress: false,
  sequence: 100,
  sourceJob: null,
  targetJob: null,
  login: 'accepted',
  emptiesBeforeFullSync: false,
  isFenced: false,
};
const BEFORE_CUT = { version: BEFORE.version, role: 'replica', master: address(7000) } as const;
const CUT: CutOff = { version: CLUSTER.version, before: BEFORE_CUT };
const ISOLATED = { version: CLUSTER.version, role: 'master', master: null, link: null } as const;

function departure(change: Partial<Departure> = {}): Departure {
  const [one] = departuresAfter([], { before: BEFORE, after: CLUSTER, nowSeconds: 1 }).departures;
  return { ...one!, ...change };
}

function looked(change: Partial<NodeReport> = {}): ProbeResult {
  return { kind: 'answered', report: { ...REPORT, ...change } };
}

function step(change: Partial<FarewellCase> = {}): ReturnType<typeof farewellStep> {
  return farewellStep({
    departure: departure(),
    look: looked(),
    cluster: CLUSTER,
    facts: { contestedVersion: null },
    owner: null,
    toldVersion: null,
    keepsData: false,
    ...change,
  });
}

describe('a node that has left', () => {
  test('KD11: is written down, told, reset if it is empty, and closed, in this order', () => {
    expect(step()).toEqual({ kind: 'note', cutOff: CUT });
    const noted = departure({ cutOff: CUT });
    expect(step({ departure: noted })).toEqual({
      kind: 'tell',
      text: departureText(CLUSTER, noted),
      version: CLUSTER.version,
      isForced: false,
      isIdGiven: false,
    });
    const told = { departure: noted, look: looked(ISOLATED), toldVersion: CLUSTER.version };
    expect(step(told)).toEqual({ kind: 'reset' });
    expect(step({ ...told, keepsData: true })).toMatchObject({ kind: 'detached' });
    expect(step({ ...told, look: looked({ version: -1, id: null }) })).toMatchObject({
      kind: 'gone',
      why: expect.stringContaining('was reset'),
    });
  });

  test('KD11: is told by the next leader once more, and only that with FORCE', () => {
    const isolated = looked(ISOLATED);
    expect(step({ departure: departure({ cutOff: CUT }), look: isolated })).toMatchObject({
      kind: 'tell',
      isForced: true,
    });
    // Its version has risen meanwhile: what it was before it was first cut off is kept.
    const later = valueOf(clusterWithVersion(CLUSTER, CLUSTER.version + 3));
    expect(step({ departure: departure({ cutOff: CUT }), look: isolated, cluster: later })).toEqual({
      kind: 'note',
      cutOff: { version: later.version, before: BEFORE_CUT },
    });
    // FORCE can cost a node its id where it does not know its own name.
    const nameless = looked({ ...ISOLATED, id: null });
    expect(
      step({ departure: departure({ cutOff: CUT }), look: nameless, toldVersion: CLUSTER.version }),
    ).toMatchObject({ kind: 'tell', isIdGiven: true, isForced: true });
  });

  test('KD11: and was put elsewhere before it heard is what it is now', () => {
    const moved = looked({ master: address(7001) });
    expect(step({ departure: departure({ cutOff: CUT }), look: moved })).toEqual({
      kind: 'note',
      cutOff: { version: CLUSTER.version, before: { ...BEFORE_CUT, master: address(7001) } },
    });
  });

  test.each([
    ['belongs to a cluster again', { owner: 'cluster ns/d' }, 'belongs to cluster ns/d now'],
    ['is another node', { look: looked({ id: OTHER }) }, `is node ${OTHER} now`],
    ['has a version above ours', { look: looked({ version: 99 }) }, 'it has version 99, ours is'],
  ])('KD11: that %s is left alone', (_, change, why) => {
    expect(step(change)).toEqual({ kind: 'left', why: expect.stringContaining(why) });
  });

  test('KD11: without a topology has nothing left to hear', () => {
    expect(step({ look: looked({ version: -1, id: null }) })).toMatchObject({
      kind: 'gone',
      why: expect.stringContaining('no topology'),
    });
  });

  const job = { range: { start: 1, stop: 2 }, state: 'start' } as never;
  test.each([
    [
      'does not answer',
      { look: { kind: 'failed', error: { kind: 'loading', message: 'LOADING' } } as const },
      'LOADING',
    ],
    ['is in a full synchronisation', { look: looked({ syncInProgress: true }) }, 'full synchronisation'],
    ['gives slots away', { look: looked({ sourceJob: job }) }, 'moves slots'],
    ['takes slots', { look: looked({ targetJob: job }) }, 'moves slots'],
    ['is of a contested cluster', { facts: { contestedVersion: CLUSTER.version } }, 'pushes are held'],
  ])('KD11: that %s is not told now', (_, change, why) => {
    expect(step(change)).toEqual({ kind: 'wait', why: expect.stringContaining(why) });
  });
});

/** It comes back to its shard, which is at version `version` by then; the topology it holds is what it was told. */
function comingBack({
  sequence = 100,
  cutOff = CUT,
  slots = '',
  to = OTHER,
  position = null as number | null,
} = {}): ReturnType<typeof standingOfReplica> {
  const cluster = valueOf(clusterWithVersion(CLUSTER, CLUSTER.version + 5));
  let facts = factsFor(initialFacts(BEFORE), cluster);
  if (position !== null) {
    const version = valueOf(clusterWithVersion(CLUSTER, CLUSTER.version + 2)).version;
    const made = { from: MASTER, to, version, sequence: position, term: 1, atSeconds: 1, isConfirmed: true };
    facts = withPromotion(facts, cluster.shards[0]!.id, made);
  }
  const own = `${LEFT} 127.0.0.1:7002@17002 myself,master - 1 2 ${CLUSTER.version} connected${slots}`;
  const node: Newcomer = {
    address: ADDRESS,
    id: LEFT,
    version: CLUSTER.version,
    role: 'master',
    master: null,
    sequence,
    topology: valueOf(
      parseClusterNodes(`${nodesText(CLUSTER).replace('0-16383', slots === '' ? '0-16383' : '')}\n${own}`),
    ),
  };
  const joined: JoinedShard = {
    record: { namespace: name('ns'), cluster, revision: 1, facts, factsRevision: 1 },
    departures: [departure({ cutOff, toldAtSeconds: 5 })],
    shard: cluster.shards[0]!,
    masterSequence: 900,
  };
  return standingOfReplica(node, joined);
}

describe('a node that was told that it left, and comes back', () => {
  test('KD11: is judged by what it was before it was cut off, and where it stands now', () => {
    expect(comingBack()).toEqual({ kind: 'copy' });
    expect(comingBack({ sequence: 900 })).toEqual({ kind: 'copy' });
    expect(comingBack({ sequence: 901 })).toMatchObject({
      kind: 'unproven',
      why: expect.stringContaining('ahead'),
    });
    expect(comingBack({ position: 100 })).toEqual({ kind: 'copy' });
    expect(comingBack({ position: 99 })).toMatchObject({
      kind: 'unproven',
      why: expect.stringContaining('are its own'),
    });
  });

  test('KD11: is no copy if it was none then, or was told something else since', () => {
    const wasMaster = { ...CUT, before: { version: 1, role: 'master', master: null } } as const;
    expect(comingBack({ cutOff: wasMaster }).kind).toBe('unproven');
    const toldLater = { ...CUT, version: valueOf(clusterWithVersion(CLUSTER, CLUSTER.version + 1)).version };
    expect(comingBack({ cutOff: toldLater })).toMatchObject({
      kind: 'unproven',
      why: expect.stringContaining('another shard'),
    });
    expect(comingBack({ slots: ' 0-16383' }).kind).toBe('unproven');
  });

  test('KD11: follows its master at once, under whichever leader, and is not made anew', () => {
    const scene = new Scene(1, 2);
    const id = 'e'.repeat(40) as NodeId;
    const version = scene.cluster.version;
    const where = address(7050);
    const node = {
      id,
      address: where,
      role: 'replica',
      password: findNode(scene.cluster, scene.id(0, 0))!.node.password,
    };
    scene.cluster = valueOf(addNode(scene.cluster, 0, { ...node, role: 'replica', createdAtSeconds: 1 }));
    scene.facts = factsFor(scene.facts, scene.cluster);
    for (const known of [scene.id(0, 0), scene.id(0, 1)]) scene.answers.set(known, scene.converged(known));
    scene.answers.set(id, { ...scene.converged(id), version, role: 'master', master: null, link: null });
    const before = { version, role: 'replica', master: address(7000) } as const;
    scene.cutOffs.set(id, { version, before });
    scene.round();
    const push = only(scene.decide(), 'push');
    expect(push).toMatchObject({ node: id, purpose: 'role', isForced: false });
    scene.takePush(push);
    scene.changeLeader();
    scene.rounds(2);
    expect(scene.decide().actions).toEqual([]);

    // Without what was written down it is cut off, and made anew.
    scene.set(id, { version, role: 'master', master: null, link: null });
    scene.cutOffs.clear();
    scene.round();
    expect(actionsOf(scene.decide(), 'push')).toMatchObject([{ node: id, purpose: 'isolation' }]);
  });
});
