// What the command line says.

import { Command, InvalidArgumentError } from 'commander';

import { printable } from '../base/printable.ts';
import type { HealthQuestion } from './health.ts';
import { readVersion } from './version.ts';

export interface Flags {
  readonly config?: string;
  readonly set: readonly string[];
  readonly checkConfig: boolean;
  readonly restore?: string;
  /** What is asked of a member that runs already; null to run one. */
  readonly health: HealthQuestion | null;
}

/** Ends the process by itself for `--help`, `--version`, and with one line for what it does not understand. */
export function readFlags(): Flags {
  const asked: { health: HealthQuestion | null } = { health: null };
  const command = new Command('kvrocks-controller')
    .description('Keeps Apache Kvrocks clusters alive: one member of a group of controllers.')
    .version(readVersion())
    .option('-c, --config <file>', 'configuration file (YAML); defaults apply without one', checkPath)
    .option(
      '--set <path=value>',
      'overrides one setting, e.g. --set raft.id=2; repeatable',
      (value: string, earlier: string[]) => [...earlier, value],
      [],
    )
    .option('--check-config', 'checks the configuration and exits', false)
    .option(
      '--restore <backup>',
      'makes a new group of this one member from a backup (GET /api/v1/raft/snapshot) and starts it; needs an empty raft.data_dir',
      checkPath,
    )
    .addHelpText(
      'after',
      '\nEvery setting can also come from the environment: raft.data_dir is KVROCKS_CONTROLLER_RAFT_DATA_DIR.\n' +
        'Exit codes: 0 after a clean stop (SIGTERM, SIGINT) or once removed from its group, 1 when it refused to start or had to give up.',
    )
    .configureOutput({
      outputError: (text, write) =>
        write(
          `kvrocks-controller: ${printable(text.trim().split('\n').join(' '))} (--help lists the options)\n`,
        ),
    })
    // Without an action of its own a program with sub-commands does nothing but print its help.
    .action(() => undefined);
  command
    .command('health')
    .description(
      'asks the member of this configuration whether it is ready (exit code 0) or not (1), and ends',
    )
    .option('--live', 'asks only whether it lives: also one that waits for others does', false)
    .action(({ live }: { readonly live: boolean }) => {
      asked.health = live ? 'live' : 'ready';
    });
  command.parse();
  return { ...command.opts<Omit<Flags, 'health'> & { set: string[] }>(), ...asked };
}

function checkPath(path: string): string {
  if (path === '') throw new InvalidArgumentError('expected the path of a file');
  return path;
}
