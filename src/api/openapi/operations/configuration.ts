// The configuration of one controller.

import { z } from 'zod';

import { configurationAnswer, logLevelAnswer, reloadAnswer } from '../../schemas/answers/member.ts';
import { logLevelBody } from '../../schemas/group-bodies.ts';
import { TIME } from '../examples.ts';
import { data, type Operation } from '../operation.ts';

const MEMBER = {
  member: {
    description: 'The number of the member that is meant; left out: the one that is asked.',
    schema: z.int().min(1),
  },
};
const LOG_LEVEL = { level: 'info', until: null, configured: 'info' };
const LAG = 'controller.failover.max_lag';

const answer = (member: number): object =>
  data({
    member,
    settings: [
      {
        path: LAG,
        value: 20_000,
        source: { kind: 'line', text: '/etc/kvrocks-controller.yaml:14:14' },
        reloadable: true,
      },
    ],
    without_effect: [],
    needs_restart: [],
    log_level: LOG_LEVEL,
    last_reload: { succeeded: true, read_at: TIME, problems: [] },
  });

export const CONFIGURATION_OPERATIONS: readonly Operation[] = [
  {
    id: 'getConfiguration',
    method: 'get',
    path: '/api/v1/controller/config',
    tag: 'Member',
    summary: 'Every setting of a member, and who has set it',
    answeredBy: 'named',
    query: MEMBER,
    success: {
      status: 200,
      description: 'What counts, what waits for a restart, and how the last reload went.',
      answers: [configurationAnswer],
    },
    examples: {
      own: { summary: 'Of the member that is asked (one setting is shown)', answer: answer(1) },
      other: { summary: 'Of another one', query: { member: '2' }, answer: answer(2) },
    },
  },
  {
    id: 'reloadConfiguration',
    method: 'post',
    path: '/api/v1/controller/reload',
    tag: 'Member',
    summary: 'Read the configuration of a member again',
    description: 'As on SIGHUP. Where anything is wrong nothing changes, and 422 has every place.',
    answeredBy: 'named',
    query: MEMBER,
    success: {
      status: 200,
      description: 'What counts from now on, and what waits for a restart.',
      answers: [reloadAnswer],
    },
    refusals: ['unprocessable'],
    examples: {
      one: {
        summary: 'After one setting was changed',
        answer: data({
          member: 1,
          applied: [{ path: LAG, from: 10_000, to: 20_000 }],
          needs_restart: [],
        }),
      },
    },
  },
  {
    id: 'setLogLevel',
    method: 'put',
    path: '/api/v1/controller/log-level',
    tag: 'Member',
    summary: 'Log more, or less, for a while',
    description: 'The configured level ends what was asked for before.',
    answeredBy: 'named',
    query: MEMBER,
    body: { schema: logLevelBody, isRequired: true },
    success: { status: 200, description: 'It counts.', answers: [logLevelAnswer] },
    examples: {
      debug: {
        summary: 'Everything, for ten minutes',
        body: { level: 'debug', seconds: 600 },
        answer: data({ member: 1, ...LOG_LEVEL, level: 'debug', until: TIME }),
      },
      configured: {
        summary: 'The configured level again',
        body: { level: 'info' },
        answer: data({ member: 1, ...LOG_LEVEL }),
      },
    },
  },
];
