// A member in this process, from its first log line to its end.

import type { Config } from '../config/config.ts';
import { startController } from '../server.ts';
import { createLogger } from '../telemetry/log.ts';
import type { Logger } from '../base/logger.ts';
import { complain, refuseToStart } from './complain.ts';
import { Ending } from './ending.ts';
import type { ProcessSignals } from './signals.ts';
import { readVersion } from './version.ts';

export interface MemberParts {
  readonly signals: ProcessSignals;
  /** A backup to make a new group of this one member from; null for an ordinary start. */
  readonly restoreFrom: string | null;
}

/** Resolves once the member runs, or ends the process. */
export async function runMember(config: Config, { signals, restoreFrom }: MemberParts): Promise<void> {
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
  await start(config, { restoreFrom, logger, ending });
}

async function start(
  config: Config,
  parts: { readonly restoreFrom: string | null; readonly logger: Logger; readonly ending: Ending },
): Promise<void> {
  const { restoreFrom, logger, ending } = parts;
  const { signal } = ending.abandoned;
  await signalsHeard();
  const started = signal.aborted
    ? null
    : await startController(config, {
        logger,
        release: readVersion(),
        restoreFrom,
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
