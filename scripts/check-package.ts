// `npm run check:package`: builds the package, goes with it from an empty folder through the book's first page, and measures what was installed.

import { execFile, spawn } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import { Command } from 'commander';
import { request } from 'undici';

import { freePort } from '../test/support/free-port.ts';
import { notYet, waitUntil } from '../test/support/wait-until.ts';
import { describeExit, type Exit, writeMemberConfig } from './lib/controller-child.ts';
import { walkFirstPage } from './lib/first-page.ts';
import { median } from './lib/statistics.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const MEMBERS = [1, 2, 3] as const;
/** What is published besides the compiled code. */
const PLAIN_FILES = new Set(['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md', 'config.example.yaml']);
/** Registries are slow now and then. */
const NPM_DEADLINE_MS = 300_000;
/** What a started member needs at first has been given back by then. */
const IDLE_MS = 3_000;

const run = promisify(execFile);
const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };

new Command('node scripts/check-package.ts')
  .description(
    'Builds the package, packs it, types every command of docs/start.md in an empty folder, its installation first, and runs three controllers from there.',
  )
  .allowExcessArguments(false)
  .parse();

const folder = mkdtempSync(join(tmpdir(), 'kvrocks-controller-package-'));
try {
  const tarball = await pack();
  const app = join(folder, 'app');
  mkdirSync(app);
  copyFileSync(tarball, join(app, basename(tarball)));
  const startedMs = performance.now();
  const commands = await walkFirstPage({ folder: app, scratch: folder, env: environment() });
  say(`docs/start.md: ${commands} lines typed in ${Math.round((performance.now() - startedMs) / 1000)} s`);
  checkFiles(join(app, 'node_modules', 'kvrocks-controller'));
  const [controller, kvctl] = ['kvrocks-controller', 'kvctl'].map((name) =>
    join(app, 'node_modules', '.bin', name),
  );
  if (controller === undefined || kvctl === undefined) throw new Error('two programs');
  for (const program of [controller, kvctl]) await checkVersion(program);
  const figures = await checkTrio(controller, kvctl);
  say(`installed: ${megabytes(sizeOf(join(app, 'node_modules')))} MB in ${packagesIn(app)} packages`);
  say(
    `started: ${Math.round(median(figures.startMs))} ms from the command to the first answer (median of three at once)`,
  );
  say(`idle: ${megabytes(median(figures.idleBytes))} MB resident (median of three)`);
  say('the package installs and works');
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** From a copy of the sources: what is built in the checkout is left as it is. */
async function pack(): Promise<string> {
  const copy = join(folder, 'checkout');
  mkdirSync(copy);
  for (const name of [...PLAIN_FILES, 'src', 'tsconfig.json', 'tsconfig.build.json'])
    cpSync(join(ROOT, name), join(copy, name), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  await npm(copy, 'pack', '--pack-destination', folder);
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'));
  if (tarball === undefined) throw new Error('npm pack has left no file');
  return join(folder, tarball);
}

/** Compiled code, of which commit it is, and what is named beside it; no types, no tests, no sources. */
function checkFiles(installed: string): void {
  const stray = readdirSync(installed, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(installed, join(entry.parentPath, entry.name)))
    .filter((name) => !PLAIN_FILES.has(name) && !/^dist\/(?:.*\.js|commit\.txt)$/.test(name));
  if (stray.length > 0)
    throw new Error(`the package has files that do not belong there: ${stray.join(', ')}`);
}

async function checkVersion(program: string): Promise<void> {
  const { stdout } = await run(program, ['--version'], { env: environment() });
  if (stdout.trim() !== version) throw new Error(`--version says ${stdout.trim()}, package.json ${version}`);
  say(`${basename(program)} --version: ${version}`);
}

interface Figures {
  readonly startMs: readonly number[];
  readonly idleBytes: readonly number[];
}

/** Three members from the installed program: one is asked to store something, another one what is stored. All of them stop in order. */
async function checkTrio(bin: string, kvctl: string): Promise<Figures> {
  const ports = await Promise.all(MEMBERS.map(() => freePort()));
  const peers = ports.map((port) => `127.0.0.1:${port}`);
  const members = MEMBERS.map((id) => startMember(bin, id, peers));
  try {
    const startMs = await Promise.all(members.map(({ url, startedAtMs }) => answered(url, startedAtMs)));
    const [first = '', , last = ''] = peers;
    await run(kvctl, ['-H', first, 'create', 'namespace', 'installed'], { env: environment() });
    const listed = await run(kvctl, ['-H', last, 'list', 'namespaces'], { env: environment() });
    if (listed.stdout !== 'installed\n') throw new Error(`kvctl lists ${listed.stdout}`);
    say('three controllers have agreed, and any of them answers');
    await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
    const idleBytes = members.map(({ pid }) => residentBytes(pid));
    await checkDescription(peers[0] ?? '');
    for (const { stop } of members) stop('SIGTERM');
    for (const { id, exited } of members) {
      const exit = await exited;
      if (exit.code !== 0) throw new Error(`member ${id} ended ${describeExit(exit)} on SIGTERM`);
    }
    say('SIGTERM has stopped them');
    return { startMs, idleBytes };
  } finally {
    for (const { stop } of members) stop('SIGKILL');
  }
}

/** The API described by itself, of this release, made by the compiled code. */
async function checkDescription(peer: string): Promise<void> {
  const { body } = await request(`http://${peer}/openapi.json`);
  const { info } = (await body.json()) as { readonly info?: { readonly version?: string } };
  if (info?.version !== version) throw new Error(`/openapi.json is of ${info?.version}`);
  const page = await request(`http://${peer}/docs`);
  const text = await page.body.text();
  if (!text.includes(`release ${version}`)) throw new Error(`/docs says ${text.slice(0, 200)}`);
  say('GET /openapi.json and /docs describe the API');
}

interface Member {
  readonly id: number;
  readonly url: string;
  readonly pid: number;
  readonly startedAtMs: number;
  readonly exited: Promise<Exit>;
  readonly stop: (signal: NodeJS.Signals) => void;
}

function startMember(bin: string, id: (typeof MEMBERS)[number], peers: readonly string[]): Member {
  const configFile = join(folder, `${id}.yaml`);
  writeMemberConfig(configFile, { id, peers, dataDir: join(folder, String(id)) });
  const startedAtMs = performance.now();
  const child = spawn(bin, ['-c', configFile], { stdio: 'ignore', env: environment() });
  const exited = new Promise<Exit>((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code, signal) => resolve({ code, signal }));
  });
  const url = `http://${peers[id - 1] ?? ''}`;
  return { id, url, pid: child.pid ?? 0, startedAtMs, exited, stop: (signal) => child.kill(signal) };
}

/** Milliseconds from the start until the member answers. */
async function answered(url: string, startedAtMs: number): Promise<number> {
  await waitUntil(`${url} to answer`, async () => {
    try {
      const { statusCode, body } = await request(`${url}/healthz`);
      await body.dump();
      return statusCode === 200 ? true : notYet(statusCode);
    } catch (error) {
      return notYet(String(error));
    }
  });
  return performance.now() - startedAtMs;
}

/** `VmRSS` of the process, where the system tells it. */
function residentBytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes ?? 0) * 1024;
}

function sizeOf(path: string): number {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}

/** With the package itself, as npm has written down what it installed. */
function packagesIn(app: string): number {
  const text = readFileSync(join(app, 'node_modules', '.package-lock.json'), 'utf8');
  return Object.keys((JSON.parse(text) as { packages: object }).packages).length;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(0);
}

/** The Node that runs this is the one that runs what was installed. */
function environment(): NodeJS.ProcessEnv {
  return { ...process.env, PATH: [dirname(process.execPath), process.env['PATH']].join(delimiter) };
}

async function npm(cwd: string, ...args: readonly string[]): Promise<void> {
  try {
    await run('npm', args, { cwd, timeout: NPM_DEADLINE_MS, maxBuffer: 1 << 26, env: environment() });
  } catch (error) {
    const told = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
    throw new Error(`npm ${args.join(' ')} failed:\n${told}`, { cause: error });
  }
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
