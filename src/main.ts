#!/usr/bin/env -S node --max-semi-space-size=8
// One controller process: flags, configuration, start, orderly stop.

import { readFileSync } from 'node:fs';

import { Command, InvalidArgumentError } from 'commander';

import type { Logger } from './base/logger.ts';
import { loadConfig } from './config/load.ts';
import type { End } from './server/expulsion.ts';
import { startController, type Controller } from './server.ts';
import { createLogger } from './telemetry/log.ts';

/** Longest orderly stop, milliseconds, a lead handed over and requests under way included; what has not ended by then is cut off. */
const STOP_DEADLINE_MS = 12_000;

interface Flags {
  readonly config?: string;
  readonly set: readonly string[];
  readonly checkConfig: boolean;
  readonly restore?: string;
}

function readFlags(): Flags {
  const command = new Command('kvrocks-controller')
    .description('Keeps Apache Kvrocks clusters alive: one member of a group of controllers.')
    .version(readVersion())
    .option('-c, --config <file>', 'configuration file (YAML); defaults apply without one', checkPath)
    .option(
      '--set <path=value>',
      'overrides one setting, e.g. --set raft.id=2; repeatable',
      (value: string, earlier: string[]) => [...earlier, value],
      [],
    )
    .option('--check-config', 'checks the configuration and exits', false)
    .option(
      '--restore <backup>',
      'makes a new group of this one member from a backup (GET /api/v1/raft/snapshot) and starts it; needs an empty raft.data_dir',
      checkPath,
    )
    .addHelpText(
      'after',
      '\nEvery setting can also come from the environment: raft.data_dir is KVROCKS_CONTROLLER_RAFT_DATA_DIR.\n' +
        'Exit codes: 0 after a clean stop (SIGTERM, SIGINT) or once removed from its group, 1 when it refused to start or had to give up.',
    )
    .showHelpAfterError('(--help lists the options)')
    .parse();
  return command.opts<Flags & { set: string[] }>();
}

function checkPath(path: string): string {
  if (path === '') throw new InvalidArgumentError('expected the path of a file');
  return path;
}

function readVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  return typeof manifest === 'object' && manifest !== null && 'version' in manifest
    ? String(manifest.version)
    : '';
}

/** The one line of a process that does not start. */
function refuseToStart(problem: string): never {
  process.stderr.write(`kvrocks-controller: ${problem}\n`);
  process.exit(1);
}

function readFile(path: string): { readonly name: string; readonly text: string } {
  try {
    return { name: path, text: readFileSync(path, 'utf8') };
  } catch (error) {
    return refuseToStart(
      `${path}: cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
}

/** Ends the process once, however many reasons there are. */
class Ending {
  /** Fires with the first reason: a start that waits for others is given up. */
  readonly abandoned = new AbortController();
  readonly #logger: Logger;
  #controller: Controller | null = null;
  #isEnding = false;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** From now on ending means closing `controller`. */
  started(controller: Controller): void {
    this.#controller = controller;
    if (this.abandoned.signal.aborted) void this.#close(0);
  }

  onSignal(signal: NodeJS.Signals): void {
    if (!this.#begin()) return;
    this.#logger.info('controller.stopping', { signal });
    if (this.#controller !== null) void this.#close(0);
  }

  async onExpelled(end: End): Promise<void> {
    if (!this.#begin()) return;
    if (end.exitCode === 0) this.#logger.info(end.event, { reason: end.message });
    else {
      this.#logger.error(end.event, { reason: end.message });
      process.stderr.write(`kvrocks-controller: ${end.message}\n`);
    }
    await end.record();
    await this.#close(end.exitCode);
  }

  #begin(): boolean {
    if (this.#isEnding) return false;
    this.#isEnding = true;
    this.abandoned.abort();
    setTimeout(() => {
      this.#logger.error('controller.stop_timed_out', { deadlineMs: STOP_DEADLINE_MS });
      process.exit(1);
    }, STOP_DEADLINE_MS).unref();
    return true;
  }

  async #close(exitCode: number): Promise<void> {
    try {
      await this.#controller?.close();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#logger.error('controller.stop_failed', { reason });
      process.exit(1);
    }
    this.#logger.info('controller.stopped');
    process.exit(exitCode);
  }
}

async function main(): Promise<void> {
  // LevelDB, log and snapshots share libuv's threads; four of them can wait for one slow disk at once.
  process.env['UV_THREADPOOL_SIZE'] ??= '16';
  const flags = readFlags();
  const file = flags.config === undefined ? null : readFile(flags.config);
  const config = loadConfig({ file, environment: process.env, flags: flags.set });
  if (!config.ok) refuseToStart(config.error);
  if (flags.checkConfig) {
    process.stdout.write('the configuration is good\n');
    return;
  }
  const logger = createLogger(config.value.logLevel, { member: config.value.raft.id });
  process.on('uncaughtException', (error) => {
    logger.error('controller.crashed', { error: error.stack ?? error.message });
    process.stderr.write(`kvrocks-controller: crashed, please report this: ${error.message}\n`);
    process.exit(1);
  });
  const ending = new Ending(logger);
  process.on('SIGTERM', (signal) => ending.onSignal(signal));
  process.on('SIGINT', (signal) => ending.onSignal(signal));
  const started = await startController(config.value, {
    logger,
    restoreFrom: flags.restore ?? null,
    abandoned: ending.abandoned.signal,
    onFatal: (error) => {
      logger.error('controller.gave_up', { error: error.message });
      process.stderr.write(`kvrocks-controller: gave up: ${error.message}\n`);
      process.exit(1);
    },
    onExpelled: (end) => void ending.onExpelled(end),
  });
  if (started === null) {
    logger.info('controller.stopped');
    process.exit(0);
  }
  if (!started.ok) refuseToStart(started.error);
  ending.started(started.value);
}

await main();
