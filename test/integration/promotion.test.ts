// Who may take over, proven before it is done: dead links, lagging copies, promotions cut short, outages of everything, and force.

import { describe, expect, test } from 'vitest';

import { contentOf, expectContent, expectEqualCopies, successorOf, write } from '../support/copies.ts';
import { cutsMissing, slowLinksMissing, useNetwork } from '../support/links.ts';
import { isToldGone } from '../support/problems.ts';
import { expectStatus, masterOf, type NodeView, replicasOf, type Scene } from '../support/scene.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { notYet, waitFor, waitUntil } from '../support/wait-until.ts';

const trio = useTrio();
const scene = useScenes(trio);
const network = useNetwork();
/** The disks of real nodes are filled from outside, those of simulated ones by command. */
const isSimulated = (process.env['KVROCKS_BIN'] ?? '') === '';

interface WrittenShard {
  readonly master: NodeView;
  readonly replica: NodeView;
  readonly replicas: readonly NodeView[];
  readonly written: ReadonlyMap<string, string>;
}

/** A cluster `c` of one shard whose replicas have the same hundred keys. */
async function writtenShard(stage: Scene, count = 2): Promise<WrittenShard> {
  const view = await stage.cluster('c', await stage.nodes(count), { replicas: count });
  const [shard] = view.shards;
  if (shard === undefined) throw new Error('one shard');
  const [master, replicas] = [masterOf(shard), replicasOf(shard)];
  const written = await write(stage, master.addr, { slot: 1, count: 100, value: 'before' });
  for (const { addr } of replicas) await stage.inSync(master.addr, addr);
  const [replica] = replicas;
  if (replica === undefined) throw new Error('a replica');
  return { master, replica, replicas, written };
}

async function failover(stage: Scene, body?: unknown): Promise<readonly [number, string]> {
  const answer = await stage.api.post(stage.path('c', '/shards/0/failover'), body);
  return [answer.status, answer.status === 200 ? '' : answer.body.error.message];
}

/** Waits for a problem of this scene's cluster whose particulars match. */
async function untilProblem(stage: Scene, problem: string | RegExp, detail: RegExp): Promise<void> {
  const isMeant = (kind: string): boolean =>
    typeof problem === 'string' ? kind === problem : problem.test(kind);
  await waitUntil(`the problem ${String(problem)}`, () => {
    const lines = trio()
      .logged('problem.found')
      .filter((line) => line['namespace'] === stage.namespace);
    const isTold = lines.some(
      (line) => isMeant(String(line['problem'])) && detail.test(String(line['detail'])),
    );
    return isTold ? true : notYet(lines);
  });
}

/** One more write, and the entry of the log in which the controllers keep where the nodes stand after it. */
async function untilWrittenDown(stage: Scene, address: string): Promise<void> {
  const applied = async (): Promise<number> => {
    const leader = await trio().leader();
    const { text } = await trio().api.sendTo(leader.url, 'GET', '/metrics');
    return Number(/^kvrocks_controller_raft_applied_index (\d+)/m.exec(text)?.[1]);
  };
  const before = await applied();
  await stage.ask(address, 'SET', 'one', 'more');
  await waitUntil('positions to be written down', async () => {
    const now = await applied();
    return now > before ? true : notYet(now);
  });
}

async function stopControllers(): Promise<void> {
  await Promise.all(trio().members.map(async (member) => member.kill()));
}

async function startControllers(): Promise<void> {
  for (const member of trio().members) member.start();
  await trio().leader();
}

describe.runIf(cutsMissing === null)('a replica whose link is cut', () => {
  test('KB1: is told, and not promoted by hand while its master lives: nothing is lost', async () => {
    const stage = scene({ network: network() });
    const { master, replica, written } = await writtenShard(stage);
    await stage.cut({ master, replica });
    const unseen = await write(stage, master.addr, { slot: 2, count: 3000, value: 'behind the cut' });
    await untilProblem(stage, 'replicaLinkDown', /last heard from its master/);
    const refused = [409, expect.stringMatching(/last heard from its master .* ago/)];
    expect(await failover(stage)).toEqual(refused);
    expect(await failover(stage, { preferred_node_id: replica.id })).toEqual(refused);
    await stage.mend({ master, replica });
    await stage.inSync(master.addr, replica.addr);
    await waitFor('the problem to be gone', () => isToldGone(trio(), stage, 'replicaLinkDown'));
    expect(await failover(stage)).toEqual([200, '']);
    await expectEqualCopies(stage, 'c');
    await expectContent(stage, replica.addr, new Map([...written, ...unseen]));
  });

  test('KB2, KB7: is not promoted by the death of its master, but by force, which says what is lost', async () => {
    const stage = scene({ network: network() });
    const { master, replica, written } = await writtenShard(stage);
    await stage.cut({ master, replica });
    await write(stage, master.addr, { slot: 2, count: 3000, value: 'behind the cut' });
    await untilProblem(stage, 'replicaLinkDown', /last heard from its master/);
    await stage.nodeAt(master.addr).kill();
    await untilProblem(stage, 'masterUnreachable', new RegExp(`No eligible replica.*${replica.addr}`));
    expect(await failover(stage)).toEqual([409, expect.stringContaining('"force": true')]);
    expect((await stage.view('c')).shards.map((shard) => masterOf(shard).addr)).toEqual([master.addr]);

    const forced = await stage.api.post(stage.path('c', '/shards/0/failover'), { force: true });
    expect([forced.status, forced.body.data]).toEqual([
      200,
      {
        new_master_id: replica.id,
        warning: expect.stringMatching(/stands at sequence \d+, the master was last seen at \d+\).* lost/),
      },
    ]);
    await stage.untilWritable(replica.addr, 'after', 'force');
    await stage.mend({ master, replica });
    await stage.nodeAt(master.addr).restart();
    await expectEqualCopies(stage, 'c');
    await expectContent(stage, replica.addr, new Map([...written, ['after', 'force']]));
  });
});

describe.runIf(slowLinksMissing === null)('a replica that is not up to date', () => {
  test('KB3, KB5: because it is slow or stuck is told, and is not promoted', async () => {
    const stage = scene({ network: network(), hasSmallDisks: !isSimulated });
    const { master, replicas } = await writtenShard(stage, 3);
    const [slow, stuck] = replicas;
    if (slow === undefined || stuck === undefined) throw new Error('two replicas');
    await stage.slowDown({ master, replica: slow });
    await stage.fillDisk(stuck.addr);
    await write(stage, master.addr, { slot: 2, count: 12_000, value: 'too fast'.repeat(320) });
    await untilProblem(stage, 'replicaBehind', new RegExp(slow.addr));
    // With a full disk a real replica gives its link up, or keeps it and stands still.
    const isStuck = new RegExp(`${stuck.addr}.*(it does not move|link to the master is down)`);
    await untilProblem(stage, /^replica(Behind|LinkDown)$/, isStuck);
    expect(await failover(stage)).toEqual([409, expect.stringMatching(/lacks \d+/)]);
    await stage.nodeAt(master.addr).kill();
    await untilProblem(
      stage,
      'masterUnreachable',
      new RegExp(`No eligible replica.*${slow.addr}.*lacks \\d+.*${stuck.addr}`),
    );
    await stage.speedUp({ master, replica: slow });
    await stage.emptyDisk(stuck.addr);
    await stage.nodeAt(master.addr).restart();
    await expectEqualCopies(stage, 'c');
  });

  test('KB3: because it is in the midst of catching up is not promoted, whatever its link says', async () => {
    const stage = scene({ network: network() });
    const { master, replica } = await writtenShard(stage);
    const start = await stage.position(replica.addr);
    await stage.cut({ master, replica });
    const missed = await write(stage, master.addr, { slot: 2, count: 12_000, value: 'missed'.repeat(70) });
    await stage.slowDown({ master, replica });
    await stage.mend({ master, replica });
    await waitUntil('the replica to be catching up', async () => {
      const { linkUp } = await stage.state(replica.addr);
      const position = await stage.position(replica.addr);
      return linkUp && position > start ? true : notYet({ linkUp, position, start });
    });
    expect(await failover(stage)).toEqual([409, expect.stringMatching(/lacks \d+/)]);
    await stage.nodeAt(master.addr).kill();
    await untilProblem(stage, 'masterUnreachable', /No eligible replica.*lacks \d+/);
    await stage.speedUp({ master, replica });
    await stage.nodeAt(master.addr).restart();
    await expectEqualCopies(stage, 'c');
    await expectContent(stage, replica.addr, missed);
  });
});

test('KB2, KB7: a replica that was away while its master took writes is promoted by force only, which says what it costs', async () => {
  const stage = scene();
  const { master, replica, written } = await writtenShard(stage);
  await stage.nodeAt(replica.addr).kill();
  await write(stage, master.addr, { slot: 2, count: 500, value: 'missed' });
  await untilProblem(stage, 'replicaUnreachable', /missed \d+ probes/);
  // What nobody has looked at yet may be lost with its master.
  const position = await stage.position(master.addr);
  await waitUntil('the leader to see what the master took', async () => {
    const { nodes } = (await stage.api.get(stage.path('c', '/status'))).body.data.status;
    const { sequence } = nodes.find(({ addr }: { addr: string }) => addr === master.addr);
    return sequence >= position ? true : notYet(sequence);
  });
  await stage.nodeAt(master.addr).kill();
  await stage.nodeAt(replica.addr).restart();
  await untilProblem(stage, 'masterUnreachable', new RegExp(`No eligible replica.*${replica.addr}`));
  expect(await failover(stage)).toEqual([409, expect.stringContaining('"force": true')]);
  expect(await failover(stage, { force: true })).toEqual([200, '']);
  const told = trio()
    .logged('failover.committed')
    .filter((line) => line['namespace'] === stage.namespace);
  expect(told.map((line) => line['why'])).toEqual([
    expect.stringMatching(/by force.*the master was last seen at \d+\); what it lacks is lost/),
  ]);
  await stage.untilWritable(replica.addr, 'after', 'force');
  await expectContent(stage, replica.addr, written);
  await stage.nodeAt(master.addr).restart();
  await expectEqualCopies(stage, 'c');
  expect((await contentOf(stage, master.addr)).size).toBe(101);
});

test('KA6: an empty replica of a master with data is not promoted, though the leading controller dies with the master', async () => {
  const stage = scene({ password: 'secret' });
  const [first, second] = await stage.nodes(2);
  if (first === undefined || second === undefined) throw new Error('two nodes');
  await stage.ask(second.address, 'CONFIG', 'SET', 'masterauth', 'wrong');
  await stage.makeNamespace();
  const body = { name: 'c', nodes: [first.address, second.address], replicas: 2, password: 'secret' };
  expectStatus(await stage.api.post(`/api/v1/namespaces/${stage.namespace}/clusters`, body), 201);
  await waitUntil('the master to take writes', () => stage.ask(first.address, 'SET', 'first', 'write'));
  const written = await write(stage, first.address, { slot: 1, count: 100, value: 'on the master alone' });
  const leader = await trio().leader();
  await Promise.all([leader.kill(), first.kill()]);
  await untilProblem(
    stage,
    'masterUnreachable',
    /No eligible replica.*(its sequence is 0|without a living link)/,
  );
  leader.start();
  await first.restart();
  await stage.untilWritable(first.address, 'after', 'the outage');
  await expectContent(stage, first.address, written);
});

test('KB6: a new master that dies at its promotion leaves the old one in office, with everything it had', async () => {
  const stage = scene();
  const { master, replica, written } = await writtenShard(stage);
  await stage.nodeAt(master.addr).kill();
  await successorOf(stage, 'c', { address: master.addr });
  await stage.nodeAt(replica.addr).kill();
  await stage.nodeAt(master.addr).restart();
  await stage.untilWritable(master.addr, 'again', 'in office');
  await stage.viewWhere('c', 'the old master again', ({ shards: [shard] }) =>
    shard === undefined ? false : masterOf(shard).addr === master.addr,
  );
  await stage.nodeAt(replica.addr).restart();
  await expectEqualCopies(stage, 'c');
  await expectContent(stage, master.addr, new Map([...written, ['again', 'in office']]));
});

describe('when all controllers are stopped', () => {
  test('KB7: and a master dies meanwhile, its replica is promoted by those that start', async () => {
    const stage = scene();
    const { master, replica, written } = await writtenShard(stage);
    await untilWrittenDown(stage, master.addr);
    await stage.inSync(master.addr, replica.addr);
    await stopControllers();
    await stage.nodeAt(master.addr).kill();
    await startControllers();
    expect(await successorOf(stage, 'c', { address: master.addr })).toBe(replica.addr);
    await stage.untilWritable(replica.addr, 'after', 'the upgrade');
    await expectContent(stage, replica.addr, written);
    await stage.nodeAt(master.addr).restart();
    await expectEqualCopies(stage, 'c');
  });

  test('KB8: and a replica has another topology than it was told, it is not promoted, and the reason is told', async () => {
    const stage = scene();
    const { master, replica, written } = await writtenShard(stage);
    await untilWrittenDown(stage, master.addr);
    await stage.inSync(master.addr, replica.addr);
    await stopControllers();
    await stage.nodeAt(master.addr).kill();
    const text = [
      `${master.id} ${master.addr.replace(':', ' ')} master - 0-16383`,
      `${replica.id} ${replica.addr.replace(':', ' ')} slave ${master.id}`,
    ].join('\n');
    await stage.ask(replica.addr, 'CLUSTERX', 'SETNODES', text, '0', 'FORCE');
    await startControllers();
    await untilProblem(
      stage,
      'masterUnreachable',
      new RegExp(
        `No eligible replica: .*${replica.addr}: (it has no topology|(its copy is not proven: )?its topology of version 0)`,
      ),
    );
    expect((await stage.view('c')).version).toBe(1);
    await stage.nodeAt(master.addr).restart();
    await expectEqualCopies(stage, 'c');
    await expectContent(stage, replica.addr, new Map([...written, ['one', 'more']]));
  });

  test('KB7: with all nodes, and one master does not return, a replica with everything is promoted', async () => {
    const stage = scene();
    const { master, replicas } = await writtenShard(stage, 3);
    await untilWrittenDown(stage, master.addr);
    for (const { addr } of replicas) await stage.inSync(master.addr, addr);
    await stopControllers();
    await Promise.all([master, ...replicas].map(async ({ addr }) => stage.nodeAt(addr).kill()));
    await Promise.all(replicas.map(async ({ addr }) => stage.nodeAt(addr).restart()));
    await startControllers();
    const successor = await successorOf(stage, 'c', { address: master.addr });
    await stage.untilWritable(successor, 'after', 'the power cut');
    await stage.nodeAt(master.addr).restart();
    const view = await expectEqualCopies(stage, 'c');
    expect((await contentOf(stage, successor)).size).toBe(102);
    expect(view.shards[0]?.nodes).toHaveLength(3);
  });
});

test('KB9: a misspelt key promotes nobody and gives the lead to nobody', async () => {
  const stage = scene();
  const { replica } = await writtenShard(stage);
  const before = await stage.view('c');
  expect(await failover(stage, { preferred_node: replica.id })).toEqual([
    400,
    expect.stringContaining('preferred_node_id'),
  ]);
  const leader = await trio().leader();
  const transfer = await stage.api.post('/api/v1/controller/leader/transfer', { target: 99 });
  expect([transfer.status, transfer.body.error.message]).toEqual([400, expect.stringContaining('target')]);
  expect((await trio().leader()).id).toBe(leader.id);
  expect(await stage.view('c')).toEqual(before);
});
