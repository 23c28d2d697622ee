// All declared metrics by area: what the page of metrics is written from, and what alerts and dashboards are checked against.

import { PREFIX, type Declarations, type Declared } from './declared/declare.ts';
import { CLUSTER_SAMPLED, LEADER_COUNTED, NODE_SAMPLED } from './declared/leader.ts';
import {
  HTTP_COUNTED,
  HTTP_SAMPLED,
  PROCESS_COUNTED,
  PROCESS_SAMPLED,
  RAFT_COUNTED,
  RAFT_SAMPLED,
} from './declared/member.ts';

export interface MetricArea {
  readonly title: string;
  readonly about: string;
  readonly metrics: Declarations;
}

export const METRIC_AREAS: readonly MetricArea[] = [
  {
    title: 'Raft, members and store',
    about: 'At every member, each about itself. Where it says so, on the leader alone.',
    metrics: { ...RAFT_SAMPLED, ...RAFT_COUNTED },
  },
  { title: 'HTTP', about: 'At every member.', metrics: { ...HTTP_COUNTED, ...HTTP_SAMPLED } },
  {
    title: 'Process',
    about:
      'At every member, beside `process_*` and `nodejs_*` of the library prom-client, which have no prefix.',
    metrics: { ...PROCESS_COUNTED, ...PROCESS_SAMPLED },
  },
  {
    title: 'Clusters and nodes',
    about: 'On the leader alone, of the clusters that are stored.',
    metrics: { ...CLUSTER_SAMPLED, ...NODE_SAMPLED },
  },
  {
    title: 'What the leader does',
    about: 'On the leader alone. Counts begin at 0 with the lead, and those of a cluster end with it.',
    metrics: LEADER_COUNTED,
  },
];

/** Every metric by its whole name. */
export const METRICS: ReadonlyMap<string, Declared> = new Map(
  METRIC_AREAS.flatMap(({ metrics }) =>
    Object.entries(metrics).map(([name, declared]) => [PREFIX + name, declared] as const),
  ),
);
