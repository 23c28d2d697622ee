// Actions that are requests to the API: failovers by hand, nodes and shards that come and go.

import { follow } from './move-slots.ts';
import type { Told } from './operator-api.ts';
import type { Action } from './plan.ts';
import { type Surroundings, tell } from './surroundings.ts';

/** Nothing comes in between. */
const ALONE = { meanwhile: { kind: 'nothing' }, afterMs: 0 } as const;

/** Asks for a failover by hand of a shard whose master lives, which is drained first: nothing may be lost by it, whatever the answer. */
export async function failOver(shard: number, preferred: string | null, around: Surroundings): Promise<null> {
  const told = await around.api.failover(shard, preferred);
  tell(`failover of shard ${shard} by hand`, told, around);
  return null;
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
  if (ranges.length > 0) {
    const told = await around.api.migrate({ ranges, target: to, batch: null });
    const trouble = await follow(`the ranges of shard ${shard}`, told, ALONE, around);
    if (trouble !== null) return trouble;
  }
  const removed = await around.api.removeShard(shard);
  tell(`removal of shard ${shard}`, removed, around);
  if (removed.ok) for (const address of addresses) around.spares.add(address);
  return null;
}
