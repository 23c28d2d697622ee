// The group of controllers, and each of its members.

import { z } from 'zod';

import {
  backupAnswer,
  finalizeAnswer,
  leaderAnswer,
  newLeaderAnswer,
  peersAnswer,
  upgradeAnswer,
} from '../../schemas/answers/group.ts';
import { okAnswer } from '../../schemas/answers/topology.ts';
import { changePeersBody, finalizeBody, transferBody } from '../../schemas/group-bodies.ts';
import { TIME } from '../examples.ts';
import { data, type Operation } from '../operation.ts';

const LEADER = { leader: { id: 1, addr: '127.0.0.1:9379' }, term: 1 };
const member = (id: number, lag: number | null): object => ({
  id,
  addr: `127.0.0.1:${9378 + id}`,
  role: 'voter',
  lag,
  lastContactMs: lag === null ? null : 12,
  featureLevel: 7,
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
          featureLevel: 7,
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
      answers: [z.string().meta({ format: 'binary' })],
      mediaType: 'application/octet-stream',
      headers: { 'Content-Disposition': 'A name for the file.' },
    },
    examples: {},
  },
  {
    id: 'verifyBackup',
    method: 'post',
    path: '/api/v1/controller/verify-backup',
    tag: 'Group',
    summary: 'Whether a backup is any good',
    description:
      'It is read as for a restore: every checksum, every record, and whether one contradicts another. 400 names the place. Nothing is kept or changed, and one backup is read at a time.',
    answeredBy: 'member',
    file: 'The backup, at most 64 MiB.',
    success: { status: 200, description: 'What it holds.', answers: [backupAnswer] },
    refusals: ['noLeader'],
    examples: {
      good: {
        summary: 'A good one',
        answer: data({
          backup: {
            format: 1,
            bytes: 4096,
            index: 120,
            term: 3,
            members: [{ id: 1, addr: '127.0.0.1:9379', role: 'voter' }],
            feature_level: 7,
            newest_event_at: TIME,
            namespaces: 1,
            clusters: 1,
            shards: 2,
            nodes: 4,
            open_tasks: 0,
            events: 1,
          },
          finding_count: 0,
          findings: [],
        }),
      },
    },
  },
  {
    id: 'getUpgrade',
    method: 'get',
    path: '/api/v1/controller/upgrade',
    tag: 'Group',
    summary: 'How far an upgrade of the group is',
    description: 'Every member is asked what it runs; that takes a second at most.',
    answeredBy: 'member',
    success: {
      status: 200,
      description: 'What each controller runs, what holds the group, what comes next, and the way back.',
      answers: [upgradeAnswer],
    },
    refusals: ['noLeader'],
    examples: {
      one: {
        summary: 'A group that can be finalized (of which one member is shown)',
        answer: data({
          upgrade: {
            release: '1.0.0',
            level: 6,
            highest: 7,
            members: [
              { id: 1, addr: '127.0.0.1:9379', release: '1.0.0', level: 7, reached: true, error: null },
            ],
            held_by: null,
            next: 'POST /api/v1/controller/upgrade/finalize (kvctl upgrade finalize) makes the group work at level 7',
            off: [
              {
                level: 7,
                brings:
                  'a group that is restored from a backup only looks at its clusters until each is accepted',
              },
            ],
            way_back:
              'until the group is finalized, every release that supports level 6 can be started again: restart the members with it, one after the other',
          },
        }),
      },
    },
  },
  {
    id: 'finalizeUpgrade',
    method: 'post',
    path: '/api/v1/controller/upgrade/finalize',
    tag: 'Group',
    summary: 'Have the group use what its members support',
    description:
      'No release that supports less starts afterwards. A member that is older or away speaks against it (409).',
    answeredBy: 'leader',
    body: { schema: finalizeBody, isRequired: false },
    success: { status: 200, description: 'The group works at the level.', answers: [finalizeAnswer] },
    refusals: ['conflict', 'unavailable'],
    examples: {
      dryRun: {
        summary: 'Only whether it could be',
        body: { dry_run: true },
        answer: data({ from: 6, to: 7, dry_run: true }),
      },
      highest: {
        summary: 'To what the newest member supports',
        body: {},
        answer: data({ from: 6, to: 7, dry_run: false }),
      },
    },
  },
];
