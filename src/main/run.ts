// From flags to a running member, and to its end.

import { LiveConfig } from '../server/live-config.ts';
import { startController } from '../server.ts';
import { systemClock } from '../system/clock.ts';
import { createLogger } from '../telemetry/log.ts';
import type { Logger } from '../base/logger.ts';
import { complain, refuseToStart } from './complain.ts';
import { withoutEffectText } from './config-verbs/check.ts';
import { Ending } from './ending.ts';
import type { ProcessSignals } from './signals.ts';
import { readOrRefuse, readSourcesAgain } from './sources.ts';
import type { Flags } from './verb.ts';
import { readCommit, readVersion } from './version.ts';

/** Resolves once the member runs, or ends the process. */
export async function run(flags: Flags, signals: ProcessSignals): Promise<void> {
  const told = { config: flags.config ?? null, set: flags.set };
  const loaded = readOrRefuse(told);
  if (flags.checkConfig) {
    process.stdout.write(`the configuration is good\n${withoutEffectText(loaded)}`);
    return;
  }
  const { config } = loaded;
  const logger = createLogger(config.logLevel, { member: config.raft.id });
  if (config.withoutEffect.length > 0)
    logger.warn('config.without_effect', { settings: config.withoutEffect });
  endOnCrash(logger);
  const live = new LiveConfig(loaded, {
    read: () => readSourcesAgain(told),
    clock: systemClock,
    logger,
  });
  const ending = new Ending(logger);
  signals.handle({
    onStop: (signal) => ending.onSignal(signal),
    onReload: () => void live.reload('SIGHUP'),
    onIgnored: (signal) =>
      logger.warn('controller.signal_ignored', { signal, reason: 'it opens no debugger' }),
  });
  await startMember(live, { flags, logger, ending });
}

async function startMember(
  live: LiveConfig,
  { flags, logger, ending }: { readonly flags: Flags; readonly logger: Logger; readonly ending: Ending },
): Promise<void> {
  const { signal } = ending.abandoned;
  await signalsHeard();
  const started = signal.aborted
    ? null
    : await startController(live, {
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
