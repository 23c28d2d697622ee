// A new task: planned from the newest cluster, and written for whoever leads to begin its jobs.

import { describeRefusal, withNewTask } from '../topology/change-tasks.ts';
import type { ClusterPlace } from '../topology/record.ts';
import { type MigrationTask, type NewTask, type TaskKind } from '../topology/task.ts';
import { slotSetOf } from '../topology/slot.ts';
import { NO_SETTINGS, type TaskSettings } from '../topology/tuning.ts';
import type { Cluster } from '../topology/types.ts';
import { changeRecord, readCluster } from './change-cluster.ts';
import { type ApiDependencies, wallSeconds } from './dependencies.ts';
import { ApiError } from './errors.ts';
import { checkMovable } from './movable-slots.ts';

export interface TaskWanted {
  readonly kind: TaskKind;
  /** The most slots of one job. */
  readonly batch: number;
  /** How its sources are to send: as they are set, unless it is said. */
  readonly settings?: TaskSettings;
  /** May be called again; throws its refusals as answers. */
  readonly plan: (cluster: Cluster) => NewTask['moves'];
  readonly text: string;
  readonly shardIndex: number | null;
}

/** The committed cluster and the task. What the topology, other tasks or the nodes refuse is answered, and nothing is stored. */
export async function createTask(
  dependencies: Pick<ApiDependencies, 'clusters' | 'inspector' | 'clock'>,
  path: ClusterPlace,
  { kind, batch, settings = NO_SETTINGS, plan, text, shardIndex }: TaskWanted,
): Promise<{ readonly cluster: Cluster; readonly task: MigrationTask }> {
  const { clusters, inspector } = dependencies;
  const nowSeconds = wallSeconds(dependencies);
  const created = (cluster: Cluster) => {
    const moves = plan(cluster);
    const tasks = clusters.tasks.ofCluster(path);
    const wanted: NewTask = { kind, actor: 'api', moves, batch, settings, nowSeconds };
    return withNewTask({ cluster, tasks }, wanted);
  };
  const { cluster } = await readCluster(clusters, path);
  // What is refused anyway is refused without asking anybody.
  const first = created(cluster);
  if (!first.ok) throw new ApiError('conflict', describeRefusal(first.error));
  const ranges = first.value.task.ranges.map(({ range }) => range);
  await checkMovable(inspector, cluster, slotSetOf(ranges));
  let task: MigrationTask = first.value.task;
  const next = await changeRecord(clusters, path, (record) => {
    const worked = created(record.cluster);
    if (!worked.ok) throw new ApiError('conflict', describeRefusal(worked.error));
    ({ task } = worked.value);
    return {
      cluster: worked.value.cluster,
      tasks: worked.value.tasks,
      event: {
        kind: 'taskCreated',
        text: `migration ${task.id}: ${text}`,
        shardIndex,
        correlation: `migration-${task.id}`,
      },
    };
  });
  return { cluster: next, task };
}
