// A migration is cancelled under writes to its slots, and the leading controller dies in the midst of it: the slots stay at their source, with
// every write.

import { expect, test } from 'vitest';

import type { Answer } from '../support/api-client.ts';
import type { ControllerProcess } from '../support/controller-process.ts';
import {
  interrupt,
  killedAtCommit,
  killedAtOnce,
  untilWords,
  IS_THOROUGH,
} from '../support/interruptions.ts';
import { fillSlot, limitSpeed, migrationEnded, sourceSays } from '../support/migrations.ts';
import { ask } from '../support/node-commands.ts';
import { problemTold } from '../support/problems.ts';
import { expectStatus, masterOf, type Scene } from '../support/scene.ts';
import { SteadyWriter } from '../support/steady-writer.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { notYet, waitUntil } from '../support/wait-until.ts';

const trio = useTrio();
const scene = useScenes(trio);

const SLOT = 1000;

/** Nobody but the test knows it: a node that wants it lives, and can be told nothing. */
const HOLD = 'held';

interface Move {
  readonly stage: Scene;
  readonly source: string;
  readonly target: string;
  readonly version: number;
  readonly keys: readonly string[];
  readonly writer: SteadyWriter;
}

/** A job that would take minutes. */
async function runningMove(): Promise<Move> {
  const stage = scene();
  const { version, shards } = await stage.cluster('c', await stage.nodes(2));
  const [source = '', target = ''] = shards.map((shard) => masterOf(shard).addr);
  const keys = await fillSlot(stage, source, { slot: SLOT, count: 2048 });
  await limitSpeed(stage, source, 16);
  expectStatus(await stage.api.post(stage.path('c', '/migrate'), { slot: SLOT, target: 1 }), 200);
  await sourceSays(stage, source, { slots: String(SLOT), state: 'start' });
  const writer = new SteadyWriter(stage, [source, target], SLOT);
  await writer.progress(50);
  return { stage, source, target, version, keys, writer };
}

async function expectCancelled({ stage, source, keys, writer }: Move): Promise<void> {
  const after = await migrationEnded(stage, 'c');
  expect(after.shards.map((shard) => shard.slot_ranges)).toEqual([['0-8191'], ['8192-16383']]);
  await stage.converged('c');
  await writer.progress(50);
  await writer.stop();
  await writer.expectKept();
  for (const key of [keys[0], keys.at(-1)])
    expect(await stage.ask(source, 'SET', key ?? '', 'at the source')).toBe('OK');
}

async function cancelAt(leader: ControllerProcess, stage: Scene): Promise<Answer> {
  return stage.api.sendTo(leader.url, 'POST', stage.path('c', '/migrate/cancel'));
}

test('a cancelled migration ends at its source though the leader dies with the answer, before the target is told', async () => {
  const move = await runningMove();
  const { stage, target, version } = move;
  await stage.ask(target, 'CONFIG', 'SET', 'requirepass', HOLD);
  // Connections that are logged in go on; the next leader has new ones.
  await interrupt(trio(), await trio().leader(), 'transfer');
  await problemTold(trio(), stage, { kind: 'passwordRefused', addr: target });
  expectStatus(await stage.api.post(stage.path('c', '/migrate/cancel')), 200);
  await interrupt(trio(), await trio().leader());
  expect(await ask(target, ['CLUSTERX', 'VERSION'], HOLD)).toBe(String(version));
  await ask(target, ['CONFIG', 'SET', 'requirepass', ''], HOLD);
  await expectCancelled(move);
});

test('a cancelled migration ends at its source though the leader dies once the target was told', async () => {
  const move = await runningMove();
  const { stage, target, version } = move;
  const leader = await trio().leader();
  const told = untilWords(
    stage.nodeAt(target),
    'the next version',
    (words) => (words.version ?? 0) > version,
  );
  expectStatus(await stage.api.post(stage.path('c', '/migrate/cancel')), 200);
  await told;
  await interrupt(trio(), leader);
  await expectCancelled(move);
});

test.runIf(IS_THOROUGH)(
  'a cancelled migration ends at its source though the leader dies once the source has ended its job',
  async () => {
    const move = await runningMove();
    const { stage, source } = move;
    const leader = await trio().leader();
    const failed = sourceSays(stage, source, { slots: String(SLOT), state: 'fail' });
    expectStatus(await stage.api.post(stage.path('c', '/migrate/cancel')), 200);
    await failed;
    await interrupt(trio(), leader);
    await expectCancelled(move);
  },
);

test.runIf(IS_THOROUGH)(
  'a cancelled migration ends at its source though the leader dies with the request, which is asked again',
  async () => {
    const move = await runningMove();
    const { stage } = move;
    const leader = await trio().leader();
    await killedAtOnce(trio(), leader, () => cancelAt(leader, stage));
    await waitUntil('the cancellation to be answered', async () => {
      const answer = await stage.api.post(stage.path('c', '/migrate/cancel'));
      return answer.status === 200 || answer.status === 404 ? true : notYet(answer.text);
    });
    await expectCancelled(move);
  },
);

test('a cancelled migration ends at one of its ends when the hand-over was under way', async () => {
  const move = await runningMove();
  const { stage, source, writer } = move;
  const leader = await trio().leader();
  await limitSpeed(stage, source, 0);
  await killedAtCommit(trio(), leader, () => cancelAt(leader, stage));
  await migrationEnded(stage, 'c');
  await stage.converged('c');
  await writer.progress(50);
  await writer.stop();
  await writer.expectKept();
});
