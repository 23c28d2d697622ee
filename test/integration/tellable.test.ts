// Nodes that answer but cannot be told everything: other passwords, no more connections, a second controller, a role that does not hold.

import { describe, expect, test } from 'vitest';

import { type ControllerProcess, startTrio } from '../support/controller-process.ts';
import type { KvrocksNode } from '../support/kvrocks-node.ts';
import { ask } from '../support/node-commands.ts';
import { isToldGone, linesOf, problemTold } from '../support/problems.ts';
import { type ClusterView, expectStatus, masterOf, replicasOf, Scene } from '../support/scene.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { notYet, pause, waitFor, waitUntil } from '../support/wait-until.ts';

const isSimulated = (process.env['KVROCKS_BIN'] ?? '') === '';

/** Real servers answer nobody for seconds while one of the two tells them whom to follow. */
const LOCKED = { deadlineMs: 120_000 };

const trio = useTrio();
const scene = useScenes(trio);

interface Shard {
  readonly stage: Scene;
  readonly view: ClusterView;
  readonly master: KvrocksNode;
  readonly replica: KvrocksNode;
}

/** A cluster `c` of one shard. */
async function oneShard(stage = scene(), count = 2): Promise<Shard> {
  const view = await stage.cluster('c', await stage.nodes(count), { replicas: count });
  const [shard] = view.shards;
  const replica = shard === undefined ? undefined : replicasOf(shard)[0];
  if (shard === undefined || replica === undefined) throw new Error('one shard with a replica');
  return { stage, view, master: stage.nodeAt(masterOf(shard).addr), replica: stage.nodeAt(replica.addr) };
}

/** The node takes no new connection from now on; the one of this handle is open and stays. */
async function fill(node: KvrocksNode): Promise<void> {
  expect(await node.command('CONFIG', 'SET', 'maxclients', '1')).toBe('OK');
}

async function empty(node: KvrocksNode): Promise<void> {
  expect(await node.command('CONFIG', 'SET', 'maxclients', '10000')).toBe('OK');
}

/** The lead goes to another member, whose connections to all nodes are new ones. */
async function handOverTheLead(): Promise<void> {
  const before = await trio().leader();
  expectStatus(await trio().api.post('/api/v1/controller/leader/transfer'), 200);
  await waitFor('another leader', async () => (await trio().leader()) !== before);
}

function masterAddress(view: ClusterView): string {
  const [shard] = view.shards;
  return shard === undefined ? '' : masterOf(shard).addr;
}

async function promoted(stage: Scene, address: string): Promise<void> {
  await stage.viewWhere('c', `${address} as master`, (view) => masterAddress(view) === address);
}

describe('a password that was changed on the nodes', () => {
  test('KD6: is told, and stored with one call, after which a dead master is replaced', async () => {
    const { stage, master, replica } = await oneShard(scene({ password: 'first' }));
    const nodes = [master, replica];
    await master.command('SET', 'before', '1');
    for (const node of nodes) {
      await node.command('CONFIG', 'SET', 'masterauth', 'second');
      await node.command('CONFIG', 'SET', 'requirepass', 'second');
    }
    await handOverTheLead();
    for (const { address } of nodes)
      await problemTold(trio(), stage, { kind: 'passwordRefused', addr: address });
    expect(masterAddress(await stage.view('c'))).toBe(master.address);
    const patched = await stage.api.send('PATCH', stage.path('c'), { body: { password: 'second' } });
    expect([patched.status, patched.body]).toEqual([200, { data: 'ok' }]);
    await waitFor('the problem to be gone', () => isToldGone(trio(), stage, 'passwordRefused'));
    await master.kill();
    await promoted(stage, replica.address);
    // The connections of its clients were ended with the change of masters.
    const asked = (...command: [string, ...string[]]) => ask(replica.address, command, 'second');
    await waitUntil('the replica to take writes', () => asked('SET', 'after', '1'));
    expect(await asked('GET', 'before')).toBe('1');
  });
});

describe('a node that takes no more connections', () => {
  test('KD6b: is promoted over the connection that is open when its master dies', async () => {
    const { stage, master, replica } = await oneShard();
    await master.command('SET', 'before', '1');
    await stage.inSync(master.address, replica.address);
    // As many as there are now; the change of masters ends those of others, which makes room.
    const clients = String(await replica.command('CLIENT', 'LIST'))
      .trim()
      .split('\n').length;
    expect(await replica.command('CONFIG', 'SET', 'maxclients', String(clients))).toBe('OK');
    await master.kill();
    await promoted(stage, replica.address);
    await waitUntil('the replica to take writes', () => replica.command('SET', 'after', '1'));
    expect(await replica.command('GET', 'before')).toBe('1');
    await empty(replica);
  });

  test('KD6b: as a master steps down by hand only where it can be told to', async () => {
    const { stage, view, master, replica } = await oneShard();
    await fill(master);
    const told = await stage.api.post(stage.path('c', '/shards/0/failover'));
    expectStatus(told, 200);
    await waitUntil('the old master to turn clients away', async () => {
      const answer = await master.raw('SET', 'k', 'v');
      return answer.startsWith('-MOVED') && answer.includes(replica.address) ? true : notYet(answer);
    });
    await empty(master);
    await stage.converged('c');

    // A new leader has no connection there: the master cannot be told, and is not failed over.
    await fill(replica);
    await handOverTheLead();
    await problemTold(trio(), stage, { kind: 'tooManyClients', addr: replica.address });
    const refused = await stage.api.post(stage.path('c', '/shards/0/failover'));
    expect([refused.status, refused.body.error.message]).toEqual([
      409,
      expect.stringMatching(/lives but cannot be told to step down.*"force": true/),
    ]);
    expect(await replica.command('SET', 'k', 'kept')).toBe('OK');
    // One version to drain the old master, one for the new roles, and none for what was refused.
    expect((await stage.view('c')).version).toBe(view.version + 2);
    await empty(replica);
    await waitFor('the problem to be gone', () => isToldGone(trio(), stage, 'tooManyClients'));
    await stage.converged('c');
  });

  test('KD6c: as a master lives on when the lead is handed over', async () => {
    const { stage, view, master, replica } = await oneShard();
    const others = await oneShard();
    await fill(master);
    await handOverTheLead();
    await problemTold(trio(), stage, { kind: 'tooManyClients', addr: master.address });
    // A master of another cluster that dies only now has been replaced after a whole window, so the full one has outlived one.
    await others.master.kill();
    await promoted(others.stage, others.replica.address);
    expect(await stage.view('c')).toMatchObject({ version: view.version });
    expect(masterAddress(await stage.view('c'))).toBe(master.address);
    expect(await master.command('SET', 'k', 'v')).toBe('OK');
    expect(linesOf(trio(), stage, 'failover.started')).toEqual([]);
    await empty(master);
    await stage.inSync(master.address, replica.address);
  });
});

describe('a cluster that somebody else manages, too', () => {
  test('KD8d: is left to the one who holds out: two groups do not push against each other for ever', async () => {
    const { stage, master, view } = await oneShard(scene(), 3);
    const [one, two] = replicaIds(view);
    const rival = await startTrio({ count: 1 });
    try {
      const other = new Scene(rival.api);
      await other.makeNamespace();
      const body = { nodes: [master.address] };
      expectStatus(await other.api.post(other.path('c', '/import'), body), 201);
      await Promise.all([
        stage.api.post(stage.path('c', '/shards/0/failover'), { preferred_node_id: one }),
        other.api.post(other.path('c', '/shards/0/failover'), { preferred_node_id: two }),
      ]);
      await waitUntil(
        'one of them to fall silent',
        () => {
          const held = [trio(), rival].flatMap((group) => group.logged('pushes.hold.committed'));
          const isTold =
            held.some((line) => line['namespace'] === stage.namespace) ||
            rival.logged('pushes.hold.committed').length > 0;
          return isTold ? true : notYet(held);
        },
        LOCKED,
      );
      const views = await Promise.all([stage.view('c'), other.view('c')]);
      for (const { version } of views) expect(version).toBeLessThan(20);
    } finally {
      await rival.stop();
    }
  });

  test('KD8d: is held by us, but for dead masters, until somebody confirms that we are alone', async () => {
    const { stage, view, master, replica } = await oneShard(scene(), 3);
    const addresses = view.shards.flatMap(({ nodes }) => nodes.map(({ addr }) => addr));
    // A script that wants another master and always has the last word.
    const text = foreignTopology(view, replica.address);
    const held = await waitUntil(
      'us to fall silent',
      async () => {
        const version = Math.max(
          ...(await Promise.all(addresses.map((addr) => stage.state(addr)))).map((state) => state.version),
        );
        await stage.ask(replica.address, 'CLUSTERX', 'SETNODES', text, String(version + 1));
        const told = linesOf(trio(), stage, 'pushes.hold.committed');
        return told.length > 0 ? stage.view('c') : notYet(version);
      },
      { intervalMs: 100 },
    );
    await problemTold(trio(), stage, { kind: 'versionContested' });
    expect(masterAddress(held)).toBe(master.address);

    await master.kill();
    const after = await stage.viewWhere(
      'c',
      'another master',
      (now) => masterAddress(now) !== master.address,
    );
    const taker = masterAddress(after);
    await waitUntil(`${taker} to take writes`, () => stage.ask(taker, 'SET', 'after', '1'));
    expectStatus(await stage.api.post(stage.path('c', '/sync')), 200);
    await stage.converged('c', [master.address]);
    await waitFor('the problem to be gone', () => isToldGone(trio(), stage, 'versionContested'));
    await master.restart();
    await stage.converged('c');
    expect(await stage.askCluster(master.address, 'GET', 'after')).toBe('1');
  });
});

/** The cluster's topology with another of its nodes as master, as somebody who knows it would write it. */
function foreignTopology({ shards }: ClusterView, address: string): string {
  const nodes = shards.flatMap((shard) => shard.nodes);
  const master = nodes.find(({ addr }) => addr === address)?.id ?? '';
  return nodes
    .map(
      ({ id, addr }) =>
        `${id} ${addr.replace(':', ' ')} ${id === master ? 'master - 0-16383' : `slave ${master}`}`,
    )
    .join('\n');
}

function replicaIds({ shards }: ClusterView): readonly string[] {
  return shards.flatMap((shard) => replicasOf(shard).map(({ id }) => id));
}

describe('a failover by hand whose leader loses the lead', () => {
  /** 307 and 503 promise that nothing happened; after a commit the answer is 200, or 504 for what is not known. */
  async function expectTruth(
    { stage, view }: Shard,
    { leader, lose }: { readonly leader: ControllerProcess; readonly lose: () => Promise<void> },
  ): Promise<number> {
    const path = stage.path('c', '/shards/0/failover');
    const [answer] = await Promise.all([
      trio().api.sendTo(leader.url, 'POST', path, { followRedirects: false }),
      lose(),
    ]);
    const after = await stage.converged('c');
    const isDone = after.version > view.version;
    expect(answer.status).toBeOneOf([200, 307, 409, 503, 504]);
    if (answer.status !== 504) expect([answer.text, isDone]).toEqual([answer.text, answer.status === 200]);
    return answer.status;
  }

  test.each([10, 60])('KD5: because it hangs %i ms later is answered with the truth', async (delayMs) => {
    const shard = await oneShard();
    const leader = await trio().leader();
    await expectTruth(shard, {
      leader,
      lose: async () => {
        await pause(delayMs);
        leader.pause();
        try {
          await trio().leader([leader]);
        } finally {
          leader.resume();
        }
      },
    });
    await trio().leader();
  });

  test('KD5: because it hands the lead over is answered with the truth', async () => {
    const shard = await oneShard();
    await expectTruth(shard, { leader: await trio().leader(), lose: handOverTheLead });
  });
});

test('KD9: a replica with the wrong role at our version is repaired alone, and the version stays', async () => {
  const { stage, view, replica } = await oneShard(scene(), 3);
  const { id } = await stage.state(replica.address);
  const text = `${id} 127.0.0.1 ${replica.port} master - 0-16383`;
  await stage.ask(replica.address, 'CLUSTERX', 'SETNODES', text, String(view.version), 'FORCE');
  await waitUntil('the replica to follow again', async () => {
    const state = await stage.state(replica.address);
    return state.role === 'slave' && state.linkUp ? true : notYet(state);
  });
  const after = await stage.converged('c');
  expect(after.version).toBe(view.version);
  const told = linesOf(trio(), stage, 'push.accepted').map((line) => line['addr']);
  expect(new Set(told)).toEqual(new Set([replica.address]));
});

test.runIf(isSimulated)('KD7: a master whose disk is full is told, and stays', async () => {
  const { stage, view, master } = await oneShard();
  await stage.ask(master.address, 'SIMULATOR', 'DISK', 'stuck');
  // The next leader asks at once, others within half a minute.
  await handOverTheLead();
  await problemTold(trio(), stage, { kind: 'diskFull', addr: master.address, detail: /100 %/ });
  await stage.ask(master.address, 'SIMULATOR', 'DISK', 'ok');
  expect((await stage.converged('c')).version).toBe(view.version);
});

test('KD8e: a replica that drops its data before a full synchronisation is told', async () => {
  const { stage, replica } = await oneShard();
  await stage.ask(replica.address, 'CONFIG', 'SET', 'slave-empty-db-before-fullsync', 'yes');
  await handOverTheLead();
  await problemTold(trio(), stage, { kind: 'emptiesBeforeFullSync', addr: replica.address });
  await stage.ask(replica.address, 'CONFIG', 'SET', 'slave-empty-db-before-fullsync', 'no');
  await waitFor('the problem to be gone', () => isToldGone(trio(), stage, 'emptiesBeforeFullSync'));
});
