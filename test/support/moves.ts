// A slot that moves slowly from one shard to another while clients write to it, so that something can happen to it on the way.

import { fillSlot, limitSpeed, sourceSays, targetSays } from './migrations.ts';
import { expectStatus, masterOf, replicasOf, type Scene } from './scene.ts';
import { SteadyWriter } from './steady-writer.ts';

export const MOVING_SLOT = 1000;
/** Clients go to another node when one does not answer for so long. */
const PATIENCE_MS = 1000;

export interface Move {
  readonly stage: Scene;
  readonly source: string;
  readonly target: string;
  readonly writer: SteadyWriter;
  readonly keys: readonly string[];
}

/** A cluster `c` of two shards with a full slot in the first one. */
export async function twoShards(
  stage: Scene,
  copies: number,
): Promise<Omit<Move, 'writer'> & { readonly replicas: readonly string[] }> {
  const { shards } = await stage.cluster('c', await stage.nodes(2 * copies), { replicas: copies });
  const [source = '', target = ''] = shards.map((shard) => masterOf(shard).addr);
  const keys = await fillSlot(stage, source, { slot: MOVING_SLOT, count: 1024 });
  await fillSlot(stage, target, { slot: 16_000, count: 30 });
  const replicas = shards.flatMap(replicasOf).map(({ addr }) => addr);
  if (replicas[0] !== undefined) await stage.inSync(source, replicas[0]);
  return { stage, source, target, keys, replicas };
}

/** The slot is to move to the other shard. */
export async function askedFor(stage: Scene): Promise<void> {
  expectStatus(
    await stage.api.post(stage.path('c', '/migrate'), { slots: [String(MOVING_SLOT)], target: 1 }),
    200,
  );
}

/** A job that would take minutes, written to while it runs; both ends are at it. */
export async function runningMove(stage: Scene, copies: number): Promise<Move> {
  const { replicas, ...ends } = await twoShards(stage, copies);
  const { source, target } = ends;
  await limitSpeed(stage, source, 16);
  await askedFor(stage);
  await sourceSays(stage, source, { slots: String(MOVING_SLOT), state: 'start' });
  await targetSays(stage, target, 'start');
  const writer = new SteadyWriter(stage, [source, target, ...replicas], MOVING_SLOT, PATIENCE_MS);
  await writer.progress(50);
  return { ...ends, writer };
}
