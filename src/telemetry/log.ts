// Log lines as JSON on standard output: one event name and its fields a line.

import { type Logger as PinoLogger, pino } from 'pino';

import type { LogFields, Logger } from '../base/logger.ts';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * A logger that writes `{"time":"2026-01-01T00:00:00.000Z","level":"info","event":"...",...}` lines, synchronously:
 * the last line before an exit is the one that matters. Passwords cannot get in: `LogFields` takes no `Secret`.
 */
export function createLogger(level: LogLevel, fields: LogFields = {}): Logger {
  const destination = pino.destination({ fd: 1, sync: true });
  // Whoever read our log is gone (EPIPE): a controller that keeps clusters alive goes on without it.
  destination.on('error', () => undefined);
  const root = pino(
    {
      level,
      base: null,
      messageKey: 'message',
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
  return wrap(root.child(fields));
}

function wrap(target: PinoLogger): Logger {
  return {
    debug: (event, fields) => target.debug({ event, ...fields }),
    info: (event, fields) => target.info({ event, ...fields }),
    warn: (event, fields) => target.warn({ event, ...fields }),
    error: (event, fields) => target.error({ event, ...fields }),
    child: (fields) => wrap(target.child(fields)),
  };
}
