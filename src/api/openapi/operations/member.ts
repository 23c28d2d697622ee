// One controller by itself: alive, ready, measured, described.

import { z } from 'zod';

import { checksAnswer } from '../../schemas/answers/member.ts';
import { okAnswer } from '../../schemas/answers/topology.ts';
import { data, type Operation } from '../operation.ts';

const TEXT = z.string();

const VERBOSE = {
  verbose: { description: 'With any value, or none: all checks are answered.', schema: z.string() },
};

const ALIVE = {
  method: 'get',
  tag: 'Member',
  description:
    'Only what a new start of the process would mend speaks against it (503, with the checks in `failing`): never that others are missing.',
  answeredBy: 'member',
  query: VERBOSE,
  success: { status: 200, description: 'The process answers.', answers: [okAnswer, checksAnswer] },
  refusals: ['unavailable'],
} as const satisfies Partial<Operation>;

const ALIVE_EXAMPLE = { summary: 'Alive', answer: data('ok') };

function allGood(...names: readonly string[]): object {
  return data({ checks: names.map((name) => ({ name, ok: true, problem: null })) });
}

export const MEMBER_OPERATIONS: readonly Operation[] = [
  {
    ...ALIVE,
    id: 'getLiveness',
    path: '/livez',
    summary: 'Whether this process should go on',
    examples: {
      one: ALIVE_EXAMPLE,
      verbose: {
        summary: 'With its checks',
        query: { verbose: '' },
        answer: allGood('event_loop', 'log'),
      },
    },
  },
  {
    ...ALIVE,
    id: 'getHealth',
    path: '/healthz',
    summary: 'The same as `/livez`',
    examples: { one: ALIVE_EXAMPLE },
  },
  {
    id: 'getReadiness',
    method: 'get',
    path: '/readyz',
    tag: 'Member',
    summary: 'Whether this member can answer for its group',
    description:
      'It belongs to the group, knows a leader and has applied what was committed when it began; else 503, with the checks that fail in `failing`.',
    answeredBy: 'member',
    query: {
      role: { description: '`leader`: it has to lead, too.', schema: z.literal('leader') },
      ...VERBOSE,
    },
    success: { status: 200, description: 'It can.', answers: [okAnswer, checksAnswer] },
    refusals: ['badRequest', 'unavailable'],
    examples: {
      one: { summary: 'Ready', answer: data('ok') },
      verbose: {
        summary: 'With its checks',
        query: { verbose: '' },
        answer: allGood('log', 'configuration', 'leader', 'recovery', 'applied'),
      },
      leader: { summary: 'Of the leader', query: { role: 'leader' }, answer: data('ok') },
    },
  },
  {
    id: 'getMetrics',
    method: 'get',
    path: '/metrics',
    tag: 'Member',
    summary: 'Metrics of this member',
    answeredBy: 'member',
    success: {
      status: 200,
      description: 'In the text format of Prometheus.',
      answers: [TEXT],
      mediaType: 'text/plain',
    },
    examples: {
      one: { summary: 'One of them', answer: 'kvrocks_controller_raft_term 1\n' },
    },
  },
  {
    id: 'getOpenApi',
    method: 'get',
    path: '/openapi.json',
    tag: 'Member',
    summary: 'This document',
    answeredBy: 'member',
    success: {
      status: 200,
      description: 'OpenAPI 3.1, of the release that answers.',
      answers: [z.looseObject({ openapi: z.string().regex(/^3\.1\./) })],
    },
    examples: { one: { summary: 'Its first line', answer: { openapi: '3.1.1' } } },
  },
  {
    id: 'getDocs',
    method: 'get',
    path: '/docs',
    tag: 'Member',
    summary: 'This document as a page',
    answeredBy: 'member',
    success: {
      status: 200,
      description: 'HTML without scripts.',
      answers: [TEXT],
      mediaType: 'text/html',
    },
    examples: { one: { summary: 'Its beginning', answer: '<!doctype html>\n' } },
  },
];
