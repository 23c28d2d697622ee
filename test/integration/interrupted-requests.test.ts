// The leading controller is killed in the midst of what a person asked for: it happens or it does not, it can be asked for again, and no
// acknowledged write of the nodes' own clients is gone.

import { describe, expect, test } from 'vitest';

import type { Answer } from '../support/api-client.ts';
import { contentOf, expectContent, expectEqualCopies, write } from '../support/copies.ts';
import { interrupt, killedAtCommit, killedAtOnce, untilWords, share } from '../support/interruptions.ts';
import { fillSlot, sourceSays } from '../support/migrations.ts';
import { problemTold } from '../support/problems.ts';
import { expectStatus, masterOf, replicasOf, type Scene } from '../support/scene.ts';
import { SteadyWriter } from '../support/steady-writer.ts';
import { useBefore } from '../support/used-node.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { notYet, waitFor, waitUntil } from '../support/wait-until.ts';

const trio = useTrio();
const scene = useScenes(trio);

const SLOT = 1000;

async function send(stage: Scene, rest: string, body?: unknown): Promise<Answer> {
  const leader = await trio().leader();
  return stage.api.sendTo(leader.url, 'POST', stage.path('c', rest), { body, followRedirects: false });
}

/** Asks again, as a client does whose first request was lost, until it is done or was done already. */
async function askedAgain(
  stage: Scene,
  { rest, body, done }: { readonly rest: string; readonly body: unknown; readonly done: readonly number[] },
): Promise<void> {
  await waitUntil(`POST ${rest} to be answered`, async () => {
    const answer = await stage.api.post(stage.path('c', rest), body);
    return done.includes(answer.status) ? true : notYet(answer.text);
  });
}

const KILLED = [
  ['when something was committed', killedAtCommit],
  ['at once', killedAtOnce],
] as const;

describe.each(share(KILLED, 1))('the leader is killed %s', (_, killed) => {
  test('after a failover by force was asked for', async () => {
    const stage = scene();
    const view = await stage.cluster('c', await stage.nodes(2), { replicas: 2 });
    const [shard] = view.shards;
    const replica = shard === undefined ? undefined : replicasOf(shard)[0];
    if (shard === undefined || replica === undefined) throw new Error('one shard with a replica');
    const master = masterOf(shard);
    const written = await write(stage, master.addr, { slot: 1, count: 100, value: 'before' });
    await stage.inSync(master.addr, replica.addr);
    await stage.nodeAt(replica.addr).kill();
    await write(stage, master.addr, { slot: 2, count: 500, value: 'missed' });
    await problemTold(trio(), stage, { kind: 'replicaUnreachable', addr: replica.addr });
    await stage.nodeAt(master.addr).kill();
    await stage.nodeAt(replica.addr).restart();
    await problemTold(trio(), stage, { kind: 'masterUnreachable', addr: master.addr });

    const body = { force: true };
    const leader = await trio().leader();
    await killed(trio(), leader, () => send(stage, '/shards/0/failover', body));
    await waitUntil('the replica to be the master', async () => {
      const [now] = (await stage.view('c')).shards;
      if (now !== undefined && masterOf(now).addr === replica.addr) return true;
      const answer = await stage.api.post(stage.path('c', '/shards/0/failover'), body);
      return answer.status === 200 ? true : notYet(answer.text);
    });
    const writer = new SteadyWriter(stage, [replica.addr], 3);
    await writer.progress(50);
    await stage.nodeAt(master.addr).restart();
    await stage.converged('c');
    await writer.stop();
    await expectEqualCopies(stage, 'c');
    await expectContent(stage, replica.addr, written);
    await writer.expectKept();
  });

  test('after an import of a cluster with a hand-over that nobody recorded', async () => {
    const stage = scene();
    const nodes = await stage.nodes(2);
    const [source = '', target = ''] = nodes.map(({ address }) => address);
    const ids = ['a'.repeat(40), 'b'.repeat(40)];
    const text = nodes
      .map(
        ({ port }, index) =>
          `${ids[index] ?? ''} 127.0.0.1 ${port} master - ${['0-8191', '8192-16383'][index] ?? ''}`,
      )
      .join('\n');
    for (const [index, { address }] of nodes.entries()) {
      await stage.ask(address, 'CLUSTERX', 'SETNODEID', ids[index] ?? '');
      await stage.ask(address, 'CLUSTERX', 'SETNODES', text, '7');
    }
    await fillSlot(stage, source, { slot: SLOT, count: 200 });
    const writer = new SteadyWriter(stage, [source, target], SLOT);
    await stage.ask(source, 'CLUSTERX', 'MIGRATE', String(SLOT), ids[1] ?? '');
    await sourceSays(stage, source, { slots: String(SLOT), state: 'success' });
    await writer.progress(50);
    await stage.makeNamespace();

    const leader = await trio().leader();
    await killed(trio(), leader, () => send(stage, '/import', { nodes: [source] }));
    await askedAgain(stage, { rest: '/import', body: { nodes: [source] }, done: [201, 409] });
    const view = await stage.converged('c');
    expect(view.version).toBe(8);
    expect(view.shards.map((shard) => shard.slot_ranges)).toEqual([
      ['0-999', '1001-8191'],
      ['1000', '8192-16383'],
    ]);
    await writer.progress(50);
    await writer.stop();
    await writer.expectKept();
  });

  test('after a node with data was added as a replica to be made anew', async () => {
    const { stage, used, written, writer } = await joining();
    const body = { addr: used, remake: true };
    const leader = await trio().leader();
    await killed(trio(), leader, () => send(stage, '/shards/0/nodes', body));
    await askedAgain(stage, { rest: '/shards/0/nodes', body, done: [201, 409] });
    await expectJoined({ stage, used, written, writer });
  });

  test('after a cluster of a node with data was created', async () => {
    const stage = scene();
    const [node] = await stage.nodes(1);
    if (node === undefined) throw new Error('one node');
    const written = await useBefore(stage, node);
    await stage.makeNamespace();
    const clusters = `/api/v1/namespaces/${stage.namespace}/clusters`;
    const body = { name: 'c', nodes: [node.address], with_data: true };
    const leader = await trio().leader();
    await killed(trio(), leader, () => stage.api.sendTo(leader.url, 'POST', clusters, { body }));
    await waitUntil('the cluster to be created', async () => {
      const answer = await stage.api.post(clusters, body);
      return answer.status === 201 || answer.status === 409 ? true : notYet(answer.text);
    });
    await stage.converged('c');
    await expectContent(stage, node.address, written);
  });
});

interface Joining {
  readonly stage: Scene;
  readonly used: string;
  readonly written: ReadonlyMap<string, string>;
  readonly writer: SteadyWriter;
}

/** A cluster of one master that takes writes, and a node without a topology that has data of its own. */
async function joining(): Promise<Joining> {
  const stage = scene();
  const [first, second] = await stage.nodes(2);
  if (first === undefined || second === undefined) throw new Error('two nodes');
  await stage.cluster('c', [first]);
  const written = await write(stage, first.address, { slot: 1, count: 300, value: 'of the master' });
  await useBefore(stage, second);
  const writer = new SteadyWriter(stage, [first.address], 7);
  await writer.progress(50);
  return { stage, used: second.address, written, writer };
}

async function expectJoined({ stage, used, written, writer }: Joining): Promise<void> {
  await stage.converged('c');
  await waitFor('the copy to be made anew', async () => {
    const content = await contentOf(stage, used);
    return [...written].every(([key, value]) => content.get(key) === value);
  });
  await writer.stop();
  const view = await expectEqualCopies(stage, 'c');
  expect(view.shards[0]?.nodes).toHaveLength(2);
  await writer.expectKept();
}

test.each(share(['outrun', 'told to follow', 'cut off'] as const, 1))(
  'the leader is killed once a node that is to be made anew is %s',
  async (moment) => {
    const way = await joining();
    const { stage, used, writer } = way;
    const leader = await trio().leader();
    const met = untilWords(stage.nodeAt(used), moment, ({ version, role, sequence }) => {
      if (moment === 'cut off') return (version ?? -1) > 1;
      return role === 'slave' || (moment === 'outrun' && (sequence ?? 0) > 20_000);
    });
    expectStatus(await send(stage, '/shards/0/nodes', { addr: used, remake: true }), 201);
    await met;
    await interrupt(trio(), leader);
    await writer.progress(50);
    await expectJoined(way);
  },
);
