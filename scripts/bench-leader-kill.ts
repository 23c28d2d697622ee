// Measures how long the API takes no writes when the leading controller is killed.

import { Command } from 'commander';

import { startTrio, type Trio } from '../test/support/controller-process.ts';
import { waitUntil } from '../test/support/wait-until.ts';
import { wholeNumber, median, printTable } from './lib/statistics.ts';

interface Options {
  readonly kills: number;
  readonly heartbeat: number;
  readonly election: number;
}

const program = new Command('node scripts/bench-leader-kill.ts')
  .description(
    'Time from kill -9 of the leading controller of three to the next write that is accepted through the API.',
  )
  .option('--kills <count>', 'how often the leader is killed', (text) => wholeNumber(text, 1), 20)
  .option('--heartbeat <ms>', 'raft.heartbeat_interval_ms', (text) => wholeNumber(text, 10), 50)
  .option('--election <ms>', 'raft.election_timeout_ms', (text) => wholeNumber(text, 100), 500)
  .parse();

await main(program.opts<Options>());

async function main({ kills, heartbeat, election }: Options): Promise<void> {
  const trio = await startTrio({ raft: { heartbeatIntervalMs: heartbeat, electionTimeoutMs: election } });
  const times: number[] = [];
  try {
    for (let kill = 0; kill < kills; kill += 1) times.push(await killMs(trio, kill));
  } finally {
    await trio.stop();
  }
  process.stdout.write(
    `time from kill -9 of the leader to the next accepted write; heartbeat ${heartbeat} ms, election timeout ${election} ms\n`,
  );
  printTable([
    ['kills', 'best', 'median', 'worst'],
    [
      String(times.length),
      ...[Math.min(...times), median(times), Math.max(...times)].map((ms) => `${Math.round(ms)} ms`),
    ],
  ]);
}

async function killMs(trio: Trio, run: number): Promise<number> {
  const leader = await trio.leader();
  await trio.ready();
  const survivors = trio.members.filter((member) => member !== leader);
  const startMs = performance.now();
  await leader.kill();
  let attempt = 0;
  await waitUntil(
    'an accepted write',
    async () => {
      attempt += 1;
      const survivor = survivors[attempt % survivors.length];
      if (survivor === undefined) throw new Error('two members survive');
      const namespace = `kill-${run}-${attempt}`;
      const answer = await trio.api.sendTo(survivor.url, 'POST', '/api/v1/namespaces', {
        body: { namespace },
      });
      if (answer.status !== 201) throw new Error(answer.text);
      return true;
    },
    { intervalMs: 5 },
  );
  const elapsedMs = performance.now() - startMs;
  leader.start();
  return elapsedMs;
}
