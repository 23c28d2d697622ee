// Answers about the group of controllers itself.

import { z } from 'zod';

import type { GroupMember } from '../../ports.ts';
import { address, answerOf, oneOf } from '../named.ts';

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
        role: oneOf<GroupMember['role']>({ voter: true, learner: true }),
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
