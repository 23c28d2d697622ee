// From the words of a command line to an exit code.

import { Command, CommanderError, Option } from 'commander';

import { readVersion } from '../main/version.ts';
import { registerActs } from './commands/acts.ts';
import { registerGroup } from './commands/group.ts';
import { registerLooks } from './commands/looks.ts';
import { registerUpstream } from './commands/upstream.ts';
import { timeoutDuration } from './durations.ts';
import { EXIT, Failure } from './failure.ts';
import type { Act } from './commands/act.ts';
import { type GlobalFlags, Session } from './session.ts';
import { printable } from '../base/printable.ts';

/** Runs one command. Resolves with the exit code; what there is to say has been written. */
export async function run(words: readonly string[]): Promise<number> {
  // Whoever reads may have enough, as `head` does.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(EXIT.ok);
  });
  const program = createProgram();
  try {
    await program.parseAsync(words, { from: 'user' });
    return process.exitCode === undefined ? EXIT.ok : Number(process.exitCode);
  } catch (error) {
    return failed(error, program.opts<GlobalFlags>());
  }
}

/** All commands; nothing is asked of anybody before one of them runs. */
export function createProgram(): Command {
  const program = new Command('kvctl')
    .description('Asks the controllers of Kvrocks clusters, and tells them what to do.')
    .version(readVersion(), '--version')
    .option('-H, --host <hosts>', 'controllers, one or several: a:9379,b:9379 (KVCTL_HOST)', collected)
    .option('--context <name>', 'hosts, namespace and cluster by a name of yours (KVCTL_CONTEXT)')
    .option('-n, --namespace <name>', 'namespace (KVCTL_NAMESPACE)')
    .option('-c, --cluster <name>', 'cluster (KVCTL_CLUSTER)')
    .option('-s, --shard <index>', 'shard, by its index')
    .addOption(
      new Option('-o, --output <format>', 'table, wide, json, jsonl, yaml or name (KVCTL_OUTPUT)').choices([
        'table',
        'wide',
        'json',
        'jsonl',
        'yaml',
        'name',
      ]),
    )
    .option('--timeout <duration>', 'how long to wait for an answer: 30s, 500ms, 2m', timeoutDuration)
    .option('-y, --yes', 'do not ask before what cannot be taken back')
    .option('-q, --quiet', 'data and errors alone')
    .option('-v, --verbose', 'tell every request')
    .option('--print-curl', 'tell every request as a command of curl')
    .option('--no-color', 'no colours (NO_COLOR does the same)')
    .showSuggestionAfterError()
    .exitOverride()
    .addHelpText(
      'after',
      '\nExit codes: 0 done, 1 refused or failed, 2 usage, 3 not found, 4 conflict, 5 not allowed, 6 no leader or nobody reached,\n' +
        '7 out of time or outcome unknown, 8 check or doctor found something, 130 interrupted.\n' +
        '\nExample: kvctl -H 10.0.0.1:9379,10.0.0.2:9379 status -n shop -c carts',
    );
  const act: Act =
    (perform) =>
    async (...given: unknown[]): Promise<void> => {
      const command = given.at(-1) as Command;
      const session = await Session.open(command.optsWithGlobals<GlobalFlags>(), process.env);
      await perform(session, command.args, command.opts());
    };
  registerUpstream(program, act);
  registerLooks(program, act);
  registerActs(program, act);
  registerGroup(program, act);
  return program;
}

function failed(error: unknown, { output }: GlobalFlags): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  const failure =
    error instanceof Failure
      ? error
      : new Failure(EXIT.failed, error instanceof Error ? (error.stack ?? error.message) : String(error));
  const isJson = output === 'json' || output === 'jsonl';
  const text = isJson
    ? JSON.stringify({ error: { message: failure.message, exit_code: failure.code } })
    : `error: ${failure.message.split('\n').map(printable).join('\n')}`;
  process.stderr.write(`${text}\n`);
  return failure.code;
}

function collected(text: string, earlier: readonly string[] = []): readonly string[] {
  return [...earlier, text];
}
