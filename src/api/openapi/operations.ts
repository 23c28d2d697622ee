// Every operation of the API, in the order in which they are shown.

import type { Operation } from './operation.ts';
import { AUTOMATION_OPERATIONS } from './operations/automation.ts';
import { CLUSTER_OPERATIONS } from './operations/clusters.ts';
import { CONFIGURATION_OPERATIONS } from './operations/configuration.ts';
import { EVENT_OPERATIONS } from './operations/events.ts';
import { GROUP_OPERATIONS } from './operations/group.ts';
import { INSIGHT_OPERATIONS } from './operations/insight.ts';
import { MEMBER_OPERATIONS } from './operations/member.ts';
import { MIGRATION_OPERATIONS } from './operations/migrations.ts';
import { NAMESPACE_OPERATIONS } from './operations/namespaces.ts';
import { NODE_OPERATIONS } from './operations/nodes.ts';
import { SCALING_OPERATIONS } from './operations/scaling.ts';
import { SHARD_OPERATIONS } from './operations/shards.ts';

export const OPERATIONS: readonly Operation[] = [
  ...NAMESPACE_OPERATIONS,
  ...CLUSTER_OPERATIONS,
  ...SHARD_OPERATIONS,
  ...NODE_OPERATIONS,
  ...MIGRATION_OPERATIONS,
  ...SCALING_OPERATIONS,
  ...INSIGHT_OPERATIONS,
  ...AUTOMATION_OPERATIONS,
  ...EVENT_OPERATIONS,
  ...GROUP_OPERATIONS,
  ...MEMBER_OPERATIONS,
  ...CONFIGURATION_OPERATIONS,
];

/** What members say to each other at the same address: no part of the API, and changed from release to release. */
export const EXCLUDED = [
  { method: 'POST', path: '/raft/messages', reason: 'frames of Raft messages between members' },
  {
    method: 'GET',
    path: '/raft/stream',
    reason: 'the connection that carries those frames, after an upgrade',
  },
  { method: 'POST', path: '/raft/snapshot', reason: 'parts of a snapshot from the leader' },
  {
    method: 'GET',
    path: '/raft/identity',
    reason: 'who a member is, asked by members that join or found a group',
  },
  { method: 'POST', path: '/raft/witness', reason: 'what a member sees of a node, asked by the leader' },
] as const;
