// Measures what the controllers add to moves of slots: a thousand empty ones as ranges, and one by one.

import { Command } from 'commander';

import { startTrio, type Trio } from '../test/support/controller-process.ts';
import { expectStatus, Scene } from '../test/support/scene.ts';
import { notYet, waitUntil } from '../test/support/wait-until.ts';
import { median, printTable, wholeNumber } from './lib/statistics.ts';

interface Options {
  readonly slots: number;
  readonly batches: string;
  readonly ranges: string;
  readonly kills: number;
}

const options = new Command('node scripts/bench-migrate.ts')
  .description(
    'Time to move empty slots from one shard to another, by the size of a job, with three controllers and two nodes: what is left is orchestration.\n' +
      'KVROCKS_BIN=/path/to/kvrocks measures real servers instead of simulated ones.',
  )
  .option('--slots <count>', 'slots to move', (text) => wholeNumber(text, 1), 1000)
  .option('--batches <sizes>', 'slots a job, one after the other', '1000,100,1')
  .option('--ranges <counts>', 'then as many jobs of one slot, each a range of its own in one task', '')
  .option(
    '--kills <count>',
    'then the leading controller is killed so often under jobs of one slot',
    (text) => wholeNumber(text, 0),
    0,
  )
  .parse()
  .opts<Options>();

const trio = await startTrio({});
const rows = [['move', 'jobs', 'time', 'a job']];
const delaysMs: number[] = [];
try {
  for (const size of numbersIn(options.batches)) {
    const body = { slots: [`0-${options.slots - 1}`], batch: size };
    await measure(`${options.slots} slots, ${size} a job`, Math.ceil(options.slots / size), body);
  }
  for (const count of numbersIn(options.ranges)) {
    // Every other slot: no two of them lie in a row.
    const slots = Array.from({ length: count }, (_, index) => String(2 * index));
    await measure(`${count} ranges of a slot`, count, { slots });
  }
  for (let index = 0; index < options.kills; index += 1) delaysMs.push(await delayByKillMs(trio));
} finally {
  await trio.stop();
}
const kind = (process.env['KVROCKS_BIN'] ?? '') === '' ? 'simulated nodes' : 'real nodes';
process.stdout.write(`empty slots from one shard to another; ${kind}\n`);
printTable(rows);
if (delaysMs.length > 0) {
  const worst = Math.max(...delaysMs);
  process.stdout.write(
    `leading controller killed ${delaysMs.length} times: the next slot has come ${Math.round(median(delaysMs))} ms (worst ${Math.round(worst)} ms) after the next leader answered\n`,
  );
}

function numbersIn(text: string): readonly number[] {
  return text === '' ? [] : text.split(',').map((each) => wholeNumber(each, 1));
}

type Body = { readonly slots: readonly string[]; readonly batch?: number };

async function measure(what: string, jobs: number, body: Body): Promise<void> {
  const elapsedMs = await onCluster(trio, async (scene) => {
    const startMs = performance.now();
    expectStatus(await trio.api.post(scene.path('bench', '/migrate'), { target: 1, ...body }), 200);
    await movedAtLeast(trio, scene, null);
    return performance.now() - startMs;
  });
  rows.push([what, String(jobs), `${(elapsedMs / 1000).toFixed(2)} s`, `${Math.round(elapsedMs / jobs)} ms`]);
}

/** From the first answer of the next leader until one more slot has come. */
function delayByKillMs(of: Trio): Promise<number> {
  return onCluster(of, async (scene) => {
    const body = { target: 1, slots: ['0-99'], batch: 1 };
    expectStatus(await of.api.post(scene.path('bench', '/migrate'), body), 200);
    await movedAtLeast(of, scene, 10);
    const leader = await of.leader();
    await leader.kill();
    const moved = await movedAtLeast(of, scene, 0);
    const startMs = performance.now();
    await movedAtLeast(of, scene, moved + 1);
    const delayMs = performance.now() - startMs;
    leader.start();
    await of.leader();
    return delayMs;
  });
}

async function onCluster<T>({ api }: Trio, run: (scene: Scene) => Promise<T>): Promise<T> {
  const scene = new Scene(api);
  try {
    await scene.cluster('bench', await scene.nodes(2), { replicas: 1 });
    await scene.converged('bench');
    return await run(scene);
  } finally {
    await scene.end();
  }
}

/** Waits until so many slots have come, all for null, and returns how many have. */
function movedAtLeast({ api }: Trio, scene: Scene, count: number | null): Promise<number> {
  return waitUntil(
    'slots to come',
    async () => {
      const { migration } = (await api.get(scene.path('bench', '/migrations/1'))).body.data;
      if (migration.state === 'failed') throw new Error(migration.reason);
      const { moved, total } = migration.slots;
      return moved >= (count ?? total) ? moved : notYet(`${moved} slots moved`);
    },
    { deadlineMs: 900_000, intervalMs: 10 },
  );
}
