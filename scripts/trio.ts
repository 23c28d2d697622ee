// `npm start`: three controllers on this machine, their data kept between starts, one readable line for what happens.

import { resolve } from 'node:path';

import { Command, InvalidArgumentError } from 'commander';

import { describeExit } from './lib/controller-child.ts';
import { LocalTrio, StartRefusedError, type TrioEvent } from './lib/local-trio.ts';

const PORT_MAX = 65_533;

interface Options {
  readonly basePort: number;
  readonly dataDir: string;
}

const program = new Command('npm start --')
  .description('Starts three controllers on 127.0.0.1 that agree through Raft. Ctrl-C stops them.')
  .option('--base-port <port>', 'port of the first member; the others get the next two', parsePort, 9379)
  .option('--data-dir <folder>', 'folder of data, configuration files and logs', './data')
  .allowExcessArguments(false)
  .parse();

await run(program.opts<Options>());

async function run({ basePort, dataDir }: Options): Promise<void> {
  const folder = resolve(dataDir);
  let stopWith: (reason: string) => void = () => undefined;
  const asked = new Promise<string>((settle) => {
    stopWith = settle;
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopWith(signal));
  // Otherwise it opens a debugger.
  process.on('SIGUSR1', () => undefined);
  say(`starting three controllers, data in ${folder}`);
  const trio = await startTrio(basePort, folder);
  if (trio === null) {
    process.exitCode = 1;
    return;
  }
  for (const [index, url] of trio.urls.entries())
    say(`member ${index + 1} answers at ${url} (log: ${folder}/${index + 1}.log)`);
  say('Ctrl-C stops all three');
  const reason = await Promise.race([asked, trio.ended.then(() => null)]);
  if (reason === null) {
    say('no member is left');
    process.exitCode = 1;
    return;
  }
  say(`${reason}: stopping`);
  await trio.stop();
  say('stopped');
}

async function startTrio(basePort: number, folder: string): Promise<LocalTrio | null> {
  try {
    return await LocalTrio.start({
      ports: [basePort, basePort + 1, basePort + 2],
      folder,
      onEvent: tell,
    });
  } catch (error) {
    if (!(error instanceof StartRefusedError)) throw error;
    process.stderr.write(`${error.message}\n`);
    return null;
  }
}

function tell(event: TrioEvent): void {
  switch (event.kind) {
    case 'leaderChanged':
      return say(`member ${event.id} leads (term ${event.term}): ${event.url}`);
    case 'leaderLost':
      return say('nobody leads');
    case 'memberExited':
      return say(
        `member ${event.id} ended ${describeExit(event.exit)}${event.reason === '' ? '' : `: ${event.reason}`}`,
      );
    default:
      return say(JSON.stringify(event satisfies never));
  }
}

function say(line: string): void {
  process.stdout.write(`${new Date().toTimeString().slice(0, 8)} ${line}\n`);
}

function parsePort(text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port < 1 || port > PORT_MAX)
    throw new InvalidArgumentError(`Expected a port of 1 to ${PORT_MAX}.`);
  return port;
}
