// The words after a command are those that the commands have, in the languages of three shells.

import { execFileSync } from 'node:child_process';

import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';

import { completionScript } from '../../../src/cli/commands/completion-scripts.ts';
import { commandWords } from '../../../src/cli/commands/completion-words.ts';
import { createProgram } from '../../../src/cli/run.ts';

const program = createProgram();
const commands = commandWords(program);

/** What bash offers for the last of these words. */
function offered(...words: readonly string[]): readonly string[] {
  const script = `${completionScript(program, 'bash')}
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _kvctl; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync('bash', ['--norc', '-c', script, 'bash', 'kvctl', ...words], { encoding: 'utf8' })
    .split('\n')
    .filter((word) => word !== '');
}

describe('the words of commands', () => {
  test('are those of every command below kvctl, with its flags', () => {
    expect(commands[0]).toMatchObject({
      at: '',
      words: expect.arrayContaining([{ text: 'task', description: expect.any(String) }]),
    });
    const peer = commands.find(({ at }) => at === 'raft add peer');
    expect(peer).toMatchObject({ words: [], flags: [] });
    const rebalance = commands.find(({ at }) => at === 'rebalance');
    expect(rebalance?.flags).toContainEqual(
      expect.objectContaining({
        long: '--type',
        hasValue: true,
        choices: ['redis-command', 'raw-key-value'],
      }),
    );
    expect(rebalance?.flags).toContainEqual(expect.objectContaining({ long: '--wait', hasValue: false }));
  });

  test('no flag takes a value at one command and none at another', () => {
    const flags = commands.flatMap((command) => command.flags.filter(({ long }) => long !== '--wait'));
    const differing = flags.filter(({ long, hasValue }) =>
      flags.some((other) => other.long === long && other.hasValue !== hasValue),
    );
    expect(differing.map(({ long }) => long)).toEqual([]);
  });
});

describe('in bash', () => {
  test.each([
    [['ta'], ['task']],
    [['task', 'c'], ['cancel']],
    [['-H', 'task', 'raft', 'add', ''], ['peer']],
    [['-n', 'create', 'context', 'u'], ['use']],
    [
      ['-o', 'j'],
      ['json', 'jsonl'],
    ],
    [['rebalance', '--type', 'ra'], ['raw-key-value']],
    [['rebalance', '--we'], ['--weight']],
    [
      ['task', 'show', '--wait', '--ver'],
      ['--version', '--verbose'],
    ],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [['scale-out', '--nodes', ''], []],
  ])('after %j comes %j', (words, expected) => {
    expect(offered(...words)).toEqual(expect.arrayContaining(expected));
    expect(offered(...words)).toHaveLength(expected.length);
  });
});

test('a description cannot get out of its quotes', () => {
  const hostile = createProgram();
  hostile.command('hostile').description(`it's $(false) \`false\` \\' "x"`);
  execFileSync('bash', ['-n'], { input: completionScript(hostile, 'bash') });
  expect(completionScript(hostile, 'zsh')).toContain(`'hostile:it'\\''s $(false) \`false\` \\'\\'' "x"'`);
  expect(completionScript(hostile, 'fish')).toContain(`'it\\'s $(false) \`false\` \\\\\\' "x"'`);
});

describe('the help of commands', () => {
  const ours = [
    'migrate',
    'failover',
    'switchover',
    'pause',
    'resume',
    'node',
    'resync',
    'sync',
    'scale-out',
  ];
  const others = ['scale-in', 'rebalance', 'drain', 'shard', 'task', 'spares', 'password', 'raft', 'backup'];
  const own = ['api', 'context', 'completion', 'version'];

  test.each([...ours, ...others, ...own])('%s says what it does, and gives an example', (name) => {
    const top = program.commands.find((command) => command.name() === name);
    expect(top?.description()).not.toBe('');
    for (const leaf of leavesOf(top)) {
      expect({ name: leaf.name(), description: leaf.description() }).not.toMatchObject({ description: '' });
      expect(helpOf(leaf)).toMatch(/Examples?: .*kvctl/);
    }
  });
});

function leavesOf(top: Command | undefined): readonly Command[] {
  const leaves: Command[] = [];
  const open = top === undefined ? [] : [top];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next.commands.length === 0) leaves.push(next);
    open.push(...next.commands);
  }
  return leaves;
}

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({ writeOut: (part) => (text += part) });
  command.outputHelp();
  return text;
}
