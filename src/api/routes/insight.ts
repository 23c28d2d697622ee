// What the leader sees of a cluster and why it does, or does not, act: for people, and for whoever only wants to know the master.

import { type Context, Hono } from 'hono';

import { printTime } from '../../base/wall-time.ts';
import { explanationBody } from '../../control/explanation-body.ts';
import type { ClusterStatus, NodeStatus } from '../../control/status.ts';
import { masterOf } from '../../topology/cluster.ts';
import { type ClusterEvent, type EventKind, eventBody, EVENTS_MAX } from '../../topology/event.ts';
import { printRole } from '../../topology/node.ts';
import type { ClusterPlace } from '../../topology/record.ts';
import { openTasks } from '../../topology/task.ts';
import type { Cluster } from '../../topology/types.ts';
import { answer } from '../answers.ts';
import { readCluster } from '../change-cluster.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { ApiError, missing } from '../errors.ts';
import { shardParam } from '../parse.ts';
import { renderShortage, renderSpares } from '../render-spares.ts';
import { renderTask } from '../render-tasks.ts';
import { renderAutomation, renderWish } from './policies.ts';
import { clusterPath } from './clusters.ts';
import { shardOf } from './shards.ts';

const CLUSTER = '/namespaces/:namespace/clusters/:cluster';
const MASTER = `${CLUSTER}/shards/:shard/master`;

/** What is decided about a shard, and not just asked for. */
const DECISIONS: ReadonlySet<EventKind> = new Set([
  'failover',
  'switchoverStarted',
  'switchoverUndone',
  'switchover',
  'copyCondemned',
  'copyRemade',
  'copyReplaced',
  'migrationFinished',
  'migrationGivenUp',
  'slotsRecorded',
]);

type Insights = Pick<ApiDependencies, 'clusters' | 'insight' | 'group' | 'policies' | 'events' | 'clock'>;

/** For the leader. */
export function insightRoutes({ clusters, insight, group, policies, events, clock }: Insights): Hono {
  return new Hono()
    .get(`${CLUSTER}/status`, async (context) => {
      const path = clusterPath(context);
      const { cluster } = await readCluster(clusters, path);
      const status = looked(insight.status(path));
      const spares = renderSpares(policies.ofCluster(path).spares, cluster, {
        seen: status.spares,
        nowMs: clock.wallMs(),
      });
      const shards = renderShards(cluster, events, path);
      const seen = insight.tasks(path);
      const shown = { cluster, seen, withRanges: false };
      const migrations = openTasks(clusters.tasks.ofCluster(path)).map((task) => renderTask(task, shown));
      return answer(context, { status: { ...renderStatus(status), shards, migrations, spares } });
    })
    .get(`${CLUSTER}/shards/:shard/explain`, async (context) => {
      const path = clusterPath(context);
      const index = shardParam(context);
      shardOf((await readCluster(clusters, path)).cluster, index);
      const explained = explanationBody(looked(insight.explain(path, index)), clock.wallMs());
      const shortage = insight.status(path)?.spares.shards.find(({ shardIndex }) => shardIndex === index);
      const copies = shortage === undefined ? null : renderShortage(shortage, clock.wallMs());
      return answer(context, { explain: { ...explained, copies } });
    })
    .get(MASTER, async (context) => {
      const { cluster } = await readCluster(clusters, clusterPath(context));
      return answerMaster(context, cluster, group.current().term);
    });
}

/** `?stale=ok`: every member answers from what it has applied, without asking anybody. */
export function staleInsightRoutes({ clusters, group }: Pick<Insights, 'clusters' | 'group'>): Hono {
  return new Hono().get(MASTER, async (context, next) => {
    if (context.req.query('stale') !== 'ok') return next();
    const { namespace, cluster } = clusterPath(context);
    const record = clusters.getCluster(namespace, cluster);
    if (record === null) throw missing();
    return answerMaster(context, record.cluster, group.current().term);
  });
}

function answerMaster(context: Context, cluster: Cluster, term: number): Response {
  const master = masterOf(shardOf(cluster, shardParam(context)));
  return answer(context, { master: { id: master.id, addr: master.address }, version: cluster.version, term });
}

/** Each shard with what was decided about it last; null where that is forgotten. The index of a shard changes when one before it is removed. */
function renderShards(cluster: Cluster, log: Insights['events'], place: ClusterPlace): readonly object[] {
  const last = new Map<number, ClusterEvent>();
  const { events } = log.page({ place, cursor: null, limit: EVENTS_MAX, isWanted: () => true });
  const removal = events.findIndex(({ kind }) => kind === 'shardRemoved');
  for (const event of removal === -1 ? events : events.slice(0, removal)) {
    const { shardIndex, kind } = event;
    if (shardIndex !== null && DECISIONS.has(kind) && !last.has(shardIndex)) last.set(shardIndex, event);
  }
  return cluster.shards.map((shard, index) => {
    const event = last.get(index);
    return {
      shard: index,
      master: masterOf(shard).id,
      last_decision: event === undefined ? null : eventBody(event),
    };
  });
}

/** A leader that has just begun has seen nothing yet. */
function looked<T>(seen: T | null): T {
  if (seen !== null) return seen;
  throw new ApiError('unavailable', 'this controller has just begun to look at the cluster, please retry');
}

function renderStatus(status: ClusterStatus): object {
  return {
    cluster: status.cluster,
    version: status.version,
    converged: status.isConverged,
    automation: {
      ...renderAutomation(status.automation?.automation ?? null),
      by: status.automation?.by ?? null,
    },
    on_divergence: status.onDivergence,
    nodes: status.nodes.map((node) => renderNodeStatus(node)),
    departed: status.departed.map(({ id, address, leftAtSeconds, state, error }) => ({
      id,
      addr: address,
      left_at: printTime(leftAtSeconds),
      state,
      error,
    })),
    problems: status.problems.map(({ kind, severity, title, detail, remedy, shardIndex, node, address }) => ({
      kind,
      severity,
      title,
      detail,
      remedy,
      shard: shardIndex,
      node,
      addr: address,
    })),
  };
}

function renderNodeStatus({
  id,
  address,
  shardIndex,
  condition,
  wantedRole,
  wantedVersion,
  seen,
  ...rest
}: NodeStatus): unknown {
  return {
    id,
    addr: address,
    shard: shardIndex,
    condition,
    role: { wanted: printRole(wantedRole), seen: seen === null ? null : printRole(seen.role) },
    version: { wanted: wantedVersion, seen: seen?.version ?? null },
    link_fault: seen?.linkFault ?? null,
    sequence: seen?.sequence ?? null,
    behind: rest.behind,
    last_look_age_ms: seen === null ? null : Math.round(seen.ageMs),
    missed_probes: rest.missedProbes,
    error: rest.error,
    failover_priority: rest.policy.failoverPriority,
    zone: rest.policy.zone,
    maintenance: rest.policy.maintenance === null ? null : renderWish(rest.policy.maintenance),
    converged: rest.isConverged,
    witnesses: rest.witnesses.map(({ by, saw, ageMs }) => ({ by, saw, age_ms: Math.round(ageMs) })),
  };
}
