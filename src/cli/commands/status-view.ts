// The health of clusters for people: what is wrong comes first.

import type { Cell } from '../terminal.ts';
import { type Block, line, table, tableUnder } from './blocks.ts';
import {
  DEPARTED_HEAD,
  departedRows,
  MIGRATION_HEAD,
  migrationRow,
  NODE_HEAD,
  NODE_HEAD_WIDE,
  nodeRows,
  type SlotsByNode,
  SPARE_HEAD,
  spareRow,
} from './node-rows.ts';
import { countsCell, problemBlocks } from './severity.ts';
import type { ShortageBody, StatusBody } from './status-body.ts';

/** The controllers, as the leader sees them. */
export interface GroupSight {
  readonly leader: string;
  readonly members: readonly string[];
  /** Members that the leader has not heard lately. */
  readonly silent: readonly string[];
}

export interface ClusterSight {
  readonly namespace: string;
  readonly status: StatusBody;
  readonly slots: SlotsByNode;
  /** Null where the leader did not tell of it. */
  readonly group: GroupSight | null;
}

export const OVERVIEW_HEAD = [
  'NAMESPACE',
  'CLUSTER',
  'VERSION',
  'CONVERGED',
  'NODES',
  'SHARDS',
  'PROBLEMS',
  'MIGRATIONS',
];

/** One cluster among all of them. `NODES`: those that answer, of how many. */
export function overviewRow(namespace: string, status: StatusBody): readonly Cell[] {
  const { cluster, version, converged, nodes, shards, problems, migrations } = status;
  const up = answering(status);
  const nodesText = `${up}/${nodes.length}`;
  return [
    namespace,
    cluster,
    String(version),
    converged ? 'yes' : { text: 'no', colour: 'yellow' },
    up === nodes.length ? nodesText : { text: nodesText, colour: 'yellow' },
    String(shards.length),
    countsCell(problems),
    migrations.length === 0 ? '-' : `${migrations.length} open`,
  ];
}

export function statusBlocks(sight: ClusterSight, isWide: boolean): readonly Block[] {
  const { namespace, status, slots, group } = sight;
  const { cluster, version, converged, nodes, shards, problems } = status;
  const place = converged ? 'converged' : 'not converged';
  const head = `cluster ${namespace}/${cluster}: version ${version}, ${place}, ${answering(status)} of ${nodes.length} nodes answer, ${shards.length === 1 ? '1 shard' : `${shards.length} shards`}`;
  return [
    line(head, 'bold'),
    ...groupBlocks(group),
    ...(problems.length === 0
      ? [line('no problems', 'green')]
      : [line(''), ...problemBlocks(problems, isWide)]),
    ...automationBlocks(status),
    line(''),
    table(isWide ? NODE_HEAD_WIDE : NODE_HEAD, nodeRows(nodes, slots, isWide)),
    ...tableUnder('open migrations', MIGRATION_HEAD, status.migrations.map(migrationRow)),
    ...spareBlocks(status),
    ...tableUnder('departed nodes', DEPARTED_HEAD, departedRows(status, isWide)),
  ];
}

function groupBlocks(group: GroupSight | null): readonly Block[] {
  if (group === null) return [];
  const { leader, members, silent } = group;
  const count = `${members.length - silent.length} of ${members.length}`;
  const text = `controllers: ${leader} leads, ${count} answer`;
  return [silent.length === 0 ? line(text) : line(`${text}, not ${silent.join(', ')}`, 'yellow')];
}

/** Nothing where failovers are automatic, as they are when nobody has said otherwise. */
export function automationBlocks({ automation }: StatusBody): readonly Block[] {
  const { failover, ignore_mass_failure: isMassIgnored, until, reason, set_at: setAt, by } = automation;
  if (failover === 'on' && !isMassIgnored) return [];
  const what =
    failover === 'on'
      ? 'automatic failover goes on however many nodes are missed at once'
      : `automatic failover: ${failover}`;
  const parts = [
    until === null ? 'until somebody ends it' : `until ${until}`,
    ...(reason === '' ? [] : [`because: ${reason}`]),
    ...(setAt === null ? [] : [`said at ${setAt}${by === null ? '' : ` for the ${by}`}`]),
  ];
  return [line(`${what}, ${parts.join(', ')}`, 'yellow')];
}

export function spareBlocks({ spares }: StatusBody): readonly Block[] {
  const { copies, nodes, shards } = spares;
  const wanted = copies === null ? 'nobody is replaced' : `${copies} nodes wanted of each shard`;
  return [
    ...tableUnder(`spares: ${wanted}`, SPARE_HEAD, nodes.map(spareRow)),
    ...shards.map((shortage) => line(shortageText(shortage), 'yellow')),
  ];
}

export function shortageText({ shard, there, wanted, since, until, plan }: ShortageBody): string {
  const due = until === null ? '' : `, replaced at ${until}`;
  return `shard ${shard} has ${there} of ${wanted} nodes since ${since}${due}: ${plan}`;
}

function answering({ nodes }: StatusBody): number {
  return nodes.filter(({ condition }) => condition === 'answering').length;
}
