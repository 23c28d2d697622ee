// A logger for tests that look at behaviour and not at lines.

import type { Logger } from '../../src/base/logger.ts';

const nothing = (): void => undefined;

export const silentLogger: Logger = {
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  child: () => silentLogger,
};
