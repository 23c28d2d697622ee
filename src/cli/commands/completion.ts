// Scripts that complete command lines in a shell, made of the commands there are.

import { Argument, type Command } from 'commander';

import { completionScript, SHELLS } from './completion-scripts.ts';

export function registerCompletion(program: Command): void {
  program
    .command('completion')
    .description('a script that completes command lines in your shell')
    .addArgument(new Argument('<shell>', 'yours').choices(SHELLS))
    .addHelpText(
      'after',
      '\nExamples: source <(kvctl completion bash)\n' +
        '          kvctl completion zsh > "${fpath[1]}/_kvctl"\n' +
        '          kvctl completion fish > ~/.config/fish/completions/kvctl.fish',
    )
    .action((shell: string) => {
      const known = SHELLS.find((each) => each === shell);
      if (known !== undefined) process.stdout.write(completionScript(program, known));
    });
}
