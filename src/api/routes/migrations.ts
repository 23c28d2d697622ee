// Moving slots between shards: tasks that are asked for, looked at, held up and given up.

import { type Context, Hono } from 'hono';

import {
  describeRefusal,
  type TaskRefusal,
  withTaskCancelled,
  withTaskPaused,
  withTaskResumed,
  withTaskRetried,
  type Worked,
} from '../../topology/change-tasks.ts';
import type { EventDraft } from '../../topology/event.ts';
import { cancelMigration, moveSlots, startMigration } from '../../topology/change-slots.ts';
import { type MigrationPlace, migrationsOf, shardAt } from '../../topology/cluster.ts';
import {
  containsRange,
  countSlots,
  intersectionSlots,
  parseSlot,
  parseSlotRange,
  parseSlotSet,
  printSlotRange,
  printSlotSet,
  slotSetOf,
} from '../../topology/slot.ts';
import {
  isDone,
  type MigrationTask,
  NO_TASKS,
  openTasks,
  slotsOfTask,
  taskOver,
  type TaskBook,
  type TaskRange,
  taskState,
} from '../../topology/task.ts';
import type { Result } from '../../base/result.ts';
import { type TaskSettings, wantsSettings } from '../../topology/tuning.ts';
import { type Cluster, type SlotRange, type SlotSet, SLOT_COUNT } from '../../topology/types.ts';
import { answer, answerChange } from '../answers.ts';
import { readBody, readNoBody, readOptionalBody } from '../body.ts';
import { changeCluster, changed, changeRecord, readCluster } from '../change-cluster.ts';
import { createTask } from '../create-task.ts';
import { type ApiDependencies, wallSeconds } from '../dependencies.ts';
import { ApiError, badRequest, missing, TEXT_MISSING } from '../errors.ts';
import { checkMovable, checkRecordable } from '../movable-slots.ts';
import { clustersRefusal, topologyRefusal, valid } from '../parse.ts';
import { renderCluster } from '../render.ts';
import { renderTask } from '../render-tasks.ts';
import { cancelBody, migrateBody } from '../schemas/slot-bodies.ts';
import { clusterPath } from './clusters.ts';

const CLUSTER = '/namespaces/:namespace/clusters/:cluster';
const MIGRATE = `${CLUSTER}/migrate`;
const MIGRATIONS = `${CLUSTER}/migrations`;

/** What can be wanted of a task, with what it does to it. */
const WISHES = {
  pause: { change: withTaskPaused, text: 'is to pause' },
  resume: { change: withTaskResumed, text: 'is to go on' },
  cancel: { change: withTaskCancelled, text: 'is to be given up' },
  retry: { change: withTaskRetried, text: 'is to be tried again' },
} as const satisfies Record<
  string,
  {
    readonly change: (worked: Worked, task: MigrationTask, nowSeconds: number) => Result<Worked, TaskRefusal>;
    readonly text: string;
  }
>;

export function migrationRoutes(dependencies: ApiDependencies): Hono {
  const routes = new Hono()
    .post(MIGRATE, (context) => migrate(dependencies, context))
    .post(`${MIGRATE}/cancel`, (context) => cancel(dependencies, context))
    .get(MIGRATIONS, (context) => list(dependencies, context))
    .get(`${MIGRATIONS}/:migration`, (context) => show(dependencies, context));
  for (const wish of ['pause', 'resume', 'cancel', 'retry'] as const)
    routes.post(`${MIGRATIONS}/:migration/${wish}`, (context) => want(dependencies, context, wish));
  return routes;
}

/** Answers when the intention is committed; the leader carries it to its end. `slot_only` moves ownership at once, without data. */
async function migrate(dependencies: ApiDependencies, context: Context): Promise<Response> {
  const { clusters } = dependencies;
  const body = await readBody(context, migrateBody);
  const slots = slotsWanted(body);
  if (body.target < 0) throw badRequest('target: expected a shard index of 0 or more');
  const path = clusterPath(context);
  const settings: TaskSettings = { speed: body.speed, type: body.type };
  if (body.slot_only ?? body.slotOnly ?? false) {
    if (wantsSettings(settings)) throw badRequest(`${nameIn(settings)}: nothing is sent with "slot_only"`);
    if (body.batch !== undefined) throw badRequest('batch: all is moved at once with "slot_only"');
    return record(dependencies, context, slots, body.target);
  }
  await readCluster(clusters, path);
  const { refusal } = clusters.tasks;
  if (refusal !== null) {
    const [range, ...more] = slots;
    const isPlain = more.length === 0 && body.batch === undefined && !wantsSettings(settings);
    // A limit that was asked for is no wish that can be passed over.
    if (range === undefined || !isPlain) throw clustersRefusal(refusal);
    return migrateAlone(dependencies, context, range, body.target);
  }
  const { cluster } = await createTask(dependencies, path, {
    kind: 'migrate',
    batch: body.batch ?? SLOT_COUNT,
    settings,
    plan: (present) => movesTo(present, slots, body.target),
    text: `slots ${printSlotSet(slots).join(' ')} are to be moved to shard ${body.target}`,
    shardIndex: body.target,
  });
  return answerChange(context, { word: 'ok', object: { cluster: renderCluster(cluster) }, status: 200 });
}

/** The field of a request that asks for them. */
function nameIn({ speed }: TaskSettings): string {
  return speed === null ? 'type' : 'speed';
}

/** The moves of `slots` to one shard, by who owns them. */
function movesTo(cluster: Cluster, slots: SlotSet, targetIndex: number) {
  const found = shardAt(cluster, targetIndex, 'target');
  if (!found.ok) throw topologyRefusal(found.error);
  const target = found.value;
  const owned = cluster.shards.map((source) => ({
    source: source.id,
    target: target.id,
    slots: intersectionSlots(source.slots, slots),
  }));
  const count = owned.reduce((sum, move) => sum + countSlots(move.slots), 0);
  if (count < countSlots(slots)) {
    const text = printSlotSet(slots).join(' ');
    throw badRequest(
      `slots: nobody owns some of the slots ${text}; give them to a shard with POST .../shards/{shard}/slots first`,
    );
  }
  const moves = owned.filter((move) => move.slots.length > 0 && move.source !== target.id);
  if (owned.some((move) => move.source === target.id && move.slots.length > 0))
    throw topologyRefusal({ kind: 'sameShard', shardIndex: targetIndex });
  return moves;
}

/** Moves ownership at once, without data. */
async function record(
  { clusters, inspector }: ApiDependencies,
  context: Context,
  slots: SlotSet,
  targetIndex: number,
): Promise<Response> {
  const path = clusterPath(context);
  const wanted = (present: Cluster): Cluster =>
    slots.reduce((left, range) => changed(moveSlots(left, { range, targetIndex })), present);
  const { cluster } = await readCluster(clusters, path);
  const idle = (tasks: TaskBook): void => {
    const task = taskOver(tasks, slots);
    if (task === null) return;
    const both = printSlotSet(intersectionSlots(slotsOfTask(task), slots)).join(' ');
    throw new ApiError('conflict', describeRefusal({ kind: 'slotsInTask', task: task.id, slots: both }));
  };
  // What the topology and migrations refuse is refused without asking anybody.
  wanted(cluster);
  idle(clusters.tasks.ofCluster(path));
  for (const range of slots) await checkRecordable(inspector, cluster, { range, targetIndex });
  const event = {
    kind: 'slotsRecorded',
    text: `slots ${printSlotSet(slots).join(' ')} were given to shard ${targetIndex}, without their data`,
    shardIndex: targetIndex,
  } as const;
  const next = await changeRecord(clusters, path, (present, tasks) => {
    idle(tasks);
    return { cluster: wanted(present.cluster), event };
  });
  return answerChange(context, { word: 'ok', object: { cluster: renderCluster(next) }, status: 200 });
}

/** As long as some member does not know tasks: one job of one range, which is given up where it fails. */
async function migrateAlone(
  dependencies: ApiDependencies,
  context: Context,
  range: SlotRange,
  targetIndex: number,
): Promise<Response> {
  const { clusters, inspector } = dependencies;
  const path = clusterPath(context);
  const nowSeconds = wallSeconds(dependencies);
  const wanted = (present: Cluster) => startMigration(present, { range, targetIndex, nowSeconds });
  const { cluster } = await readCluster(clusters, path);
  changed(wanted(cluster));
  await checkMovable(inspector, cluster, slotSetOf([range]));
  const next = await changeCluster(clusters, path, wanted, {
    kind: 'migrationRequested',
    text: `slots ${printSlotRange(range)} are to be moved to shard ${targetIndex}`,
    shardIndex: targetIndex,
  });
  return answerChange(context, { word: 'ok', object: { cluster: renderCluster(next) }, status: 200 });
}

/** Gives up what the body means: the migration of a slot, all out of a shard, or all for an empty body. */
async function cancel(dependencies: ApiDependencies, context: Context): Promise<Response> {
  const { clusters } = dependencies;
  const body = await readOptionalBody(context, cancelBody);
  const range = body.slot === undefined ? null : slotsOf(body.slot);
  const { source = null } = body;
  const nowSeconds = wallSeconds(dependencies);
  const next = await changeRecord(clusters, clusterPath(context), ({ cluster }, tasks) => {
    const meantTasks = openTasks(tasks).filter((task) => isTaskMeant(task, cluster, { range, source }));
    const ofTasks = meantTasks.map(slotsOfTask);
    const meant = migrationsOf(cluster).filter(
      (place) =>
        isMeant(place, { range, source }) &&
        !ofTasks.some((slots) => containsRange(slots, place.migration.range)),
    );
    if (meant.length + meantTasks.length === 0)
      throw new ApiError('missing', `${TEXT_MISSING}: no such migration is under way`);
    let left = cluster;
    for (const { sourceIndex } of meant) left = changed(cancelMigration(left, sourceIndex));
    let worked: Worked = { cluster: left, tasks };
    for (const task of meantTasks) worked = allowed(withTaskCancelled(worked, task, nowSeconds));
    const slots = [...meant.map(({ migration }) => slotSetOf([migration.range])), ...ofTasks];
    const text = `the migration of slots ${slots.flatMap(printSlotSet).join(' ')} is to be given up`;
    return { ...worked, event: { kind: 'migrationCancelled', text }, after: endsOf(tasks, worked.tasks) };
  });
  return answerChange(context, { word: 'ok', object: { cluster: renderCluster(next) }, status: 200 });
}

interface Meant {
  readonly range: SlotRange | null;
  readonly source: number | null;
}

function isMeant({ migration, sourceIndex }: MigrationPlace, { range, source }: Meant): boolean {
  const isRange = range === null || containsRange(slotSetOf([migration.range]), range);
  return isRange && (source === null || sourceIndex === source);
}

function isTaskMeant(task: MigrationTask, { shards }: Cluster, { range, source }: Meant): boolean {
  const isRange = range === null || containsRange(slotsOfTask(task), range);
  const isSource = (each: TaskRange): boolean => !isDone(each) && each.source === shards[source ?? -1]?.id;
  return isRange && (source === null || task.ranges.some(isSource));
}

async function list({ clusters, insight }: ApiDependencies, context: Context): Promise<Response> {
  const path = clusterPath(context);
  const { cluster } = await readCluster(clusters, path);
  const seen = insight.tasks(path);
  const tasks = clusters.tasks.ofCluster(path).toReversed();
  return answer(context, {
    migrations: tasks.map((task) => renderTask(task, { cluster, seen, withRanges: false })),
  });
}

async function show({ clusters, insight }: ApiDependencies, context: Context): Promise<Response> {
  const path = clusterPath(context);
  const { cluster } = await readCluster(clusters, path);
  const task = taskOf(context, clusters.tasks.ofCluster(path));
  const seen = insight.tasks(path);
  return answer(context, {
    migration: renderTask(task, { cluster, seen, withRanges: true }),
  });
}

async function want(
  dependencies: ApiDependencies,
  context: Context,
  wish: keyof typeof WISHES,
): Promise<Response> {
  const { clusters } = dependencies;
  const path = clusterPath(context);
  await readNoBody(context);
  const nowSeconds = wallSeconds(dependencies);
  const { change, text } = WISHES[wish];
  let after: TaskBook = NO_TASKS;
  const next = await changeRecord(clusters, path, ({ cluster }, tasks) => {
    const task = taskOf(context, tasks);
    const worked = allowed(change({ cluster, tasks }, task, nowSeconds));
    after = worked.tasks;
    const told = `migration ${task.id}, which was ${taskState(task)}, ${text}`;
    const event = { kind: 'taskWished', text: told, correlation: `migration-${task.id}` } as const;
    return { ...worked, event, after: endsOf(tasks, worked.tasks) };
  });
  // What was seen is of before that.
  const shown = { cluster: next, seen: new Map(), withRanges: true };
  return answer(context, { migration: renderTask(taskOf(context, after), shown) });
}

/** One without a job under way ends with the wish that it be given up: nobody else tells of that. */
function endsOf(before: TaskBook, after: TaskBook): readonly EventDraft[] {
  const ended = after.filter(
    ({ id, end }) => end?.state === 'cancelled' && openTasks(before).some((task) => task.id === id),
  );
  return ended.map(({ id, end }) => ({
    kind: 'taskCancelled',
    text: `migration ${id}: ${end?.why ?? ''}`,
    correlation: `migration-${id}`,
  }));
}

function taskOf(context: Context, tasks: TaskBook): MigrationTask {
  const id = context.req.param('migration');
  const task = tasks.find((each) => String(each.id) === id);
  if (task === undefined) throw missing();
  return task;
}

function allowed(result: Result<Worked, TaskRefusal>): Worked {
  if (result.ok) return result.value;
  throw new ApiError('conflict', describeRefusal(result.error));
}

function slotsWanted({
  slot,
  slots,
}: {
  readonly slot?: number | string | undefined;
  readonly slots?: readonly string[] | undefined;
}): SlotSet {
  if ((slot === undefined) === (slots === undefined))
    throw badRequest(
      'slot: expected either "slot", such as 123 or "100-200", or "slots", such as ["1","2-8"]',
    );
  if (slots !== undefined) {
    const all = valid(parseSlotSet(slots, 'slots'));
    const named = slots.reduce((sum, text) => sum + countSlots(slotSetOf([valid(parseSlotRange(text))])), 0);
    if (named > countSlots(all)) throw badRequest('slots: some slots are listed twice');
    return all;
  }
  return slotSetOf([slotsOf(slot ?? -1)]);
}

function slotsOf(slot: number | string): SlotRange {
  if (typeof slot === 'string') return valid(parseSlotRange(slot, 'slot'));
  const single = valid(parseSlot(slot, 'slot'));
  return { start: single, stop: single };
}
