// The answer of everything that fails.

import { z } from 'zod';

import { named } from '../named.ts';
import { configurationProblem, healthCheck } from './member.ts';

export const failureAnswer = named(
  'Failure',
  z.object({
    error: z.object({
      message: z.string().describe('For people: what is wrong, and what to do.'),
      failing: z
        .array(z.string())
        .optional()
        .describe('Of `/livez`, `/healthz` and `/readyz` alone: the checks that fail.'),
      checks: z
        .array(healthCheck)
        .optional()
        .describe('Of `/livez`, `/healthz` and `/readyz` with `verbose` alone: all checks.'),
      problems: z
        .array(configurationProblem)
        .optional()
        .describe(
          'Of a configuration that was read again and is not valid: everything that is wrong with it.',
        ),
    }),
  }),
);
