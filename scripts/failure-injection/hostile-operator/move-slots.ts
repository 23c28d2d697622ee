// Moves of slots that somebody asked for, followed to their ends, with what comes in between.

import { endMaster, hang, killLeader } from './deaths.ts';
import { membersOf } from './fleet-seen.ts';
import type { Told } from './operator-api.ts';
import type { Meanwhile, MoveAction } from './plan-moves.ts';
import { POLL_MS, type Surroundings, tell } from './surroundings.ts';
import { describeTask, hasEnded, newestAsked, type TaskSeen } from './task-seen.ts';

const TASK_DEADLINE_MS = 180_000;
const PAUSE_MS = 1500;
const DEFAULT_SPEED = '4096';

/** Asks for the move and waits for its end, whatever that is; null, or why that is none. */
export async function moveSlots(action: MoveAction, around: Surroundings): Promise<string | null> {
  switch (action.kind) {
    case 'migrate':
      return migrate(action, around);
    case 'rebalance':
      return follow('rebalance', await around.api.rebalance(action), action, around);
    case 'scale-out':
      return scaleOut(action, around);
    case 'scale-in':
      return scaleIn(action, around);
  }
}

type MoveOf<Kind extends MoveAction['kind']> = Extract<MoveAction, { readonly kind: Kind }>;

async function migrate(action: MoveOf<'migrate'>, around: Surroundings): Promise<string | null> {
  const limit = async (speed: string): Promise<void> => {
    for (const source of action.sources)
      await around.fleet
        .at(source)
        .command('CONFIG', 'SET', 'migrate-speed', speed)
        .catch(() => undefined);
  };
  if (action.keysPerSecond !== null) await limit(String(action.keysPerSecond));
  const told = await around.api.migrate({ ...action, target: action.to });
  const trouble = await follow('migration', told, action, around);
  if (action.keysPerSecond !== null) await limit(DEFAULT_SPEED);
  return trouble;
}

async function scaleOut(action: MoveOf<'scale-out'>, around: Surroundings): Promise<string | null> {
  const { nodeCount, spares, batch } = action;
  const addresses = [...spares];
  for (const address of spares) {
    await around.fleet.startOnNewDisk(address);
    around.spares.delete(address);
  }
  while (addresses.length < nodeCount) addresses.push(await around.fleet.start());
  const told = await around.api.scaleOut(addresses, { nodesPerShard: nodeCount, weights: {}, batch });
  if (!told.ok) for (const address of addresses) around.spares.add(address);
  return follow(`scale-out by ${addresses.join(' ')}`, told, action, around);
}

async function scaleIn(action: MoveOf<'scale-in'>, around: Surroundings): Promise<string | null> {
  const told = await around.api.scaleIn([action.shard], action.batch);
  const trouble = await follow(`scale-in of shard ${action.shard}`, told, action, around);
  if (trouble !== null || !told.ok) return trouble;
  const task = await newest(around);
  if (task?.state !== 'succeeded') return null;
  const isGone = await until(around, async () => {
    const cluster = await around.api.cluster();
    const left = cluster?.shards.flatMap(membersOf);
    return left?.every(({ address }) => !action.addresses.includes(address)) === true;
  });
  if (!isGone) return `shard ${action.shard} is not removed although ${describeTask(task)}`;
  for (const address of action.addresses) around.spares.add(address);
  return null;
}

/** Does what is to come in between, and waits for the end of the task. */
export async function follow(
  what: string,
  told: Told,
  { meanwhile, afterMs }: Pick<MoveAction, 'meanwhile' | 'afterMs'>,
  around: Surroundings,
): Promise<string | null> {
  tell(what, told, around);
  const task = told.ok ? await newest(around) : null;
  if (task === null) return null;
  await around.wait(afterMs);
  const trouble = await comeBetween(meanwhile, task, around);
  if (trouble !== null) return trouble;
  const hasItsEnd = await until(around, async () => {
    const now = await shown(task.id, around);
    return now !== null && hasEnded(now);
  });
  const end = await shown(task.id, around);
  if (around.signal.aborted) return null;
  if (end === null || !hasItsEnd) return `after ${TASK_DEADLINE_MS} ms ${describeTask(end ?? task)}`;
  around.note(describeTask(end));
  const isWanted = end.state === 'succeeded' || (end.state === 'cancelled' && meanwhile.kind === 'cancel');
  return isWanted ? null : `it does not end well: ${describeTask(end)}`;
}

async function comeBetween(
  meanwhile: Meanwhile,
  { id }: TaskSeen,
  around: Surroundings,
): Promise<string | null> {
  const wish = async (word: 'pause' | 'resume' | 'cancel' | 'retry'): Promise<void> =>
    tell(`${word} of migration ${id}`, await around.api.wish(id, word), around);
  switch (meanwhile.kind) {
    case 'nothing':
      return null;
    case 'pause':
      await wish('pause');
      await around.wait(PAUSE_MS);
      await wish('resume');
      return null;
    case 'cancel':
      await wish('cancel');
      return null;
    case 'cancel-and-retry': {
      await wish('cancel');
      await until(around, async () => {
        const task = await shown(id, around);
        return task !== null && hasEnded(task);
      });
      await wish('retry');
      return null;
    }
    case 'leader-kill':
      return killLeader(meanwhile.downMs, around);
    case 'failover':
      tell(
        `failover of shard ${meanwhile.shard} by hand`,
        await around.api.failover(meanwhile.shard, null),
        around,
      );
      return null;
    case 'kill-master': {
      const { kind, shard, address, forMs } = meanwhile;
      return endMaster({ kind, shard, address, awaitsFailover: false, downMs: forMs }, around);
    }
    case 'hang-master':
      return hang({ kind: 'hang-master', address: meanwhile.address, hangMs: meanwhile.forMs }, around);
  }
}

async function newest({ api }: Surroundings): Promise<TaskSeen | null> {
  return newestAsked((await api.tasks()) ?? []);
}

async function shown(id: number, { api }: Surroundings): Promise<TaskSeen | null> {
  return (await api.tasks())?.find((task) => task.id === id) ?? null;
}

async function until(around: Surroundings, condition: () => Promise<boolean>): Promise<boolean> {
  const endMs = around.now() + TASK_DEADLINE_MS;
  while (around.now() < endMs && !around.signal.aborted) {
    if (await condition()) return true;
    await around.wait(POLL_MS);
  }
  return false;
}
