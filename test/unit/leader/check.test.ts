// A check as the leader carries it out: everybody is asked at one time, whoever hangs is waited for no longer than that, and nothing is changed.

import { expect, it } from 'vitest';

import type { CheckRefusal, ClusterCheck } from '../../../src/control/check.ts';
import type { Result } from '../../../src/base/result.ts';
import { slotRange } from '../../../src/topology/slot.ts';
import { nameOf, Scene } from './scene.ts';

type Answer = Result<ClusterCheck, CheckRefusal>;

async function settled(): Promise<Scene> {
  const scene = new Scene(2, 2);
  await scene.settle();
  return scene;
}

function begin(scene: Scene): { readonly answer: () => Answer | null } {
  let answer: Answer | null = null;
  void scene.leadership.check({ namespace: scene.namespace, cluster: scene.name }).then((checked) => {
    answer = checked;
  });
  return { answer: () => answer };
}

async function check(scene: Scene, withinMs: number): Promise<ClusterCheck> {
  const { answer } = begin(scene);
  await scene.clock.until(() => answer() !== null, withinMs);
  const checked = answer();
  if (checked?.ok !== true) throw new Error(JSON.stringify(checked));
  return checked.value;
}

function pushes(scene: Scene): number {
  return scene.fleet.pushOrder.length;
}

it('KD12: finds nothing where everybody agrees, at once and without a word to anybody', async () => {
  const scene = await settled();
  const before = pushes(scene);
  expect(await check(scene, 100)).toMatchObject({
    isClean: true,
    version: scene.cluster.version,
    nodesAsked: 4,
    nodesAnswered: 4,
    findings: [],
  });
  expect(pushes(scene)).toBe(before);
  await scene.stop();
});

it('KD12b: finds what shows in no look: other content under our version', async () => {
  const scene = await settled();
  const master = scene.model(0, 0);
  master.text = master.text.replace('0-8191', '0-99');
  const { findings } = await check(scene, 100);
  const { id } = scene.node(0, 0);
  expect(findings).toMatchObject([
    { kind: 'slotsUnserved', shardIndex: 0, node: id, text: expect.stringContaining('100-8191') },
    { kind: 'wrongTopology', shardIndex: 0, node: id, remedy: expect.stringContaining('/sync') },
  ]);
  await scene.stop();
});

it.each([
  ['hung', /no reply/],
  ['dead', /ECONNREFUSED/],
] as const)('KD12h: a node that is %s is a finding after the time of one question', async (state, why) => {
  const scene = await settled();
  scene.model(1, 1).state = state;
  const checked = await check(scene, 2500);
  expect(checked).toMatchObject({ isClean: false, nodesAsked: 4, nodesAnswered: 3 });
  expect(checked.findings).toMatchObject([
    { kind: 'nodeSilent', shardIndex: 1, node: scene.node(1, 1).id, text: expect.stringMatching(why) },
  ]);
  await scene.stop();
});

it('KD12h: a topology that makes no sense is a finding', async () => {
  const scene = await settled();
  scene.model(1, 1).text += '\nnonsense';
  const { findings } = await check(scene, 2500);
  expect(findings).toMatchObject([{ kind: 'topologyUnread', node: scene.node(1, 1).id }]);
  await scene.stop();
});

it('KD12g: slots that came by a move nobody recorded count only where clients are served', async () => {
  const scene = await settled();
  const target = scene.model(1, 0);
  const range = slotRange(5, 6);
  target.targetJob = { range, state: 'error' };
  expect(await check(scene, 100)).toMatchObject({ isClean: true });
  target.services.set(range.start, { kind: 'served' });
  const { findings } = await check(scene, 100);
  expect(findings).toMatchObject([{ kind: 'strayImport', node: scene.node(1, 0).id }]);
  await scene.stop();
});

it('KD12h: who asks while a check runs gets the next one, together with others who do', async () => {
  const scene = await settled();
  const asked = (): number => scene.fleet.topologiesAsked;
  const before = asked();
  const all = [begin(scene), begin(scene), begin(scene)];
  await scene.clock.until(() => all.every(({ answer }) => answer() !== null), 500);
  expect(asked() - before).toBe(2 * 4);
  for (const { answer } of all) expect(answer()).toMatchObject({ ok: true });
  await scene.stop();
});

it('KD12h: as many topologies as nodes are not all compared, and those that are not say so', async () => {
  const scene = new Scene(18, 1);
  await scene.settle();
  for (const [index, node] of [...scene.fleet.nodes.values()].entries())
    node.text += `\n${'e'.repeat(40)} 127.0.0.1 ${index + 1} master -`;
  const { findings } = await check(scene, 500);
  const kinds = Map.groupBy(findings, ({ kind }) => kind);
  expect([kinds.get('wrongTopology')?.length, kinds.get('topologyUnread')?.length]).toEqual([16, 2]);
  await scene.stop();
});

it('KD12h: ends although hundreds of nodes hang, after those that are not missed were asked', async () => {
  const scene = new Scene(600, 1);
  await scene.settle();
  const [well, ...others] = [...scene.fleet.nodes.values()].toReversed();
  for (const node of others) node.state = 'hung';
  await scene.clock.advance(2000);
  const before = scene.fleet.topologiesAsked;
  const checked = await check(scene, 16_000);
  expect(checked).toMatchObject({ isClean: false, nodesAsked: 600, nodesAnswered: 1 });
  expect(scene.fleet.topologiesAsked - before).toBeLessThanOrEqual(600);
  expect(checked.findings.some(({ address }) => address === well?.address)).toBe(false);
  await scene.stop();
});

it('KD12h: ends with the leadership, and there is none of a cluster that is not there', async () => {
  const scene = await settled();
  scene.model(1, 1).state = 'hung';
  const [running, next] = [begin(scene), begin(scene)];
  await scene.clock.advance(10);
  await scene.stop();
  await scene.clock.advance(10);
  for (const { answer } of [running, next])
    expect(answer()).toEqual({ ok: false, error: { kind: 'notLeader' } });
  const missing = { namespace: scene.namespace, cluster: nameOf('none') };
  expect(await scene.leadership.check(missing)).toEqual({ ok: false, error: { kind: 'notLeader' } });
  const other = await settled();
  expect(await other.leadership.check(missing)).toEqual({ ok: false, error: { kind: 'missing' } });
  await other.stop();
});
