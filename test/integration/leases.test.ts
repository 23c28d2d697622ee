// Leases: a master that only its clients reach takes no writes once another one does; and where there are none, that is said.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { NetworkNamespaces } from '../../scripts/lib/network-namespaces.ts';
import type { ControllerProcess } from '../support/controller-process.ts';
import { expectEqualCopies, successorOf } from '../support/copies.ts';
import { StubbornWriter } from '../support/late-writes.ts';
import { masterOf, replicasOf, type Scene } from '../support/scene.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { notYet, waitUntil } from '../support/wait-until.ts';

const missing = await NetworkNamespaces.missing();
/** No release has leases. */
const isSimulated = (process.env['KVROCKS_BIN'] ?? '') === '';
const LEASED = { 'master-lease-mode': 'block-write' };
const EXPIRED = /master lease expired/;

describe.runIf(missing === null)('a master that its clients reach, but nobody else', () => {
  let opened: NetworkNamespaces | null = null;
  const network = (): NetworkNamespaces => {
    if (opened === null) throw new Error('the network is not there yet');
    return opened;
  };
  beforeAll(async () => {
    opened = await NetworkNamespaces.open();
  });
  const trio = useTrio(() => ({
    network: network(),
    pingIntervalSeconds: 0.5,
    maxPingCount: 4,
    leaseMs: 4000,
  }));
  const scene = useScenes(trio);
  afterAll(async () => {
    await opened?.close();
  });

  async function cut(left: string, right: string): Promise<void> {
    await network().drop({ from: left, to: right });
    await network().drop({ from: right, to: left });
  }

  function hostOf({ address }: Pick<ControllerProcess, 'address'>): string {
    return address.replace(/:\d+$/, '');
  }

  interface Shard {
    readonly stage: Scene;
    readonly master: string;
    readonly replica: string;
    readonly writer: StubbornWriter;
    /** Away from its replica and from these controllers. */
    readonly cutOff: (controllers: readonly ControllerProcess[]) => Promise<void>;
  }

  async function shard(conf: Readonly<Record<string, string>>): Promise<Shard> {
    const stage = scene({ network: network(), conf });
    const view = await stage.cluster('c', await stage.nodes(2), { replicas: 2 });
    const [only] = view.shards;
    if (only === undefined) throw new Error('one shard');
    const [master, replica] = [masterOf(only).addr, replicasOf(only)[0]?.addr ?? ''];
    await stage.untilWritable(master, 'before', 'the cut');
    await stage.inSync(master, replica);
    const writer = new StubbornWriter(master);
    await writer.progress(20);
    const { host } = stage.nodeAt(master);
    const cutOff = async (controllers: readonly ControllerProcess[]): Promise<void> => {
      await cut(stage.nodeAt(replica).host, host);
      for (const controller of controllers) await cut(hostOf(controller), host);
    };
    return { stage, master, replica, writer, cutOff };
  }

  async function held({ stage }: Shard): Promise<void> {
    await waitUntil('a lease', () => {
      const lines = trio().logged('lease.held');
      return lines.some(({ namespace }) => namespace === stage.namespace) ? true : notYet(lines);
    });
  }

  /** From when the replica takes writes on, what the old master takes is late. */
  async function takenOver({ stage, master, replica, writer }: Shard): Promise<void> {
    expect(await successorOf(stage, 'c', { address: master })).toBe(replica);
    await stage.untilWritable(replica, 'after', 'the failover');
    writer.fromNowOnLate();
  }

  async function exposure({ stage }: Shard): Promise<string> {
    const { events } = (await stage.api.get(stage.path('c', '/events?kind=failover'))).body.data;
    return String(events[0]?.text).replace(/^.*The old master: /, '');
  }

  test.runIf(isSimulated)(
    'has no acknowledged write after its successor took over, and follows it after the cut',
    async () => {
      const found = await shard(LEASED);
      await held(found);
      await found.cutOff(trio().members);
      await takenOver(found);
      await found.writer.refusedWith(EXPIRED);
      expect(found.writer.late).toBe(0);
      expect(await exposure(found)).toBe('it is silent and its lease is over, so it takes no writes');
      await network().heal();
      // It has writes of its own, is made anew, and refuses even those that this takes unless it gets a lease for them.
      await found.writer.refusedWith(/MOVED/);
      await found.writer.stop();
      expect(found.writer.late).toBe(0);
      await expectEqualCopies(found.stage, 'c');
    },
  );

  test.runIf(isSimulated)(
    'but is reached by the leader that is cut off from its group, which does not prolong its lease',
    async () => {
      const found = await shard(LEASED);
      await held(found);
      const old = await trio().leader();
      const others = trio().members.filter((member) => member !== old);
      await found.cutOff(others);
      for (const other of others) await cut(hostOf(old), hostOf(other));
      await takenOver(found);
      await found.writer.refusedWith(EXPIRED);
      expect(found.writer.late).toBe(0);
      expect(await exposure(found)).toMatch(/^it is silent, and a lease that it may have had is over/);
      await network().heal();
      await trio().ready();
      await found.writer.stop();
      expect(found.writer.late).toBe(0);
      await expectEqualCopies(found.stage, 'c');
    },
  );

  test('on a server without leases goes on taking writes, and that is said', async () => {
    const found = await shard({});
    await found.cutOff(trio().members);
    await takenOver(found);
    await found.writer.progress(20);
    expect(found.writer.late).toBeGreaterThan(0);
    expect(await exposure(found)).toBe(
      'it is silent and has no lease (it knows no leases): clients that still reach it may write to it until it is told; those writes are lost',
    );
    const { problems } = (await found.stage.api.get(found.stage.path('c', '/status'))).body.data.status;
    expect(problems.map(({ kind }: { readonly kind: string }) => kind)).not.toContain('masterUnreachable');
    await network().heal();
    await found.writer.stop();
    await expectEqualCopies(found.stage, 'c');
  });

  test.runIf(isSimulated)('and whose process ends is not waited for', async () => {
    const found = await shard(LEASED);
    await held(found);
    await found.stage.nodeAt(found.master).kill();
    await takenOver(found);
    expect(await exposure(found)).toBe('its process is gone, so it takes no writes');
    await found.writer.stop();
  });
});
