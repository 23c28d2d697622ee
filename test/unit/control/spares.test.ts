// A shard that stays below its copies gets a spare: when, which one, in whose place, and when not.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { present } from '../../../src/base/assert.ts';
import { createSeededRandom } from '../../../src/base/random.ts';
import { err, ok } from '../../../src/base/result.ts';
import { Secret } from '../../../src/base/secret.ts';
import type { Action, CommitAction, InspectSpareAction } from '../../../src/control/actions.ts';
import type { Decision } from '../../../src/control/decide.ts';
import type { NodeErrorKind } from '../../../src/control/observation.ts';
import { lookAt } from '../../../src/control/situation.ts';
import { type SpareReport, type SpareStanding, spareStanding } from '../../../src/control/spare-memory.ts';
import { passwordFault } from '../../../src/control/spare-watch.ts';
import { sparesStatus } from '../../../src/control/spares-status.ts';
import { startDrain, withPassword } from '../../../src/topology/change-nodes.ts';
import { startMigration } from '../../../src/topology/change-slots.ts';
import { withTaskCancelled } from '../../../src/topology/change-tasks.ts';
import { allNodes, findNode } from '../../../src/topology/cluster.ts';
import { withNodeFacts } from '../../../src/topology/facts.ts';
import { newNodeId, parseAddress } from '../../../src/topology/node.ts';
import { type FailoverMode, NO_NODE_POLICY, withNodePolicy } from '../../../src/topology/policy.ts';
import { slotRange, slotSetOf } from '../../../src/topology/slot.ts';
import { spareLogin, type SparesPolicy, sparesIn } from '../../../src/topology/spares.ts';
import { addTask } from '../../../src/topology/task.ts';
import type { Cluster, NodeAddress, NodeId } from '../../../src/topology/types.ts';
import { valueOf } from '../topology/arbitrary.ts';
import { actionsOf, FRESH, INTERVAL_MS, Scene } from './scene.ts';

const AFTER_SECONDS = 20;
const ROUNDS_DUE = (AFTER_SECONDS * 1000) / INTERVAL_MS + 2;
const READY: SpareStanding = { kind: 'ready' };
const DATA: SpareStanding = { kind: 'hasData', why: 'it stands at sequence 7' };

function addressAt(port: number): NodeAddress {
  const address = parseAddress(`10.9.9.9:${port}`);
  if (!address.ok) throw new Error(String(port));
  return address.value;
}

const [FIRST, SECOND] = [addressAt(1), addressAt(2)];
const random = createSeededRandom(5);

/** A scene with spares, which are looked at whenever that is decided. */
class Stage {
  readonly scene: Scene;
  readonly standings = new Map<NodeAddress, SpareStanding>([
    [FIRST, READY],
    [SECOND, READY],
  ]);
  readonly looks: InspectSpareAction[] = [];
  /** Nodes that no push comes to. */
  readonly untold = new Set<NodeId>();

  constructor(shardCount = 1, groupSize = 2, spares: Partial<SparesPolicy> = {}) {
    this.scene = new Scene(shardCount, groupSize);
    this.want({
      nodes: [FIRST, SECOND].map((address) => ({ address, password: Secret.none, zone: '', lost: null })),
      copies: groupSize,
      replaceAfterSeconds: AFTER_SECONDS,
      ...spares,
    });
    this.rounds(2);
  }

  want(spares: Partial<SparesPolicy>): void {
    const { policy } = this.scene;
    this.scene.policy = {
      ...policy,
      cluster: { ...policy.cluster, spares: { ...policy.cluster.spares, ...spares } },
    };
  }

  pause(failover: FailoverMode): void {
    const automation = {
      failover,
      ignoresMassFailure: false,
      untilSeconds: null,
      reason: '',
      setAtSeconds: 0,
    };
    this.scene.policy = { ...this.scene.policy, cluster: { ...this.scene.policy.cluster, automation } };
  }

  zone(id: NodeId, zone: string): void {
    const { policy } = this.scene;
    const cluster = withNodePolicy(policy.cluster, id, { ...NO_NODE_POLICY, zone });
    this.scene.policy = { ...policy, cluster };
  }

  /** The decision once every look it asked for has ended, with all that was to be done on the way. */
  decide(): Decision {
    const earlier: Action[] = [];
    for (let wave = 0; wave < 8; wave += 1) {
      const decision = this.scene.decide();
      const looks = actionsOf(decision, 'inspectSpare');
      if (looks.length === 0) return { ...decision, actions: [...earlier, ...decision.actions] };
      earlier.push(...decision.actions.filter(({ kind }) => kind !== 'inspectSpare'));
      this.looks.push(...looks);
      for (const { spare, isToUse } of looks) {
        const startedAtMs = this.scene.nowMs;
        this.scene.tell({
          kind: 'spareLooked',
          look: {
            address: spare.address,
            password: spare.password,
            standing: present(this.standings.get(spare.address) ?? DATA, 'a standing'),
            isToldApart: isToUse,
            comparedAtMs: null,
            process: null,
            id: newNodeId(random),
            startedAtMs,
            endedAtMs: startedAtMs + 1,
          },
        });
      }
    }
    throw new Error('looks go on and on');
  }

  /** Rounds of looks, up to the first replacement. */
  rounds(count: number): CommitAction | null {
    for (let index = 0; index < count; index += 1) {
      this.scene.round();
      const decision = this.decide();
      const [commit] = actionsOf(decision, 'commit');
      if (commit !== undefined) return commit;
      for (const push of actionsOf(decision, 'push')) {
        if (this.untold.has(push.node)) this.scene.endPush(push, 'timedOut');
        else this.scene.takePush(push);
      }
    }
    return null;
  }

  /** The replacement that comes within the time, carried out: the spare has its place and is seen there. */
  replaced(): CommitAction {
    const commit = present(this.rounds(ROUNDS_DUE), 'a replacement');
    this.scene.endCommit(commit);
    return commit;
  }

  get plan(): string | undefined {
    this.decide();
    return sparesStatus(lookAt(this.scene)).shards[0]?.plan;
  }

  problem(kind: string): string | undefined {
    return this.decide().problems.find((problem) => problem.kind === kind)?.detail;
  }
}

const newcomerOf = (commit: CommitAction): NodeId => {
  const [reason] = commit.reasons;
  if (reason?.kind !== 'copyReplaced') throw new Error(JSON.stringify(commit.reasons));
  return reason.node;
};

describe('a shard that stays below its copies', () => {
  it('gets a spare in the place of the replica that is away, which becomes a spare itself, in one commit', () => {
    const stage = new Stage();
    const { scene } = stage;
    const lost = scene.id(0, 1);
    const { address } = present(findNode(scene.cluster, lost), 'the replica').node;
    stage.zone(lost, 'b');
    scene.fail(lost, 'hang');
    expect(stage.rounds(ROUNDS_DUE - 4)).toBeNull();
    expect(stage.problem('copiesMissing')).toMatch(
      /^shard 0 has 1 of 2 nodes for \d+ s; spare 10\.9\.9\.9:1 would take the place of .* in \d s$/,
    );
    const version = scene.cluster.version;
    const commit = stage.replaced();
    const id = newcomerOf(commit);
    expect(commit.reasons).toMatchObject([{ kind: 'copyReplaced', shardIndex: 0, lost, node: id }]);
    expect(commit.reasons[0]).toMatchObject({
      text: expect.stringMatching(
        /^shard 0 has 1 of 2 nodes for \d+ s; replica .* missed \d+ probes in .*; spare 10\.9\.9\.9:1 takes its place$/,
      ),
    });
    expect(commit.next.version).toBeGreaterThan(version);
    expect(commit.next.shards[0]?.nodes.map((node) => [node.address, node.role])).toEqual([
      [present(findNode(scene.cluster, scene.id(0, 0)), 'the master').node.address, 'master'],
      [FIRST, 'replica'],
    ]);
    expect(scene.policy.cluster.spares.nodes).toMatchObject([
      { address: SECOND, lost: null },
      { address, zone: 'b', lost },
    ]);
    expect(scene.policy.cluster.nodes.has(lost)).toBe(false);
    // It is a copy only once it was seen to follow.
    expect(scene.facts.nodes.get(id)).toMatchObject({ following: null, sequence: null });
  });

  it('looks at the spare again, and tells it apart from all others, right before it is used', () => {
    const stage = new Stage();
    stage.scene.fail(stage.scene.id(0, 1), 'hang');
    stage.looks.length = 0;
    const commit = present(stage.rounds(ROUNDS_DUE), 'a replacement');
    expect(stage.looks.filter(({ isToUse }) => isToUse)).toMatchObject([{ spare: { address: FIRST } }]);
    expect(stage.looks.at(-1)).toMatchObject({ isToUse: true });
    expect(newcomerOf(commit)).toHaveLength(40);
  });

  it('waits for a spare that is empty, and says of each why it is none', () => {
    const stage = new Stage();
    const { scene } = stage;
    stage.standings.set(FIRST, DATA).set(SECOND, { kind: 'silent', why: 'it does not answer: start it' });
    scene.fail(scene.id(0, 1), 'hang');
    expect(stage.rounds(3 * ROUNDS_DUE)).toBeNull();
    expect(stage.problem('sparesMissing')).toBe(
      '10.9.9.9:1: it stands at sequence 7; 10.9.9.9:2: it does not answer: start it',
    );
    stage.standings.set(SECOND, READY);
    expect(stage.replaced().next.shards[0]?.nodes[1]?.address).toBe(SECOND);
    stage.want({ nodes: [], copies: 3 });
    expect(stage.rounds(2 * ROUNDS_DUE)).toBeNull();
  });

  it('takes another spare when the first turns out to be none in the last look', () => {
    const stage = new Stage();
    stage.scene.fail(stage.scene.id(0, 1), 'hang');
    stage.rounds(ROUNDS_DUE - 4);
    stage.standings.set(FIRST, { kind: 'otherName', why: 'it is another name of a node' });
    expect(stage.replaced().next.shards[0]?.nodes[1]?.address).toBe(SECOND);
  });

  it('prefers a zone in which none of its living nodes is', () => {
    const stage = new Stage();
    const { scene } = stage;
    stage.want({
      nodes: [
        { address: FIRST, password: Secret.none, zone: 'a', lost: null },
        { address: SECOND, password: new Secret('p'), zone: 'b', lost: null },
      ],
    });
    stage.zone(scene.id(0, 0), 'a');
    stage.zone(scene.id(0, 1), 'b');
    scene.fail(scene.id(0, 1), 'hang');
    const commit = stage.replaced();
    const node = present(commit.next.shards[0]?.nodes[1], 'the new one');
    expect(node.address).toBe(SECOND);
    expect(node.password.reveal()).toBe('p');
    expect(scene.policy.cluster.nodes.get(node.id)?.zone).toBe('b');
    expect(JSON.stringify(commit.reasons)).toContain('in zone b, where the shard has nobody else, takes');
  });

  it('is filled up to its copies also where it never had so many, once that has lasted', () => {
    const stage = new Stage(1, 2, { copies: 3 });
    const commit = stage.replaced();
    expect(commit.next.shards[0]?.nodes).toHaveLength(3);
    expect(commit.reasons).toMatchObject([
      { lost: null, text: expect.stringMatching(/takes the free place$/) },
    ]);
    expect(stage.scene.policy.cluster.spares.nodes).toMatchObject([{ address: SECOND }]);
  });

  it('counts anew with every leader', () => {
    const stage = new Stage(1, 2, { copies: 3 });
    expect(stage.rounds(ROUNDS_DUE - 6)).toBeNull();
    stage.scene.changeLeader();
    expect(stage.rounds(ROUNDS_DUE - 6)).toBeNull();
  });

  it('is none while a surplus member is away, nor while somebody works on its replica', () => {
    const surplus = new Stage(1, 3, { copies: 2 });
    surplus.scene.fail(surplus.scene.id(0, 2), 'hang');
    expect(surplus.rounds(2 * ROUNDS_DUE)).toBeNull();
    // It fell below only now, however long the first one is away.
    surplus.scene.fail(surplus.scene.id(0, 1), 'hang');
    expect(surplus.rounds(ROUNDS_DUE - 6)).toBeNull();
    expect(surplus.replaced().reasons).toMatchObject([
      { lost: surplus.scene.policy.cluster.spares.nodes.at(-1)?.lost },
    ]);
    const working = new Stage();
    const id = working.scene.id(0, 1);
    const maintenance = { untilSeconds: null, reason: '', setAtSeconds: 0 };
    const { policy } = working.scene;
    working.scene.policy = {
      ...policy,
      cluster: withNodePolicy(policy.cluster, id, { ...NO_NODE_POLICY, maintenance }),
    };
    working.scene.fail(id, 'hang');
    expect(working.rounds(2 * ROUNDS_DUE)).toBeNull();
    expect(working.plan).toBeUndefined();
  });

  it.each(['loading', 'wrongPassword', 'tooManyClients'] as const)(
    'counts a replica that answers %s',
    (kind: NodeErrorKind) => {
      const stage = new Stage();
      stage.scene.fail(stage.scene.id(0, 1), kind);
      expect(stage.rounds(2 * ROUNDS_DUE)).toBeNull();
      expect(stage.plan).toBeUndefined();
    },
  );
});

describe('what a node is missed for counts only while it could be replaced', () => {
  const LATE = 3 * ROUNDS_DUE;

  function maintain(stage: Stage, isIn: boolean): void {
    const maintenance = isIn ? { untilSeconds: null, reason: '', setAtSeconds: 0 } : null;
    const { policy } = stage.scene;
    const cluster = withNodePolicy(policy.cluster, stage.scene.id(0, 1), { ...NO_NODE_POLICY, maintenance });
    stage.scene.policy = { ...policy, cluster };
  }

  it.each([
    ['maintenance', (stage: Stage) => maintain(stage, true), (stage: Stage) => maintain(stage, false)],
    ['a pause', (stage: Stage) => stage.pause('paused'), (stage: Stage) => stage.pause('on')],
    [
      'a mass failure',
      (stage: Stage) => {
        stage.scene.census = { nodes: 20, missed: 19 };
      },
      (stage: Stage) => {
        stage.scene.census = { nodes: 20, missed: 1 };
      },
    ],
  ] as const)('and begins with the end of %s', (what, begin, end) => {
    const stage = new Stage();
    const lost = stage.scene.id(0, 1);
    begin(stage);
    stage.scene.fail(lost, 'hang');
    expect(stage.rounds(LATE)).toBeNull();
    end(stage);
    // Not noted yet, and said already.
    expect(sparesStatus(lookAt(stage.scene)).shards[0]?.plan).toMatch(/in 20 s$/);
    expect(stage.plan).toMatch(/in 20 s$/);
    expect(stage.rounds(ROUNDS_DUE - 4)).toBeNull();
    const text = JSON.stringify(stage.replaced().reasons);
    // A node in maintenance counts as being there; any other is lacking all the time, whatever holds its replacement back.
    const seconds = what === 'maintenance' ? /has 1 of 2 nodes for 2\d s/ : /has 1 of 2 nodes for 8\d s/;
    expect(text).toMatch(seconds);
    expect(text).toMatch(/missed \d+ probes in 8\d/);
  });

  it('and one that is back by then is not looked for any more', () => {
    const stage = new Stage();
    const { scene } = stage;
    maintain(stage, true);
    scene.fail(scene.id(0, 1), 'hang');
    expect(stage.rounds(LATE)).toBeNull();
    scene.answers.set(scene.id(0, 1), scene.converged(scene.id(0, 1)));
    maintain(stage, false);
    expect(actionsOf(stage.decide(), 'commit')).toEqual([]);
    expect(stage.rounds(2 * ROUNDS_DUE)).toBeNull();
  });

  it('and begins with the return of the master, where an outage took both', () => {
    const stage = new Stage();
    const { scene } = stage;
    for (const index of [0, 1]) scene.fail(scene.id(0, index), 'hang');
    expect(stage.rounds(LATE)).toBeNull();
    scene.answers.set(scene.id(0, 0), scene.converged(scene.id(0, 0)));
    expect(stage.rounds(ROUNDS_DUE - 4)).toBeNull();
    expect(stage.rounds(4)).not.toBeNull();
    // A master that only misses a look or two is no outage.
    const blinking = new Stage();
    blinking.scene.fail(blinking.scene.id(0, 1), 'hang');
    expect(blinking.rounds(ROUNDS_DUE - 6)).toBeNull();
    blinking.scene.fail(blinking.scene.id(0, 0), 'hang');
    expect(blinking.rounds(1)).toBeNull();
    blinking.scene.answers.set(blinking.scene.id(0, 0), blinking.scene.converged(blinking.scene.id(0, 0)));
    expect(blinking.rounds(6)).not.toBeNull();
  });

  it('and right before that it is looked at once more, and the spare meanwhile', () => {
    const stage = new Stage();
    const { scene } = stage;
    const lost = scene.id(0, 1);
    scene.panel = { self: 1, voters: [[1, 2, 3]] };
    scene.fail(lost, 'hang');
    const hear = (): void => {
      const word = { observer: 2, kind: 'silent', why: 'silent', askedAtMs: scene.nowMs } as const;
      const words = new Map([[lost, [word]]]);
      scene.tell({ kind: 'inquired', endedAtMs: scene.nowMs, words, isOver: true });
    };
    for (let count = 0; count < ROUNDS_DUE - 4; count += 1) {
      scene.round();
      hear();
      expect(actionsOf(stage.decide(), 'commit')).toEqual([]);
    }
    scene.nowMs += 5000;
    const decision = stage.decide();
    expect(actionsOf(decision, 'commit')).toEqual([]);
    expect(actionsOf(decision, 'inquire')).toMatchObject([{ nodes: [lost] }]);
    hear();
    expect(stage.decide().urgent).toEqual(new Set([lost]));
    expect(stage.plan).toMatch(/would take the place of .*: the last look at it began 5.\d s ago/);
    scene.probe(scene.id(0, 0));
    scene.glance(lost);
    expect(actionsOf(stage.decide(), 'commit')).toHaveLength(1);
  });

  it('and a copy that fell silent before it was one holds back with a sentence that goes in no circle', () => {
    const stage = new Stage();
    const { scene } = stage;
    scene.fail(scene.id(0, 1), 'hang');
    const id = newcomerOf(stage.replaced());
    scene.panel = { self: 1, voters: [[1, 2, 3]] };
    scene.answers.set(id, null);
    expect(stage.rounds(3)).toBeNull();
    expect(stage.plan).toMatch(
      /would take the place of .*, but not now: .* may still come to be a copy: it is not missed for certain yet$/,
    );
  });
});

describe('nobody is replaced', () => {
  it.each(['paused', 'dry-run'] as const)(
    'while automatic failover is %s, and who would be is told',
    (mode) => {
      const stage = new Stage();
      stage.pause(mode);
      stage.scene.fail(stage.scene.id(0, 1), 'hang');
      expect(stage.rounds(2 * ROUNDS_DUE)).toBeNull();
      expect(stage.problem('copiesMissing')).toMatch(
        /spare 10\.9\.9\.9:1 would take the place of .*, but not now: automatic failover is (paused|a dry run)/,
      );
      stage.pause('on');
      expect(stage.plan).toMatch(/would take the place of .* in 20 s$/);
      expect(stage.rounds(ROUNDS_DUE - 4)).toBeNull();
      expect(stage.rounds(4)).not.toBeNull();
    },
  );

  it('while very many nodes are missed at once', () => {
    const stage = new Stage();
    stage.scene.census = { nodes: 20, missed: 15 };
    stage.scene.fail(stage.scene.id(0, 1), 'hang');
    expect(stage.rounds(2 * ROUNDS_DUE)).toBeNull();
    expect(stage.plan).toContain('15 of the 20 nodes');
  });

  it('while the master does not answer, or the word of a majority is missing', () => {
    const stage = new Stage();
    for (const index of [0, 1]) stage.scene.fail(stage.scene.id(0, index), 'hang');
    expect(stage.rounds(2 * ROUNDS_DUE)).toBeNull();
    expect(stage.plan).toContain('does not answer, and a new copy can come from nobody else');
    const alone = new Stage();
    alone.scene.panel = { self: 1, voters: [[1, 2, 3]] };
    alone.scene.fail(alone.scene.id(0, 1), 'hang');
    expect(alone.rounds(2 * ROUNDS_DUE)).toBeNull();
    expect(alone.plan).toContain('no majority of the controllers confirms');
  });

  it('while somebody else manages the cluster, too, or what the master has is not the data of its shard', () => {
    const contested = new Stage();
    contested.scene.facts = { ...contested.scene.facts, contestedVersion: contested.scene.cluster.version };
    contested.scene.fail(contested.scene.id(0, 1), 'hang');
    expect(contested.rounds(2 * ROUNDS_DUE)).toBeNull();
    expect(contested.plan).toContain('somebody else pushes topologies');
    const emptied = new Stage();
    const master = emptied.scene.id(0, 0);
    emptied.scene.fail(emptied.scene.id(0, 1), 'hang');
    emptied.scene.set(master, { ...FRESH });
    expect(emptied.rounds(2 * ROUNDS_DUE)).toBeNull();
    expect(emptied.plan).toContain('has lost its data');
  });

  it('before a new master was seen in its place', () => {
    const stage = new Stage(1, 3);
    const { scene } = stage;
    const [master, heir, other] = [0, 1, 2].map((index) => scene.id(0, index)) as [NodeId, NodeId, NodeId];
    scene.fail(other, 'hang');
    scene.rounds(ROUNDS_DUE - 6);
    scene.fail(master, 'hang');
    scene.round();
    stage.untold.add(heir);
    const failover = present(stage.rounds(8), 'a failover');
    expect(failover.reasons).toMatchObject([{ kind: 'failover', to: heir }]);
    scene.endCommit(failover);
    expect(stage.rounds(2)).toBeNull();
    expect(stage.plan).toContain('was not seen in its place yet');
  });

  it('by a controller that cannot look', () => {
    const stage = new Stage();
    stage.scene.fail(stage.scene.id(0, 1), 'ownFault');
    expect(stage.rounds(2 * ROUNDS_DUE)).toBeNull();
  });

  it('while slots move, or a master is changed as planned, in that shard', () => {
    const moving = new Stage(2, 2);
    const started = startMigration(moving.scene.cluster, {
      range: slotRange(0, 9),
      targetIndex: 1,
      nowSeconds: 1,
    });
    if (!started.ok) throw new Error(started.error.kind);
    moving.scene.cluster = started.value;
    moving.scene.fail(moving.scene.id(1, 1), 'hang');
    moving.scene.rounds(ROUNDS_DUE);
    expect(moving.plan).toContain('are moving from shard 0 to shard 1');
    const draining = new Stage(1, 3);
    const begun = startDrain(draining.scene.cluster, 0, draining.scene.id(0, 1));
    if (!begun.ok) throw new Error(begun.error.kind);
    draining.scene.cluster = begun.value;
    draining.scene.fail(draining.scene.id(0, 2), 'hang');
    draining.scene.rounds(ROUNDS_DUE);
    expect(sparesStatus(lookAt(draining.scene)).shards[0]?.plan).toMatch(
      /changing its master|seen in its place yet/,
    );
  });

  it('in the place of a master: what holds it back is told, and no spare is promised that', () => {
    const stage = new Stage();
    stage.pause('paused');
    stage.scene.fail(stage.scene.id(0, 0), 'hang');
    expect(stage.rounds(2 * ROUNDS_DUE)).toBeNull();
    expect(stage.problem('copiesMissing')).toMatch(
      /^shard 0 has 1 of 2 nodes for \d+ s; no spare takes the place of a master: automatic failover is paused/,
    );
    stage.pause('on');
    stage.scene.fail(stage.scene.id(0, 1), 'hang');
    stage.scene.answers.set(stage.scene.id(0, 0), null);
    stage.want({ copies: 1 });
    stage.rounds(4);
    expect(stage.plan).toMatch(/, but not now: master .* does not answer/);
  });

  it('before an old master has had the time anew, from its failover on; what is lost with it is told', () => {
    const stage = new Stage();
    const { scene } = stage;
    const old = scene.id(0, 0);
    stage.pause('paused');
    scene.fail(old, 'hang');
    expect(stage.rounds(ROUNDS_DUE + 5)).toBeNull();
    stage.pause('on');
    const failover = present(stage.rounds(1), 'a failover');
    expect(failover.reasons).toMatchObject([{ kind: 'failover' }]);
    scene.endCommit(failover);
    const { version } = scene.cluster;
    expect(stage.rounds(ROUNDS_DUE - 4)).toBeNull();
    expect(stage.problem('copiesMissing')).toMatch(/would take the place of .* in \d s$/);
    expect(stage.replaced().reasons).toMatchObject([
      {
        kind: 'copyReplaced',
        lost: old,
        text: expect.stringContaining(
          `(the master until version ${version}, and not told yet that it is none: what clients wrote to it since is lost with it); spare`,
        ),
      },
    ]);
  });

  it('while it may still carry out a move: slots that are to leave its shard wait for it', () => {
    const stage = new Stage(2);
    const { scene } = stage;
    const old = scene.id(0, 0);
    scene.fail(old, 'hang');
    scene.endCommit(present(stage.rounds(6), 'a failover'));
    stage.rounds(2);
    const [source, target] = scene.cluster.shards;
    const moves = [{ source: source!.id, target: target!.id, slots: slotSetOf([slotRange(0, 9)]) }];
    const { nowSeconds } = scene;
    scene.tasks = addTask(scene.tasks, { kind: 'migrate', actor: 'api', moves, batch: 10, nowSeconds }).book;
    expect(stage.rounds(ROUNDS_DUE + 5)).toBeNull();
    expect(stage.problem('copiesMissing')).toMatch(
      /, but not now: .* was replaced while it did not answer, and may carry out a move .*; migration 1 waits for that$/,
    );
    const [task] = scene.tasks;
    scene.tasks = valueOf(withTaskCancelled(scene, task!, nowSeconds)).tasks;
    expect(stage.replaced().reasons).toMatchObject([{ kind: 'copyReplaced', lost: old }]);
  });

  it('but who was the master long ago counts as any replica', () => {
    const stage = new Stage();
    const { scene } = stage;
    const old = scene.id(0, 0);
    const before = scene.converged(old);
    scene.fail(old, 'hang');
    scene.endCommit(present(stage.rounds(6), 'a failover'));
    expect(stage.rounds(2)).toBeNull();
    scene.answers.set(old, before);
    expect(stage.rounds(5)).toBeNull();
    expect(scene.answers.get(old)).toMatchObject({ role: 'replica', version: scene.cluster.version });
    scene.fail(old, 'hang');
    const [reason] = stage.replaced().reasons;
    expect(reason).toMatchObject({ kind: 'copyReplaced', lost: old });
    expect(JSON.stringify(reason)).not.toContain('not told');
  });

  it('before the copy that came last was seen to follow, also by the next leader', () => {
    const stage = new Stage(2, 2);
    const { scene } = stage;
    for (const shard of [0, 1]) scene.fail(scene.id(shard, 1), 'hang');
    const id = newcomerOf(stage.replaced());
    scene.answers.set(id, { ...scene.converged(id), ...FRESH });
    stage.untold.add(id);
    expect(stage.rounds(4)).toBeNull();
    expect(stage.plan).toContain('was not seen as a copy yet, and one comes at a time');
    scene.changeLeader();
    expect(stage.rounds(2 * ROUNDS_DUE)).toBeNull();
    stage.untold.clear();
    expect(stage.rounds(ROUNDS_DUE)?.reasons).toMatchObject([{ kind: 'copyReplaced' }]);
  });

  it('because a copy is not there yet: it is told until it is, and no other comes for it', () => {
    const stage = new Stage();
    const { scene } = stage;
    scene.fail(scene.id(0, 1), 'hang');
    const id = newcomerOf(stage.replaced());
    const copying = { ...FRESH, id, version: scene.cluster.version, role: 'replica' as const };
    const master = present(findNode(scene.cluster, scene.id(0, 0)), 'the master').node.address;
    scene.answers.set(id, { ...scene.converged(id), ...copying, master, link: 'down', syncInProgress: true });
    expect(stage.rounds(2 * ROUNDS_DUE)).toBeNull();
    expect(stage.problem('copiesMissing')).toMatch(
      /^shard 0 has 1 of 2 nodes for \d+ s; .* is being copied to, and will count once seen linked to the master$/,
    );
    expect(sparesStatus(lookAt(scene)).shards).toMatchObject([{ there: 1, wanted: 2, leftMs: Infinity }]);
    scene.answers.set(id, scene.converged(id));
    stage.rounds(2);
    expect(stage.problem('copiesMissing')).toBeUndefined();
    expect(sparesStatus(lookAt(scene)).shards).toEqual([]);
  });

  it('but one that came and is gone again is replaced by the next', () => {
    const stage = new Stage();
    const { scene } = stage;
    scene.fail(scene.id(0, 1), 'hang');
    const id = newcomerOf(stage.replaced());
    scene.answers.set(id, null);
    expect(stage.replaced().reasons).toMatchObject([{ kind: 'copyReplaced', lost: id }]);
    expect(scene.policy.cluster.spares.nodes.map(({ address }) => address)).toContain(FIRST);
  });

  it('where a copy that answers is being made anew', () => {
    const stage = new Stage();
    const { scene } = stage;
    const id = scene.id(0, 1);
    const facts = present(scene.facts.nodes.get(id), 'facts');
    scene.facts = withNodeFacts(scene.facts, id, { ...facts, following: null, remake: 'it diverged' });
    scene.answers.set(id, { ...scene.converged(id), syncInProgress: true, link: 'down' });
    scene.rounds(2 * ROUNDS_DUE);
    expect(sparesStatus(lookAt(scene)).shards).toEqual([]);
  });
});

const report: SpareReport = { id: null, version: -1, role: 'master', master: null, sequence: 0 };

describe('spares', () => {
  it('are looked at every ten seconds, and nothing is asked where nobody named any', () => {
    const stage = new Stage();
    stage.looks.length = 0;
    stage.rounds(25);
    expect(stage.looks.filter(({ spare }) => spare.address === FIRST)).toHaveLength(2);
    expect(stage.looks.every(({ isToUse }) => !isToUse)).toBe(true);
    stage.want({ nodes: [], copies: null });
    stage.looks.length = 0;
    stage.rounds(25);
    expect(stage.looks).toEqual([]);
    expect(stage.scene.memory.spares.nodes.size).toBe(0);
  });

  it('are looked at once a second at most while somebody asks', () => {
    const stage = new Stage();
    stage.looks.length = 0;
    for (let count = 0; count < 10; count += 1) {
      stage.scene.tell({ kind: 'sparesAsked', atMs: stage.scene.nowMs });
      stage.decide();
      stage.scene.nowMs += 300;
    }
    expect(stage.looks.filter(({ spare }) => spare.address === FIRST)).toHaveLength(3);
    stage.scene.nowMs += 2000;
    stage.decide();
    stage.looks.length = 0;
    stage.scene.nowMs += 5000;
    stage.decide();
    expect(stage.looks).toEqual([]);
  });

  it('without a password have that of the nodes, if these have the same', () => {
    const stage = new Stage();
    const { scene } = stage;
    const [own, cluster] = [new Secret('own'), new Secret('all')];
    const ids = new Set(allNodes(scene.cluster).map(({ node }) => node.id));
    const changed = withPassword(scene.cluster, ids, cluster);
    if (!changed.ok) throw new Error(changed.error.kind);
    const spares = [Secret.none, own].map((password, index) => ({
      address: [FIRST, SECOND][index]!,
      password,
      zone: '',
      lost: null,
    }));
    const policy = { ...scene.policy.cluster.spares, nodes: spares };
    expect(sparesIn(changed.value, policy).map(({ password }) => password.reveal())).toEqual(['all', 'own']);
    expect(spares.map((spare) => spareLogin(changed.value, spare))).toEqual(['cluster', 'own']);
    expect(spareLogin(scene.cluster, spares[0]!)).toBe('none');
    const differing = withPassword(changed.value, new Set([scene.id(0, 0)]), own);
    if (!differing.ok) throw new Error(differing.error.kind);
    expect(sparesIn(differing.value, policy)).toEqual(spares);
    expect(spareLogin(differing.value, spares[0]!)).toBe('none');

    const fault = (on: Cluster, password: Secret, masterAuth?: Secret | null): string | null =>
      passwordFault(
        on,
        { ...spares[0]!, password },
        { ...report, ...(masterAuth === undefined ? {} : { masterAuth }) },
      );
    expect(fault(changed.value, cluster)).toBeNull();
    expect(fault(changed.value, cluster, null)).toBeNull();
    expect(fault(changed.value, cluster, cluster)).toBeNull();
    expect(fault(changed.value, cluster, own)).toMatch(/masterauth is not the password of any node/);
    expect(fault(changed.value, cluster, Secret.none)).toMatch(/masterauth/);
    expect(fault(changed.value, own)).toMatch(/not the one that all nodes of this cluster have/);
    expect(fault(scene.cluster, own)).toMatch(/which is none/);
    expect(fault(differing.value, Secret.none)).toMatch(/it takes everybody/);
    expect(fault(differing.value, own, cluster)).toBeNull();
    expect(fault(scene.cluster, Secret.none, Secret.none)).toBeNull();
  });

  it('are asked again when their password changes', () => {
    const stage = new Stage();
    stage.looks.length = 0;
    stage.want({ nodes: [{ address: FIRST, password: new Secret('new'), zone: '', lost: null }] });
    stage.decide();
    expect(stage.looks).toHaveLength(1);
  });

  it.each([
    ['ready', report],
    ['hasData', { ...report, sequence: 5 }],
    ['hasData', { ...report, sequence: null }],
    ['hasTopology', { ...report, version: 3, id: 'a'.repeat(40) as NodeId }],
    ['hasData', { ...report, version: 3, sequence: 5 }],
    ['hasData', { ...report, version: 3, sequence: null }],
    ['refuses', { ...report, sequence: -5 }],
    ['refuses', { ...report, version: 0 }],
    ['refuses', { ...report, role: 'replica', master: SECOND }],
  ] as const)('are %s only by what they say', (kind, said) => {
    expect(spareStanding(FIRST, ok(said)).kind).toBe(kind);
  });

  it.each([
    ['ownFault', 'ownFault'],
    ['connectionRefused', 'silent'],
    ['garbage', 'silent'],
    ['clusterDisabled', 'noClusterMode'],
    ['passwordNotSet', 'wrongPassword'],
    ['notKvrocks', 'notKvrocks'],
    ['malformedReply', 'refuses'],
    ['loading', 'refuses'],
  ] as const)('that answer %s are %s', (kind, standing) => {
    expect(spareStanding(FIRST, err({ kind, message: 'so it is' }))).toMatchObject({
      kind: standing,
      why: expect.any(String),
    });
  });
});

/** What may happen to nodes and spares between two rounds. */
const happeningArbitrary = fc.oneof(
  fc.record({ kind: fc.constant('node' as const), index: fc.nat(5), isUp: fc.boolean() }),
  fc.record({ kind: fc.constant('spare' as const), index: fc.nat(1), isReady: fc.boolean() }),
  fc.record({ kind: fc.constant('pause' as const), isOn: fc.boolean() }),
  fc.constant({ kind: 'leader' as const }),
  fc.record({ kind: fc.constant('time' as const), rounds: fc.integer({ min: 1, max: 30 }) }),
);

it('KD10: whatever happens, only who is away leaves, only who was just seen empty comes, never while paused, and one at a time', () => {
  fc.assert(
    fc.property(fc.array(happeningArbitrary, { minLength: 5, maxLength: 40 }), (happenings) => {
      const stage = new Stage(2, 3, { copies: 3, replaceAfterSeconds: 5 });
      const { scene } = stage;
      let isPaused = false;
      const check = (commit: CommitAction): void => {
        const [reason] = commit.reasons;
        if (reason?.kind !== 'copyReplaced') return;
        expect(isPaused).toBe(false);
        expect(commit.reasons).toHaveLength(1);
        const before = allNodes(scene.cluster).map(({ node }) => node);
        const after = allNodes(commit.next).map(({ node }) => node);
        const left = before.filter(({ id }) => after.every((node) => node.id !== id));
        const came = after.filter(({ id }) => before.every((node) => node.id !== id));
        expect(came).toHaveLength(1);
        expect(left.length).toBeLessThanOrEqual(1);
        for (const { id, role } of left) {
          expect(role).toBe('replica');
          expect(scene.answers.get(id)).toBeNull();
        }
        expect(stage.standings.get(came[0]!.address)).toEqual(READY);
        const spares = commit.policy!.spares.nodes.map(({ address }) => address);
        expect(after.some(({ address }) => spares.includes(address))).toBe(false);
        expect(new Set([...spares, ...after.map(({ address }) => address)])).toEqual(
          new Set([
            ...before.map(({ address }) => address),
            ...scene.policy.cluster.spares.nodes.map(({ address }) => address),
          ]),
        );
      };
      const step = (): void => {
        scene.round();
        const decision = stage.decide();
        for (const commit of actionsOf(decision, 'commit')) {
          check(commit);
          scene.endCommit(commit);
          for (const { node } of allNodes(scene.cluster))
            if (!scene.answers.has(node.id))
              scene.answers.set(node.id, { ...scene.converged(node.id), ...FRESH });
        }
        for (const push of actionsOf(decision, 'push'))
          if (scene.answers.get(push.node) !== null) {
            if (push.purpose === 'isolation') scene.takeIsolation(push);
            else scene.takePush(push);
          }
      };
      for (const happening of happenings) {
        switch (happening.kind) {
          case 'node': {
            const node = allNodes(scene.cluster)[happening.index]?.node;
            if (node !== undefined)
              scene.answers.set(node.id, happening.isUp ? scene.converged(node.id) : null);
            break;
          }
          case 'spare':
            stage.standings.set([FIRST, SECOND][happening.index]!, happening.isReady ? READY : DATA);
            break;
          case 'pause':
            isPaused = happening.isOn;
            stage.pause(isPaused ? 'paused' : 'on');
            break;
          case 'leader':
            scene.changeLeader();
            break;
          default:
            for (let round = 0; round < happening.rounds; round += 1) step();
        }
        step();
      }
    }),
    { numRuns: 150 },
  );
});
