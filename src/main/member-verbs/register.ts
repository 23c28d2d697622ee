// What is asked of a member that runs, or done to one that does not: the words; the work is loaded when it is wanted.

import { type Command, Option } from 'commander';

import { readOrRefuse } from '../sources.ts';
import type { Flags, RegisterVerbs } from '../verb.ts';

export const registerMemberVerbs: RegisterVerbs = (program, choose, onMisuse) => {
  program
    .command('health')
    .description(
      'asks the member of this configuration whether it is ready (exit code 0) or not (1), and ends',
    )
    .option('--live', 'asks only whether it lives: also one that waits for others does', false)
    .exitOverride(onMisuse)
    .addHelpText('after', '\nExample: kvrocks-controller -c /etc/kvrocks-controller/config.yaml health')
    .action(({ live }: { readonly live: boolean }, command: Command) => {
      const { config } = configOf(command);
      choose(async () => (await import('./health.ts')).askHealth(config.listen, live ? 'live' : 'ready'));
    });
  program
    .command('recover')
    .description(
      'for a group that has lost a majority of its members for good: makes a new group of this one member out of its own data directory',
    )
    .requiredOption('--force-new-group', 'says that nobody of the old group will ever run again')
    .option('-y, --yes', 'do not ask', false)
    .exitOverride(onMisuse)
    .addHelpText(
      'after',
      '\nThe member must not run. Use the one that `data inspect` calls the highest. What was in the data directory is kept in a folder of it.\n' +
        '\nExample: kvrocks-controller -c /etc/kvrocks-controller/config.yaml recover --force-new-group',
    )
    .action(({ yes }: { readonly yes: boolean }, command: Command) => {
      const { config, flags } = configOf(command);
      if (flags.restore !== undefined || flags.checkConfig)
        command.error('recover goes with neither --restore nor --check-config');
      choose(async () => (await import('./recover.ts')).recover(config, yes));
    });
  program
    .command('data')
    .description('data directories, looked at while no member runs')
    .exitOverride(onMisuse)
    .command('inspect')
    .argument('<directories...>')
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
    .action((directories: readonly string[], { output }: { readonly output: string }) =>
      choose(async () => (await import('./inspect-data.ts')).inspectData(directories, output === 'json')),
    );
};

function configOf(command: Command) {
  const flags = command.optsWithGlobals<Flags>();
  const { config } = readOrRefuse({ config: flags.config ?? null, set: flags.set });
  return { config, flags };
}
