// What the command line says.

import { Command, InvalidArgumentError, Option } from 'commander';

import { printable } from '../base/printable.ts';
import type { HealthQuestion } from './health.ts';
import { readVersion } from './version.ts';

export interface Flags {
  readonly config?: string;
  readonly set: readonly string[];
  readonly checkConfig: boolean;
  readonly restore?: string;
}

/** What is to be done. */
export type Invocation =
  | { readonly kind: 'run'; readonly flags: Flags }
  /** What is asked of a member that runs already. */
  | { readonly kind: 'health'; readonly flags: Flags; readonly question: HealthQuestion }
  | { readonly kind: 'recover'; readonly flags: Flags; readonly isYes: boolean }
  | { readonly kind: 'inspectData'; readonly directories: readonly string[]; readonly isJson: boolean };

/** Ends the process by itself for `--help`, `--version`, and with one line for what it does not understand. */
export function readInvocation(): Invocation {
  const command = createCommand();
  let invocation: Invocation = { kind: 'run', flags: command.opts<ParsedFlags>() };
  const flags = (): Flags => command.opts<ParsedFlags>();
  // Without a word the member runs.
  command.action(() => {
    invocation = { kind: 'run', flags: flags() };
  });
  command
    .command('health')
    .description(
      'asks the member of this configuration whether it is ready (exit code 0) or not (1), and ends',
    )
    .option('--live', 'asks only whether it lives: also one that waits for others does', false)
    .action(({ live }: { readonly live: boolean }) => {
      invocation = { kind: 'health', flags: flags(), question: live ? 'live' : 'ready' };
    });
  command
    .command('recover')
    .description(
      'for a group that has lost a majority of its members for good: makes a new group of this one member out of its own data directory',
    )
    .requiredOption('--force-new-group', 'says that nobody of the old group will ever run again')
    .option('-y, --yes', 'do not ask', false)
    .addHelpText(
      'after',
      '\nThe member must not run. Use the one that `data inspect` calls the highest. What was in the data directory is kept in a folder of it.\n' +
        '\nExample: kvrocks-controller -c /etc/kvrocks-controller.yaml recover --force-new-group',
    )
    .action(({ yes }: { readonly yes: boolean }) => {
      invocation = { kind: 'recover', flags: flags(), isYes: yes };
    });
  command
    .command('data')
    .description('data directories, looked at while no member runs')
    .command('inspect <directories...>')
    .description(
      'what the data directories of members know, side by side, and which of them knows most; nothing is changed',
    )
    .addOption(
      new Option('-o, --output <format>', 'how it is written').choices(['table', 'json']).default('table'),
    )
    .addHelpText(
      'after',
      '\nThe exit code is 0 when all of them can be read and are of one group.\n' +
        '\nExample: kvrocks-controller data inspect /var/lib/kvrocks-controller\n' +
        '         kvrocks-controller data inspect copied/1 copied/2 -o json',
    )
    .action((directories: readonly string[], { output }: { readonly output: string }) => {
      invocation = { kind: 'inspectData', directories, isJson: output === 'json' };
    });
  command.parse();
  return invocation;
}

/** As commander has them. */
type ParsedFlags = Flags & { set: string[] };

function createCommand(): Command {
  return new Command('kvrocks-controller')
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
      '\nWithout a command the member runs.\n' +
        'Every setting can also come from the environment: raft.data_dir is KVROCKS_CONTROLLER_RAFT_DATA_DIR.\n' +
        'Exit codes: 0 after a clean stop (SIGTERM, SIGINT) or once removed from its group, 1 when it refused to start or had to give up.',
    )
    .configureOutput({
      outputError: (text, write) =>
        write(
          `kvrocks-controller: ${printable(text.trim().split('\n').join(' '))} (--help lists the options)\n`,
        ),
    });
}

function checkPath(path: string): string {
  if (path === '') throw new InvalidArgumentError('expected the path of a file');
  return path;
}
