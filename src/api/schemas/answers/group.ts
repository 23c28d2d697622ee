// Answers about the group of controllers itself.

import { z } from 'zod';

import type { GroupMember } from '../../ports.ts';
import { address, answerOf, named, oneOf, time } from '../named.ts';

const memberRole = oneOf<GroupMember['role']>({ voter: true, learner: true });
const leader = z.object({ id: z.int().min(1), addr: address });

export const leaderAnswer = answerOf(
  'LeaderAnswer',
  z.object({ leader: leader.nullable().describe('Null while nobody leads.'), term: z.int() }),
);

export const newLeaderAnswer = answerOf('NewLeaderAnswer', z.object({ leader, term: z.int() }));

export const peersAnswer = answerOf(
  'PeersAnswer',
  z.object({
    leader: z.int().describe('The number of the leading member; 0 while nobody leads.'),
    peers: z.record(z.string(), address).describe('Addresses by the numbers of members.'),
    members: z.array(
      z.object({
        id: z.int().min(1),
        addr: address,
        role: memberRole,
        lag: z
          .int()
          .nullable()
          .describe('Log entries it lacks; null where that is not known, as on a follower.'),
        lastContactMs: z.int().nullable(),
        featureLevel: z.int().nullable(),
      }),
    ),
    featureLevel: z.int().describe('Up to here all members understand each other.'),
    changing: z
      .object({ from: z.array(z.int()), to: z.array(z.int()) })
      .optional()
      .describe('The voters before and after a change that is under way.'),
  }),
);

const level = z.int().min(1);

export const upgradeAnswer = answerOf(
  'UpgradeAnswer',
  z.object({
    upgrade: named(
      'Upgrade',
      z.object({
        release: z.string().describe('Of the member that answers.'),
        level: level.describe('What the group works at.'),
        highest: level.describe('What any member supports.'),
        members: z.array(
          z.object({
            id: z.int().min(1),
            addr: address,
            release: z
              .string()
              .nullable()
              .describe('Null for a release that does not say, and of a member that did not answer.'),
            level: level.nullable().describe('What it supports; null where it did not answer.'),
            reached: z.boolean(),
            error: z.string().nullable().describe('Why it did not answer.'),
          }),
        ),
        held_by: z
          .string()
          .nullable()
          .describe('Who keeps the group from the highest level; null where nobody does.'),
        next: z.string().describe('What has to be done next.'),
        off: z
          .array(z.object({ level, brings: z.string() }))
          .describe('What the release of the member that answers can do, and the group not yet.'),
        way_back: z.string().describe('How to go back.'),
      }),
    ),
  }),
);

export const finalizeAnswer = answerOf(
  'FinalizeAnswer',
  z.object({
    from: level,
    to: level.describe('Equal to `from` where the group worked at it already.'),
    dry_run: z.boolean(),
  }),
);

export const backupAnswer = answerOf(
  'BackupAnswer',
  z.object({
    backup: named(
      'Backup',
      z.object({
        format: z.int().describe('Of the file.'),
        bytes: z.int(),
        index: z.int().describe('The last log entry that it holds.'),
        term: z.int(),
        members: z.array(z.object({ id: z.int().min(1), addr: address, role: memberRole })),
        feature_level: level.nullable().describe('Null where this release cannot read it.'),
        newest_event_at: time
          .nullable()
          .describe('It was written no earlier than this; null without events.'),
        namespaces: z.int(),
        clusters: z.int(),
        shards: z.int(),
        nodes: z.int(),
        open_tasks: z.int(),
        events: z.int(),
      }),
    ),
    finding_count: z.int().describe('Always 0: a backup with findings is refused.'),
    findings: z.array(z.object({ key: z.string(), text: z.string() })),
  }),
);
