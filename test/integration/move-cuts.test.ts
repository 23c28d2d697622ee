// Two masters that do not reach each other while slots are to move between them; real servers only, whose connections wait for minutes.

import { describe, expect, test } from 'vitest';

import { cutsMissing, useNetwork } from '../support/links.ts';
import { fillSlot, limitSpeed, sourceSays } from '../support/migrations.ts';
import { keysOfSlot } from '../support/node-commands.ts';
import { RespClient } from '../support/resp-client.ts';
import { expectStatus, masterOf, replicasOf, type Scene } from '../support/scene.ts';
import { taskReached, taskWaits } from '../support/tasks.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';

const trio = useTrio();
const scene = useScenes(trio);
const network = useNetwork();
const isSimulated = (process.env['KVROCKS_BIN'] ?? '') === '';
const SLOT = 1000;

/** Sent to a node that hangs: it carries them out when it goes on, as a master that nobody follows any more. */
async function writesOfItsOwn(stage: Scene, address: string): Promise<RespClient> {
  const { host, port } = stage.nodeAt(address);
  const client = await RespClient.open({ host, port, timeoutMs: 60_000 });
  for (const key of keysOfSlot(1, 300)) client.command(['SET', key, key]).catch(() => undefined);
  return client;
}

describe.runIf(!isSimulated && cutsMissing === null)('a source that does not reach its target', () => {
  test.each([
    ['follows its successor', false],
    ['has writes of its own', true],
  ])(
    'hangs, is replaced and %s: its successor moves nothing before it is done',
    { timeout: 240_000 },
    async (_, isDiverged) => {
      const stage = scene({ network: network() });
      const { shards } = await stage.cluster('c', await stage.nodes(4), { replicas: 2 });
      const [left, right] = shards;
      if (left === undefined || right === undefined) throw new Error('two shards');
      const [source, target] = [masterOf(left), masterOf(right)];
      const successor = replicasOf(left)[0]?.addr ?? '';
      const keys = await fillSlot(stage, source.addr, { slot: SLOT, count: 600 });
      await stage.inSync(source.addr, successor);
      await limitSpeed(stage, successor, 200);
      const way = { master: source, replica: target };
      await stage.cut(way);
      expectStatus(await stage.api.post(stage.path('c', '/migrate'), { slot: SLOT, target: 1 }), 200);
      await sourceSays(stage, source.addr, { slots: String(SLOT), state: 'start' });
      stage.nodeAt(source.addr).pause();
      const client = isDiverged ? await writesOfItsOwn(stage, source.addr) : null;
      await stage.viewWhere(
        'c',
        'the successor',
        (view) => view.shards[0] !== undefined && masterOf(view.shards[0]).addr === successor,
      );
      stage.nodeAt(source.addr).resume();
      // It waits for the answer of its target still, and is asked for nothing else meanwhile.
      await taskWaits(stage, 'c', { id: 1, reason: /was replaced while it did not answer/ });
      await stage.mend(way);
      await taskReached(stage, 'c', { id: 1, state: 'succeeded' });
      client?.close();
      await stage.converged('c');
      expect(
        await stage.askAll(
          target.addr,
          keys.map((key) => ['GET', key]),
        ),
      ).toEqual(keys);
    },
  );
});
