// A check of a cluster: what nodes say and the store does not, found at one time and cured by the call that the finding names.

import { describe, expect, test } from 'vitest';

import { present } from '../../src/base/assert.ts';
import { ApiClient } from '../support/api-client.ts';
import { fillSlot, limitSpeed, migrationEnded, sourceSays } from '../support/migrations.ts';
import {
  type ClusterView,
  expectStatus,
  masterOf,
  type NodeView,
  replicasOf,
  type Scene,
} from '../support/scene.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { notYet, waitUntil } from '../support/wait-until.ts';

const trio = useTrio();
const scene = useScenes(trio);

const SLOT = 7;

interface Finding {
  readonly kind: string;
  readonly severity: string;
  readonly shard: number | null;
  readonly node: string | null;
  readonly address: string | null;
  readonly text: string;
  readonly remedy: string;
}

interface Check {
  readonly is_clean: boolean;
  readonly version: number;
  readonly checked_at: string;
  readonly nodes_asked: number;
  readonly nodes_answered: number;
  readonly findings: readonly Finding[];
}

/** A cluster `c` of two shards with as many nodes each, in their place. */
async function made(stage: Scene, replicas: number): Promise<ClusterView> {
  return stage.cluster('c', await stage.nodes(2 * replicas), { replicas });
}

async function check(stage: Scene): Promise<Check> {
  const answer = await stage.api.get(stage.path('c', '/check'));
  expectStatus(answer, 200);
  return answer.body.data.check as Check;
}

/** A check once it is as `condition` wants it: what the leader remembers of a new cluster comes within a look. */
async function checkWhere(stage: Scene, what: string, condition: (found: Check) => boolean): Promise<Check> {
  return waitUntil(what, async () => {
    const found = await check(stage);
    return condition(found) ? found : notYet(found);
  });
}

async function clean(stage: Scene): Promise<Check> {
  return checkWhere(stage, 'a check without findings', ({ findings }) => findings.length === 0);
}

/** Does what the remedy of a finding says. */
async function cure(stage: Scene, { remedy }: Finding): Promise<void> {
  const [, route = '', body = '{}'] =
    /^POST \.\.\.\/clusters\/c(\/\S+?)(?: (\{[^}]*\}))?\./.exec(remedy) ?? [];
  expect(route, remedy).not.toBe('');
  expectStatus(await stage.api.post(stage.path('c', route), JSON.parse(body)), 200);
}

/** The whole topology as SETNODES takes it, with the slots of each shard as `slots` says. */
function textOf(view: ClusterView, slots: readonly string[]): string {
  return view.shards
    .flatMap((shard, index) => {
      const master = masterOf(shard);
      const place = ({ id, addr }: NodeView): string => `${id} ${addr.replace(':', ' ')}`;
      return [
        `${place(master)} master - ${slots[index] ?? ''}`,
        ...replicasOf(shard).map((replica) => `${place(replica)} slave ${master.id}`),
      ];
    })
    .join('\n');
}

describe('a check', () => {
  test('KD12: of a cluster in order is clean, at any member, and changes nothing', async () => {
    const stage = scene();
    const view = await made(stage, 2);
    const beganMs = Date.now();
    const found = await clean(stage);
    expect(found).toMatchObject({ is_clean: true, version: view.version, nodes_asked: 4, nodes_answered: 4 });
    expect(Date.parse(found.checked_at)).toBeGreaterThan(beganMs - 1000);
    for (const { url } of trio().members) {
      const member = new ApiClient(() => [url]);
      const answer = await member.get(stage.path('c', '/check'));
      expect([answer.status, answer.body.data?.check.is_clean]).toEqual([200, true]);
      await member.close();
    }
    expect((await stage.view('c')).version).toBe(view.version);
    expectStatus(await stage.api.get(stage.path('none', '/check')), 404);
  });

  test('KD12b: finds a master to which somebody told other slots under our version, and names the cure', async () => {
    const stage = scene();
    const view = await made(stage, 2);
    await clean(stage);
    const master = masterOf(present(view.shards[0], 'a shard'));
    const wrong = textOf(view, ['0-99', '100-16383']);
    await stage.ask(master.addr, 'CLUSTERX', 'SETNODES', wrong, String(view.version), 'FORCE');
    const found = await check(stage);
    expect(found.is_clean).toBe(false);
    expect(found.findings).toMatchObject([
      {
        kind: 'slotsUnserved',
        severity: 'critical',
        shard: 0,
        node: master.id,
        text: expect.stringContaining('100-8191'),
      },
      { kind: 'wrongTopology', severity: 'error', shard: 0, node: master.id, address: master.addr },
    ]);
    expect(found.findings[1]?.text).toContain('shard 0 lacks slots 100-8191');
    await cure(stage, present(found.findings[0], 'a finding'));
    await clean(stage);
    expect((await stage.state(master.addr)).slots).toEqual(['0-8191']);
  });

  test('KD12d: finds slots that two masters serve, and names the cure', async () => {
    const stage = scene();
    const view = await made(stage, 1);
    await clean(stage);
    const [owner, other] = view.shards.map((shard) => masterOf(shard));
    const wrong = textOf(view, ['0-99', '100-16383']);
    const address = present(other, 'a second master').addr;
    await stage.ask(address, 'CLUSTERX', 'SETNODES', wrong, String(view.version), 'FORCE');
    const found = await check(stage);
    expect(found.findings.map(({ kind, address: at }) => [kind, at])).toEqual([
      ['slotsClaimedTwice', address],
      ['wrongTopology', address],
    ]);
    expect(found.findings[0]?.text).toContain(
      `slots 100-8191 are served by ${present(owner, 'a master').id.slice(0, 8)}`,
    );
    await cure(stage, present(found.findings[0], 'a finding'));
    await clean(stage);
  });

  test('KD12b: finds a replica that another tool has moved to another topology, which shows in no look', async () => {
    const stage = scene();
    const view = await made(stage, 2);
    await clean(stage);
    const replica = present(replicasOf(present(view.shards[1], 'a shard'))[0], 'a replica');
    const wrong = `${textOf(view, ['0-8191', '8192-16383'])}\n${'e'.repeat(40)} 127.0.0.1 1 master -`;
    await stage.ask(replica.addr, 'CLUSTERX', 'SETNODES', wrong, String(view.version), 'FORCE');
    const found = await check(stage);
    expect(found.findings).toMatchObject([
      {
        kind: 'wrongTopology',
        severity: 'error',
        shard: 1,
        node: replica.id,
        text: expect.stringContaining('none of ours'),
      },
    ]);
    await cure(stage, present(found.findings[0], 'a finding'));
    await clean(stage);
  });

  test('KD12h: tells of nodes that are down or hang, within seconds', async () => {
    const stage = scene();
    const view = await made(stage, 2);
    await clean(stage);
    const [dead, hung] = view.shards.map((shard) => present(replicasOf(shard)[0], 'a replica'));
    await stage.nodeAt(present(dead, 'one').addr).kill();
    stage.nodeAt(present(hung, 'one').addr).pause();
    const found = await check(stage);
    expect(found).toMatchObject({ is_clean: false, nodes_asked: 4, nodes_answered: 2 });
    expect(found.findings.map(({ kind, severity, address }) => [kind, severity, address])).toEqual([
      ['nodeSilent', 'error', dead?.addr],
      ['nodeSilent', 'error', hung?.addr],
    ]);
    stage.nodeAt(present(hung, 'one').addr).resume();
    await stage.nodeAt(present(dead, 'one').addr).restart();
    await clean(stage);
  });
});

describe('a check of moving slots', () => {
  test('KD12f: takes a recorded move for what it is, and is clean before, while and after it runs', async () => {
    const stage = scene();
    const view = await made(stage, 1);
    const source = masterOf(present(view.shards[0], 'a shard')).addr;
    await clean(stage);
    await fillSlot(stage, source, { slot: SLOT, count: 2000 });
    await limitSpeed(stage, source, 50);
    expectStatus(await stage.api.post(stage.path('c', '/migrate'), { slot: SLOT, target: 1 }), 200);
    await sourceSays(stage, source, { slots: String(SLOT), state: 'start' });
    const found = await check(stage);
    expect(found).toMatchObject({
      is_clean: true,
      findings: [
        {
          kind: 'migrationRunning',
          severity: 'info',
          shard: 0,
          text: expect.stringContaining(`slots ${SLOT} `),
        },
      ],
    });
    await limitSpeed(stage, source, 0);
    await migrationEnded(stage, 'c');
    await stage.converged('c');
    await clean(stage);
  });

  test('KD12g: finds one that somebody began by hand, and is clean when that was recorded', async () => {
    const stage = scene();
    const view = await made(stage, 1);
    const [source, target] = view.shards.map((shard) => masterOf(shard));
    await clean(stage);
    const at = present(source, 'a master').addr;
    await fillSlot(stage, at, { slot: SLOT, count: 2000 });
    await limitSpeed(stage, at, 50);
    await stage.ask(at, 'CLUSTERX', 'MIGRATE', String(SLOT), present(target, 'a master').id);
    await sourceSays(stage, at, { slots: String(SLOT), state: 'start' });
    const found = await check(stage);
    expect(found.findings).toMatchObject([
      {
        kind: 'unknownJob',
        severity: 'warning',
        shard: 0,
        address: at,
        text: expect.stringContaining(`slots ${SLOT} `),
      },
    ]);
    await limitSpeed(stage, at, 0);
    await stage.viewWhere(
      'c',
      'the slot at its new owner',
      ({ shards }) => shards[1]?.slot_ranges?.includes(String(SLOT)) === true,
    );
    await stage.converged('c');
    await clean(stage);
  });

  test('KD12g: finds slots that were handed over by hand to a node that hangs, and is clean when that goes on', async () => {
    const stage = scene();
    const view = await made(stage, 1);
    const [source, target] = view.shards.map((shard) => masterOf(shard));
    const at = present(source, 'a master').addr;
    const to = present(target, 'a master');
    await clean(stage);
    for (const member of trio().members) member.pause();
    await stage.ask(at, 'CLUSTERX', 'MIGRATE', String(SLOT), to.id);
    await sourceSays(stage, at, { slots: String(SLOT), state: 'success' });
    stage.nodeAt(to.addr).pause();
    for (const member of trio().members) member.resume();
    const found = await checkWhere(stage, 'a check that finds the hand-over', ({ findings }) =>
      findings.some(({ kind }) => kind === 'unrecordedHandOver'),
    );
    expect(found.findings.map(({ kind, severity, address }) => [kind, severity, address])).toEqual([
      ['unrecordedHandOver', 'critical', at],
      ['nodeSilent', 'critical', to.addr],
    ]);
    expect(found.findings[0]?.text).toContain(`{"slot":"${SLOT}","target":1,"slot_only":true}`);
    stage.nodeAt(to.addr).resume();
    await stage.viewWhere(
      'c',
      'the slot at its new owner',
      ({ shards }) => shards[1]?.slot_ranges?.includes(String(SLOT)) === true,
    );
    await stage.converged('c');
    await clean(stage);
  });

  test('KD12c: finds slots that were taken from everybody, and is clean when somebody has them', async () => {
    const stage = scene();
    await made(stage, 2);
    await clean(stage);
    const taken = { slots: ['3-4'] };
    expectStatus(await stage.api.delete(stage.path('c', '/shards/0/slots'), taken), 200);
    await stage.converged('c');
    const found = await checkWhere(stage, 'a check after the push', ({ findings }) =>
      findings.every(({ severity }) => severity !== 'info'),
    );
    expect(found.findings).toMatchObject([
      { kind: 'slotsUncovered', shard: null, text: 'slots 3-4', remedy: expect.stringContaining('/slots') },
    ]);
    expectStatus(await stage.api.post(stage.path('c', '/shards/1/slots'), taken), 200);
    await stage.converged('c');
    await clean(stage);
  });
});
