// Measures what the controllers add to moves of slots: a thousand empty ones as ranges, and one by one.

import { Command } from 'commander';

import { startTrio, type Trio } from '../test/support/controller-process.ts';
import { expectStatus, Scene } from '../test/support/scene.ts';
import { notYet, waitUntil } from '../test/support/wait-until.ts';
import { printTable, wholeNumber } from './lib/statistics.ts';

interface Options {
  readonly slots: number;
  readonly batches: string;
}

const options = new Command('node scripts/bench-migrate.ts')
  .description(
    'Time to move empty slots from one shard to another, by the size of a job, with three controllers and two nodes: what is left is orchestration.\n' +
      'KVROCKS_BIN=/path/to/kvrocks measures real servers instead of simulated ones.',
  )
  .option('--slots <count>', 'slots to move', (text) => wholeNumber(text, 1), 1000)
  .option('--batches <sizes>', 'slots a job, one after the other', '1000,100,1')
  .parse()
  .opts<Options>();

const trio = await startTrio({});
const rows = [['slots a job', 'jobs', 'time', 'a job']];
try {
  for (const size of options.batches.split(',').map((text) => wholeNumber(text, 1))) {
    const elapsedMs = await moveMs(trio, size);
    const jobs = Math.ceil(options.slots / size);
    rows.push([
      String(size),
      String(jobs),
      `${(elapsedMs / 1000).toFixed(2)} s`,
      `${Math.round(elapsedMs / jobs)} ms`,
    ]);
  }
} finally {
  await trio.stop();
}
const kind = (process.env['KVROCKS_BIN'] ?? '') === '' ? 'simulated nodes' : 'real nodes';
process.stdout.write(`${options.slots} empty slots from one shard to another; ${kind}\n`);
printTable(rows);

/** From the request until the task says that it has succeeded. */
async function moveMs({ api }: Trio, batch: number): Promise<number> {
  const scene = new Scene(api);
  try {
    await scene.cluster('bench', await scene.nodes(2), { replicas: 1 });
    await scene.converged('bench');
    const startMs = performance.now();
    const body = { target: 1, slots: [`0-${options.slots - 1}`], batch };
    expectStatus(await api.post(scene.path('bench', '/migrate'), body), 200);
    await waitUntil(
      'the migration to end',
      async () => {
        const { migration } = (await api.get(scene.path('bench', '/migrations/1'))).body.data;
        if (migration.state === 'failed') throw new Error(migration.reason);
        return migration.state === 'succeeded' ? true : notYet(`${migration.slots.moved} slots moved`);
      },
      { deadlineMs: 600_000, intervalMs: 20 },
    );
    return performance.now() - startMs;
  } finally {
    await scene.end();
  }
}
