// Slots with data that move slowly enough to be interfered with.

import { fieldsOf, keysOfSlot } from './node-commands.ts';
import type { ClusterView, Scene } from './scene.ts';
import { notYet, waitUntil } from './wait-until.ts';

/** Writes `count` keys of `slot` at its owner `address` and returns them; the value of each is its name. */
export async function fillSlot(
  stage: Scene,
  address: string,
  { slot, count }: { readonly slot: number; readonly count: number },
): Promise<readonly string[]> {
  const keys = keysOfSlot(slot, count);
  await stage.askAll(
    address,
    keys.map((key) => ['SET', key, key] as const),
  );
  return keys;
}

/** Makes the source send so many keys a second, at most. */
export async function limitSpeed(stage: Scene, address: string, keysPerSecond: number): Promise<void> {
  await stage.ask(address, 'CONFIG', 'SET', 'migrate-speed', String(keysPerSecond));
}

/** Waits until the source itself says that its job of `slots` is in `state`. */
export async function sourceSays(
  stage: Scene,
  address: string,
  job: { readonly slots: string; readonly state: 'start' | 'success' | 'fail' },
): Promise<void> {
  await waitUntil(
    `${address} to report ${job.state} for ${job.slots}`,
    async () => {
      const fields = fieldsOf(String(await stage.ask(address, 'CLUSTER', 'INFO')));
      const slots = fields.get('migrating_slot(s)') ?? fields.get('migrating_slot');
      return slots === job.slots && fields.get('migrating_state') === job.state ? true : notYet([...fields]);
    },
    { intervalMs: 5 },
  );
}

export function isMigrating(view: ClusterView): boolean {
  return view.shards.some((shard) => shard.migrating_slot !== -1);
}

/** Waits until no slots move, and no task is about to begin that: each has ended, or says what it waits for. Returns the cluster. */
export async function migrationEnded(stage: Scene, cluster: string): Promise<ClusterView> {
  return waitUntil('the end of what moves slots', async () => {
    const answer = await stage.api.get(stage.path(cluster, '/migrations'));
    const tasks: readonly { readonly ended_at: string | null; readonly reason: string }[] =
      answer.body.data.migrations;
    const begins = tasks.filter(({ ended_at: endedAt, reason }) => endedAt === null && reason === '');
    if (begins.length > 0) return notYet(begins);
    const view = await stage.view(cluster);
    return isMigrating(view) ? notYet(view) : view;
  });
}

/** True when `address` itself, without a redirect, answers every key with its own name. */
export async function serves(stage: Scene, address: string, keys: readonly string[]): Promise<boolean> {
  try {
    const values = await stage.askAll(
      address,
      keys.map((key) => ['GET', key] as const),
    );
    return values.every((value, index) => value === keys[index]);
  } catch {
    return false;
  }
}

/** Waits until the target itself says that its import is in `state`. */
export async function targetSays(
  stage: Scene,
  address: string,
  state: 'start' | 'success' | 'error',
): Promise<void> {
  await waitUntil(
    `${address} to report ${state} of its import`,
    async () => {
      const fields = fieldsOf(String(await stage.ask(address, 'CLUSTER', 'INFO')));
      return fields.get('import_state') === state ? true : notYet([...fields]);
    },
    { intervalMs: 5 },
  );
}
