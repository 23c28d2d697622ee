// What a node that has left hears, in which order, and what it counts for when it comes back.

import { describe, expect, test } from 'vitest';

import { mayTakeWrites, ownDataOf } from '../../../src/control/departed-data.ts';
import { endOf, type FarewellCase, farewellStep } from '../../../src/control/departure.ts';
import { type JoinedShard, type Newcomer, standingOfReplica } from '../../../src/control/joining.ts';
import type { NodeReport, ProbeResult } from '../../../src/control/observation.ts';
import { addNode, removeNode } from '../../../src/topology/change-nodes.ts';
import { parseClusterNodes } from '../../../src/topology/cluster-nodes-text.ts';
import { clusterWithVersion, findNode } from '../../../src/topology/cluster.ts';
import { type CutOff, type Departure, departuresAfter } from '../../../src/topology/departure.ts';
import { factsFor, initialFacts, PROMOTIONS_MAX, withPromotion } from '../../../src/topology/facts.ts';
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
    facts: initialFacts(CLUSTER),
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
    [
      'is of a contested cluster',
      { facts: { ...initialFacts(CLUSTER), contestedVersion: CLUSTER.version } },
      'pushes are held',
    ],
  ])('KD11: that %s is not told now', (_, change, why) => {
    expect(step(change)).toEqual({ kind: 'wait', why: expect.stringContaining(why) });
  });
});

const TOOK_OVER = valueOf(clusterWithVersion(CLUSTER, CLUSTER.version + 2));

/** The cluster after `from` was followed by `to`, which stood at `sequence`. */
function changedMaster(
  sequence: number | null,
  { from = LEFT, to = MASTER } = {},
): Pick<FarewellCase, 'cluster' | 'facts'> {
  const { version } = TOOK_OVER;
  const made = { from, to, version, sequence, term: 1, atSeconds: 1, isConfirmed: true };
  return {
    cluster: TOOK_OVER,
    facts: withPromotion(factsFor(initialFacts(BEFORE), TOOK_OVER), TOOK_OVER.shards[0]!.id, made),
  };
}

describe('what a node that has left has of its own', () => {
  const WAS_MASTER = { version: BEFORE.version, role: 'master', master: null } as const;
  const told = (
    before: CutOff['before'],
    whole: Pick<FarewellCase, 'cluster' | 'facts'>,
    sequence: number | null = 120,
  ): unknown => {
    const { version } = whole.cluster;
    return step({
      ...whole,
      departure: departure({ cutOff: { version, before } }),
      look: looked({ ...ISOLATED, version, sequence }),
      toldVersion: version,
      keepsData: true,
    });
  };

  test('KD11e: is counted from where its successor took over', () => {
    expect(told(WAS_MASTER, changedMaster(100))).toMatchObject({
      kind: 'detached',
      own: {
        lost: 20,
        text: 'Up to 20 sequence numbers are its own and are lost with it (from 101 on)',
      },
    });
    expect(told(WAS_MASTER, changedMaster(120))).toMatchObject({ own: { lost: 0, text: '' } });
    const ofOther = { version: BEFORE.version, role: 'replica', master: address(7001) } as const;
    expect(told(ofOther, changedMaster(100, { from: OTHER }))).toMatchObject({ own: { lost: 20 } });
    expect(told(BEFORE_CUT, { cluster: CLUSTER, facts: initialFacts(BEFORE) })).toMatchObject({
      own: { lost: 0, text: '' },
    });
  });

  test('KD11e: is said by the event that ends it', () => {
    const own = { lost: 20, text: 'Up to 20' };
    const [id, node] = [departure().id, departure()];
    expect(endOf(node, { kind: 'detached', why: 'told', own })).toEqual({
      kind: 'nodeDetached',
      text: `node ${ADDRESS} has left the cluster: told. Up to 20`,
      node: id,
      lost: 20,
    });
    expect(endOf(node, { kind: 'gone', why: 'told', own: { lost: null, text: '' } })).toMatchObject({
      text: `node ${ADDRESS} has left the cluster: told`,
      lost: null,
    });
    expect(endOf(node, { kind: 'left', why: 'it is another' })).toMatchObject({
      kind: 'departureForgotten',
      lost: null,
    });
  });

  test('KD11e: is not known where the position or the history is not', () => {
    for (const unknown of [
      told(WAS_MASTER, changedMaster(null)),
      told(WAS_MASTER, { cluster: CLUSTER, facts: initialFacts(BEFORE) }),
      told(WAS_MASTER, changedMaster(100), null),
    ])
      expect(unknown).toMatchObject({ own: { lost: null, text: expect.stringContaining('is not known') } });
    const gone = look(-1, 120);
    expect(step({ look: gone })).toMatchObject({ kind: 'gone', own: { lost: null, text: '' } });
    expect(step({ look: look(-1, 0) })).toMatchObject({ kind: 'gone', own: { lost: 0, text: '' } });
  });

  test('KD11e: of a shard that is gone is not known, and nothing is said', () => {
    const masterId = 'e'.repeat(40) as NodeId;
    const before = departure({ masterId });
    const whole = { cluster: CLUSTER, facts: initialFacts(CLUSTER) };
    expect(ownDataOf(before, { before: WAS_MASTER, sequence: 9 }, whole)).toEqual({ lost: null, text: '' });
  });

  function look(version: number, sequence: number): ProbeResult {
    return looked({ version, id: null, sequence });
  }
});

describe('a node that has left and not heard', () => {
  const whole = { cluster: CLUSTER, facts: initialFacts(CLUSTER) };

  test('KD11d: may take writes if it left as a master, was one, says so, or nothing is remembered of it', () => {
    expect(mayTakeWrites(departure(), null, whole)).toBe(false);
    expect(mayTakeWrites(departure(), 'master', whole)).toBe(true);
    expect(mayTakeWrites(departure({ role: 'master' }), null, whole)).toBe(true);
    expect(mayTakeWrites(departure({ role: 'master' }), 'replica', whole)).toBe(false);
    expect(mayTakeWrites(departure(), null, changedMaster(100))).toBe(true);
    expect(mayTakeWrites(departure(), null, changedMaster(100, { from: OTHER }))).toBe(false);
    expect(mayTakeWrites(departure({ masterId: 'e'.repeat(40) as NodeId }), null, whole)).toBe(true);
    let { facts } = changedMaster(100, { from: OTHER });
    for (let count = 0; count < PROMOTIONS_MAX; count += 1)
      facts = withPromotion(
        facts,
        CLUSTER.shards[0]!.id,
        facts.shards.get(CLUSTER.shards[0]!.id)!.promotions[0]!,
      );
    expect(mayTakeWrites(departure(), null, { cluster: CLUSTER, facts })).toBe(true);
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
