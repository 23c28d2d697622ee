// Clusters, shards and nodes as they are stored, for people.

import type { Session } from '../session.ts';
import type { Cell } from '../terminal.ts';
import type { ClusterBody, ShardBody } from '../../api/render.ts';
import type { NodePlace } from './places.ts';

const SHORT_ID = 8;

export async function showCluster(session: Session, data: unknown, cluster: ClusterBody): Promise<void> {
  await session.output.show({
    data,
    names: [cluster.name],
    table: (isWide) => {
      session.terminal.print(`cluster ${cluster.name}, version ${cluster.version}`);
      session.terminal.table(
        SHARD_HEAD,
        cluster.shards.flatMap((shard, index) => shardRows(shard, index, isWide)),
      );
    },
  });
}

/** `first`: the index of the first of them. */
export async function showShards(
  session: Session,
  shards: readonly ShardBody[],
  first: number,
): Promise<void> {
  await session.output.show({
    data: { shards },
    items: shards,
    names: shards.map((_, index) => String(first + index)),
    table: (isWide) =>
      session.terminal.table(
        SHARD_HEAD,
        shards.flatMap((shard, index) => shardRows(shard, first + index, isWide)),
      ),
  });
}

export async function showNodes(session: Session, nodes: readonly NodePlace[]): Promise<void> {
  await session.output.show({
    data: { nodes },
    items: nodes,
    names: nodes.map(({ id }) => id),
    table: (isWide) =>
      session.terminal.table(
        ['SHARD', 'ROLE', 'ADDRESS', 'ID'],
        nodes.map(({ id, addr, role, shard }) => [
          String(shard),
          roleCell(role),
          addr,
          isWide ? id : id.slice(0, SHORT_ID),
        ]),
      ),
  });
}

const SHARD_HEAD = ['SHARD', 'ROLE', 'ADDRESS', 'ID', 'SLOTS', 'MOVES'];

/** A row a node; slots and moves beside the first. */
function shardRows(shard: ShardBody, index: number, isWide: boolean): readonly (readonly Cell[])[] {
  return shard.nodes.map(({ id, addr, role }, place) => [
    place === 0 ? String(index) : '',
    roleCell(role),
    addr,
    isWide ? id : id.slice(0, SHORT_ID),
    place === 0 ? (shard.slot_ranges ?? ['none']).join(' ') : '',
    place === 0 ? movesOf(shard) : '',
  ]);
}

export function roleCell(role: string): Cell {
  return role === 'master' ? { text: 'master', colour: 'bold' } : 'replica';
}

function movesOf({
  migrating_slot: leaving,
  target_shard_index: target,
  import_slot: coming,
}: ShardBody): string {
  const parts = [
    ...(leaving === -1 ? [] : [`${leaving} to shard ${target}`]),
    ...(coming === -1 ? [] : [`${coming} comes`]),
  ];
  return parts.join(', ');
}
