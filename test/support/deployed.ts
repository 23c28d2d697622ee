// What deploy/ starts, started here: its command lines with the paths and addresses of this machine in the place of those of a host or a container.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import type { Exit } from '../../scripts/lib/controller-child.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
/** Types are stripped once and not at every start. */
const COMPILE_CACHE = fileURLToPath(new URL('../../node_modules/.cache/controller', import.meta.url));

/** The text of a file of deploy/. */
export function deployFile(path: string): string {
  return readFileSync(new URL(`../../deploy/${path}`, import.meta.url), 'utf8');
}

/** The assignments of a systemd unit in their order, by name. */
export function readUnit(text: string): ReadonlyMap<string, readonly string[]> {
  const unit = new Map<string, string[]>();
  for (const line of text.split('\n')) {
    const [, name, value] = /^([A-Za-z]+)=(.*)$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) unit.set(name, [...(unit.get(name) ?? []), value]);
  }
  return unit;
}

/** The words of instructions in JSON form in a Dockerfile (`ENTRYPOINT`, `CMD`; of a health check its command). */
export function readInstruction(dockerfile: string, name: 'ENTRYPOINT' | 'CMD' | 'HEALTHCHECK'): string[] {
  const lines = dockerfile.replaceAll('\\\n', ' ').split('\n');
  const line = lines.findLast((one) => one.startsWith(`${name} `)) ?? '';
  return JSON.parse(line.slice(line.indexOf('['))) as string[];
}

export interface Ended extends Exit {
  readonly stdout: string;
  readonly stderr: string;
}

/** A process, with nothing in its environment but what it is given and the cache. */
export class Deployed {
  readonly ended: Promise<Ended>;
  readonly #child: ChildProcess;

  /** `node` and the program are replaced by those of this checkout. */
  constructor(
    words: readonly string[],
    { cwd, env }: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
  ) {
    const [program = '', ...args] = words.map(here);
    this.#child = spawn(program, args, {
      cwd,
      env: { ...env, NODE_COMPILE_CACHE: COMPILE_CACHE },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [stdout, stderr] = ['', ''];
    this.#child.stdout?.on('data', (chunk) => (stdout += String(chunk)));
    this.#child.stderr?.on('data', (chunk) => (stderr += String(chunk)));
    this.ended = once(this.#child, 'close').then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
      stdout,
      stderr,
    }));
  }

  async stop(): Promise<Ended> {
    this.#child.kill('SIGTERM');
    return this.ended;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

function here(word: string): string {
  if (word === 'node' || word === '/usr/bin/node') return process.execPath;
  return word.endsWith('/dist/main.js') ? MAIN : word;
}
