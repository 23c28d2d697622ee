// What comes in the middle of a move, in scenario `node-migration`.

import { between, chance, oneOf } from '../choose.ts';
import { hang, killLeader, killMaster, startAgain } from '../hostile-operator/deaths.ts';
import type { ShardSeen } from '../hostile-operator/fleet-seen.ts';
import { POLL_MS } from '../hostile-operator/surroundings.ts';
import { describeTask, hasEnded, type TaskSeen } from '../hostile-operator/task-seen.ts';
import type { Excuse } from '../hostile-operator/verdicts.ts';
import type { Fault } from './losses.ts';
import type { Around } from './node-fault.ts';
import { clusterNow, untilReplaced } from './parts.ts';

export const TROUBLES = [
  'leader-and-failover',
  'leader-and-switchover',
  'target-kill',
  'source-hang',
  'pause',
  'source-kill',
  'cancel',
  'target-hang',
  'leader-kill',
] as const;

export type Trouble = (typeof TROUBLES)[number];

/** What befell whom. */
export interface Befallen {
  readonly complaints: readonly string[];
  readonly faults: readonly Fault[];
  /** Shards whose master may have been replaced, once each, by their indexes. */
  readonly replaced: readonly number[];
}

const NOTHING: Befallen = { complaints: [], faults: [], replaced: [] };
const LEADER_DOWN_MS = { min: 200, max: 2500 } as const;
const STAYS_DOWN_MS = { min: 500, max: 3000 } as const;
const ASKS_MS_MAX = 2000;
/** For the last job of a task that is to pause, or to be given up. */
const JOB_DEADLINE_MS = 60_000;
/** What comes, comes at any step of a job, which takes this long or longer. */
const JOB_MS = 1500;
const PAUSE_MS = { min: 1000, max: 3000 } as const;

/** Does it while the task goes on; the task goes on afterwards, too. */
export async function befall(trouble: Trouble, task: TaskSeen, around: Around): Promise<Befallen> {
  switch (trouble) {
    case 'leader-kill':
      return leaderDies(around);
    case 'leader-and-failover':
    case 'leader-and-switchover': {
      const others = trouble === 'leader-and-failover' ? masterDies : isAskedToFailOver;
      const shard = await shardOf('other', task, around);
      const all = await Promise.all([leaderDies(around), others(shard, around)]);
      return {
        complaints: all.flatMap(({ complaints }) => complaints),
        faults: all.flatMap(({ faults }) => faults),
        replaced: all.flatMap(({ replaced }) => replaced),
      };
    }
    case 'source-kill':
      return masterDies(await shardOf('source', task, around), around);
    case 'target-kill':
      return masterDies(await shardOf('target', task, around), around);
    case 'source-hang':
      return masterHangs(await shardOf('source', task, around), around);
    case 'target-hang':
      return masterHangs(await shardOf('target', task, around), around);
    case 'pause':
      return isPaused(task, around);
    case 'cancel':
      return isCancelled(task, around);
  }
}

/** An end of a job that is under way, or a shard that is none, if there is one. */
async function shardOf(
  part: 'source' | 'target' | 'other',
  { id }: TaskSeen,
  around: Around,
): Promise<ShardSeen> {
  const endMs = around.now() + JOB_DEADLINE_MS;
  while (around.now() < endMs && !around.signal.aborted) {
    const { shards } = await clusterNow(around);
    const task = ((await around.api.tasks()) ?? []).find((each) => each.id === id);
    const jobs = task?.running ?? [];
    const ends = new Set(jobs.flatMap(({ source, target }) => [source, target]));
    const wanted = shards.filter(({ index }) =>
      part === 'other' ? !ends.has(index) : jobs.some((job) => job[part] === index),
    );
    const chosen = wanted.length === 0 && part === 'other' ? shards : wanted;
    if (jobs.length > 0 && chosen.length > 0) {
      await around.wait(between(around.random, 0, JOB_MS));
      return oneOf(around.random, chosen);
    }
    if (task !== undefined && hasEnded(task)) break;
    await around.wait(POLL_MS);
  }
  throw new Error(`migration ${id} has no job under way`);
}

async function leaderDies(around: Around): Promise<Befallen> {
  const downMs = between(around.random, LEADER_DOWN_MS.min, LEADER_DOWN_MS.max);
  const trouble = await killLeader(downMs, around);
  return { ...NOTHING, complaints: trouble === null ? [] : [trouble] };
}

async function masterDies(shard: ShardSeen, around: Around): Promise<Befallen> {
  const { address } = shard.master;
  const atMs = around.now();
  await killMaster(address, 'death', around);
  const { seenAtMs, complaints } = await untilReplaced(shard, around);
  await around.wait(between(around.random, STAYS_DOWN_MS.min, STAYS_DOWN_MS.max));
  const backAtMs = around.now();
  await startAgain(address, false, around);
  const fault: Fault = { kind: 'death', node: address, atMs, replacedAtMs: seenAtMs, backAtMs };
  return { complaints, faults: [fault], replaced: [shard.index] };
}

/** Before the leading controller dies, while it does, or of the next one. */
async function isAskedToFailOver({ index }: ShardSeen, around: Around): Promise<Befallen> {
  await around.wait(between(around.random, 0, ASKS_MS_MAX));
  const told = await around.api.failover(index, null);
  around.note(`failover of shard ${index} by hand: ${told.words.slice(0, 200)}`);
  // One whose answer never came may have been done, too.
  return { ...NOTHING, replaced: [index] };
}

async function masterHangs(shard: ShardSeen, around: Around): Promise<Befallen> {
  const { address } = shard.master;
  const isLong = chance(around.random, 60);
  const hangMs = isLong
    ? around.windowMs + between(around.random, 3000, 6000)
    : between(around.random, around.windowMs / 4, around.windowMs / 2);
  around.note(`${address}, master of shard ${shard.index}, hangs for ${hangMs} ms`);
  const excuses: Excuse[] = [];
  const atMs = around.now();
  await hang(
    { kind: 'hang-master', address, hangMs },
    { ...around, excuse: (excuse) => excuses.push(excuse) },
  );
  const backAtMs = around.now();
  await around.wait(POLL_MS * 4);
  const change = around.watch.changesOf(shard.index, atMs)[0];
  // A master that nobody replaced loses nothing.
  if (change !== undefined) for (const excuse of excuses) around.excuse(excuse);
  const fault: Fault = { kind: 'hang', node: address, atMs, replacedAtMs: change?.atMs ?? null, backAtMs };
  // One that hangs while it is told a new version, as an end of a job often is, is missed only when that is given up (15 s).
  return { ...NOTHING, faults: [fault], replaced: isLong ? [shard.index] : [] };
}

/** No job begins while it is paused. */
async function isPaused({ id }: TaskSeen, around: Around): Promise<Befallen> {
  const paused = await around.api.wish(id, 'pause');
  const at = await untilTask(id, ({ running }) => running.length === 0, around);
  around.note(`${describeTask(at)}; asked to pause: ${paused.words.slice(0, 3)}`);
  await around.wait(between(around.random, PAUSE_MS.min, PAUSE_MS.max));
  const later = await untilTask(id, () => true, around);
  const isMoving = !hasEnded(at) && (later.running.length > 0 || later.moved > at.moved);
  const resumed = await around.api.wish(id, 'resume');
  const complaints = isMoving ? [`it went on while it was paused: ${describeTask(later)}`] : [];
  // It may have ended before it was asked to pause.
  if (!resumed.ok && !hasEnded(later)) complaints.push(`it cannot be resumed: ${resumed.words}`);
  return { ...NOTHING, complaints };
}

/** Given up, and tried again from where it was. */
async function isCancelled({ id }: TaskSeen, around: Around): Promise<Befallen> {
  await around.api.wish(id, 'cancel');
  const at = await untilTask(id, (task) => hasEnded(task), around);
  around.note(describeTask(at));
  if (at.state === 'succeeded') return NOTHING;
  const complaints = at.state === 'cancelled' ? [] : [`it was cancelled: ${describeTask(at)}`];
  await around.wait(between(around.random, PAUSE_MS.min, PAUSE_MS.max));
  const retried = await around.api.wish(id, 'retry');
  if (!retried.ok) complaints.push(`it cannot be tried again: ${retried.words}`);
  return { ...NOTHING, complaints };
}

/** The task once `condition` holds. */
export async function untilTask(
  id: number,
  condition: (task: TaskSeen) => boolean,
  around: Pick<Around, 'api' | 'now' | 'wait' | 'signal'>,
  deadlineMs = JOB_DEADLINE_MS,
): Promise<TaskSeen> {
  const endMs = around.now() + deadlineMs;
  for (;;) {
    const task = ((await around.api.tasks()) ?? []).find((each) => each.id === id);
    if (task !== undefined && condition(task)) return task;
    if (around.now() > endMs || around.signal.aborted)
      throw new Error(
        task === undefined
          ? `migration ${id} is not shown`
          : `after ${deadlineMs} ms still ${describeTask(task)}`,
      );
    await around.wait(POLL_MS);
  }
}
