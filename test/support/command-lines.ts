// The command lines of a text, and whether a program takes them: read by the program's own commands, none of which does anything here.

import { type Command, CommanderError } from 'commander';

import { createProgram as createKvctl } from '../../src/cli/run.ts';
import { createProgram as createController } from '../../src/main/command-line.ts';

const PROGRAMS = {
  kvctl: createKvctl,
  'kvrocks-controller': () => createController(() => undefined),
} as const;

export interface CommandLine {
  readonly program: keyof typeof PROGRAMS;
  readonly words: readonly string[];
}

/** What may stand before the name of a program. */
const BEFORE = new Set(['!', 'do', 'if', 'sudo', 'then', 'until', 'while']);
const WORD = /"(?:\\.|[^"\\])*"|'[^']*'|\\.|[^\s;|&()<>"'\\]/;
/** A redirection, a word, or what ends a command. */
const PART = new RegExp(`\\d?[<>]+&?\\s*[^\\s;|&()]+|(?<word>(?:${WORD.source})+)|[;|&()\\n]+`, 'g');

/** The commands of either program in a line of shell. */
export function commandLines(shell: string): readonly CommandLine[] {
  const found: CommandLine[] = [];
  let words: string[] = [];
  const end = (): void => {
    const [name = '', ...rest] = words.slice(words.findIndex((word) => !isBefore(word)));
    if (isProgram(name)) found.push({ program: name, words: rest });
    words = [];
  };
  for (const { groups, 0: part } of shell
    .replaceAll('\\\n', ' ')
    .replaceAll(/(?<=^|\s)#.*$/gm, '')
    .matchAll(PART)) {
    const word = groups?.['word'];
    if (word !== undefined) words.push(unquoted(word));
    else if (!/[<>]/.test(part)) end();
  }
  end();
  return found;
}

/** What people write in a sentence: `a|b` for either of them, `[x]` for what can be left out. */
export function sentenceLines(code: string): readonly CommandLine[] {
  const alternatives = code
    .replaceAll(/\[([^\]]*)\]/g, '$1')
    .split(' ')
    .map((word) => word.split('|'));
  let lines = [''];
  for (const words of alternatives)
    lines = lines.flatMap((line) => words.map((word) => `${line} ${word}`.trim()));
  return lines.flatMap(commandLines);
}

/** Why the program does not take it; null where it does. Of one in a sentence the end may be missing. */
export function refusal({ program, words }: CommandLine, isPart: boolean): string | null {
  const command = PROGRAMS[program]();
  silence(command);
  try {
    command.parse(words, { from: 'user' });
    return null;
  } catch (error) {
    if (error instanceof CommanderError && (error.exitCode === 0 || (isPart && MISSING.has(error.code))))
      return null;
    return error instanceof Error ? error.message : String(error);
  }
}

/** How a command line ends that is not whole. */
const MISSING = new Set([
  'commander.help',
  'commander.missingArgument',
  'commander.missingMandatoryOptionValue',
  'commander.optionMissingArgument',
]);

function silence(program: Command): void {
  const open = [program];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    next.exitOverride().configureOutput({
      writeOut: () => undefined,
      writeErr: () => undefined,
      outputError: () => undefined,
    });
    if (next.commands.length === 0) next.action(() => undefined);
    open.push(...next.commands);
  }
}

function isBefore(word: string): boolean {
  return BEFORE.has(word) || /^\w+=/.test(word);
}

function isProgram(name: string): name is keyof typeof PROGRAMS {
  return Object.hasOwn(PROGRAMS, name);
}

function unquoted(word: string): string {
  return word.replaceAll(/"((?:\\.|[^"\\])*)"|'([^']*)'|\\(.)/g, '$1$2$3');
}
