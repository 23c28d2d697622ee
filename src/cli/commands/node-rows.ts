// Nodes, migrations, spares and events as rows for people.

import type { Cell, Colour } from '../terminal.ts';
import type { ClusterBody } from '../../api/render.ts';
import { severityColour } from './severity.ts';
import { spanText } from './span-text.ts';
import type { EventBody, MigrationBody, NodeStatusBody, SparesBody, StatusBody } from './status-body.ts';

/** By the id of any node of the shard: between two requests shards may have changed their places. */
export type SlotsByNode = ReadonlyMap<string, readonly string[]>;

export const NODE_HEAD = ['SHARD', 'SLOTS', 'ROLE', 'ADDRESS', 'ID', 'CONDITION', 'LINK', 'LAG'];
export const NODE_HEAD_WIDE = [...NODE_HEAD, 'SEQUENCE', 'ZONE', 'PRIORITY', 'LOOKED AT', 'ERROR'];

const SHORT_ID = 8;
/** Ranges of slots beside a shard, where not all is wanted. */
const RANGES_MAX = 3;

const CONDITION_COLOURS: Readonly<Record<string, Colour>> = {
  unknown: 'dim',
  blind: 'yellow',
  loading: 'yellow',
  impaired: 'yellow',
  suspect: 'yellow',
  down: 'red',
  gone: 'red',
};

export function slotsByNode({ shards }: ClusterBody): SlotsByNode {
  return new Map(
    shards.flatMap(({ nodes, slot_ranges: slots }) => nodes.map(({ id }) => [id, slots ?? []] as const)),
  );
}

/** A row a node, shard by shard, the master of each first; what belongs to the shard stands beside that. */
export function nodeRows(
  nodes: readonly NodeStatusBody[],
  slots: SlotsByNode,
  isWide: boolean,
): readonly (readonly Cell[])[] {
  const shards = Map.groupBy(nodes, ({ shard }) => shard);
  const indexes = [...shards.keys()].sort((a, b) => a - b);
  return indexes.flatMap((index) => {
    const members = shards.get(index) ?? [];
    const ordered = [...members.filter(isWantedMaster), ...members.filter((node) => !isWantedMaster(node))];
    return ordered.map((node, place) => {
      if (place > 0) return nodeCells(node, ['', ''], isWide);
      return nodeCells(node, [String(index), slotsText(slots.get(node.id) ?? null, isWide)], isWide);
    });
  });
}

/** `shard`: what stands before it. */
function nodeCells(node: NodeStatusBody, shard: readonly Cell[], isWide: boolean): readonly Cell[] {
  const isMaster = isWantedMaster(node);
  const cells = [
    ...shard,
    roleStatusCell(node),
    node.addr,
    isWide ? node.id : node.id.slice(0, SHORT_ID),
    conditionCell(node),
    isMaster ? '-' : linkCell(node),
    isMaster ? '-' : countText(node.behind),
  ];
  if (!isWide) return cells;
  const age = node.last_look_age_ms;
  return [
    ...cells,
    countText(node.sequence),
    node.zone === '' ? '-' : node.zone,
    String(node.failover_priority),
    age === null ? 'never' : `${spanText(age)} ago`,
    node.error ?? '',
  ];
}

export function isWantedMaster({ role }: NodeStatusBody): boolean {
  return role.wanted === 'master';
}

export function roleText(role: string): string {
  return role === 'slave' ? 'replica' : role;
}

/** Wanted, and what was seen where that is something else. */
export function roleStatusCell({ role: { wanted, seen } }: NodeStatusBody): Cell {
  if (seen !== null && seen !== wanted)
    return { text: `${roleText(wanted)} (is ${roleText(seen)})`, colour: 'yellow' };
  return wanted === 'master' ? { text: 'master', colour: 'bold' } : roleText(wanted);
}

export function conditionCell({ condition, version, maintenance, converged }: NodeStatusBody): Cell {
  const { wanted, seen } = version;
  const parts = [
    condition,
    ...(maintenance === null ? [] : ['in maintenance']),
    ...(seen === null || seen === wanted ? [] : [`version ${seen} instead of ${wanted}`]),
    ...(condition === 'answering' && !converged && seen === wanted ? ['not in its place'] : []),
  ];
  const colour = CONDITION_COLOURS[condition] ?? (parts.length > 1 ? 'yellow' : null);
  const text = parts.join(', ');
  return colour === null ? text : { text, colour };
}

export function linkCell({ link_fault: fault, role }: NodeStatusBody): Cell {
  if (fault !== null) return { text: fault, colour: 'yellow' };
  return role.seen === 'slave' ? 'up' : '?';
}

export function slotsText(slots: readonly string[] | null, isWide: boolean): string {
  if (slots === null) return '?';
  if (slots.length === 0) return 'none';
  const hidden = slots.length - RANGES_MAX;
  return isWide || hidden <= 0
    ? slots.join(' ')
    : `${slots.slice(0, RANGES_MAX).join(' ')} and ${hidden} ranges more`;
}

function countText(count: number | null): string {
  return count === null ? '?' : String(count);
}

export const MIGRATION_HEAD = ['ID', 'KIND', 'STATE', 'SLOTS MOVED', 'SLOTS/S', 'LEFT', 'NOW', 'REASON'];

export function migrationRow(task: MigrationBody): readonly Cell[] {
  return [
    String(task.id),
    task.kind,
    stateCell(task.state),
    `${task.slots.moved} of ${task.slots.total} (${task.percent} %)`,
    task.slots_per_second === null ? '-' : task.slots_per_second.toFixed(1),
    leftText(task.seconds_left),
    task.running.map(jobText).join(', ') || '-',
    task.reason,
  ];
}

function stateCell(state: string): Cell {
  if (state === 'failed') return { text: state, colour: 'red' };
  return state === 'paused' || state === 'cancelled' ? { text: state, colour: 'yellow' } : state;
}

/** How long it may take; two figures, since nobody knows how full the slots are that are to come. */
function leftText(left: MigrationBody['seconds_left']): string {
  if (left === null) return '-';
  const least = Math.round(left.least);
  const most = Math.round(left.most);
  return least === most ? `${least} s` : `${least} to ${most} s`;
}

function jobText({ slots, source, target, stage }: MigrationBody['running'][number]): string {
  return `${slots} from shard ${source ?? '?'} to ${target ?? '?'}${stage === 'started' ? '' : `, ${stage}`}`;
}

export const SPARE_HEAD = ['ADDRESS', 'ZONE', 'STATE', 'REASON'];

export function spareRow({ addr, zone, state, reason }: SparesBody['nodes'][number]): readonly Cell[] {
  return [
    addr,
    zone === '' ? '-' : zone,
    state === 'ready' ? state : { text: state, colour: 'yellow' },
    reason,
  ];
}

export const DEPARTED_HEAD = ['ADDRESS', 'ID', 'STATE', 'LEFT AT', 'ERROR'];

export function departedRows({ departed }: StatusBody, isWide: boolean): readonly (readonly Cell[])[] {
  return departed.map(({ id, addr, left_at: leftAt, state, error }) => [
    addr,
    isWide ? id : id.slice(0, SHORT_ID),
    state,
    leftAt,
    error ?? '',
  ]);
}

export const EVENT_HEAD = ['TIME', 'SEVERITY', 'KIND', 'SHARD', 'TEXT'];

export function eventRow({ time, severity, kind, shard, text }: EventBody): readonly Cell[] {
  return [
    time,
    severity === 'info' ? severity : { text: severity, colour: severityColour(severity) },
    kind,
    shard === null ? '-' : String(shard),
    text,
  ];
}
