// `config check|print|diff`: the words; what they do is loaded when it is wanted.

import type { Command } from 'commander';

import type { RegisterVerbs } from '../verb.ts';

interface GlobalFlags {
  readonly config?: string;
  readonly set: readonly string[];
}

export const registerConfigVerbs: RegisterVerbs = (program, choose, onMisuse) => {
  const config = program
    .command('config')
    .description('looks at configurations; starts nothing')
    .exitOverride(onMisuse);
  config
    .command('check')
    .description('says what is wrong with a file, and where; as a start with it and this environment would')
    .argument('[file]', 'or -c FILE')
    .addHelpText('after', '\nExample: kvrocks-controller config check /etc/kvrocks-controller/config.yaml')
    .action((file: string | undefined, _: object, command: Command) => {
      const told = toldBy(command, file);
      choose(async () => (await import('./check.ts')).checkConfiguration(told));
    });
  config
    .command('print')
    .description(
      'every setting as it would count, and who has set it: file and line, variable, flag or default',
    )
    .argument('[file]', 'or -c FILE')
    .addHelpText('after', '\nExample: kvrocks-controller config print config.yaml --set log.level=debug')
    .action((file: string | undefined, _: object, command: Command) => {
      const told = toldBy(command, file);
      choose(async () => (await import('./check.ts')).printConfiguration(told));
    });
  config
    .command('diff')
    .description(
      'what would change from one file to another, or from a running controller to a file, and when',
    )
    .argument('<a>', 'file')
    .argument('[b]', 'file; left out with --host')
    .option('-H, --host <host:port>', 'a running controller, in place of the second file')
    .addHelpText(
      'after',
      '\nExit codes: 0 no difference, 8 some, 1 a file is not valid or the controller does not answer, 2 usage.\n' +
        '\nExamples: kvrocks-controller config diff old.yaml new.yaml\n' +
        '          kvrocks-controller config diff new.yaml -H 10.0.0.1:9379',
    )
    .action((a: string, b: string | undefined, { host }: { host?: string }, command: Command) => {
      const { set } = command.optsWithGlobals<GlobalFlags>();
      const wanted = { config: a, set };
      if (b !== undefined && host === undefined)
        choose(async () => (await import('./diff.ts')).compareFiles(wanted, { config: b, set }));
      else if (b === undefined && host !== undefined)
        choose(async () => (await import('./diff.ts')).compareWithRunning(wanted, host));
      else command.error('config diff takes two files, or one and --host');
    });
};

function toldBy(command: Command, file: string | undefined) {
  const { config, set } = command.optsWithGlobals<GlobalFlags>();
  const named = file ?? config;
  if (named === undefined) return command.error(`which file? config ${command.name()} FILE`);
  if (file !== undefined && config !== undefined) return command.error('name the file once');
  return { config: named, set };
}
