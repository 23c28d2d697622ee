// The crash table of docs/migration.md: whatever dies while a slot moves, its migration ends well, one master serves the slot, and no acknowledged
// write is lost but those that the table gives up.

import { describe, expect, test } from 'vitest';

import { restartOnNewDisk, successorOf } from '../support/copies.ts';
import { interrupt } from '../support/interruptions.ts';
import { StubbornWriter } from '../support/late-writes.ts';
import { limitSpeed, sourceSays } from '../support/migrations.ts';
import { type Move, MOVING_SLOT as SLOT, askedFor, runningMove, twoShards } from '../support/moves.ts';
import { linesOf, problemTold } from '../support/problems.ts';
import { expectStatus, masterOf } from '../support/scene.ts';
import { expectServedOnce } from '../support/served-once.ts';
import { type GivenUp, SteadyWriter } from '../support/steady-writer.ts';
import { taskReached, taskWaits } from '../support/tasks.ts';
import { useScenes, useTrio } from '../support/use-trio.ts';
import { notYet, waitUntil } from '../support/wait-until.ts';

/** Nodes that a busy machine holds up are not replaced for it. */
const trio = useTrio({ maxPingCount: 20 });
const scene = useScenes(trio);

/** What a replica that takes over by itself may lack of the last moments of its master (docs/decisions/0009-bounds.md). */
const LAG_MS = 1500;

/** The slot is with the target, clients write there, and no controller knows: all of them hang. */
async function handedOver(copies: number): Promise<Move> {
  const move = await runningMove(scene(), copies);
  const { stage, source, writer } = move;
  for (const member of trio().members) member.pause();
  await limitSpeed(stage, source, 0);
  await sourceSays(stage, source, { slots: String(SLOT), state: 'success' });
  await writer.progress(50);
  return move;
}

/** Controllers that hang go on, or those that come after them begin. */
async function controllersAgain(how: 'resume' | 'restart'): Promise<void> {
  for (const member of trio().members) {
    if (how === 'resume') member.resume();
    else {
      await member.kill();
      member.start();
    }
  }
  await trio().leader();
}

async function expectMoved({ stage, writer, keys }: Move, givenUp: GivenUp | null = null): Promise<void> {
  await taskReached(stage, 'c', { id: 1, state: 'succeeded' });
  const { shards } = await stage.converged('c');
  expect(shards[1]?.slot_ranges).toContain(String(SLOT));
  await writer.progress(50);
  await writer.stop();
  await writer.expectKept(givenUp);
  const masters = shards.map((shard) => masterOf(shard).addr);
  // The writer's are the first of them.
  const key = keys.at(-1) ?? '';
  await expectServedOnce(stage, masters, { key, value: key });
  await waitUntil('a check without findings', async () => {
    const { check } = (await stage.api.get(stage.path('c', '/check'))).body.data;
    return check.findings.length === 0 ? true : notYet(check.findings);
  });
  expect(linesOf(trio(), stage, 'decision.failed')).toEqual([]);
}

interface Fault {
  readonly end: 'source' | 'target';
  readonly how: 'kill' | 'hang';
}

/** One end of the job dies or hangs, and its replica takes over. What it had acknowledged just before may be lost, as in every failover. */
async function failedOver(move: Move, { end, how }: Fault): Promise<GivenUp> {
  const { stage, writer } = move;
  const by = move[end];
  const fromMs = performance.now() - LAG_MS;
  if (how === 'kill') await stage.nodeAt(by).kill();
  else stage.nodeAt(by).pause();
  await successorOf(stage, 'c', { address: by, index: end === 'source' ? 0 : 1 });
  // Clients wait for one that hangs before they go elsewhere.
  await writer.progress(50);
  const untilMs = performance.now();
  if (how === 'kill') await stage.nodeAt(by).restart();
  else stage.nodeAt(by).resume();
  return { by, fromMs, untilMs };
}

/**
 * The source has restarted and knows nothing of the hand-over, the target has the slot: both take writes until the move is recorded, which `again`
 * leads to. What the target took stays; what the source took since its restart is lost with its copy.
 */
async function expectServedTwiceUntil(move: Move, again: () => Promise<void>): Promise<void> {
  const { stage, source, target, keys } = move;
  const [tag = ''] = /^\{.*\}/.exec(keys[0] ?? '') ?? [];
  const atSource = new StubbornWriter(source, (number) => `${tag}:source-${number}`);
  await atSource.progress(20);
  const atTarget = new StubbornWriter(target, (number) => `${tag}:target-${number}`);
  await again();
  await atTarget.progress(20);
  await atSource.refusedWith(/MOVED/);
  await atTarget.progress(20);
  for (const writer of [atSource, atTarget]) await writer.stop();
  expect(await stage.askCluster(source, 'GET', atTarget.lastKey)).not.toBeNull();
  expect(await stage.askCluster(source, 'GET', atSource.lastKey)).toBeNull();
  const [line, ...more] = linesOf(trio(), stage, 'migration.finish.committed');
  expect([line?.['why'], more]).toEqual([expect.stringContaining('the source'), []]);
}

test('M1: a source that hangs before its job begins is sent nothing, which is shown, and moves its slot when it goes on', async () => {
  const { stage, source, target, keys } = await twoShards(scene(), 1);
  stage.nodeAt(source).pause();
  await problemTold(trio(), stage, { kind: 'masterUnreachable', addr: source });
  await askedFor(stage);
  await taskWaits(stage, 'c', { id: 1, reason: /does not answer/ });
  expect(linesOf(trio(), stage, 'migrate.sent')).toEqual([]);
  stage.nodeAt(source).resume();
  await expectMoved({ stage, source, target, keys, writer: new SteadyWriter(stage, [source], SLOT) });
});

describe('while the job runs', () => {
  test('M2: a source that dies and has no replica is waited for, which is shown', async () => {
    const move = await runningMove(scene(), 1);
    const { stage, source } = move;
    await stage.nodeAt(source).kill();
    await taskWaits(stage, 'c', { id: 1, reason: /does not answer/ });
    await stage.nodeAt(source).restart();
    await expectMoved(move);
  });

  test('M3: a target that dies and has no replica is waited for, which is shown', async () => {
    const move = await runningMove(scene(), 1);
    const { stage, source, target } = move;
    await stage.nodeAt(target).kill();
    await taskWaits(stage, 'c', { id: 1, reason: /does not answer/ });
    await limitSpeed(stage, source, 0);
    await stage.nodeAt(target).restart();
    await expectMoved(move);
  });

  test('M4: a target that hangs until the source gives its job up gets the slot when it goes on', async () => {
    const move = await runningMove(scene(), 1);
    const { stage, source, target } = move;
    stage.nodeAt(target).pause();
    await sourceSays(stage, source, { slots: String(SLOT), state: 'fail' });
    await limitSpeed(stage, source, 0);
    stage.nodeAt(target).resume();
    await expectMoved(move);
  });

  test.each([
    ['M5', 'source', 'kill'],
    ['M6', 'source', 'hang'],
    ['M7', 'target', 'kill'],
    ['M8', 'target', 'hang'],
  ] as const)(
    '%s: the %s fails over (%s), and the move is made again with its new master',
    async (_, end, how) => {
      const move = await runningMove(scene(), 2);
      const givenUp = await failedOver(move, { end, how });
      if (end === 'target') await limitSpeed(move.stage, move.source, 0);
      // Nothing of a slot that stays at its source is lost with its target.
      await expectMoved(move, end === 'source' ? givenUp : null);
    },
  );

  test('M9: the source dies together with the leading controller, and its replica takes over', async () => {
    const move = await runningMove(scene(), 2);
    const leader = await trio().leader();
    const [givenUp] = await Promise.all([
      failedOver(move, { end: 'source', how: 'kill' }),
      interrupt(trio(), leader),
    ]);
    await expectMoved(move, givenUp);
  });
});

describe('a change of masters in the midst of a job', () => {
  test('M10: that somebody asks for is refused at either end, with the way to it', async () => {
    const move = await runningMove(scene(), 2);
    const { stage, source } = move;
    for (const shard of [0, 1]) {
      const refused = await stage.api.post(stage.path('c', `/shards/${shard}/failover`));
      expect([refused.status, refused.text]).toEqual([409, expect.stringContaining('/migrate/cancel')]);
    }
    await limitSpeed(stage, source, 0);
    await expectMoved(move);
  });

  test('M11: that somebody else makes of the target is undone, and the move is made again', async () => {
    const move = await runningMove(scene(), 2);
    const { stage, source, target } = move;
    const { version, shards } = await stage.view('c');
    const lines = shards.flatMap(({ nodes, slot_ranges: slots }, index) => {
      const master = index === 0 ? nodes[0] : nodes[1];
      return nodes.map(({ id, addr }) => {
        const place = `${id} ${addr.replace(':', ' ')}`;
        return id === master?.id
          ? `${place} master - ${(slots ?? []).join(' ')}`
          : `${place} slave ${master?.id ?? ''}`;
      });
    });
    const text = lines.join('\n');
    for (const { addr } of shards[1]?.nodes ?? [])
      await stage.ask(addr, 'CLUSTERX', 'SETNODES', text, String(version + 1));
    await limitSpeed(stage, source, 0);
    await expectMoved(move);
    const after = (await stage.view('c')).shards.map((shard) => masterOf(shard).addr);
    expect(after).toEqual([source, target]);
  });
});

describe('after a hand-over that nobody has recorded', () => {
  test.each([
    ['M12', 'the source restarts', 'resume', async (move: Move) => move.stage.nodeAt(move.source).restart()],
    ['M13', 'the target restarts', 'resume', async (move: Move) => move.stage.nodeAt(move.target).restart()],
  ] as const)('%s: %s, and the move is recorded with every write', async (_, __, how, fault) => {
    const move = await handedOver(1);
    await fault(move);
    await controllersAgain(how);
    await expectMoved(move);
  });

  test('M14: the source dies, and the move is recorded with every write as its replica takes over', async () => {
    const move = await handedOver(2);
    const { stage, source } = move;
    await stage.nodeAt(source).kill();
    await controllersAgain('resume');
    await successorOf(stage, 'c', { address: source });
    await stage.nodeAt(source).restart();
    await expectMoved(move);
  });

  test.each([
    ['M15', 'source'],
    ['M16', 'target'],
  ] as const)('%s: the %s hangs, and the move is recorded with every write', async (_, end) => {
    const move = await handedOver(1);
    const { stage } = move;
    stage.nodeAt(move[end]).pause();
    await controllersAgain('resume');
    if (end === 'target') await taskWaits(stage, 'c', { id: 1, reason: /handed over.*does not answer/ });
    stage.nodeAt(move[end]).resume();
    await expectMoved(move);
  });

  test('M17: the source restarts while no controller runs, and is closed as soon as one looks', async () => {
    const move = await handedOver(1);
    await move.stage.nodeAt(move.source).restart();
    await expectServedTwiceUntil(move, () => controllersAgain('resume'));
    await expectMoved(move);
  });

  test('M18: the source restarts while the target hangs, and is closed as soon as that goes on', async () => {
    const move = await handedOver(1);
    const { stage, source, target, writer } = move;
    stage.nodeAt(target).pause();
    await writer.stop();
    await controllersAgain('resume');
    await taskWaits(stage, 'c', { id: 1, reason: /handed over.*does not answer/ });
    await stage.nodeAt(source).restart();
    await expectServedTwiceUntil(move, async () => stage.nodeAt(target).resume());
    await writer.expectKept();
    await expectMoved({ ...move, writer: new SteadyWriter(stage, [target], SLOT) });
  });

  test('M19: both restart: nobody knows of it, and it is made again from the copy of the source', async () => {
    const move = await handedOver(1);
    const { stage, source, target } = move;
    await Promise.all([stage.nodeAt(source).restart(), stage.nodeAt(target).restart()]);
    const untilMs = performance.now();
    await controllersAgain('restart');
    // What the target took in between is in no copy that anybody can know to be complete.
    await expectMoved(move, { by: target, fromMs: 0, untilMs });
  });

  test('M20: the target dies, and the copy of the source is kept and moved to the replica that took over', async () => {
    const move = await handedOver(2);
    const { stage, target } = move;
    await stage.nodeAt(target).kill();
    const untilMs = performance.now();
    await controllersAgain('resume');
    await successorOf(stage, 'c', { address: target, index: 1 });
    await stage.nodeAt(target).restart();
    await expectMoved(move, { by: target, fromMs: 0, untilMs });
  });

  test('M21: the target comes back on an empty disk: shown until somebody accepts it, then the copy of the source moves again', async () => {
    const move = await handedOver(1);
    const { stage, target } = move;
    await restartOnNewDisk(stage.nodeAt(target));
    const untilMs = performance.now();
    await controllersAgain('resume');
    await taskWaits(stage, 'c', { id: 1, reason: /has lost its data/ });
    const { shards } = await stage.view('c');
    const body = { force: true, preferred_node_id: shards[1] && masterOf(shards[1]).id };
    expectStatus(await stage.api.post(stage.path('c', '/shards/1/failover'), body), 200);
    await expectMoved(move, { by: target, fromMs: 0, untilMs });
  });
});

test('M22: the source and the leading controller die as the move is recorded, and nobody serves it twice', async () => {
  const move = await runningMove(scene(), 1);
  const { stage, source, writer } = move;
  const leader = await trio().leader();
  await limitSpeed(stage, source, 0);
  await stage.viewWhere(
    'c',
    'the slot at its new owner',
    ({ shards }) => shards[1]?.slot_ranges?.includes(String(SLOT)) === true,
  );
  await Promise.all([stage.nodeAt(source).restart(), interrupt(trio(), leader)]);
  await writer.progress(50);
  await expectMoved(move);
});
