// Whatever the documentation says to type is a command line that the programs take.

import { describe, expect, test } from 'vitest';

import { createProgram } from '../../../src/cli/run.ts';
import { type CommandLine, commandLines, refusal, sentenceLines } from '../../support/command-lines.ts';
import { DOCUMENTS } from '../../support/documents.ts';
import { type CodeBlock, inlineCodes, type Page } from '../../support/markdown.ts';

const pages = [...DOCUMENTS];
/** Blocks of these are no shell. */
const OTHER_LANGUAGES = new Set(['json', 'text', 'yaml']);

/** In a block with prompts only what stands behind one was typed. */
function typedIn({ language, lines }: CodeBlock): readonly CommandLine[] {
  if (OTHER_LANGUAGES.has(language)) return [];
  const prompted = lines.filter((line) => line.startsWith('$ ')).map((line) => line.slice(2));
  return commandLines((prompted.length > 0 ? prompted : lines).join('\n'));
}

/** Code that begins with the name of a program and goes on. */
function saidIn(page: Page): readonly CommandLine[] {
  return inlineCodes(page).filter((code) => /^(?:kvctl|kvrocks-controller) /.test(code)).flatMap(sentenceLines);
}

/** Of a table whose last column is `command`: words of kvctl, and flags, which belong to the words before them. */
function tabledIn({ prose }: Page): readonly CommandLine[] {
  const names = new Set(createProgram().commands.map((command) => command.name()));
  const start = prose.findIndex((line) => line.endsWith('| command |'));
  if (start === -1) return [];
  const end = prose.findIndex((line, index) => index > start && line === '');
  return prose.slice(start + 2, end).flatMap((row) => {
    const cell = row.split(/(?<!\\)\|/).at(-2) ?? '';
    let last = '';
    return [...cell.matchAll(/`([^`]+)`/g)].flatMap(([, code = '']) => {
      const text = code.replaceAll('\\|', '|');
      const isCommand = names.has(text.split(' ')[0] ?? '');
      if (isCommand) last = text;
      return isCommand || text.startsWith('-') ? sentenceLines(`kvctl ${last}${isCommand ? '' : ` ${text}`}`) : [];
    });
  });
}

function refusalsOf(lines: readonly CommandLine[], isPart: boolean): readonly string[] {
  return lines.flatMap((line) => {
    const why = refusal(line, isPart);
    return why === null ? [] : [`${line.program} ${line.words.join(' ')}: ${why}`];
  });
}

describe('the reader of command lines', () => {
  test('finds both programs behind words of the shell, and nothing else', () => {
    const text =
      'until kvctl -H a:1 status > x 2>&1; do sudo kvrocks-controller -c "a b" & done # kvctl comment\nfile=kvctl && echo kvctl no';
    expect(commandLines(text)).toEqual([
      { program: 'kvctl', words: ['-H', 'a:1', 'status'] },
      { program: 'kvrocks-controller', words: ['-c', 'a b'] },
    ]);
    expect(sentenceLines('kvctl task pause|resume [--wait]').map(({ words }) => words.join(' '))).toEqual([
      'task pause --wait',
      'task resume --wait',
    ]);
  });

  test.each([
    ['kvctl statsu', /unknown command/],
    ['kvctl status --wtach', /unknown option/],
    ['kvctl raft lead', /unknown command/],
    ['kvctl switchover 0 1', /too many arguments/],
    ['kvctl wait cluster carts', /--for/],
    ['kvctl completion csh', /choices/],
    ['kvrocks-controller config chek', /unknown command/],
    ['kvrocks-controller init --out x', /--members/],
  ])('knows what is wrong with %s', (text, reason) => {
    expect(refusalsOf(commandLines(text), false).join()).toMatch(reason);
  });

  test('lets a sentence leave the end of a command out, and no more', () => {
    expect(refusalsOf(sentenceLines('kvctl raft add peer'), true)).toEqual([]);
    expect(refusalsOf(sentenceLines('kvctl raft add per'), true)).toHaveLength(1);
  });
});

test('there are commands in blocks, in sentences and in the table of kvctl', () => {
  expect(pages.flatMap(([, page]) => page.blocks.flatMap(typedIn)).length).toBeGreaterThan(30);
  expect(pages.flatMap(([, page]) => saidIn(page)).length).toBeGreaterThan(60);
  expect(pages.flatMap(([, page]) => tabledIn(page)).length).toBeGreaterThan(50);
});

describe.each(pages)('%s', (_path, page) => {
  test('has commands that exist, with the flags that they are given', () => {
    expect(refusalsOf(page.blocks.flatMap(typedIn), false)).toEqual([]);
    expect(refusalsOf([...saidIn(page), ...tabledIn(page)], true)).toEqual([]);
  });
});
