// Whoever asks for tasks: lists of slots, an even spread, new shards, shards that go; and pauses, resumes, cancels and retries them.

import type { Random } from '../../../src/base/random.ts';
import type { Result } from '../../../src/base/result.ts';
import { Secret } from '../../../src/base/secret.ts';
import { type RecordChange, changeRecord, changed, readCluster } from '../../../src/api/change-cluster.ts';
import { createTask } from '../../../src/api/create-task.ts';
import { ApiError } from '../../../src/api/errors.ts';
import { checkMovable } from '../../../src/api/movable-slots.ts';
import type { PlanError } from '../../../src/planning/plan-error.ts';
import { type SlotPlan, planDrain, planMoves } from '../../../src/planning/rebalance.ts';
import { addShard } from '../../../src/topology/change-nodes.ts';
import {
  type Worked,
  describeRefusal,
  withNewTask,
  withTaskCancelled,
  withTaskPaused,
  withTaskResumed,
  withTaskRetried,
} from '../../../src/topology/change-tasks.ts';
import type { ClusterRecord } from '../../../src/topology/record.ts';
import {
  countSlots,
  intersectionSlots,
  printSlotSet,
  slotRange,
  slotSetOf,
} from '../../../src/topology/slot.ts';
import {
  type MigrationTask,
  type TaskBook,
  type TaskKind,
  openTasks,
  taskOver,
} from '../../../src/topology/task.ts';
import type { Cluster, ShardId, SlotRange, SlotSet } from '../../../src/topology/types.ts';
import { chance, childRandom, integerBetween, pick } from '../prng.ts';
import { type AskingParts, NODES_MAX, PLACE, ask, clusterSeen, factsOfAdded, inspectorOf } from './asking.ts';
import type { Controller } from './controller.ts';
import type { Fleet } from './fleet.ts';
import type { Tasking } from './knobs.ts';

/** Jobs that one plan makes of a range of slots, at most about this many: they take a while each. */
const JOBS_MAX = 8;
/** Shards a cluster keeps, and has. */
const SHARDS_MIN = 2;
const SHARDS_MAX = 5;
/** Of what is paused when all is healed. */
const RESUMED_SHARE = 0.6;

/** A task as it was planned. */
export interface Asked {
  readonly id: number;
  readonly slots: number;
}

export interface TaskerParts extends AskingParts {
  readonly seed: number;
  readonly tasking: Tasking;
  readonly fleet: Fleet;
  readonly onAsked: (asked: Asked) => void;
}

const WISHES = {
  pause: withTaskPaused,
  resume: withTaskResumed,
  cancel: withTaskCancelled,
  retry: withTaskRetried,
} as const;

/** What is to be done with the cluster as it is then. */
interface Planned {
  readonly kind: TaskKind;
  readonly grow: (cluster: Cluster) => Cluster;
  readonly plan: (cluster: Cluster) => Result<SlotPlan, PlanError>;
  readonly removes: readonly ShardId[];
}

export class Tasker {
  readonly #parts: TaskerParts;
  readonly #random: Random;

  constructor(parts: TaskerParts) {
    this.#parts = parts;
    this.#random = childRandom(parts.seed, 'tasker');
  }

  act(): void {
    const { wishShare, scaleShare } = this.#parts.tasking;
    const cluster = clusterSeen(this.#parts);
    if (cluster === null) return;
    if (chance(this.#random, wishShare)) this.#wish();
    else if (chance(this.#random, scaleShare)) this.#scale(cluster);
    else if (chance(this.#random, 0.3)) this.#rebalance(cluster);
    else this.#migrate(cluster);
  }

  /** Some of what is paused goes on, the rest stays so. */
  heal(): void {
    for (const task of openTasks(this.#tasks()))
      if (task.wish === 'pause' && chance(this.#random, RESUMED_SHARE)) this.#want(task, 'resume');
  }

  /** Whether a task moved the slots, which is given up now. */
  async giveUpOver(leader: Controller, range: SlotRange): Promise<boolean> {
    await readCluster(leader.registry, PLACE);
    const task = taskOver(leader.registry.tasks.ofCluster(PLACE), slotSetOf([range]));
    if (task !== null) await this.#change(leader, task.id, 'cancel');
    return task !== null;
  }

  #tasks(): TaskBook {
    return this.#parts.leader()?.registry.tasks.ofCluster(PLACE) ?? [];
  }

  #wish(): void {
    const tasks = this.#tasks();
    if (tasks.length === 0) return;
    const task = pick(this.#random, tasks.slice(-4));
    const open = task.wish === 'pause' ? (['resume', 'resume', 'cancel'] as const) : OPEN_WISHES;
    this.#want(task, task.end === null ? pick(this.#random, open) : 'retry');
  }

  #want({ id }: MigrationTask, wish: keyof typeof WISHES): void {
    ask(this.#parts, `task ${id}: ${wish}`, (leader) => this.#change(leader, id, wish));
  }

  async #change(leader: Controller, id: number, wish: keyof typeof WISHES): Promise<void> {
    const text = `migration ${id}: ${wish}`;
    await changeRecord(leader.registry, PLACE, ({ cluster }, tasks) => {
      const task = tasks.find((each) => each.id === id);
      if (task === undefined) throw new ApiError('missing', 'no such task');
      const worked = WISHES[wish]({ cluster, tasks }, task, secondsOf(leader));
      if (!worked.ok) throw new ApiError('conflict', describeRefusal(worked.error));
      return { ...worked.value, event: { kind: 'taskWished', text } };
    });
  }

  /** Some of the slots that the model knows, or everything between two of them. */
  #migrate(cluster: Cluster): void {
    const { tasking, onAsked } = this.#parts;
    const targetIndex = integerBetween(this.#random, 0, cluster.shards.length - 1);
    const target = cluster.shards[targetIndex];
    const all = slotSetOf(this.#someRanges());
    const others = cluster.shards.filter(({ id }) => id !== target?.id);
    const slots = slotSetOf(others.flatMap((shard) => intersectionSlots(shard.slots, all)));
    if (target === undefined || slots.length === 0) return;
    const count = countSlots(slots);
    const text = `slots ${printSlotSet(slots).join(' ')} are to be moved to shard ${targetIndex}`;
    const batch = Math.max(tasking.batch, Math.ceil(count / JOBS_MAX));
    const plan = (present: Cluster) =>
      present.shards
        .filter(({ id }) => id !== target.id)
        .map((source) => ({
          source: source.id,
          target: target.id,
          slots: intersectionSlots(source.slots, slots),
        }))
        .filter((move) => move.slots.length > 0);
    ask(this.#parts, text, async (leader) => {
      const wanted = { kind: 'migrate', batch, plan, text, shardIndex: targetIndex } as const;
      const made = await createTask(dependenciesOf(leader), PLACE, wanted);
      // Some of them may have come there by another task meanwhile.
      const size = made.task.ranges.reduce((sum, { range }) => sum + range.stop - range.start + 1, 0);
      onAsked({ id: made.task.id, slots: size });
    });
  }

  #someRanges(): readonly SlotRange[] {
    const { slots } = this.#parts.fleet.world;
    return Array.from({ length: integerBetween(this.#random, 1, 4) }, () => {
      const place = integerBetween(this.#random, 0, slots.length - 1);
      const from = slots[place] ?? pick(this.#random, slots);
      const to = slots[place + integerBetween(this.#random, 0, 3)] ?? from;
      return slotRange(from, to);
    });
  }

  #rebalance(cluster: Cluster): void {
    const weights = new Map<ShardId, number>();
    for (const { id } of cluster.shards)
      if (chance(this.#random, 0.6)) weights.set(id, integerBetween(this.#random, 0, 4));
    this.#plan(`rebalance by ${JSON.stringify([...weights])}`, {
      kind: 'rebalance',
      grow: (present) => present,
      plan: (present) => planMoves({ cluster: present, weights }),
      removes: [],
    });
  }

  #scale(cluster: Cluster): void {
    const isSmall = cluster.shards.length <= SHARDS_MIN;
    const isLarge = cluster.shards.length >= SHARDS_MAX;
    if (isSmall || (!isLarge && chance(this.#random, 0.5))) this.#scaleOut();
    else this.#drain(cluster);
  }

  #scaleOut(): void {
    const { fleet } = this.#parts;
    const size = integerBetween(this.#random, 1, 2);
    const groups = integerBetween(this.#random, 1, 2);
    if (fleet.nodes.length + size * groups > NODES_MAX || openTasks(this.#tasks()).length > 0) return;
    const fresh = Array.from({ length: groups }, () =>
      Array.from({ length: size }, () => fleet.add().address),
    );
    this.#plan(`scale-out with ${fresh.map((addresses) => addresses.join(' ')).join(', ')}`, {
      kind: 'scaleOut',
      grow: (present) =>
        fresh.reduce(
          (grown, addresses) =>
            changed(
              addShard(grown, { addresses, password: Secret.none, random: this.#random, nowSeconds: 1 }),
            ),
          present,
        ),
      plan: (present) => planMoves({ cluster: present, weights: new Map() }),
      removes: [],
    });
  }

  #drain(cluster: Cluster): void {
    const { id } = pick(this.#random, cluster.shards);
    const isRemoved = chance(this.#random, 0.8);
    this.#plan(`${isRemoved ? 'scale-in' : 'drain'} of shard ${id}`, {
      kind: 'drain',
      grow: (present) => present,
      plan: (present) => planDrain({ cluster: present, drained: new Set([id]), weights: new Map() }),
      removes: isRemoved ? [id] : [],
    });
  }

  /** As `src/api/routes/scaling.ts` carries plans out. */
  #plan(what: string, planned: Planned): void {
    ask(this.#parts, what, async (leader) => {
      const { registry } = leader;
      const { cluster } = await readCluster(registry, PLACE);
      const first = planOf(planned, cluster);
      if (first.moves.length === 0 && planned.removes.length === 0) return;
      await checkMovable(inspectorOf(leader), cluster, slotsOf(first));
      let asked: Asked | null = null;
      await changeRecord(registry, PLACE, (record, tasks) => {
        const made = this.#begun(leader, { record, tasks }, planned, what);
        ({ asked } = made);
        return made.change;
      });
      if (asked !== null) this.#parts.onAsked(asked);
    });
  }

  #begun(
    leader: Controller,
    { record, tasks }: { readonly record: ClusterRecord; readonly tasks: TaskBook },
    planned: Planned,
    what: string,
  ): { readonly asked: Asked; readonly change: RecordChange } {
    const [open] = openTasks(tasks);
    if (open !== undefined) throw new ApiError('conflict', `migration ${open.id} has not ended`);
    const cluster = planned.grow(record.cluster);
    const plan = planOf({ ...planned, grow: (same) => same }, cluster);
    const batch = Math.max(this.#parts.tasking.batch, Math.ceil(plan.moved / JOBS_MAX));
    const { kind, removes } = planned;
    const worked: Worked = { cluster, tasks };
    const wanted = { kind, actor: 'api', moves: plan.moves, batch, removes, nowSeconds: secondsOf(leader) };
    const made = withNewTask(worked, wanted);
    if (!made.ok) throw new ApiError('conflict', describeRefusal(made.error));
    const { task } = made.value;
    return {
      asked: { id: task.id, slots: plan.moved },
      change: {
        cluster: made.value.cluster,
        tasks: made.value.tasks,
        ...(kind === 'scaleOut'
          ? { facts: factsOfAdded(record.facts, record.cluster, made.value.cluster) }
          : {}),
        event: { kind: 'taskCreated', text: `migration ${task.id}: ${what}` },
      },
    };
  }
}

const OPEN_WISHES = ['pause', 'pause', 'cancel', 'retry'] as const;

function planOf({ grow, plan }: Pick<Planned, 'grow' | 'plan'>, cluster: Cluster): SlotPlan {
  const made = plan(grow(cluster));
  if (!made.ok) throw new ApiError('badRequest', made.error.kind);
  return made.value;
}

function slotsOf({ moves }: SlotPlan): SlotSet {
  return slotSetOf(moves.flatMap(({ slots }) => slots));
}

function secondsOf({ process }: Controller): number {
  return Math.floor(process.clock.wallMs() / 1000);
}

function dependenciesOf(leader: Controller): Parameters<typeof createTask>[0] {
  return { clusters: leader.registry, inspector: inspectorOf(leader), clock: leader.process.clock };
}
