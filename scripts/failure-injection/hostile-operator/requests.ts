// Actions that are requests to the API: failovers by hand, migrations, nodes and shards that come and go.

import type { SlotRange } from './fleet-seen.ts';
import type { Told } from './operator-api.ts';
import type { Action } from './plan.ts';
import { POLL_MS, type Surroundings, tell } from './surroundings.ts';

const MIGRATION_DEADLINE_MS = 120_000;
const DEFAULT_SPEED = '4096';

/** Asks for a failover by hand of a shard whose master lives, which is drained first: nothing may be lost by it, whatever the answer. */
export async function failOver(shard: number, preferred: string | null, around: Surroundings): Promise<null> {
  const told = await around.api.failover(shard, preferred);
  tell(`failover of shard ${shard} by hand`, told, around);
  return null;
}

export async function migrate(
  action: Extract<Action, { readonly kind: 'migrate' }>,
  around: Surroundings,
): Promise<string | null> {
  const source = around.fleet.at(action.source);
  if (action.keysPerSecond !== null)
    await source.command('CONFIG', 'SET', 'migrate-speed', String(action.keysPerSecond));
  const trouble = await moveRange(action.range, action, around);
  if (action.keysPerSecond !== null) await source.command('CONFIG', 'SET', 'migrate-speed', DEFAULT_SPEED);
  return trouble;
}

/** Asks for the move and waits for its end, whatever that is. */
async function moveRange(
  range: SlotRange,
  { from, to }: { readonly from: number; readonly to: number },
  around: Surroundings,
): Promise<string | null> {
  const { api, now, wait, note, signal } = around;
  const told = await api.migrate(range, to);
  tell(`migration of ${range.start}-${range.stop}`, told, around);
  const endMs = now() + MIGRATION_DEADLINE_MS;
  while (told.ok && now() < endMs && !signal.aborted) {
    const cluster = await api.cluster();
    if (cluster !== null && cluster.shards.every(({ migrating }) => migrating === null)) {
      const shard = cluster.shards[to];
      const hasArrived = shard?.ranges.some(({ start, stop }) => start <= range.start && range.stop <= stop);
      note(
        `the migration ended: the slots are ${hasArrived === true ? 'at the target' : 'not at the target'}`,
      );
      return null;
    }
    await wait(POLL_MS);
  }
  return told.ok ? `the migration from shard ${from} to ${to} does not end` : null;
}

export async function moveReplica(
  { from, to, replica }: Extract<Action, { readonly kind: 'move-replica' }>,
  around: Surroundings,
): Promise<string | null> {
  const removed = await around.api.removeNode(from, replica.id);
  tell(`removal of ${replica.address} from shard ${from}`, removed, around);
  if (!removed.ok) return null;
  return join(replica.address, async () => around.api.addReplica(to, replica.address), around);
}

export async function addShard(spare: string | null, around: Surroundings): Promise<string | null> {
  const address = spare ?? (await around.fleet.start());
  around.spares.delete(address);
  return join(address, async () => around.api.addShard([address]), around);
}

/** Adds a node as it is; refused, it is started on a new data directory, which the refusal names as a remedy. */
async function join(address: string, add: () => Promise<Told>, around: Surroundings): Promise<string | null> {
  const first = await add();
  tell(`${address} joins`, first, around);
  if (!first.isRefused) return null;
  await around.fleet.startOnNewDisk(address);
  const second = await add();
  tell(`${address} joins on a new data directory`, second, around);
  if (!second.ok) around.spares.add(address);
  return second.ok ? null : `${address} is refused on a new data directory, too: ${second.words}`;
}

export async function removeShard(
  { shard, to, ranges, addresses }: Extract<Action, { readonly kind: 'remove-shard' }>,
  around: Surroundings,
): Promise<string | null> {
  for (const range of ranges) {
    const trouble = await moveRange(range, { from: shard, to }, around);
    if (trouble !== null) return trouble;
  }
  const removed = await around.api.removeShard(shard);
  tell(`removal of shard ${shard}`, removed, around);
  if (removed.ok) for (const address of addresses) around.spares.add(address);
  return null;
}
