// Growing, shrinking and evening out a cluster: plans of moves, and the tasks that carry them out.

import { type Context, Hono } from 'hono';

import { Secret } from '../../base/secret.ts';
import { describeRefusal, type Worked, withNewTask } from '../../topology/change-tasks.ts';
import { addShard } from '../../topology/change-nodes.ts';
import { shardIndexOf } from '../../topology/cluster.ts';
import { factsFor } from '../../topology/facts.ts';
import type { ClusterPlace, ClusterRecord } from '../../topology/record.ts';
import { printSlotSet, slotSetOf } from '../../topology/slot.ts';
import {
  isToRemove,
  type MigrationTask,
  openTasks,
  type TaskBook,
  type TaskKind,
} from '../../topology/task.ts';
import type { TaskSettings } from '../../topology/tuning.ts';
import type { Cluster, NodeAddress, ShardId, SlotSet } from '../../topology/types.ts';
import { type PlanError, describePlanError } from '../../planning/plan-error.ts';
import { planDrainInSteps, planMovesInSteps, type SlotPlan } from '../../planning/rebalance.ts';
import { planMasterPlaces } from '../../planning/master-places.ts';
import { placementFaults } from '../../planning/placement.ts';
import { finished, type Steps } from '../../planning/steps.ts';
import type { Result } from '../../base/result.ts';
import { seeNewcomers, waivesChecks } from '../admission/admit.ts';
import { factsOfNewShards } from '../admission/taken.ts';
import { answer } from '../answers.ts';
import { readBody, readOptionalBody } from '../body.ts';
import { changed, changeRecord, type RecordChange, readCluster } from '../change-cluster.ts';
import { type ApiDependencies, type TakingDependencies, wallSeconds } from '../dependencies.ts';
import { ApiError, badRequest } from '../errors.ts';
import { checkMovable } from '../movable-slots.ts';
import { addressList, clustersRefusal, shardParam } from '../parse.ts';
import { renderTask } from '../render-tasks.ts';
import { drainBody, rebalanceBody, scaleInBody, scaleOutBody } from '../schemas/slot-bodies.ts';
import { clusterPath } from './clusters.ts';
import { shardOf } from './shards.ts';

const CLUSTER = '/namespaces/:namespace/clusters/:cluster';

/** Slots of one job, unless somebody says otherwise: a job that fails begins anew. */
const BATCH_DEFAULT = 256;

export function scalingRoutes(dependencies: TakingDependencies): Hono {
  return new Hono()
    .post(`${CLUSTER}/rebalance`, (context) => rebalance(dependencies, context))
    .post(`${CLUSTER}/scale-out`, (context) => scaleOut(dependencies, context))
    .post(`${CLUSTER}/scale-in`, async (context) => {
      const body = await readBody(context, scaleInBody);
      return drain(dependencies, context, { ...body, removes: true });
    })
    .post(`${CLUSTER}/shards/:shard/drain`, async (context) => {
      const body = await readOptionalBody(context, drainBody);
      return drain(dependencies, context, { ...body, shards: [shardParam(context)], removes: false });
    })
    .get(`${CLUSTER}/placement`, (context) => placement(dependencies, context));
}

async function rebalance(dependencies: ApiDependencies, context: Context): Promise<Response> {
  const { weights, batch, speed, type, dry_run: isDryRun } = await readOptionalBody(context, rebalanceBody);
  return carryOut(dependencies, context, {
    kind: 'rebalance',
    batch,
    settings: { speed, type },
    isDryRun,
    plan: (cluster) => planMovesInSteps({ cluster, weights: weightsOf(cluster, weights) }),
    text: 'the slots are to be spread over the shards',
  });
}

interface DrainRequest {
  readonly shards: readonly number[];
  readonly batch?: number | undefined;
  readonly speed: TaskSettings['speed'];
  readonly type: TaskSettings['type'];
  readonly dry_run: boolean;
  readonly removes: boolean;
}

async function drain(
  dependencies: ApiDependencies,
  context: Context,
  { shards, batch, speed, type, dry_run: isDryRun, removes }: DrainRequest,
): Promise<Response> {
  const { cluster } = await readCluster(dependencies.clusters, clusterPath(context));
  if (new Set(shards).size < shards.length) throw badRequest('shards: one is listed twice');
  const drained = new Set(shards.map((index) => shardOf(cluster, index).id));
  return carryOut(dependencies, context, {
    kind: 'drain',
    batch,
    settings: { speed, type },
    isDryRun,
    plan: (present) => planDrainInSteps({ cluster: present, drained, weights: new Map() }),
    removes: removes ? [...drained] : [],
    text: `shard ${shards.join(', ')} is to give away its slots${removes ? ', and to be removed' : ''}`,
  });
}

interface Wanted {
  readonly kind: TaskKind;
  readonly batch?: number | undefined;
  readonly settings: TaskSettings;
  readonly isDryRun: boolean;
  readonly plan: (cluster: Cluster) => Steps<Result<SlotPlan, PlanError>>;
  /** Shards that are removed when they have given all away. */
  readonly removes?: readonly ShardId[];
  readonly text: string;
}

/** Answers the plan, and unless that is all that is wanted the task that carries it out; none where nothing has to be done. */
async function carryOut(
  dependencies: ApiDependencies,
  context: Context,
  { kind, batch = BATCH_DEFAULT, settings, isDryRun, plan, removes = [], text }: Wanted,
): Promise<Response> {
  const { clusters, inspector } = dependencies;
  const path = clusterPath(context);
  const { cluster } = await readCluster(clusters, path);
  const first = planned(await inTurns(plan(cluster)));
  if (isDryRun) return answerPlan(dependencies, context, { plan: first, cluster, task: null });
  checkRecorded(dependencies);
  checkIdle(clusters.tasks.ofCluster(path));
  const hasWork = first.moves.length > 0 || removes.length > 0;
  if (!hasWork) return answerPlan(dependencies, context, { plan: first, cluster, task: null });
  await checkMovable(inspector, cluster, slotsOf(first));
  let done = { plan: first, cluster, task: null as MigrationTask | null };
  const next = await changeRecord(clusters, path, (record, tasks) => {
    checkIdle(tasks);
    const again = record.cluster === cluster ? first : planned(finished(plan(record.cluster)));
    const worked = begun(
      dependencies,
      { cluster: record.cluster, tasks },
      { kind, batch, settings, plan: again, removes },
    );
    done = { ...done, plan: again, task: worked.task };
    return changeOf(worked, `migration ${worked.task.id}: ${text}`);
  });
  return answerPlan(dependencies, context, { ...done, cluster: next });
}

async function scaleOut(dependencies: TakingDependencies, context: Context): Promise<Response> {
  const { clusters, admissions, inspector } = dependencies;
  const body = await readBody(context, scaleOutBody);
  const { batch = BATCH_DEFAULT, speed, type, dry_run: isDryRun, replicas } = body;
  const addresses = addressList(body.nodes);
  if (addresses.length % replicas !== 0)
    throw badRequest(
      `nodes: ${addresses.length} nodes do not make shards of ${replicas}; "replicas" counts the nodes of a shard, its master included`,
    );
  const groups = Array.from({ length: addresses.length / replicas }, (_, index) =>
    addresses.slice(index * replicas, (index + 1) * replicas),
  );
  const password = new Secret(body.password);
  const path = clusterPath(context);
  const plan = (grown: Cluster) =>
    planMovesInSteps({ cluster: grown, weights: weightsOf(grown, body.weights) });
  const { cluster: present } = await readCluster(clusters, path);
  const sketch = grownBy(dependencies, present, { groups, password });
  const first = planned(await inTurns(plan(sketch)));
  if (isDryRun) return answerPlan(dependencies, context, { plan: first, cluster: sketch, task: null });
  checkRecorded(dependencies);
  checkIdle(clusters.tasks.ofCluster(path));
  await checkMovable(inspector, present, slotsOf(first));
  const abandoned = context.req.raw.signal;
  const isWaived = waivesChecks(context);
  return admissions.run(abandoned, async () => {
    const { cluster: joined } = await readCluster(clusters, path);
    const newcomers = await seeNewcomers(dependencies, { addresses, password, isWaived, joined, abandoned });
    const nowSeconds = wallSeconds(dependencies);
    const wishes = { newcomers, withData: false, remake: body.remake, isWaived, nowSeconds };
    let done: { plan: SlotPlan; task: MigrationTask | null } = { plan: first, task: null };
    const next = await changeRecord(clusters, path, (record: ClusterRecord, tasks) => {
      checkIdle(tasks);
      const grown = grownBy(dependencies, record.cluster, { groups, password });
      // New shards get the same ids as when it was planned.
      const again = record.cluster === present ? first : planned(finished(plan(grown)));
      const worked = begun(
        dependencies,
        { cluster: grown, tasks },
        { kind: 'scaleOut', settings: { speed, type }, batch, plan: again, removes: [] },
      );
      done = { plan: again, task: worked.task };
      const added = worked.cluster.shards.slice(record.cluster.shards.length);
      const nodes = `${added.length} shards of ${addresses.join(' ')} were added`;
      return {
        ...changeOf(worked, `migration ${worked.task.id}: new shards are to get their part of the slots`),
        facts: factsOfNewShards(factsFor(record.facts, worked.cluster), added, wishes),
        before: { kind: 'shardAdded', text: nodes },
      };
    });
    return answerPlan(dependencies, context, { ...done, cluster: next });
  });
}

function grownBy(
  dependencies: ApiDependencies,
  cluster: Cluster,
  { groups, password }: { readonly groups: readonly (readonly NodeAddress[])[]; readonly password: Secret },
): Cluster {
  const { random } = dependencies;
  const nowSeconds = wallSeconds(dependencies);
  return groups.reduce(
    (grown, addresses) => changed(addShard(grown, { addresses, password, random, nowSeconds })),
    cluster,
  );
}

interface Begin {
  readonly kind: TaskKind;
  readonly batch: number;
  readonly settings: TaskSettings;
  readonly plan: SlotPlan;
  readonly removes: readonly ShardId[];
}

function begun(
  dependencies: ApiDependencies,
  worked: Worked,
  { kind, batch, settings, plan, removes }: Begin,
): Worked & { readonly task: MigrationTask } {
  const nowSeconds = wallSeconds(dependencies);
  const wanted = { kind, actor: 'api', moves: plan.moves, batch, settings, removes, nowSeconds };
  const created = withNewTask(worked, wanted);
  if (!created.ok) throw new ApiError('conflict', describeRefusal(created.error));
  return created.value;
}

function changeOf(
  { cluster, tasks, task }: Worked & { readonly task: MigrationTask },
  text: string,
): RecordChange {
  return { cluster, tasks, event: { kind: 'taskCreated', text, correlation: `migration-${task.id}` } };
}

/** A plan reckons with where slots lie now, not with where they are on their way to. */
function checkIdle(tasks: TaskBook): void {
  const removing = tasks.find(isToRemove);
  if (removing !== undefined)
    throw new ApiError(
      'conflict',
      `migration ${removing.id} has emptied shards that are about to be removed: the plan would give them slots; ask again once they are gone`,
    );
  const [task] = openTasks(tasks);
  if (task === undefined) return;
  throw new ApiError(
    'conflict',
    `migration ${task.id} has not ended: the plan would not reckon with what it moves; wait for it, or cancel it first`,
  );
}

function checkRecorded({ clusters }: ApiDependencies): void {
  const { refusal } = clusters.tasks;
  if (refusal !== null) throw clustersRefusal(refusal);
}

/** Weights by the index of their shards, as the API names them. */
function weightsOf(
  cluster: Cluster,
  weights: Readonly<Record<string, number>>,
): ReadonlyMap<ShardId, number> {
  return new Map(
    Object.entries(weights).map(([index, weight]) => {
      const shard = /^\d{1,9}$/.test(index) ? cluster.shards[Number(index)] : undefined;
      if (shard === undefined)
        throw badRequest(
          `weights: ${JSON.stringify(index)} is no shard, which are 0 to ${cluster.shards.length - 1}`,
        );
      return [shard.id, weight];
    }),
  );
}

function planned(result: Result<SlotPlan, PlanError>): SlotPlan {
  if (result.ok) return result.value;
  throw badRequest(describePlanError(result.error));
}

/** A plan of a large cluster takes its time; others have their turn in between. */
async function inTurns<T>(steps: Steps<T>): Promise<T> {
  for (;;) {
    const step = steps.next();
    if (step.done === true) return step.value;
    await new Promise((resolve) => {
      setImmediate(resolve);
    });
  }
}

/** All slots that a plan moves. */
function slotsOf({ moves }: SlotPlan): SlotSet {
  return slotSetOf(moves.flatMap(({ slots }) => slots));
}

interface Outcome {
  readonly plan: SlotPlan;
  /** The cluster that the plan is of, new shards included. */
  readonly cluster: Cluster;
  readonly task: MigrationTask | null;
}

function answerPlan(
  { insight }: ApiDependencies,
  context: Context,
  { plan, cluster, task }: Outcome,
): Response {
  const indexOf = (id: ShardId): number => shardIndexOf(cluster, id);
  const seen = insight.tasks(clusterPath(context));
  return answer(context, {
    plan: {
      slots_moved: plan.moved,
      slots_unowned: plan.unowned,
      moves: plan.moves.map(({ source, target, slots }) => ({
        source: indexOf(source),
        target: indexOf(target),
        slots: printSlotSet(slots),
      })),
      shards: plan.shards.map(({ shard, before, after }) => ({ shard: indexOf(shard), before, after })),
    },
    migration: task === null ? null : renderTask(task, { cluster, seen, withRanges: false }),
  });
}

/** Where nodes stand: what is wrong with that, and which failovers would bring masters to better places, or into `?zone=`. */
async function placement(
  { clusters, policies, clock }: ApiDependencies,
  context: Context,
): Promise<Response> {
  const path: ClusterPlace = clusterPath(context);
  const { cluster } = await readCluster(clusters, path);
  const nowSeconds = Math.floor(clock.wallMs() / 1000);
  const placed = { cluster, policy: policies.ofCluster(path), nowSeconds };
  const zone = context.req.query('zone');
  const plan = planMasterPlaces(zone === undefined ? placed : { ...placed, zone });
  if (!plan.ok) throw badRequest(describePlanError(plan.error));
  return answer(context, {
    placement: {
      faults: placementFaults(placed),
      failovers: plan.value.map(({ shardIndex, from, fromZone, to, toZone }) => ({
        shard: shardIndex,
        from,
        from_zone: fromZone,
        to,
        to_zone: toZone,
        request: {
          method: 'POST',
          path: `/api/v1/namespaces/${path.namespace}/clusters/${path.cluster}/shards/${shardIndex}/failover`,
          body: { preferred_node_id: to },
        },
      })),
    },
  });
}
