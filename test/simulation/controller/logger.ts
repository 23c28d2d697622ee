// The log of one process: into the event list, and read for what a leader decided.

import type { LogFields, Logger } from '../../../src/base/logger.ts';

/** Takes every line of a process. */
export type TakeLine = (event: string, fields: LogFields) => void;

export function takingLogger(take: TakeLine, bound: LogFields = {}): Logger {
  const line = (event: string, fields: LogFields = {}): void => take(event, { ...bound, ...fields });
  return {
    debug: line,
    info: line,
    warn: line,
    error: line,
    child: (fields) => takingLogger(take, { ...bound, ...fields }),
  };
}
