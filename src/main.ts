#!/usr/bin/env -S node --max-semi-space-size=2
// One controller process: flags, configuration, start, orderly stop.

import { readFileSync } from 'node:fs';

import { Command, InvalidArgumentError } from 'commander';

import type { Logger } from './base/logger.ts';
import { loadConfig } from './config/load.ts';
import { startController, type Controller } from './server.ts';
import { createLogger } from './telemetry/log.ts';

/** Longest orderly stop, milliseconds; what has not ended by then is cut off. */
const STOP_DEADLINE_MS = 10_000;

interface Flags {
  readonly config?: string;
  readonly set: readonly string[];
  readonly checkConfig: boolean;
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
    .addHelpText(
      'after',
      '\nEvery setting can also come from the environment: raft.data_dir is KVROCKS_CONTROLLER_RAFT_DATA_DIR.\n' +
        'Exit codes: 0 after a clean stop (SIGTERM, SIGINT), 1 when it refused to start or had to give up.',
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

function stopOnSignals(controller: Controller, logger: Logger): void {
  let stopping = false;
  const stop = (signal: NodeJS.Signals): void => {
    if (stopping) return;
    stopping = true;
    logger.info('controller.stopping', { signal });
    setTimeout(() => {
      logger.error('controller.stop_timed_out', { deadlineMs: STOP_DEADLINE_MS });
      process.exit(1);
    }, STOP_DEADLINE_MS).unref();
    void controller.close().then(() => {
      logger.info('controller.stopped');
      process.exit(0);
    });
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
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
  const started = await startController(config.value, {
    logger,
    onFatal: (error) => {
      logger.error('controller.gave_up', { error: error.message });
      process.stderr.write(`kvrocks-controller: gave up: ${error.message}\n`);
      process.exit(1);
    },
  });
  if (!started.ok) refuseToStart(started.error);
  stopOnSignals(started.value, logger);
}

await main();
