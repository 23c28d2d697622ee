// A planned change of masters is interrupted: the leading controller is lost, or one of the two nodes, while the old master turns its clients
// away. Whoever leads then finishes it or undoes it, clients write again, and nothing that was acknowledged is lost.

import { describe, expect, test } from 'vitest';

import type { Answer } from '../support/api-client.ts';
import { expectEqualCopies } from '../support/copies.ts';
import {
  interrupt,
  type Interruption,
  killedAtCommit,
  RANDOM_RUNS,
  share,
  untilWords,
} from '../support/interruptions.ts';
import { slowLinksMissing, useNetwork } from '../support/links.ts';
import { expectStatus, type Scene } from '../support/scene.ts';
import {
  expectNothingLost,
  fallBehind,
  type LoadedShard,
  SLOW_WRITES,
  underLoad,
} from '../support/switchovers.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { pause } from '../support/wait-until.ts';

const trio = useTrio({ pingIntervalSeconds: 0.5, maxPingCount: 3 });
const scene = useScenes(trio);
const network = useNetwork();

/** With INTERRUPTED_RUNS more of them, from INTERRUPTED_SEED on. */
const SEED = Number(process.env['INTERRUPTED_SEED'] ?? 1);

/** A change of masters takes about so long, milliseconds. */
const WHOLE_MS = 200;

function ask(stage: Scene): Promise<Answer | 'lost'> {
  return stage.api.post(stage.path('c', '/shards/0/failover')).catch(() => 'lost' as const);
}

/** Clients write again, and have lost nothing. */
async function expectSettled(stage: Scene, loaded: LoadedShard): Promise<void> {
  await loaded.writer.progress(200);
  await expectNothingLost(stage, loaded);
}

/** A failover that was asked for and is held up by a slow link, once the old master turns its clients away. */
async function heldUp(): Promise<{ stage: Scene; loaded: LoadedShard; asked: Promise<Answer | 'lost'> }> {
  const stage = scene({ network: network() });
  const loaded = await underLoad(stage, 2, SLOW_WRITES);
  await fallBehind(stage, loaded);
  const asked = ask(stage);
  const old = stage.nodeAt(loaded.master.addr);
  await untilWords(old, 'it is drained', ({ version }) => version !== null && version > loaded.version);
  return { stage, loaded, asked };
}

describe('while a master is changed as planned under load', () => {
  test.each(Array.from({ length: RANDOM_RUNS }, (_, index) => SEED + index))(
    'the leader may die at any moment (INTERRUPTED_SEED=%i)',
    async (seed) => {
      const stage = scene();
      const loaded = await underLoad(stage, 3);
      const leader = await trio().leader();
      const afterMs = ((Math.imul(seed, 2_654_435_761) >>> 0) / 2 ** 32) * WHOLE_MS;
      const asked = ask(stage);
      await pause(afterMs);
      await interrupt(trio(), leader);
      const answer = await asked;
      const outcome = answer === 'lost' ? answer : answer.status;
      console.log(`seed ${seed}: killed after ${Math.round(afterMs)} ms, the request came to: ${outcome}`);
      await expectSettled(stage, loaded);
    },
  );

  test('the leader may die with its first commit', async () => {
    const stage = scene();
    const loaded = await underLoad(stage, 3);
    await killedAtCommit(trio(), await trio().leader(), () => ask(stage));
    await expectSettled(stage, loaded);
  });
});

describe.skipIf(slowLinksMissing !== null)('while a drained master waits for its replica', () => {
  test.each(share<Interruption>(['kill', 'hang', 'transfer'], 3))(
    'the leader may lose its lead by a %s: the next one undoes it',
    async (how) => {
      const { stage, loaded, asked } = await heldUp();
      await interrupt(trio(), await trio().leader(), how);
      await asked;
      await expectSettled(stage, loaded);
    },
  );

  test('the replica may die: the master takes writes again before the time is up', async () => {
    const { stage, loaded, asked } = await heldUp();
    await stage.nodeAt(loaded.replica.addr).kill();
    const answer = await asked;
    if (answer === 'lost') throw new Error('no answer');
    expectStatus(answer, 409);
    expect(answer.body.error.message).toMatch(/undone/);
    await loaded.writer.progress(200);
    await stage.nodeAt(loaded.replica.addr).restart();
    await stage.speedUp(loaded);
    await expectSettled(stage, loaded);
  });

  test('the master may die: what its replica lacks decides as after any other death, and clients write again', async () => {
    const { stage, loaded, asked } = await heldUp();
    await stage.nodeAt(loaded.master.addr).kill();
    await asked;
    await stage.nodeAt(loaded.master.addr).restart();
    await stage.speedUp(loaded);
    await loaded.writer.progress(200);
    await loaded.writer.stop();
    await stage.converged('c');
    await expectEqualCopies(stage, 'c');
  });
});
