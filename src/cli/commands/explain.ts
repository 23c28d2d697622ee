// `explain`: why the master of a shard is replaced, or not (yet).

import { usage } from '../failure.ts';
import { type Session, shardIndex } from '../session.ts';
import { printBlocks } from './blocks.ts';
import { explanationBlocks } from './explain-view.ts';
import { existing } from './named.ts';
import type { ExplanationBody } from './status-body.ts';
import { clusterOf } from './places.ts';

export async function explain(session: Session, words: readonly string[]): Promise<void> {
  const index = shardMeant(words) ?? session.shard;
  const [{ data }, addressOf] = await Promise.all([
    existing(`shard ${index} of ${session.cluster}`, () =>
      session.client.get(session.path(`/shards/${index}/explain`)),
    ),
    session.output.isTable ? addresses(session) : (id: string) => id,
  ]);
  const { explain: explained } = data as { readonly explain: ExplanationBody };
  await session.output.show({
    data,
    names: [String(explained.shard)],
    table: (isWide) => printBlocks(session.terminal, explanationBlocks(explained, { addressOf, isWide })),
  });
}

/** Of `shard 0` or `0`; null where no index is named. */
export function shardMeant(words: readonly string[]): number | null {
  const rest = words[0] === 'shard' ? words.slice(1) : words;
  const [index, ...others] = rest;
  if (others.length > 0) throw usage(`explain ${words.join(' ')}: expected explain shard INDEX`);
  return index === undefined ? null : shardIndex(index);
}

/** The addresses of nodes by their ids. */
async function addresses(session: Session): Promise<(id: string) => string> {
  const { shards } = await clusterOf(session);
  const known = new Map(shards.flatMap(({ nodes }) => nodes.map(({ id, addr }) => [id, addr] as const)));
  return (id) => known.get(id) ?? id;
}
