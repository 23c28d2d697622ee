// Answers of one controller about itself: its health and its configuration.

import { z } from 'zod';

import type { LogLevel, SettingView } from '../../ports.ts';
import { answerOf, named, oneOf, time } from '../named.ts';

export const healthCheck = named(
  'HealthCheck',
  z.object({
    name: z.string(),
    ok: z.boolean(),
    problem: z.string().nullable().describe('A sentence; null where all is well.'),
  }),
);

export const checksAnswer = answerOf('ChecksAnswer', z.object({ checks: z.array(healthCheck) }));

export const configurationProblem = named(
  'ConfigurationProblem',
  z.object({
    file: z.string().nullable().describe('Null where it is in none.'),
    line: z.int().nullable(),
    column: z.int().nullable(),
    path: z.string().nullable().describe('The setting; null where it is no setting that is wrong.'),
    message: z.string(),
  }),
);

const member = z.int().min(1).describe('The number of the member that answers.');
const settingPath = z.string().describe('Such as `controller.failover.max_lag`.');
const settingValue = z.union([z.string(), z.number(), z.array(z.string())]);

const change = named('SettingChange', z.object({ path: settingPath, from: settingValue, to: settingValue }));
const needsRestart = z
  .array(change)
  .describe('What the file says by now, and counts from the next start on.');

const level = oneOf<LogLevel>({ debug: true, info: true, warn: true, error: true });
const logLevel = {
  level,
  until: time.nullable().describe('Null for the configured level, which stays.'),
  configured: level,
};

export const configurationAnswer = answerOf(
  'ConfigurationAnswer',
  z.object({
    member,
    settings: z.array(
      z.object({
        path: settingPath,
        value: settingValue,
        source: z.object({
          kind: oneOf<SettingView['source']['kind']>({
            line: true,
            file: true,
            environment: true,
            flag: true,
            default: true,
          }),
          text: z.string().describe('`file:line:column`, a variable, a flag.'),
        }),
        reloadable: z.boolean().describe('It counts on a reload.'),
      }),
    ),
    without_effect: z.array(z.string()).describe('Paths of the file that mean nothing here.'),
    needs_restart: needsRestart,
    log_level: z.object(logLevel),
    last_reload: z
      .object({ succeeded: z.boolean(), read_at: time, problems: z.array(configurationProblem) })
      .describe('The start counts as one.'),
  }),
);

export const reloadAnswer = answerOf(
  'ReloadAnswer',
  z.object({
    member,
    applied: z.array(change).describe('What counts from now on.'),
    needs_restart: needsRestart,
  }),
);

export const logLevelAnswer = answerOf('LogLevelAnswer', z.object({ member, ...logLevel }));
