// Log lines as JSON on standard output: one event name and its fields a line.

import { type Logger as PinoLogger, pino } from 'pino';

import type { LogFields, Logger } from '../base/logger.ts';

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A logger whose level can be changed: its own, and that of all its children. */
export interface LeveledLogger extends Logger {
  setLevel(level: LogLevel): void;
}

/**
 * A logger that writes `{"time":"2026-01-01T00:00:00.000Z","level":"info","event":"...",...}` lines, synchronously:
 * the last line before an exit is the one that matters. Passwords cannot get in: `LogFields` takes no `Secret`.
 */
export function createLogger(level: LogLevel, fields: LogFields = {}): LeveledLogger {
  const destination = pino.destination({ fd: 1, sync: true });
  // Whoever read our log is gone (EPIPE): a controller that keeps clusters alive goes on without it.
  destination.on('error', () => undefined);
  const root = pino(
    {
      // The library's children keep the level that they were made with; `Threshold` is one for all.
      level: 'debug',
      base: null,
      messageKey: 'message',
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
  const threshold = { rank: rankOf(level) };
  return {
    ...wrap(root.child(fields), threshold),
    setLevel: (next) => {
      threshold.rank = rankOf(next);
    },
  };
}

/** Lines below it are not written. */
interface Threshold {
  readonly rank: number;
}

function wrap(target: PinoLogger, threshold: Threshold): Logger {
  const at =
    (level: LogLevel) =>
    (event: string, fields?: LogFields): void => {
      if (rankOf(level) >= threshold.rank) target[level]({ event, ...fields });
    };
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: (fields) => wrap(target.child(fields), threshold),
  };
}

function rankOf(level: LogLevel): number {
  return LOG_LEVELS.indexOf(level);
}
