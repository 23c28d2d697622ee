// An old master with writes of its own comes back, and the leading controller is lost in the midst of it: after it was cut off, while it is
// outrun, right after it was told to follow. Whoever leads next brings it to its end, while clients write at the new master.

import { appendFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, test } from 'vitest';

import { contentOf, expectEqualCopies, successorOf, write } from '../support/copies.ts';
import {
  interrupt,
  type Interruption,
  untilChanges,
  untilWords,
  type Words,
  RANDOM_RUNS,
  share,
} from '../support/interruptions.ts';
import type { KvrocksNode } from '../support/kvrocks-node.ts';
import { ask, askAll, keysOfSlot } from '../support/node-commands.ts';
import { linesOf, problemTold } from '../support/problems.ts';
import { masterOf, replicasOf, type Scene } from '../support/scene.ts';
import { SteadyWriter } from '../support/steady-writer.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { notYet, waitUntil } from '../support/wait-until.ts';

const trio = useTrio();
const scene = useScenes(trio);

/** With INTERRUPTED_RUNS more of them, from INTERRUPTED_SEED on. */
const SEED = Number(process.env['INTERRUPTED_SEED'] ?? 1);
const OWN_WRITES = 20;
const OUTRUN_KEY = '__kvrocks_controller_outrun__';

/** Nobody but the test knows it: a node that wants it lives, and can be told nothing. */
const HOLD = 'held';

interface WayBack {
  readonly stage: Scene;
  readonly old: KvrocksNode;
  readonly successor: KvrocksNode;
  /** What the old master was told last. */
  readonly version: number;
  /** Where it stands, writes of its own included. */
  readonly sequence: number;
  readonly writer: SteadyWriter;
}

/** An old master with twenty writes that its successor never had, and which nobody may tell anything before `release`. */
async function heldBack(stage = scene()): Promise<WayBack> {
  const { version, shards } = await stage.cluster('c', await stage.nodes(2), { replicas: 2 });
  const [shard] = shards;
  const replica = shard === undefined ? undefined : replicasOf(shard)[0];
  if (shard === undefined || replica === undefined) throw new Error('one shard with a replica');
  const old = stage.nodeAt(masterOf(shard).addr);
  await write(stage, old.address, { slot: 1, count: 200, value: 'before' });
  await stage.inSync(old.address, replica.addr);
  await old.kill();
  const successor = stage.nodeAt(await successorOf(stage, 'c', { address: old.address }));
  await stage.untilWritable(successor.address, 'after', 'the promotion');
  await stage.converged('c', [old.address]);
  appendFileSync(join(old.dir, 'kvrocks.conf'), `requirepass ${HOLD}\n`);
  await old.restart();
  const own = keysOfSlot(3, OWN_WRITES).map((key) => ['SET', key, 'too late'] as const);
  await askAll(old.address, own, HOLD);
  const sequence = Number(
    /master_repl_offset:(\d+)/.exec(String(await ask(old.address, ['INFO', 'replication'], HOLD)))?.[1],
  );
  const writer = new SteadyWriter(stage, [successor.address], 1);
  await writer.progress(100);
  return { stage, old, successor, version, sequence, writer };
}

async function hold({ old }: WayBack): Promise<void> {
  await old.command('CONFIG', 'SET', 'requirepass', HOLD);
}

async function release({ old }: WayBack): Promise<void> {
  await ask(old.address, ['CONFIG', 'SET', 'requirepass', ''], HOLD);
}

/** All of it is over: both nodes have the same keys, the new master's writes among them, and the old one counts as a copy again. */
async function expectSettled({ stage, old, successor, writer }: WayBack): Promise<void> {
  await writer.progress(100);
  await writer.stop();
  // A leader that comes in the midst of it begins anew, also with a node that is in its place already.
  await waitUntil('the old master to be proven', () => {
    const lines = linesOf(trio(), stage, 'copy.remake.committed');
    return lines.length > 0 ? true : notYet(lines);
  });
  await expectEqualCopies(stage, 'c');
  await writer.expectKept();
  const content = await contentOf(stage, successor.address);
  expect(keysOfSlot(3, OWN_WRITES).filter((key) => content.has(key))).toEqual([]);
  const { id } = await stage.state(old.address);
  await waitUntil('the old master to be eligible', async () => {
    const answer = await stage.api.post(stage.path('c', '/shards/0/failover'), { preferred_node_id: id });
    return answer.status === 200 ? true : notYet(answer.text);
  });
  await expectEqualCopies(stage, 'c');
  await writer.expectKept();
  expect(await contentOf(stage, old.address)).toEqual(content);
}

type Moment =
  | 'it is cut off'
  | 'it is outrun in part'
  | 'it is outrun'
  | 'it is told to follow'
  | 'it has a link';

/** Whether that has come; later moments count as well, should one be too short to be met. */
const MOMENTS = {
  'it is cut off': ({ version }: Words, way: WayBack) => version !== null && version > way.version,
  'it is outrun in part': (words: Words, way: WayBack) => isAt(words, way.sequence + 20_000),
  'it is outrun': (words: Words, way: WayBack) => isAt(words, way.sequence + 100_000),
  'it is told to follow': ({ role }: Words) => role === 'slave',
  'it has a link': ({ isLinked }: Words) => isLinked,
} as const satisfies Record<Moment, (words: Words, way: WayBack) => boolean>;

function isAt({ sequence, role }: Words, goal: number): boolean {
  return role === 'slave' || (sequence !== null && sequence >= goal);
}

async function untilMoment(way: WayBack, moment: Moment): Promise<void> {
  await untilWords(way.old, moment, (words) => MOMENTS[moment](words, way));
}

describe('on the way back of an old master', () => {
  test.each(share<Moment>(['it is outrun in part', 'it is told to follow', 'it is cut off'], 2))(
    'the leader may die once %s',
    async (moment) => {
      const way = await heldBack();
      const leader = await trio().leader();
      await release(way);
      await untilMoment(way, moment);
      await interrupt(trio(), leader);
      await expectSettled(way);
    },
  );

  test.each(share<Interruption>(['transfer', 'hang'], 1))(
    'the leader may lose its lead by a %s',
    async (how) => {
      const way = await heldBack();
      const leader = await trio().leader();
      await release(way);
      await untilMoment(way, 'it is outrun in part');
      await interrupt(trio(), leader, how);
      await expectSettled(way);
    },
  );

  test.each(share<Moment>(['it is told to follow', 'it is outrun in part'], 1))(
    'the new master may die with the leader once %s, and stays the master',
    async (moment) => {
      const way = await heldBack();
      const leader = await trio().leader();
      await release(way);
      await untilMoment(way, moment);
      await Promise.all([leader.kill(), way.successor.kill()]);
      await trio().leader();
      leader.start();
      await problemTold(trio(), way.stage, {
        kind: 'masterUnreachable',
        addr: way.successor.address,
      });
      await way.successor.restart();
      await way.writer.progress(100);
      const [shard] = (await way.stage.view('c')).shards;
      expect(shard === undefined ? '' : masterOf(shard).addr).toBe(way.successor.address);
      await expectSettled(way);
    },
  );

  test('a leader that hangs and goes on when all is over changes nothing any more', async () => {
    const way = await heldBack();
    const leader = await trio().leader();
    await release(way);
    await untilMoment(way, 'it is outrun in part');
    leader.pause();
    try {
      await trio().leader([leader]);
      await expectSettled(way);
    } finally {
      leader.resume();
    }
    await trio().leader();
    await expectEqualCopies(way.stage, 'c');
    await way.writer.expectKept();
    expect([...(await contentOf(way.stage, way.old.address)).keys()]).not.toContain(OUTRUN_KEY);
  });

  test('every leader may die, each one step further', async () => {
    const way = await heldBack();
    for (const moment of Object.keys(MOMENTS) as Moment[]) {
      const leader = await trio().leader();
      await release(way);
      await untilMoment(way, moment);
      await Promise.all([leader.kill(), hold(way)]);
      await trio().leader();
      leader.start();
    }
    await release(way);
    await expectSettled(way);
  });

  test.each(Array.from({ length: RANDOM_RUNS }, (_, index) => SEED + index))(
    'the leader may die at any moment (INTERRUPTED_SEED=%i)',
    async (seed) => {
      const way = await heldBack();
      const leader = await trio().leader();
      const changes = untilChanges(way.old, momentOf(seed));
      await release(way);
      const { text } = await changes;
      await interrupt(trio(), leader);
      console.log(`seed ${seed}: killed after ${momentOf(seed)} changes, at "${text}"`);
      await expectSettled(way);
    },
  );
});

/** 1 to 16: a way back shows about a dozen changes, and then a new position with each write. */
function momentOf(seed: number): number {
  return 1 + (Math.imul(seed, 2_654_435_761) >>> 28);
}
