// More than one observer: whom the leading controller alone does not reach is not dead, and who is proven dead is replaced soon.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { NetworkNamespaces } from '../../scripts/lib/network-namespaces.ts';
import type { ControllerProcess } from '../support/controller-process.ts';
import { expectEqualCopies, successorOf } from '../support/copies.ts';
import { problemTold } from '../support/problems.ts';
import { masterOf, replicasOf, type Scene } from '../support/scene.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { notYet, pause, waitUntil } from '../support/wait-until.ts';

const missing = await NetworkNamespaces.missing();

describe.runIf(missing === null)('in a network that is cut', () => {
  let opened: NetworkNamespaces | null = null;
  const network = (): NetworkNamespaces => {
    if (opened === null) throw new Error('the network is not there yet');
    return opened;
  };
  beforeAll(async () => {
    opened = await NetworkNamespaces.open();
  });
  // An idle replica hears from its master every 2 s: its word needs a window of some seconds.
  const trio = useTrio(() => ({ network: network(), pingIntervalSeconds: 1, maxPingCount: 6 }));
  const scene = useScenes(trio);
  afterAll(async () => {
    await opened?.close();
  });

  function hostOf({ address }: Pick<ControllerProcess, 'address'>): string {
    return address.replace(/:\d+$/, '');
  }

  async function cut(controllers: readonly ControllerProcess[], node: string): Promise<void> {
    for (const controller of controllers) {
      await network().drop({ from: hostOf(controller), to: node });
      await network().drop({ from: node, to: hostOf(controller) });
    }
  }

  interface Shard {
    readonly stage: Scene;
    readonly master: string;
    readonly replica: string;
    readonly masterHost: string;
  }

  async function shard(): Promise<Shard> {
    const stage = scene({ network: network() });
    const view = await stage.cluster('c', await stage.nodes(2), { replicas: 2 });
    const [only] = view.shards;
    if (only === undefined) throw new Error('one shard');
    const [master, replica] = [masterOf(only).addr, replicasOf(only)[0]?.addr ?? ''];
    await stage.untilWritable(master, 'before', 'the cut');
    await stage.inSync(master, replica);
    return { stage, master, replica, masterHost: stage.nodeAt(master).host };
  }

  function failovers({ stage }: Shard): number {
    return trio()
      .logged('failover.committed')
      .filter(({ namespace }) => namespace === stage.namespace).length;
  }

  test('a master that the leader alone does not reach stays in office, and the lead goes to a member that reaches it', async () => {
    const found = await shard();
    const leader = await trio().leader();
    await cut([leader], found.masterHost);
    const next = await waitUntil('another leader', async () => {
      const now = await trio().leader();
      return now === leader ? notYet(now.id) : now;
    });
    expect(next).not.toBe(leader);
    await found.stage.untilWritable(found.master, 'after', 'the cut');
    await network().heal();
    await expectEqualCopies(found.stage, 'c');
    expect(failovers(found)).toBe(0);
    expect(trio().logged('leadership.given')).not.toEqual([]);
  });

  test('a master that no controller reaches, but its replica does, goes on, is told, and loses nothing', async () => {
    const found = await shard();
    const { stage, master, masterHost } = found;
    await cut(trio().members, masterHost);
    await problemTold(trio(), stage, {
      kind: 'masterUnconfirmed',
      addr: master,
      detail: /a replica of it still hears from it/,
    });
    await stage.untilWritable(master, 'while', 'nobody looks');
    const { explain } = (await stage.api.get(stage.path('c', '/shards/0/explain'))).body.data;
    expect(explain).toMatchObject({ verdict: 'waiting', next: null });
    expect(explain.gates).toMatchObject([
      { gate: 'missed', verdict: 'pass' },
      { gate: 'confirmed', verdict: 'pass' },
      { gate: 'replicas', verdict: 'wait' },
      { gate: 'time', verdict: 'not_reached' },
      { gate: 'lease', verdict: 'not_reached' },
      { gate: 'candidate', verdict: 'not_reached' },
      { gate: 'restraint', verdict: 'not_reached' },
    ]);
    const { status } = (await stage.api.get(stage.path('c', '/status'))).body.data;
    expect(status.problems.map(({ kind }: { readonly kind: string }) => kind)).toContain('masterUnconfirmed');
    expect(status.nodes[0].witnesses.length).toBeGreaterThanOrEqual(2);
    await network().heal();
    await expectEqualCopies(stage, 'c');
    expect(failovers(found)).toBe(0);
    expect(await stage.ask(master, 'GET', 'while')).toBe('nobody looks');
  });

  test('a master that nobody reaches any more is replaced', async () => {
    const found = await shard();
    const { stage, master, replica, masterHost } = found;
    await network().drop({ from: stage.nodeAt(replica).host, to: masterHost });
    await network().drop({ from: masterHost, to: stage.nodeAt(replica).host });
    await cut(trio().members, masterHost);
    expect(await successorOf(stage, 'c', { address: master })).toBe(replica);
    await stage.untilWritable(replica, 'after', 'the failover');
    await network().heal();
    await expectEqualCopies(stage, 'c');
  });
});

describe('with probes as rare as by default', () => {
  const trio = useTrio({ pingIntervalSeconds: 3, maxPingCount: 5 });
  const scene = useScenes(trio);

  test('a killed master is replaced after the grace, long before the window is over', async () => {
    const stage = scene();
    const view = await stage.cluster('c', await stage.nodes(2), { replicas: 2 });
    const [shard] = view.shards;
    if (shard === undefined) throw new Error('one shard');
    const master = masterOf(shard).addr;
    await stage.untilWritable(master, 'before', 'the end');
    await stage.inSync(master, replicasOf(shard)[0]?.addr ?? '');
    const startMs = performance.now();
    await stage.nodeAt(master).kill();
    const successor = await successorOf(stage, 'c', { address: master });
    await stage.untilWritable(successor, 'after', 'the end');
    // The window is 15 s; a busy machine may take some seconds of it.
    expect(performance.now() - startMs).toBeLessThan(10_000);
  });

  test('one that is back at once is not replaced', async () => {
    const stage = scene();
    const view = await stage.cluster('c', await stage.nodes(2), { replicas: 2 });
    const [shard] = view.shards;
    if (shard === undefined) throw new Error('one shard');
    const master = masterOf(shard).addr;
    stage.nodeAt(master).pause();
    await pause(2000);
    stage.nodeAt(master).resume();
    await stage.untilWritable(master, 'after', 'the pause');
    expect((await stage.view('c')).version).toBe(view.version);
  });
});
