// The shapes of bodies about the controllers themselves.

import { z } from 'zod';

import { dry_run, OBJECT } from './fields.ts';

const MEMBER_NUMBER = "expected a member's number, a positive integer";
const LEVEL = 'expected a feature level, a positive integer';

export const changePeersBody = z.object(
  {
    id: z
      .int(MEMBER_NUMBER)
      .min(1, MEMBER_NUMBER)
      .describe('A number that no member ever had, or of one that goes.'),
    peer: z
      .string('expected a "host:port" text')
      .default('')
      .describe('Where the others reach it; may be left out of a removal.'),
    operation: z.enum(['add', 'remove'], 'expected "add" or "remove"'),
  },
  OBJECT,
);

/** How long another log level lasts, seconds: nobody has to remember to put it back. */
const LOG_LEVEL_SECONDS_MAX = 3600;
const LOG_LEVEL_SECONDS_DEFAULT = 600;

export const logLevelBody = z.object(
  {
    level: z
      .enum(['debug', 'info', 'warn', 'error'], 'expected "debug", "info", "warn" or "error"')
      .describe('The least that is logged.'),
    seconds: z
      .int('expected a whole number of seconds')
      .min(1, 'expected at least 1')
      .max(LOG_LEVEL_SECONDS_MAX, `expected at most ${LOG_LEVEL_SECONDS_MAX}`)
      .default(LOG_LEVEL_SECONDS_DEFAULT)
      .describe('How long it lasts; then the configured level counts again.'),
  },
  OBJECT,
);

export const transferBody = z.object(
  {
    to: z
      .int(MEMBER_NUMBER)
      .min(1, MEMBER_NUMBER)
      .optional()
      .describe('The number of a member; left out: whoever has most of the log.'),
  },
  OBJECT,
);

export const finalizeBody = z.object(
  {
    level: z
      .int(LEVEL)
      .min(1, LEVEL)
      .optional()
      .describe('A feature level; left out: what the newest member supports.'),
    dry_run,
  },
  OBJECT,
);
