// What the leading controller sees, and what it is asked to look at again.

import { z } from 'zod';

import {
  checkAnswer,
  explainAnswer,
  masterAnswer,
  statusAnswer,
  syncAnswer,
} from '../../schemas/answers/insight.ts';
import { okAnswer } from '../../schemas/answers/topology.ts';
import { syncBody } from '../../schemas/bodies.ts';
import {
  ADDED,
  addressOf,
  AUTOMATION,
  CLUSTER as CLUSTER_NAME,
  EVENT,
  MASTER_0,
  MASTER_1,
  SPARES,
  TIME,
} from '../examples.ts';
import { data, type Operation } from '../operation.ts';

const CLUSTER = '/api/v1/namespaces/{namespace}/clusters/{cluster}';
const SHARD = `${CLUSTER}/shards/{shard}`;

const NODE_STATUS = {
  id: MASTER_0,
  addr: addressOf(0),
  shard: 0,
  condition: 'answering',
  role: { wanted: 'master', seen: 'master' },
  version: { wanted: 1, seen: 1 },
  link_fault: null,
  sequence: 120,
  behind: null,
  last_look_age_ms: 812,
  missed_probes: 0,
  error: null,
  failover_priority: 100,
  zone: '',
  maintenance: null,
  converged: true,
  witnesses: [{ by: 1, saw: 'answered', age_ms: 0 }],
};

const PROBLEM = {
  kind: 'departedUntold',
  severity: 'warning',
  title: 'A node that has left was not told',
  detail: `node ${addressOf(9)} has left and was not told yet: connect ECONNREFUSED ${addressOf(9)}`,
  remedy: 'Start it, or forget it: DELETE .../departed/{id}.',
  shard: null,
  node: ADDED,
  addr: addressOf(9),
};

export const INSIGHT_OPERATIONS: readonly Operation[] = [
  {
    id: 'getClusterStatus',
    method: 'get',
    path: `${CLUSTER}/status`,
    tag: 'Insight',
    summary: 'Every node wanted and seen, and what is wrong',
    description: 'A leader that has just begun to look answers 503; it has seen all nodes a moment later.',
    answeredBy: 'leader',
    success: { status: 200, description: 'What the leader sees.', answers: [statusAnswer] },
    refusals: ['unavailable'],
    examples: {
      one: {
        summary: 'One node of it, and a node that was removed while it was down',
        answer: data({
          status: {
            cluster: CLUSTER_NAME,
            version: 1,
            converged: true,
            automation: { ...AUTOMATION, by: null },
            on_divergence: 'resync',
            nodes: [NODE_STATUS],
            departed: [
              {
                id: ADDED,
                addr: addressOf(9),
                left_at: TIME,
                state: 'untold',
                error: 'connect ECONNREFUSED',
              },
            ],
            problems: [PROBLEM],
            shards: [
              { shard: 0, master: MASTER_0, last_decision: null },
              { shard: 1, master: MASTER_1, last_decision: EVENT },
            ],
            migrations: [],
            spares: SPARES,
          },
        }),
      },
    },
  },
  {
    id: 'explainShard',
    method: 'get',
    path: `${SHARD}/explain`,
    tag: 'Insight',
    summary: 'Why the master of a shard is replaced, or not (yet)',
    answeredBy: 'leader',
    success: {
      status: 200,
      description: 'The gates of an automatic failover one by one.',
      answers: [explainAnswer],
    },
    refusals: ['unavailable'],
    examples: {
      healthy: {
        summary: 'Nothing to replace',
        answer: data({
          explain: {
            shard: 0,
            master: MASTER_0,
            verdict: 'healthy',
            why: 'the master answers',
            missed_since: null,
            next: null,
            gates: [
              {
                gate: 'missed',
                verdict: 'block',
                evidence: 'the master answers',
                left_ms: null,
                until: null,
                remedy: null,
              },
            ],
            candidates: [],
            witnesses: [{ by: 1, saw: 'answered', age_ms: 0 }],
            copies: null,
          },
        }),
      },
    },
  },
  {
    id: 'getShardMaster',
    method: 'get',
    path: `${SHARD}/master`,
    tag: 'Insight',
    summary: 'Who is master, for load balancers',
    description:
      'With `stale=ok` every member answers at once from what it has applied, also without a leader.',
    answeredBy: 'leader',
    query: {
      stale: {
        description: '`ok`: any member may answer, and what it says may be a moment old.',
        schema: z.string(),
      },
    },
    success: { status: 200, description: 'The master as it is recorded.', answers: [masterAnswer] },
    examples: {
      one: {
        summary: 'From the leader',
        answer: data({ master: { id: MASTER_0, addr: addressOf(0) }, version: 1, term: 1 }),
      },
      stale: {
        summary: 'From any member',
        query: { stale: 'ok' },
        answer: data({ master: { id: MASTER_0, addr: addressOf(0) }, version: 1, term: 1 }),
      },
    },
  },
  {
    id: 'checkCluster',
    method: 'get',
    path: `${CLUSTER}/check`,
    tag: 'Insight',
    summary: 'Ask every node now, and compare with what is recorded',
    description: 'Changes nothing. It takes as long as the slowest node, up to 18 s where hundreds hang.',
    answeredBy: 'leader',
    success: { status: 200, description: 'What differs, each with its remedy.', answers: [checkAnswer] },
    refusals: ['unavailable'],
    examples: {
      clean: {
        summary: 'Nothing differs',
        answer: data({
          check: {
            is_clean: true,
            version: 1,
            checked_at: TIME,
            nodes_asked: 4,
            nodes_answered: 4,
            findings: [],
          },
        }),
      },
    },
  },
  {
    id: 'syncCluster',
    method: 'post',
    path: `${CLUSTER}/sync`,
    tag: 'Insight',
    summary: 'Tell nodes their topology again',
    description:
      'Also where they seem in place. It confirms that this group alone manages the cluster, and answers after 5 s at most.',
    answeredBy: 'leader',
    body: { schema: syncBody, isRequired: false },
    success: { status: 200, description: 'What became of each node.', answers: [syncAnswer] },
    refusals: ['conflict', 'unavailable'],
    examples: {
      all: {
        summary: 'All nodes (of which one is shown)',
        body: {},
        answer: data({
          sync: {
            version: 1,
            nodes: [
              {
                id: MASTER_0,
                addr: addressOf(0),
                version: { wanted: 1, seen: 1 },
                told: true,
                why: null,
                converged: true,
              },
            ],
          },
        }),
      },
    },
  },
  {
    id: 'forgetDeparted',
    method: 'delete',
    path: `${CLUSTER}/departed/{node}`,
    tag: 'Insight',
    summary: 'Forget a node that was removed and will never come back to be told',
    answeredBy: 'leader',
    success: { status: 200, description: 'Nobody waits for it any more.', answers: [okAnswer] },
    refusals: ['conflict'],
    at: { node: ADDED },
    examples: { one: { summary: 'A node whose machine is gone', answer: data('ok') } },
  },
];
