// What the command line says: start a member, or one of the verbs that end by themselves.

import { Command, type CommanderError, InvalidArgumentError } from 'commander';

import { printable } from '../base/printable.ts';
import { registerConfigVerbs } from './config-verbs/register.ts';
import { registerInit } from './init/register.ts';
import { registerMemberVerbs } from './member-verbs/register.ts';
import { type Flags, VERB_EXIT, type Verb } from './verb.ts';
import { readVersion } from './version.ts';

export type Asked =
  | { readonly kind: 'member'; readonly flags: Flags }
  | { readonly kind: 'verb'; readonly perform: Verb };

/** Ends the process by itself for `--help`, `--version`, and with one line for what it does not understand. */
export function readCommandLine(): Asked {
  const asked: { verb: Verb | null } = { verb: null };
  const program = createProgram((verb) => {
    asked.verb = verb;
  });
  program.parse();
  return asked.verb === null
    ? { kind: 'member', flags: program.opts<Flags & { set: string[] }>() }
    : { kind: 'verb', perform: asked.verb };
}

/** All words; `choose` is given the verb that is meant. */
export function createProgram(choose: (verb: Verb) => void): Command {
  const program = new Command('kvrocks-controller')
    .description('Keeps Apache Kvrocks clusters alive: one member of a group of controllers.')
    .version(readVersion())
    .option('-c, --config <file>', 'configuration file (YAML); defaults apply without one', checkPath)
    .option(
      '--set <path=value>',
      'overrides one setting, e.g. --set raft.id=2; repeatable',
      (value: string, earlier: string[]) => [...earlier, value],
      [],
    )
    .option('--check-config', 'checks the configuration and exits; see also: config check', false)
    .option(
      '--restore <backup>',
      'makes a new group of this one member from a backup (GET /api/v1/raft/snapshot) and starts it; needs an empty raft.data_dir',
      checkPath,
    )
    .addHelpText(
      'after',
      '\nEvery setting can also come from the environment: raft.data_dir is KVROCKS_CONTROLLER_RAFT_DATA_DIR.\n' +
        'SIGHUP reads the configuration again; what config.example.yaml marks (R) counts at once.\n' +
        'Exit codes: 0 after a clean stop (SIGTERM, SIGINT) or once removed from its group, 1 when it refused to start or had to give up.\n' +
        'Those of the commands: 0 well, 1 refused, 2 a command line that makes no sense.\n' +
        '\nExample: kvrocks-controller -c /etc/kvrocks-controller/config.yaml',
    )
    .showSuggestionAfterError()
    .configureOutput({
      outputError: (text, write) =>
        write(
          `kvrocks-controller: ${printable(text.trim().split('\n').join(' '))} (--help lists the options)\n`,
        ),
    })
    .exitOverride((error) => endOf(error, 1))
    // Without this a word that is no command would be none of its business.
    .action(() => undefined);
  for (const register of [registerConfigVerbs, registerInit, registerMemberVerbs])
    register(program, choose, (error) => endOf(error, VERB_EXIT.usage));
  return program;
}

function endOf({ exitCode }: CommanderError, codeOfMisuse: number): never {
  process.exit(exitCode === 0 ? 0 : codeOfMisuse);
}

function checkPath(path: string): string {
  if (path === '') throw new InvalidArgumentError('expected the path of a file');
  return path;
}
