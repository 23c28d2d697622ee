// From the command line to a running member, and to its end.

import { loadConfig } from '../config/load.ts';
import { startController } from '../server.ts';
import { createLogger } from '../telemetry/log.ts';
import type { Logger } from '../base/logger.ts';
import type { Config } from '../config/config.ts';
import { complain, refuseToStart } from './complain.ts';
import { readConfigFile } from './config-file.ts';
import { Ending } from './ending.ts';
import { readFlags, type Flags } from './flags.ts';
import type { ProcessSignals } from './signals.ts';
import { readCommit, readVersion } from './version.ts';

/** Resolves once the member runs, or ends the process. */
export async function run(signals: ProcessSignals): Promise<void> {
  const flags = readFlags();
  const config = readConfig(flags);
  if (flags.checkConfig) {
    process.stdout.write('the configuration is good\n');
    if (config.withoutEffect.length > 0)
      process.stdout.write(`without effect here: ${config.withoutEffect.join(', ')}\n`);
    return;
  }
  const logger = createLogger(config.logLevel, { member: config.raft.id });
  if (config.withoutEffect.length > 0)
    logger.warn('config.without_effect', { settings: config.withoutEffect });
  endOnCrash(logger);
  const ending = new Ending(logger);
  signals.handle({
    onStop: (signal) => ending.onSignal(signal),
    onIgnored: (signal) =>
      logger.warn('controller.signal_ignored', {
        signal,
        reason: 'a changed configuration counts from the next start on; SIGTERM ends this process',
      }),
  });
  await startMember(config, { flags, logger, ending });
}

function readConfig(flags: Flags): Config {
  const file = flags.config === undefined ? null : readConfigFile(flags.config);
  if (file !== null && !file.ok) return refuseToStart(file.error);
  const config = loadConfig({
    file: file === null ? null : file.value,
    environment: process.env,
    flags: flags.set,
  });
  return config.ok ? config.value : refuseToStart(config.error);
}

async function startMember(
  config: Config,
  { flags, logger, ending }: { readonly flags: Flags; readonly logger: Logger; readonly ending: Ending },
): Promise<void> {
  const { signal } = ending.abandoned;
  await signalsHeard();
  const started = signal.aborted
    ? null
    : await startController(config, {
        logger,
        build: { version: readVersion(), commit: readCommit() },
        restoreFrom: flags.restore ?? null,
        abandoned: signal,
        onFatal: (error) => {
          logger.error('controller.gave_up', { error: error.message });
          complain(`gave up: ${error.message}`);
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

function endOnCrash(logger: Logger): void {
  process.on('uncaughtException', (error) => {
    logger.error('controller.crashed', { error: error.stack ?? error.message });
    complain(`crashed, please report this: ${error.message}`);
    process.exit(1);
  });
}

/** What came while files were read and modules loaded waits until the event loop turns. */
function signalsHeard(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
