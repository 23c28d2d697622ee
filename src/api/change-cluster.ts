// Read, change, compare-and-set: how a route alters a cluster while the leader may alter it too.

import type { Result } from '../base/result.ts';
import type { TopologyError } from '../topology/errors.ts';
import type { EventDraft } from '../topology/event.ts';
import type { ClusterFacts } from '../topology/facts.ts';
import type { ClusterPlace, ClusterRecord } from '../topology/record.ts';
import type { TaskBook } from '../topology/task.ts';
import type { Cluster } from '../topology/types.ts';
import { ApiError, missing } from './errors.ts';
import { clustersRefusal, confirmed, topologyRefusal } from './parse.ts';
import type { Clusters, Told } from './ports.ts';

/** How often a change is tried again when somebody else's was first. */
const ATTEMPTS_MAX = 5;

/** What a record is to hold from now on, and what is told of that: the event, those `before` it and those `after` it. Without facts they stay as they are. */
export interface RecordChange {
  readonly cluster: Cluster;
  readonly facts?: ClusterFacts;
  /** Made of those that `change` was given. */
  readonly tasks?: TaskBook;
  readonly event: EventDraft;
  readonly before?: EventDraft;
  readonly after?: readonly EventDraft[];
}

/** The record as of now, linearizable; 404 when there is none. */
export async function readCluster(clusters: Clusters, path: ClusterPlace): Promise<ClusterRecord> {
  confirmed(await clusters.linearize());
  const record = clusters.getCluster(path.namespace, path.cluster);
  if (record === null) throw missing();
  return record;
}

/** Applies the pure `change` to the newest record and commits it. Returns the committed cluster; throws the answer otherwise. */
export function changeCluster(
  clusters: Clusters,
  path: ClusterPlace,
  change: (cluster: Cluster) => Result<Cluster, TopologyError>,
  event: EventDraft,
): Promise<Cluster> {
  return changeRecord(clusters, path, ({ cluster }) => ({ cluster: changed(change(cluster)), event }));
}

/** As `changeCluster`, for a `change` that looks at the facts or the tasks, or alters them. It throws its refusals as answers. */
export async function changeRecord(
  clusters: Clusters,
  path: ClusterPlace,
  change: (record: ClusterRecord, tasks: TaskBook) => RecordChange,
): Promise<Cluster> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt += 1) {
    const record = await readCluster(clusters, path);
    const book = clusters.tasks.ofCluster(path);
    const { cluster, facts, tasks, event, before, after = [] } = change(record, book);
    const outcome = await clusters.replaceCluster(record, cluster, {
      ...(facts === undefined ? {} : { facts }),
      ...(tasks === undefined || tasks === book ? {} : { tasks: { before: book, after: tasks } }),
      events: told(...(before === undefined ? [] : [before]), event, ...after),
    });
    if (outcome.ok) return cluster;
    if (outcome.error.kind !== 'conflict') throw clustersRefusal(outcome.error);
  }
  throw new ApiError('conflict', 'the cluster is being changed by others all the time, please retry');
}

/** What a request makes happen. */
export function told(...drafts: readonly EventDraft[]): Told {
  return { actor: 'api', drafts };
}

/** The changed cluster, or the answer that says why there is none. */
export function changed(result: Result<Cluster, TopologyError>): Cluster {
  if (result.ok) return result.value;
  throw topologyRefusal(result.error);
}
