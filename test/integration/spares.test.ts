// Spares: they take the place of replicas that stay away, they copy everything, and whom they replaced never comes back as a copy by itself.

import { describe, expect, test } from 'vitest';

import { expectEqualCopies, restartOnNewDisk, write } from '../support/copies.ts';
import { interrupt } from '../support/interruptions.ts';
import { linesOf, problemTold } from '../support/problems.ts';
import { replicasOf, type Scene } from '../support/scene.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { notYet, waitUntil } from '../support/wait-until.ts';

const AFTER_SECONDS = 2;

interface SpareView {
  readonly addr: string;
  readonly state: string;
  readonly lost: string | null;
  readonly reason: string;
}

interface Prepared {
  readonly master: string;
  readonly replica: string;
  readonly spares: readonly string[];
}

/** A shard of a master with data and its replica, and spares that nobody has used yet. */
async function prepared(stage: Scene, spareCount: number): Promise<Prepared> {
  const [master, replica, ...spares] = (await stage.nodes(2 + spareCount)).map(({ address }) => address);
  if (master === undefined || replica === undefined) throw new Error('two nodes');
  await stage.cluster('c', [{ address: master }, { address: replica }], { replicas: 2 });
  await stage.untilWritable(master, 'before', '1');
  await write(stage, master, { slot: 5, count: 200, value: 'before' });
  await stage.inSync(master, replica);
  return { master, replica, spares };
}

async function want(stage: Scene, nodes: readonly string[]): Promise<void> {
  const wish = { nodes, copies: 2, replace_after_seconds: AFTER_SECONDS };
  const answer = await stage.api.put(stage.path('c', '/spares'), wish);
  expect(answer.status).toBe(200);
  expect(answer.body.data.spares).toMatchObject({ copies: 2, replace_after_seconds: AFTER_SECONDS });
}

async function sparesOf(
  stage: Scene,
): Promise<{ readonly nodes: readonly SpareView[]; readonly shards: readonly object[] }> {
  return (await stage.api.get(stage.path('c', '/spares'))).body.data?.spares ?? { nodes: [], shards: [] };
}

async function spareIs(stage: Scene, addr: string, state: string): Promise<SpareView> {
  return waitUntil(`spare ${addr} to be ${state}`, async () => {
    const { nodes } = await sparesOf(stage);
    return nodes.find((spare) => spare.addr === addr && spare.state === state) ?? notYet(nodes);
  });
}

async function membersAre(stage: Scene, wanted: readonly string[]): Promise<void> {
  await stage.viewWhere('c', `the nodes ${wanted.join(' and ')}`, ({ shards: [shard] }) => {
    const addresses = shard?.nodes.map(({ addr }) => addr) ?? [];
    return addresses.length === wanted.length && wanted.every((addr) => addresses.includes(addr));
  });
}

async function events(stage: Scene, kind: string): Promise<readonly { readonly text: string }[]> {
  return (await stage.api.get(stage.path('c', `/events?kind=${kind}`))).body.data.events;
}

describe('a replica that stays away', () => {
  const trio = useTrio();
  const scene = useScenes(trio);

  test('KD10: is replaced by a spare, which copies everything; back, it is a spare once it is empty, and never a copy', async () => {
    const stage = scene();
    const {
      master,
      replica,
      spares: [spare = ''],
    } = await prepared(stage, 1);
    await want(stage, [spare]);
    await spareIs(stage, spare, 'ready');
    await stage.nodeAt(replica).kill();
    await stage.askCluster(master, 'SET', 'meanwhile', '1');
    await membersAre(stage, [master, spare]);
    await expectEqualCopies(stage, 'c');
    const [event, ...others] = await events(stage, 'copyReplaced');
    expect(others).toEqual([]);
    expect(event?.text).toMatch(
      /^shard 0 has 1 of 2 nodes for \d+ s; replica .* missed \d+ probes .* takes its place$/,
    );
    expect(await spareIs(stage, replica, 'silent')).toMatchObject({
      lost: expect.stringMatching(/^\w{40}$/),
    });
    // It comes back with its data and its topology, and the shard has all it wants.
    await stage.nodeAt(replica).restart();
    const back = await spareIs(stage, replica, 'hasData');
    expect(back.reason).toMatch(/may have what nobody else has, look first; .* empty its data directory/);
    await membersAre(stage, [master, spare]);
    await restartOnNewDisk(stage.nodeAt(replica));
    await spareIs(stage, replica, 'ready');
    // And so on: it takes the place of the one that took its own.
    await stage.nodeAt(spare).kill();
    await membersAre(stage, [master, replica]);
    await expectEqualCopies(stage, 'c');
  });

  test('is only told of while failover is paused, and replaced when that is over', async () => {
    const stage = scene();
    const {
      master,
      replica,
      spares: [spare = ''],
    } = await prepared(stage, 1);
    await want(stage, [spare]);
    await spareIs(stage, spare, 'ready');
    await stage.api.put(stage.path('c', '/automation'), { failover: 'paused' });
    await stage.nodeAt(replica).kill();
    await problemTold(trio(), stage, {
      kind: 'copiesMissing',
      detail: /but not now: automatic failover is paused/,
    });
    await waitUntil('the time to be over', async () => {
      const { shards } = await sparesOf(stage);
      const [shard] = shards as readonly { readonly since: string; readonly until: string | null }[];
      expect(shard?.until ?? null).toBeNull();
      const isOver = shard !== undefined && Date.parse(shard.since) < Date.now() - 1000 * (AFTER_SECONDS + 1);
      return isOver ? true : notYet(shards);
    });
    await membersAre(stage, [master, replica]);
    await stage.api.put(stage.path('c', '/automation'), { failover: 'on' });
    await membersAre(stage, [master, spare]);
    await expectEqualCopies(stage, 'c');
  });

  test('is not replaced by a node that has data, nor by a member under another name, until there is one that is empty', async () => {
    const stage = scene();
    const {
      master,
      replica,
      spares: [used = '', fresh = ''],
    } = await prepared(stage, 2);
    const other = await stage.cluster('other', [{ address: used }]);
    await stage.untilWritable(used, 'mine', '1');
    expect(other.shards).toHaveLength(1);
    const taken = await stage.api.put(stage.path('c', '/spares'), { nodes: [used] });
    expect(taken.status).toBe(409);
    await stage.api.delete(stage.path('other'));
    const byName = master.replace('127.0.0.1', 'localhost');
    await want(stage, [used, byName]);
    await spareIs(stage, used, 'hasData');
    const named = await spareIs(stage, byName, 'otherName');
    expect(named.reason).toContain(master);
    expect(named.reason).not.toMatch(/stop it|empty its/);
    await stage.nodeAt(replica).kill();
    await problemTold(trio(), stage, { kind: 'sparesMissing', detail: /it has a cluster topology/ });
    await membersAre(stage, [master, replica]);
    expect(await stage.ask(used, 'GET', 'mine')).toBe('1');
    await want(stage, [used, fresh]);
    await membersAre(stage, [master, fresh]);
    await expectEqualCopies(stage, 'c');
    expect((await sparesOf(stage)).nodes.map(({ addr }) => addr)).toEqual([used, replica]);
  });

  test('gets no spare that takes everybody, or could not log in at its master, where nodes have a password; that of all is the one of a spare that has none', async () => {
    const stage = scene({ password: 'top-secret-31415' });
    const {
      replica,
      master,
      spares: [spare = ''],
    } = await prepared(stage, 1);
    const [open] = await scene().nodes(1);
    await stage.ask(spare, 'CONFIG', 'SET', 'masterauth', 'another-27182');
    await want(stage, [open?.address ?? '', spare]);
    const unlocked = await spareIs(stage, open?.address ?? '', 'wrongPassword');
    expect(unlocked.reason).toMatch(/^it takes everybody/);
    const answers = [await spareIs(stage, spare, 'wrongPassword')];
    expect(answers[0]?.reason).toMatch(/its masterauth is not the password of any node/);
    await stage.nodeAt(replica).kill();
    await problemTold(trio(), stage, { kind: 'sparesMissing', detail: /masterauth/ });
    await membersAre(stage, [master, replica]);
    await stage.ask(spare, 'CONFIG', 'SET', 'masterauth', 'top-secret-31415');
    await membersAre(stage, [master, spare]);
    await expectEqualCopies(stage, 'c');
    const told = JSON.stringify([answers, await sparesOf(stage), await events(stage, 'copyReplaced')]);
    expect(told).toContain('"login":"cluster"');
    const logs = trio().members.map((member) => member.logText());
    expect(told + logs.join('')).not.toMatch(/31415|27182/);
  });

  test.each(['copy.replace.started', 'copy.replace.committed'])(
    'is replaced once, also when the leading controller dies with %s',
    async (moment) => {
      const stage = scene();
      const { replica, spares } = await prepared(stage, 2);
      await want(stage, spares);
      for (const spare of spares) await spareIs(stage, spare, 'ready');
      await stage.nodeAt(replica).kill();
      const leader = await trio().leader();
      await waitUntil(
        `the log to tell of ${moment}`,
        () => (linesOf(trio(), stage, moment).length > 0 ? true : notYet(moment)),
        { intervalMs: 2 },
      );
      await interrupt(trio(), leader);
      await stage.viewWhere('c', 'another replica', ({ shards: [shard] }) =>
        shard === undefined ? false : replicasOf(shard).every(({ addr }) => addr !== replica),
      );
      const { version, shards } = await expectEqualCopies(stage, 'c');
      expect(shards[0]?.nodes).toHaveLength(2);
      const members = shards[0]?.nodes.map(({ addr }) => addr) ?? [];
      const left = spares.filter((spare) => !members.includes(spare));
      expect(left).toHaveLength(1);
      expect((await sparesOf(stage)).nodes.map(({ addr }) => addr)).toEqual([...left, replica]);
      expect(await events(stage, 'copyReplaced')).toHaveLength(1);
      expect((await stage.view('c')).version).toBe(version);
    },
  );
});
