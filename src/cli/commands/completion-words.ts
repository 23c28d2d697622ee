// What can be said after each command, read off the commands themselves.

import type { Argument, Command, Option } from 'commander';

interface Word {
  readonly text: string;
  readonly description: string;
}

export interface Flag {
  /** `--host`, and `-H` where it has one. */
  readonly long: string;
  readonly short: string | null;
  readonly description: string;
  /** Whether the next word belongs to it. */
  readonly hasValue: boolean;
  readonly choices: readonly string[];
}

export interface CommandWords {
  /** The words that lead to it: none for kvctl itself, then `create cluster`. */
  readonly at: string;
  /** What it has below it, or what its argument can be. */
  readonly words: readonly Word[];
  readonly flags: readonly Flag[];
}

/** All commands, kvctl itself first, whose flags can be said everywhere. */
export function commandWords(program: Command): readonly CommandWords[] {
  const found: CommandWords[] = [];
  const open: { readonly at: string; readonly command: Command }[] = [{ at: '', command: program }];
  for (let next = open.shift(); next !== undefined; next = open.shift()) {
    const { at, command } = next;
    const below = command.commands.map((each) => ({ text: each.name(), description: each.description() }));
    const choices = command.registeredArguments.flatMap(choicesOf);
    found.push({ at, words: [...below, ...choices], flags: command.options.map(flagOf) });
    open.push(...command.commands.map((each) => ({ at: `${at} ${each.name()}`.trim(), command: each })));
  }
  return found;
}

function choicesOf({ argChoices = [] }: Argument): readonly Word[] {
  return argChoices.map((text) => ({ text, description: '' }));
}

function flagOf({ long, short, description, required, argChoices = [] }: Option): Flag {
  return { long: long ?? '', short: short ?? null, description, hasValue: required, choices: argChoices };
}
