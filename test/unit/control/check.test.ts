// A check of a cluster: what agrees has no findings, and each thing that does not has its own.

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { checkOf, type ClusterCheck } from '../../../src/control/check.ts';
import { type Examination, importsInDoubt, type ToldTopology } from '../../../src/control/examination.ts';
import type { SlotService } from '../../../src/control/imported-hand-over.ts';
import { NO_MEMORY } from '../../../src/control/memory.ts';
import type { Problem } from '../../../src/control/problems.ts';
import { lookAt } from '../../../src/control/situation.ts';
import { present } from '../../../src/base/assert.ts';
import { startDrain } from '../../../src/topology/change-nodes.ts';
import { markMigrationStarted, removeSlots, startMigration } from '../../../src/topology/change-slots.ts';
import { allNodes, clusterWithVersion, findNode } from '../../../src/topology/cluster.ts';
import { type NodesLine, parseClusterNodes } from '../../../src/topology/cluster-nodes-text.ts';
import { withNodeFacts, withReadMasters } from '../../../src/topology/facts.ts';
import { NO_CLUSTER_POLICY } from '../../../src/topology/policy.ts';
import { differenceSlots, slotRange, slotSetOf, unionSlots } from '../../../src/topology/slot.ts';
import type { Cluster, NodeAddress, NodeId } from '../../../src/topology/types.ts';
import { NOW_SECONDS, valueOf } from '../topology/arbitrary.ts';
import { nodesText } from '../topology/nodes-text.ts';
import { FRESH, Scene } from './scene.ts';

const RANGE = slotRange(10, 19);
const STRANGER = 'e'.repeat(40) as NodeId;

function settled(shards = 3, nodes = 2): Scene {
  const scene = new Scene(shards, nodes);
  scene.rounds(2);
  expect(scene.decide().actions).toEqual([]);
  return scene;
}

/** What every node holds, and what else it answers: all of it as it should be unless a test changes it. */
class Questions {
  readonly scene: Scene;
  readonly told = new Map<NodeId, ToldTopology>();
  readonly imports = new Map<NodeId, SlotService>();
  departed: readonly Problem[] = [];

  constructor(scene: Scene) {
    this.scene = scene;
    this.tellAll(scene.cluster);
  }

  tellAll(cluster: Cluster): void {
    for (const { node } of allNodes(cluster)) this.tell(node.id, linesOf(cluster));
  }

  tell(id: NodeId, lines: readonly NodesLine[]): void {
    const own = lines.find((line) => line.id === id) ?? null;
    this.told.set(id, { kind: 'told', lines, own });
  }

  /** Looks at everybody now, decides, and compares. */
  ask(): ClusterCheck {
    const { scene } = this;
    const askedAtMs = scene.nowMs;
    for (const { node } of allNodes(scene.cluster)) scene.probe(node.id);
    const { told, imports, departed } = this;
    const examination: Examination = { situation: lookAt(scene), askedAtMs, told, imports, departed };
    return checkOf(examination);
  }
}

function linesOf(cluster: Cluster): readonly NodesLine[] {
  return valueOf(parseClusterNodes(nodesText(cluster)));
}

/** The same with the line of one node changed. */
function changed(cluster: Cluster, id: NodeId, change: (line: NodesLine) => NodesLine): readonly NodesLine[] {
  return linesOf(cluster).map((line) => (line.id === id ? change(line) : line));
}

function found({ findings }: ClusterCheck): readonly unknown[] {
  return findings.map(({ kind, severity, shardIndex, node }) => [kind, severity, shardIndex, node]);
}

describe('a cluster that agrees', () => {
  test('KD12: has no findings, whatever its size', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 4 }), (shards, nodes) => {
        const scene = settled(shards, nodes);
        expect(new Questions(scene).ask()).toEqual({
          isClean: true,
          version: 1,
          checkedAtSeconds: scene.nowSeconds,
          nodesAsked: shards * nodes,
          nodesAnswered: shards * nodes,
          findings: [],
        });
      }),
      { numRuns: 20 },
    );
  });

  test('KD12: has none after moves to and fro either, of which nodes remember the ends', () => {
    const scene = settled();
    const questions = new Questions(scene);
    scene.set(scene.id(0, 0), {
      sourceJob: { range: RANGE, destination: scene.id(1, 0), state: 'fail', isInEffect: null },
    });
    scene.set(scene.id(1, 0), { targetJob: { range: RANGE, state: 'error' } });
    questions.imports.set(scene.id(1, 0), { kind: 'moved', to: '127.0.0.1:1' as NodeAddress });
    expect(questions.ask()).toMatchObject({ isClean: true, findings: [] });
  });
});

type Disturbance = (
  questions: Questions,
  id: NodeId,
) => readonly [kind: string, severity: string, text: RegExp, remedy: RegExp];

/** Single disturbances of a replica, each with the one finding it gives. */
const OF_REPLICA: Readonly<Record<string, Disturbance>> = {
  'does not answer': ({ scene, told }, id) => {
    scene.answers.set(id, null);
    told.set(id, { kind: 'failed', why: 'no reply within 2 s' });
    return ['nodeSilent', 'error', /does not answer/, /DELETE .*\/nodes\//];
  },
  'has nobody listening': ({ scene, told }, id) => {
    scene.fail(id, 'connectionRefused');
    told.set(id, { kind: 'failed', why: 'ECONNREFUSED' });
    return ['nodeSilent', 'error', /missed 1 probes/, /Start it/];
  },
  'hangs for the question after its look': ({ told }, id) => {
    told.set(id, { kind: 'failed', why: 'no reply' });
    return ['topologyUnread', 'warning', /could not be read \(no reply\)/, /check again.*\/sync/];
  },
  'is loading': ({ scene, told }, id) => {
    scene.fail(id, 'loading');
    told.set(id, { kind: 'failed', why: 'LOADING' });
    return ['nodeLoading', 'info', /loading/, /\w/];
  },
  'refuses the password': ({ scene, told }, id) => {
    scene.fail(id, 'wrongPassword');
    told.set(id, { kind: 'failed', why: 'Invalid password' });
    return ['passwordRefused', 'error', /wrongPassword/, /\w/];
  },
  'has no link': ({ scene }, id) => {
    scene.set(id, { link: 'down' });
    return ['replicaLinkDown', 'warning', /./, /masterauth/];
  },
  'lists a stranger': (questions, id) => {
    const lines = linesOf(questions.scene.cluster);
    const [first] = lines;
    const stranger = {
      ...present(first, 'a line'),
      id: STRANGER,
      role: 'master',
      slots: slotSetOf([]),
    } as const;
    questions.tell(id, [...lines, stranger]);
    return ['wrongTopology', 'error', /eeeeeeee at .* is in it and none of ours/, /sync \{"node":"/];
  },
  'lacks a node': (questions, id) => {
    questions.tell(
      id,
      linesOf(questions.scene.cluster).filter((line) => line.id !== questions.scene.id(0, 0)),
    );
    return ['wrongTopology', 'error', /is not in it/, /sync \{"node":"/];
  },
  'has other slots of a shard': (questions, id) => {
    const { scene } = questions;
    questions.tell(
      id,
      changed(scene.cluster, scene.id(0, 0), (line) => ({
        ...line,
        slots: differenceSlots(line.slots, slotSetOf([RANGE])),
      })),
    );
    return ['wrongTopology', 'error', /shard 0 lacks slots 10-19/, /sync \{"node":"/];
  },
};

describe('one thing that does not', () => {
  test.each(Object.entries(OF_REPLICA))('KD12b: a replica that %s is its own finding', (_, disturb) => {
    for (const shardIndex of [0, 1, 2]) {
      const scene = settled();
      const id = scene.id(shardIndex, 1);
      const questions = new Questions(scene);
      const [kind, severity, text, remedy] = disturb(questions, id);
      const check = questions.ask();
      expect(found(check)).toEqual([[kind, severity, shardIndex, id]]);
      expect(check.isClean).toBe(severity === 'info');
      expect(check.findings[0]?.text).toMatch(text);
      expect(check.findings[0]?.remedy).toMatch(remedy);
      const { address } = present(findNode(scene.cluster, id), 'a node').node;
      expect(check.findings[0]?.address).toBe(address);
    }
  });

  test('KD12b: a master that does not answer is critical, and its slots are nobody else’s matter', () => {
    const scene = settled();
    const questions = new Questions(scene);
    scene.answers.set(scene.id(1, 0), null);
    questions.told.set(scene.id(1, 0), { kind: 'failed', why: 'no reply' });
    const check = questions.ask();
    expect(found(check)).toEqual([['nodeSilent', 'critical', 1, scene.id(1, 0)]]);
    expect(check).toMatchObject({ nodesAsked: 6, nodesAnswered: 5, isClean: false });
  });

  test('KD12b: a node in maintenance that is away is information', () => {
    const scene = settled();
    const questions = new Questions(scene);
    const id = scene.id(1, 1);
    scene.policy = {
      ...scene.policy,
      cluster: {
        ...NO_CLUSTER_POLICY,
        nodes: new Map([
          [
            id,
            {
              failoverPriority: 100,
              zone: '',
              released: null,
              maintenance: { reason: 'disks', setAtSeconds: 1, untilSeconds: scene.nowSeconds + 60 },
            },
          ],
        ]),
      },
    };
    scene.answers.set(id, null);
    questions.told.set(id, { kind: 'failed', why: 'no reply' });
    expect(found(questions.ask())).toEqual([['nodeSilent', 'info', 1, id]]);
  });

  test('KD12c: slots that no shard owns are found once, also where nodes list them still', () => {
    const scene = settled();
    const before = scene.cluster;
    const cluster = valueOf(removeSlots(before, 0, slotSetOf([RANGE])));
    scene.cluster = cluster;
    for (const { node } of allNodes(cluster)) scene.set(node.id, { version: cluster.version });
    const questions = new Questions(scene);
    questions.tellAll(valueOf(clusterWithVersion(before, cluster.version)));
    const check = questions.ask();
    expect(found(check)).toEqual([['slotsUncovered', 'warning', null, null]]);
    expect(check.findings[0]).toMatchObject({
      text: 'slots 10-19',
      remedy: expect.stringContaining('/slots'),
    });
  });

  test('KD12d: a master that does not serve slots of its shard leaves them to nobody', () => {
    const scene = settled();
    const questions = new Questions(scene);
    const id = scene.id(0, 0);
    const lines = changed(scene.cluster, id, (line) => ({
      ...line,
      slots: differenceSlots(line.slots, slotSetOf([RANGE])),
    }));
    questions.tell(id, lines);
    const check = questions.ask();
    expect(found(check)).toEqual([
      ['slotsUnserved', 'critical', 0, id],
      ['wrongTopology', 'error', 0, id],
    ]);
    expect(check.findings[0]?.text).toContain('slots 10-19');
    expect(check.findings[0]?.remedy).toContain(`/sync {"node":"${id}"}`);
  });

  test('KD12d: slots that two masters serve are found with the one who has to stop', () => {
    const scene = settled();
    const questions = new Questions(scene);
    for (const [claimant, owner] of [
      [1, 0],
      [0, 1],
    ] as const) {
      const id = scene.id(claimant, 0);
      const range = owner === 0 ? RANGE : slotRange(6000, 6001);
      questions.tellAll(scene.cluster);
      questions.tell(
        id,
        changed(scene.cluster, id, (line) => ({
          ...line,
          slots: unionSlots(line.slots, slotSetOf([range])),
        })),
      );
      const check = questions.ask();
      expect(found(check)).toEqual([
        ['slotsClaimedTwice', 'critical', claimant, id],
        ['wrongTopology', 'error', claimant, id],
      ]);
      expect(check.findings[0]?.remedy).toContain(`/sync {"node":"${id}"}`);
    }
  });
});

test('KD12d: of three that serve the same slots each other is told beside the owner, and slots that nobody owns are nobody’s', () => {
  const scene = settled();
  const questions = new Questions(scene);
  for (const index of [0, 2]) {
    const id = scene.id(index, 0);
    const slots = slotSetOf([slotRange(6000, 6009), slotRange(6020, 6029)]);
    questions.tell(
      id,
      changed(scene.cluster, id, (line) => ({ ...line, slots: unionSlots(line.slots, slots) })),
    );
  }
  const twice = questions.ask().findings.filter(({ kind }) => kind === 'slotsClaimedTwice');
  expect(twice.map(({ node }) => node)).toEqual([scene.id(0, 0), scene.id(2, 0)]);
  for (const { text } of twice) {
    expect(text).toContain('slots 6000-6009 6020-6029 are served by');
    expect(text).toContain('whose shard owns them');
  }
});

test('KD12d: slots that a replica and another than their owner serve are for all to be told', () => {
  const scene = settled();
  const questions = new Questions(scene);
  const [owner, ...claimants] = [scene.id(1, 0), scene.id(0, 0), scene.id(2, 0)];
  questions.told.set(present(owner, 'one'), { kind: 'failed', why: 'no reply' });
  for (const id of claimants) {
    questions.tell(
      id,
      changed(scene.cluster, id, (line) => ({
        ...line,
        slots: unionSlots(line.slots, slotSetOf([slotRange(6000, 6000)])),
      })),
    );
  }
  const twice = questions.ask().findings.filter(({ kind }) => kind === 'slotsClaimedTwice');
  expect(twice).toMatchObject([{ node: scene.id(2, 0), remedy: 'POST .../clusters/sample/sync.' }]);
});

describe('what the leader does about it by itself', () => {
  test.each([
    ['another version', { version: 0 }, 'wrongVersion'],
    ['another role', { role: 'master', master: null, link: null, lastIoSeconds: null }, 'wrongRole'],
    ['another master', { master: '127.0.0.1:1' as NodeAddress }, 'wrongMaster'],
    ['another id', { id: null }, 'wrongId'],
  ] as const)('KD12e: %s is information while the leader is about to mend it', (_, report, kind) => {
    const scene = settled();
    const questions = new Questions(scene);
    const id = scene.id(1, 1);
    scene.set(id, report);
    const check = questions.ask();
    expect(found(check)).toEqual([[kind, 'info', 1, id]]);
    expect(check).toMatchObject({ isClean: true, findings: [{ remedy: expect.stringMatching(/^Wait: /) }] });
  });

  test('KD12e: a node that several pushes did not bring into place is an error with the words of the last', () => {
    const scene = settled();
    const questions = new Questions(scene);
    const id = scene.id(1, 1);
    scene.set(id, { version: 0 });
    scene.round();
    const memory = present(scene.memory.nodes.get(id), 'it was looked at');
    const push = { ...memory.push, attempts: 3, error: { kind: 'refused', message: 'no room' } } as const;
    scene.memory = { ...scene.memory, nodes: new Map(scene.memory.nodes).set(id, { ...memory, push }) };
    const check = questions.ask();
    expect(found(check)).toEqual([['wrongVersion', 'error', 1, id]]);
    expect(check.findings[0]?.remedy).toMatch(/after 3 pushes, the last: no room.*\/sync/);
  });

  test('KD12e: a master that is held bare, since it may have been a target, is an error that says what leads out', () => {
    const scene = settled(2, 1);
    scene.facts = withReadMasters(
      scene.facts,
      scene.cluster.shards,
      new Map([[scene.id(1, 0), 0]]),
      scene.nowSeconds,
    );
    const target = scene.id(1, 0);
    scene.memory = NO_MEMORY;
    scene.set(target, { sequence: 0 });
    scene.rounds(2);
    scene.set(target, { ...FRESH });
    scene.fail(scene.id(0, 0), 'hang');
    scene.rounds(8);
    const questions = new Questions(scene);
    questions.told.set(target, { kind: 'none' });
    questions.told.set(scene.id(0, 0), { kind: 'failed', why: 'no reply' });
    const check = questions.ask();
    const bare = check.findings.find(({ kind }) => kind === 'noTopology');
    expect(bare).toMatchObject({
      severity: 'error',
      node: target,
      remedy: expect.stringContaining('"force":true'),
    });
  });

  test('KD12e: a node without a topology says so, once', () => {
    const scene = settled();
    const questions = new Questions(scene);
    const id = scene.id(1, 1);
    scene.set(id, { id: null, version: -1, role: 'master', master: null, link: null, lastIoSeconds: null });
    questions.told.set(id, { kind: 'none' });
    expect(found(questions.ask())).toEqual([['noTopology', 'info', 1, id]]);
  });

  test('KD12e: a topology that changes between two questions is looked at again, not judged', () => {
    const scene = settled();
    const questions = new Questions(scene);
    const id = scene.id(1, 1);
    const later = valueOf(clusterWithVersion(valueOf(removeSlots(scene.cluster, 0, slotSetOf([RANGE]))), 9));
    questions.tell(id, linesOf(later));
    const check = questions.ask();
    expect(found(check)).toEqual([['wrongTopology', 'info', 1, id]]);
    expect(check.findings[0]?.remedy).toContain('was changed while it was asked');
  });

  test('KD12e: while somebody else pushes, too, everything waits for a word, and that is the remedy', () => {
    const scene = settled();
    const questions = new Questions(scene);
    const id = scene.id(1, 1);
    scene.facts = { ...scene.facts, contestedVersion: scene.cluster.version };
    scene.set(id, { version: 0 });
    const check = questions.ask();
    expect(found(check)).toEqual([
      ['versionContested', 'error', null, null],
      ['wrongVersion', 'error', 1, id],
    ]);
    for (const { remedy } of check.findings) expect(remedy).toContain('/sync');
  });

  test('a copy that is made anew is found as that, whatever it is told meanwhile', () => {
    const scene = settled();
    const id = scene.id(0, 1);
    const node = present(scene.facts.nodes.get(id), 'facts');
    scene.facts = withNodeFacts(scene.facts, id, { ...node, remake: 'it is none' });
    scene.set(id, { role: 'master', master: null, link: null });
    const questions = new Questions(scene);
    expect(found(questions.ask())).toEqual([['copyNotProven', 'warning', 0, id]]);
  });

  test('KD12f: a migration and a change of masters are information, and explain their ends', () => {
    const scene = settled();
    scene.cluster = valueOf(
      startMigration(scene.cluster, { range: RANGE, targetIndex: 1, nowSeconds: NOW_SECONDS }),
    );
    const moving = new Questions(scene).ask();
    expect(found(moving)).toEqual([['migrationRunning', 'info', 0, null]]);
    expect(moving).toMatchObject({
      isClean: true,
      findings: [
        { text: 'slots 10-19 are being moved to shard 1', remedy: expect.stringContaining('cancel') },
      ],
    });

    const drained = settled();
    drained.cluster = valueOf(startDrain(drained.cluster, 0, drained.id(0, 1)));
    const questions = new Questions(drained);
    const check = questions.ask();
    expect(check.isClean).toBe(true);
    expect(found(check)).toContainEqual(['masterChanging', 'info', 0, null]);
  });
});

describe('what moves have left', () => {
  test('KD12f: the ends of a recorded move may say what they like of its slots', () => {
    const scene = settled();
    scene.cluster = valueOf(
      startMigration(scene.cluster, { range: RANGE, targetIndex: 1, nowSeconds: NOW_SECONDS }),
    );
    scene.cluster = valueOf(markMigrationStarted(scene.cluster, 0, false));
    scene.set(scene.id(0, 0), {
      sourceJob: { range: RANGE, destination: scene.id(1, 0), state: 'success', isInEffect: true },
    });
    scene.set(scene.id(1, 0), { targetJob: { range: RANGE, state: 'success' } });
    const questions = new Questions(scene);
    questions.imports.set(scene.id(1, 0), { kind: 'served' });
    expect(found(questions.ask())).toEqual([['migrationRunning', 'info', 0, null]]);
  });

  test('KD12g: a hand-over to a node that is none of ours leaves its slots to nobody', () => {
    const scene = settled();
    scene.facts = { ...scene.facts, contestedVersion: scene.cluster.version };
    scene.set(scene.id(0, 0), {
      sourceJob: { range: RANGE, destination: STRANGER, state: 'success', isInEffect: true },
    });
    const check = new Questions(scene).ask();
    expect(check.findings).toMatchObject([
      { kind: 'slotsUnserved', node: scene.id(0, 0), text: expect.stringContaining('slots 10-19') },
      { kind: 'versionContested' },
    ]);
  });

  test('KD12g: a master that has lost its data is found as that, once', () => {
    const scene = settled(2, 1);
    scene.set(scene.id(0, 0), { sequence: 3 });
    const check = new Questions(scene).ask();
    expect(found(check)).toEqual([['masterDataLost', 'critical', 0, scene.id(0, 0)]]);
  });

  test('KD12g: a hand-over that one end alone reports has its remedy in the text', () => {
    const scene = settled();
    const questions = new Questions(scene);
    scene.set(scene.id(0, 0), {
      sourceJob: { range: RANGE, destination: scene.id(1, 0), state: 'success', isInEffect: true },
    });
    const check = questions.ask();
    expect(found(check)).toEqual([['unrecordedHandOver', 'critical', 0, scene.id(0, 0)]]);
    expect(check.findings[0]?.text).toContain('"slot_only":true');
  });

  test('KD12g: slots that refuse writes since their hand-over was undone', () => {
    const scene = settled();
    scene.set(scene.id(0, 0), {
      sourceJob: { range: RANGE, destination: scene.id(1, 0), state: 'success', isInEffect: false },
    });
    const check = new Questions(scene).ask();
    expect(found(check)).toEqual([['slotsWriteForbidden', 'error', 0, scene.id(0, 0)]]);
    expect(check.findings[0]?.text).toContain('10-19');
  });

  test('KD12g: a job by hand that runs, and an import that nobody sends', () => {
    const scene = settled();
    scene.set(scene.id(0, 0), {
      sourceJob: { range: RANGE, destination: scene.id(1, 0), state: 'start', isInEffect: null },
    });
    scene.set(scene.id(1, 0), { targetJob: { range: RANGE, state: 'start' } });
    const questions = new Questions(scene);
    expect(found(questions.ask())).toEqual([['unknownJob', 'warning', 0, scene.id(0, 0)]]);
    scene.set(scene.id(0, 0), { sourceJob: null });
    expect(found(questions.ask())).toEqual([['unknownImport', 'warning', 1, scene.id(1, 0)]]);
  });

  test('KD12g: an import of slots of another shard counts while its clients are served, whatever the line says', () => {
    const scene = settled();
    const questions = new Questions(scene);
    const id = scene.id(1, 0);
    scene.set(id, { targetJob: { range: RANGE, state: 'error' } });
    questions.ask();
    expect(importsInDoubt(lookAt(scene), -Infinity)).toMatchObject([{ slots: [RANGE], first: 10 }]);
    questions.imports.set(id, { kind: 'served' });
    const check = questions.ask();
    expect(check.findings.map(({ kind, node }) => [kind, node])).toEqual([['strayImport', id]]);
    expect(check.findings[0]?.text).toContain('slots 10-19');
    questions.imports.set(id, { kind: 'refused', reason: 'TRYAGAIN' });
    expect(questions.ask().findings).toEqual([]);
  });

  test('KD12g: a node that left and was not told', () => {
    const scene = settled();
    const questions = new Questions(scene);
    const detail = 'node 127.0.0.1:9 has left and was not told';
    const place = { shardIndex: null, node: STRANGER, address: '127.0.0.1:9' as NodeAddress };
    questions.departed = [{ kind: 'departedUntold', ...place, detail }];
    const check = questions.ask();
    expect(found(check)).toEqual([['departedUntold', 'warning', null, STRANGER]]);
    expect(check.findings[0]?.remedy).toContain(`/departed/${STRANGER}`);
  });
});

test('KD12h: whatever nodes answer, a check ends with findings that all say what to do', () => {
  const line = fc.record({
    id: fc.constantFrom(STRANGER, ...settled().answers.keys()),
    address: fc.constant('127.0.0.1:1' as NodeAddress),
    role: fc.constantFrom('master', 'replica'),
    isMyself: fc.boolean(),
    masterId: fc.constantFrom(null, STRANGER),
    version: fc.constantFrom(0, 1, 7),
    slots: fc.constantFrom(slotSetOf([]), slotSetOf([RANGE]), slotSetOf([slotRange(0, 16_383)])),
  }) as fc.Arbitrary<NodesLine>;
  const told = fc.oneof(
    fc.constant<ToldTopology>({ kind: 'none' }),
    fc.constant<ToldTopology>({ kind: 'failed', why: 'nonsense' }),
    fc.array(line, { minLength: 1, maxLength: 4 }).map((lines): ToldTopology => ({
      kind: 'told',
      lines,
      own: lines.find(({ isMyself }) => isMyself) ?? null,
    })),
  );
  const report = fc.record(
    {
      id: fc.constantFrom(null, STRANGER),
      version: fc.constantFrom(-1, 0, 1, 2, 2 ** 50),
      role: fc.constantFrom('master', 'replica'),
      master: fc.constantFrom(null, '127.0.0.1:1' as NodeAddress),
      targetJob: fc.constantFrom(null, { range: RANGE, state: 'success' } as const),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(
      fc.array(told, { minLength: 6, maxLength: 6 }),
      fc.array(report, { minLength: 6, maxLength: 6 }),
      (answers, reports) => {
        const scene = settled();
        const questions = new Questions(scene);
        for (const [index, id] of [...scene.answers.keys()].entries()) {
          questions.told.set(id, present(answers[index], 'six'));
          questions.imports.set(id, { kind: 'served' });
          if (index % 2 === 0) scene.set(id, present(reports[index], 'six'));
        }
        const { findings, isClean } = questions.ask();
        expect(isClean).toBe(findings.every(({ severity }) => severity === 'info'));
        for (const { text, remedy } of findings)
          expect([text, remedy]).toEqual([expect.stringMatching(/\w/), expect.stringMatching(/\w/)]);
      },
    ),
    { numRuns: 200 },
  );
});
