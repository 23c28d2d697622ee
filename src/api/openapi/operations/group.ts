// The group of controllers, and each of its members.

import { z } from 'zod';

import { leaderAnswer, newLeaderAnswer, peersAnswer } from '../../schemas/answers/group.ts';
import { okAnswer } from '../../schemas/answers/topology.ts';
import { changePeersBody, transferBody } from '../../schemas/bodies.ts';
import { data, type Operation } from '../operation.ts';

const LEADER = { leader: { id: 1, addr: '127.0.0.1:9379' }, term: 1 };
const TEXT = z.string();

const member = (id: number, lag: number | null): object => ({
  id,
  addr: `127.0.0.1:${9378 + id}`,
  role: 'voter',
  lag,
  lastContactMs: lag === null ? null : 12,
  featureLevel: 6,
});

export const GROUP_OPERATIONS: readonly Operation[] = [
  {
    id: 'getLeader',
    method: 'get',
    path: '/api/v1/controller/leader',
    tag: 'Group',
    summary: 'Who leads, as this member knows it',
    answeredBy: 'member',
    success: { status: 200, description: 'The leader, or null.', answers: [leaderAnswer] },
    examples: { one: { summary: 'A leader', answer: data(LEADER) } },
  },
  {
    id: 'transferLead',
    method: 'post',
    path: '/api/v1/controller/leader/transfer',
    tag: 'Group',
    summary: 'Give the lead to another member',
    answeredBy: 'leader',
    body: { schema: transferBody, isRequired: false },
    success: { status: 200, description: 'Who leads now.', answers: [newLeaderAnswer] },
    refusals: ['conflict', 'unavailable'],
    examples: {
      best: { summary: 'To whoever has most of the log', body: {}, answer: data(LEADER) },
      chosen: { summary: 'To a member of your choice', body: { to: 1 }, answer: data(LEADER) },
    },
  },
  {
    id: 'getPeers',
    method: 'get',
    path: '/api/v1/raft/peers',
    tag: 'Group',
    summary: 'Who belongs to the group, as this member knows it',
    answeredBy: 'member',
    success: {
      status: 200,
      description: 'All members; how far each is, if the leader is asked.',
      answers: [peersAnswer],
    },
    examples: {
      all: {
        summary: 'A trio, seen by its leader',
        answer: data({
          leader: 1,
          peers: { '1': '127.0.0.1:9379', '2': '127.0.0.1:9380', '3': '127.0.0.1:9381' },
          members: [member(1, null), member(2, 0), member(3, 0)],
          featureLevel: 6,
        }),
      },
    },
  },
  {
    id: 'changePeers',
    method: 'post',
    path: '/api/v1/raft/peers',
    tag: 'Group',
    summary: 'Add a controller to the group, or remove one',
    description: 'One change at a time. A new member receives the log first and counts once it has it.',
    answeredBy: 'leader',
    body: { schema: changePeersBody, isRequired: true },
    success: { status: 200, description: 'The change is recorded.', answers: [okAnswer] },
    refusals: ['conflict', 'unavailable'],
    examples: {
      add: {
        summary: 'Add one',
        body: { id: 4, peer: '127.0.0.1:9382', operation: 'add' },
        answer: data('ok'),
      },
      remove: { summary: 'Remove it', body: { id: 4, operation: 'remove' }, answer: data('ok') },
    },
  },
  {
    id: 'downloadBackup',
    method: 'get',
    path: '/api/v1/raft/snapshot',
    tag: 'Group',
    summary: 'A backup of the whole state as one file',
    description:
      'Consistent as of the request. It holds the passwords of all nodes. A download that fails breaks the connection. HEAD begins none.',
    answeredBy: 'leader',
    success: {
      status: 200,
      description: 'The file, for `--restore`.',
      answers: [TEXT.meta({ format: 'binary' })],
      mediaType: 'application/octet-stream',
      headers: { 'Content-Disposition': 'A name for the file.' },
    },
    examples: {},
  },
];

export const MEMBER_OPERATIONS: readonly Operation[] = [
  {
    id: 'getHealth',
    method: 'get',
    path: '/healthz',
    tag: 'Member',
    summary: 'Alive',
    answeredBy: 'member',
    success: { status: 200, description: 'The process answers.', answers: [okAnswer] },
    examples: { one: { summary: 'Alive', answer: data('ok') } },
  },
  {
    id: 'getReadiness',
    method: 'get',
    path: '/readyz',
    tag: 'Member',
    summary: 'Whether this member knows a leader and has applied what is committed',
    answeredBy: 'member',
    success: { status: 200, description: 'It has.', answers: [okAnswer] },
    refusals: ['unavailable'],
    examples: { one: { summary: 'Ready', answer: data('ok') } },
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
