// Answers about what the leading controller sees, and why it does, or does not, act.

import { z } from 'zod';

import type { Explanation, Gate, GateName, CandidateView } from '../../../control/explain.ts';
import type { FoundKind } from '../../../control/finding.ts';
import { PROBLEMS, type Severity } from '../../../control/problems.ts';
import type { Condition } from '../../../control/sight.ts';
import type { DepartureStatus } from '../../../control/status.ts';
import { DIVERGENCE_MODES } from '../../../topology/policy.ts';
import { address, answerOf, growing, named, nodeId, oneOf, shardIndex, time } from '../named.ts';
import { event } from './events.ts';
import { migration } from './tasks.ts';
import { effectiveAutomation, shortage, spares, wish } from './wishes.ts';

const severity = oneOf<Severity>({ critical: true, error: true, warning: true, info: true }).describe(
  '`critical`: clients are affected now. `error`: somebody must act. `warning`: a safety margin is gone. `info`: it passes.',
);
const role = z.enum(['master', 'slave']);

/** What only a check finds. */
const FOUND: Readonly<Record<FoundKind, true>> = {
  nodeSilent: true,
  topologyUnread: true,
  noTopology: true,
  wrongId: true,
  wrongVersion: true,
  wrongRole: true,
  wrongMaster: true,
  wrongTopology: true,
  slotsUnserved: true,
  slotsClaimedTwice: true,
  strayImport: true,
  unknownImport: true,
  migrationRunning: true,
  masterChanging: true,
};

const witnesses = z
  .array(
    z.object({
      by: z.int().describe('The number of the controller.'),
      saw: z.string(),
      age_ms: z.int(),
    }),
  )
  .describe('What each controller that was asked saw when it last looked.');

const nodeStatus = named(
  'NodeStatus',
  z.object({
    id: nodeId,
    addr: address,
    shard: shardIndex,
    condition: oneOf<Condition>({
      unknown: true,
      blind: true,
      answering: true,
      loading: true,
      impaired: true,
      suspect: true,
      down: true,
      gone: true,
    }),
    role: z.object({ wanted: role, seen: role.nullable() }),
    version: z.object({ wanted: z.int(), seen: z.int().nullable() }),
    link_fault: z.string().nullable().describe('What is wrong with the link of a replica to its master.'),
    sequence: z.int().nullable(),
    behind: z.int().nullable().describe('Sequence numbers that a replica lacks of its master.'),
    last_look_age_ms: z.int().nullable(),
    missed_probes: z.int(),
    error: z.string().nullable().describe('Why the last look brought no report.'),
    failover_priority: z.int(),
    zone: z.string(),
    maintenance: wish.nullable(),
    converged: z.boolean().describe('It answers, and has the version and role that are recorded.'),
    witnesses,
  }),
);

const problem = named(
  'Problem',
  z.object({
    kind: growing(Object.keys(PROBLEMS)),
    severity,
    title: z.string(),
    detail: z.string(),
    remedy: z.string(),
    shard: shardIndex.nullable(),
    node: nodeId.nullable(),
    addr: address.nullable(),
  }),
);

export const statusAnswer = answerOf(
  'ClusterStatusAnswer',
  z.object({
    status: named(
      'ClusterStatus',
      z.object({
        cluster: z.string(),
        version: z.int(),
        converged: z.boolean().describe('Every node is.'),
        automation: effectiveAutomation,
        on_divergence: z.enum(DIVERGENCE_MODES),
        nodes: z.array(nodeStatus),
        departed: z
          .array(
            z.object({
              id: nodeId,
              addr: address,
              left_at: time,
              state: oneOf<DepartureStatus['state']>({ untold: true, detached: true }),
              error: z.string().nullable(),
            }),
          )
          .describe('Nodes that have left the cluster: `untold` ones have not heard so yet.'),
        problems: z.array(problem),
        shards: z.array(
          z.object({
            shard: shardIndex,
            master: nodeId,
            last_decision: event.nullable().describe('Null where it is forgotten.'),
          }),
        ),
        migrations: z.array(migration).describe('Those that have not ended.'),
        spares,
      }),
    ),
  }),
);

const gate = z.object({
  gate: oneOf<GateName>({
    missed: true,
    confirmed: true,
    replicas: true,
    time: true,
    lease: true,
    candidate: true,
    restraint: true,
  }),
  verdict: oneOf<Exclude<Gate['verdict'], 'notReached'> | 'not_reached'>({
    pass: true,
    wait: true,
    block: true,
    not_reached: true,
  }).describe('`wait` ends by itself, `block` does not.'),
  evidence: z.string(),
  left_ms: z.int().nullable(),
  until: time.nullable(),
  remedy: z.string().nullable(),
});

export const explainAnswer = answerOf(
  'ExplainAnswer',
  z.object({
    explain: named(
      'Explanation',
      z.object({
        shard: shardIndex,
        master: nodeId,
        verdict: oneOf<Explanation['verdict']>({ healthy: true, waiting: true, blocked: true, due: true }),
        why: z.string(),
        missed_since: time.nullable(),
        next: z
          .object({ action: z.literal('failover'), node: nodeId, at: time })
          .nullable()
          .describe('Who takes over; null unless that is due.'),
        gates: z.array(gate).describe('The gates of an automatic failover, in their order.'),
        candidates: z.array(
          z.object({
            node: nodeId,
            addr: address,
            behind: z.int().nullable(),
            priority: z.int(),
            zone: z.string(),
            link_fault: z.string().nullable(),
            verdict: oneOf<CandidateView['verdict']>({ eligible: true, refused: true, wait: true }),
            reason: z.string(),
          }),
        ),
        witnesses,
        copies: shortage.nullable().describe('Null where the shard has all the nodes that are wanted.'),
      }),
    ),
  }),
);

export const masterAnswer = answerOf(
  'MasterAnswer',
  z.object({ master: z.object({ id: nodeId, addr: address }), version: z.int(), term: z.int() }),
);

export const checkAnswer = answerOf(
  'CheckAnswer',
  z.object({
    check: named(
      'ClusterCheck',
      z.object({
        is_clean: z.boolean().describe('Nothing above `info` was found.'),
        version: z.int(),
        checked_at: time,
        nodes_asked: z.int(),
        nodes_answered: z.int(),
        findings: z
          .array(
            z.object({
              kind: growing([...Object.keys(FOUND), 'the kinds of problems']),
              severity,
              shard: shardIndex.nullable(),
              node: nodeId.nullable(),
              address: address.nullable(),
              text: z.string(),
              remedy: z.string().describe('A call that mends it, or what to do.'),
            }),
          )
          .describe('The gravest first.'),
      }),
    ),
  }),
);

export const syncAnswer = answerOf(
  'SyncAnswer',
  z.object({
    sync: z.object({
      version: z.int(),
      nodes: z.array(
        z.object({
          id: nodeId,
          addr: address,
          version: z.object({ wanted: z.int(), seen: z.int().nullable() }),
          told: z.boolean(),
          why: z.string().nullable().describe('Why it was not told.'),
          converged: z.boolean(),
        }),
      ),
    }),
  }),
);
