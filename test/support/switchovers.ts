// Shards under load whose master is changed by hand, and how a drain is made to last.

import { expect } from 'vitest';

import { expectEqualCopies } from './copies.ts';
import { CountingWriter, type CountingWriterOptions } from './counting-writer.ts';
import { masterOf, type NodeView, replicasOf, type Scene } from './scene.ts';
import { notYet, waitUntil } from './wait-until.ts';

/** Slow enough for a slow link to carry what comes in a second within the time that a failover waits for what a replica lacks. */
export const SLOW_WRITES: NonNullable<CountingWriterOptions['slow']> = { pauseMs: 20, valueBytes: 1000 };

/** Writes; less than a slow link carries in that time. */
const BEHIND = 40;

export interface LoadedShard {
  readonly version: number;
  readonly master: NodeView;
  readonly replicas: readonly NodeView[];
  /** The first of them. */
  readonly replica: NodeView;
  readonly writer: CountingWriter;
}

/** A cluster `c` of one shard of `count` nodes under load, its replicas close behind. */
export async function underLoad(
  stage: Scene,
  count: number,
  slow?: CountingWriterOptions['slow'],
): Promise<LoadedShard> {
  const { version, shards } = await stage.cluster('c', await stage.nodes(count), { replicas: count });
  const [shard] = shards;
  if (shard === undefined) throw new Error('one shard');
  const [master, replicas] = [masterOf(shard), replicasOf(shard)];
  const [replica] = replicas;
  if (replica === undefined) throw new Error('a replica');
  await stage.ask(master.addr, 'SET', 'first', '1');
  for (const { addr } of replicas) await stage.inSync(master.addr, addr);
  const writer = new CountingWriter({
    addresses: shard.nodes.map(({ addr }) => addr),
    prefix: 'w',
    ...(slow === undefined ? {} : { slow }),
  });
  await writer.progress(100);
  return { version, master, replicas, replica, writer };
}

/**
 * Slows the link of the replica down until it is behind: near enough for a failover to be let begin, too far for its end. What comes while the
 * replica catches up with the first is more than the link carries in the time for the second.
 */
export async function fallBehind(stage: Scene, { master, replica }: LoadedShard): Promise<void> {
  await stage.slowDown({ master, replica });
  await waitUntil('the replica to be behind', async () => {
    const both = [await stage.position(master.addr), await stage.position(replica.addr)] as const;
    return both[0] - both[1] >= BEHIND ? true : notYet(both);
  });
}

/** Ends the load. Whoever is master now has every acknowledged write, and everybody else has what it has. */
export async function expectNothingLost(stage: Scene, { writer }: LoadedShard): Promise<void> {
  await writer.stop();
  const [shard] = (await stage.converged('c')).shards;
  const lost = await writer.lostAt(shard === undefined ? '' : masterOf(shard).addr);
  expect([lost.length, lost.slice(0, 5)]).toEqual([0, []]);
  await expectEqualCopies(stage, 'c');
}
