// Which node, shard or cluster people mean, and what flags hold.

import type { ClusterBody, NodeBody } from '../../api/render.ts';
import { EXIT, Failure, usage } from '../failure.ts';
import type { Session } from '../session.ts';

export async function clusterOf(session: Session): Promise<ClusterBody> {
  const { data } = await session.client.get(session.path());
  return (data as { cluster: ClusterBody }).cluster;
}

/** A node and where it stands. */
export interface NodePlace extends NodeBody {
  readonly shard: number;
}

export function placesOf({ shards }: ClusterBody): readonly NodePlace[] {
  return shards.flatMap(({ nodes }, shard) => nodes.map((node) => ({ ...node, shard })));
}

/** The node that is meant: people have its address, or the first letters of its id. */
export async function nodeNamed(session: Session, text: string): Promise<NodePlace> {
  const places = placesOf(await clusterOf(session));
  const found = places.filter(
    ({ id, addr }) => addr === text || id === text || (text.length >= 4 && id.startsWith(text)),
  );
  const [only, ...others] = found;
  if (only === undefined)
    throw new Failure(EXIT.missing, `no node of ${session.cluster} has the id or address ${text}`);
  if (others.length > 0) throw usage(`${text} begins the ids of ${found.length} nodes: say more of it`);
  return only;
}

/** `a,b,c` of a flag. */
export function addresses(value: unknown): readonly string[] {
  return String(value)
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '');
}

/** A whole number of a flag. */
export function count(value: unknown, flag: string): number {
  const text = String(value);
  if (!/^\d{1,9}$/.test(text)) throw usage(`${flag} ${text}: expected a whole number`);
  return Number(text);
}
