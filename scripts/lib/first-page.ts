// The book's first page as somebody types it: every command of `docs/start.md` in one shell, one after the other, and what the page shows compared with what is said.
//
// What is put in place of what stands there: each address on 127.0.0.1 is one of a free port there, each other one that of a Kvrocks node.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { freePort } from '../../test/support/free-port.ts';
import { startKvrocksNode } from '../../test/support/kvrocks-node.ts';
import { readPage } from '../../test/support/markdown.ts';

const PAGE = 'docs/start.md';
const FILE = fileURLToPath(new URL(`../../${PAGE}`, import.meta.url));
/** Registries are slow now and then; everything else takes seconds. */
const DEADLINE_MS = 300_000;
/** Between two blocks; the number is that of the line behind one. */
const MARK = /^@@(\d+)$/;
const ADDRESS = /\b\d+\.\d+\.\d+\.\d+:\d+\b/g;
/** Ends of a long output are enough to see what failed. */
const SHOWN_LENGTH = 4000;

export interface Surroundings {
  /** Empty but for the package. */
  readonly folder: string;
  /** For what the page does not name. */
  readonly scratch: string;
  readonly env: NodeJS.ProcessEnv;
}

/** Resolves with the number of lines that were typed. Throws with the line of the page where one fails, or says something else than is shown. */
export async function walkFirstPage(surroundings: Surroundings): Promise<number> {
  const text = readFileSync(FILE, 'utf8');
  const script = scriptOf(text);
  const shown = [...new Set(script.match(ADDRESS))];
  const isController = (address: string): boolean => address.startsWith('127.');
  const nodes = await Promise.all(
    shown.filter((address) => !isController(address)).map(() => startKvrocksNode()),
  );
  try {
    const left = nodes.map(({ address }) => address);
    const addresses = new Map<string, string>();
    for (const address of shown)
      addresses.set(
        address,
        isController(address) ? `127.0.0.1:${await freePort()}` : (left.shift() ?? address),
      );
    const output = await typed(replaced(script, addresses), surroundings);
    const back = new Map([...addresses].map(([address, real]) => [real, address]));
    compare(text, replaced(output, back));
    return script.split('\n').filter((line) => line !== '' && !line.startsWith('echo @@')).length;
  } finally {
    await Promise.all(nodes.map((node) => node.dispose()));
  }
}

/** The commands, each on the line that it has on the page, so that the shell's own messages name it. */
export function scriptOf(text: string): string {
  const lines = text.split('\n').map(() => '');
  for (const { language, line, lines: commands } of readPage(text).blocks) {
    if (language !== 'sh') continue;
    for (const [index, command] of commands.entries()) lines[line - 1 + index] = command;
    lines[line - 1 + commands.length] = `echo @@${line + commands.length}`;
  }
  return lines.join('\n');
}

function replaced(text: string, addresses: ReadonlyMap<string, string>): string {
  return text.replaceAll(ADDRESS, (address) => addresses.get(address) ?? address);
}

/** Everything that was said. */
async function typed(script: string, { folder, scratch, env }: Surroundings): Promise<string> {
  const file = join(scratch, 'first-page.sh');
  // On the first line, which is the title: the numbers of all others stay.
  const head = `exec 2>&1; set -e; trap 'echo "${PAGE}:$LINENO: exit code $?: $BASH_COMMAND"' ERR`;
  writeFileSync(file, head + script);
  // A group of its own, with the controllers that it leaves behind where it fails.
  const shell = spawn('bash', [file], {
    cwd: folder,
    env: { ...env, XDG_CONFIG_HOME: scratch },
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  const timer = setTimeout(() => endGroup(shell.pid), DEADLINE_MS);
  let output = '';
  shell.stdout.setEncoding('utf8').on('data', (part: string) => (output += part));
  try {
    const [code] = await once(shell, 'close');
    if (code !== 0) throw new Error(`${PAGE} does not work:\n${output.slice(-SHOWN_LENGTH)}`);
    return output;
  } finally {
    clearTimeout(timer);
    endGroup(shell.pid);
  }
}

function endGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // Nobody of it is left.
  }
}

/** Every line of a `text` block is said by the commands before it; `...` stands for anything. */
export function compare(text: string, output: string): void {
  const said = saidByBlock(output);
  let latest: readonly string[] = [];
  for (const { language, line, lines } of readPage(text).blocks) {
    if (language === 'sh') latest = said.get(line + lines.length) ?? [];
    if (language !== 'text') continue;
    for (const [index, shown] of lines.entries()) {
      const pattern = patternOf(shown);
      if (!latest.some((each) => pattern.test(shape(each))))
        throw new Error(`${PAGE}:${line + index} shows\n${shown}\nwhich is not among\n${latest.join('\n')}`);
    }
  }
}

function patternOf(shown: string): RegExp {
  const parts = shown.split('...').map((part) => shape(part).replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`);
}

/** Lines by the number of the mark behind them. */
function saidByBlock(output: string): ReadonlyMap<number, readonly string[]> {
  const said = new Map<number, readonly string[]>();
  let lines: string[] = [];
  for (const line of output.split('\n')) {
    const [, mark] = MARK.exec(line) ?? [];
    if (mark === undefined) lines.push(line);
    else {
      said.set(Number(mark), lines);
      lines = [];
    }
  }
  return said;
}

/** A line without what differs from run to run: ids, numbers (`?` where one is not known yet), who leads, and the width of columns. Addresses of nodes stay. */
function shape(line: string): string {
  return line
    .replaceAll(/\d+ ms ago/g, '')
    .replaceAll(/\b(?:leader|voter)\b/g, 'member')
    .replaceAll(
      /127\.0\.0\.1:\d+|(\d+\.\d+\.\d+\.\d+:\d+)|\b[0-9a-f]{8,}\b|\d+|(?<= )\?(?= )/g,
      (_, node?: string) => node ?? '0',
    )
    .replaceAll(/\s+/g, ' ')
    .trim();
}
