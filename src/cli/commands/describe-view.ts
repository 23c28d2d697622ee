// Everything that is known of one cluster, shard or node, for people.

import type { Cell } from '../terminal.ts';
import { type Block, fields, heading, line, tableUnder } from './blocks.ts';
import type { ShardBody } from '../../api/render.ts';
import { explanationBlocks, witnessBlocks } from './explain-view.ts';
import {
  conditionCell,
  EVENT_HEAD,
  eventRow,
  isWantedMaster,
  linkCell,
  MIGRATION_HEAD,
  migrationRow,
  NODE_HEAD_WIDE,
  nodeRows,
  roleStatusCell,
} from './node-rows.ts';
import { problemBlocks } from './severity.ts';
import { spanText } from './span-text.ts';
import type {
  EventBody,
  ExplanationBody,
  MigrationBody,
  NodeStatusBody,
  ProblemBody,
  StatusBody,
} from './status-body.ts';
import { type ClusterSight, statusBlocks } from './status-view.ts';

/** Of what has happened, the newest; `kvctl events` has the rest. */
const EVENTS_SHOWN = 10;
const MIGRATIONS_SHOWN = 10;

export interface ClusterDescription extends ClusterSight {
  /** All that are kept, newest first. */
  readonly migrations: readonly MigrationBody[];
  /** Newest first. */
  readonly events: readonly EventBody[];
}

export interface ShardDescription {
  readonly index: number;
  readonly shard: ShardBody;
  readonly explain: ExplanationBody;
  readonly nodes: readonly NodeStatusBody[];
  readonly problems: readonly ProblemBody[];
  readonly migrations: readonly MigrationBody[];
  readonly last_decision: EventBody | null;
  readonly events: readonly EventBody[];
}

export interface NodeDescription {
  readonly node: NodeStatusBody;
  readonly problems: readonly ProblemBody[];
  readonly events: readonly EventBody[];
}

export function clusterBlocks(described: ClusterDescription): readonly Block[] {
  const { status, migrations, events } = described;
  const ended = migrations.filter(({ ended_at: endedAt }) => endedAt !== null).slice(0, MIGRATIONS_SHOWN);
  return [
    ...statusBlocks(described, true),
    ...heading('settings'),
    fields(
      ['automatic failover', status.automation.failover],
      ['on divergence', status.on_divergence],
      [
        'copies wanted',
        status.spares.copies === null ? 'as many as there are' : String(status.spares.copies),
      ],
      ['replaced after', spanText(status.spares.replace_after_seconds * 1000)],
    ),
    ...tableUnder('last decisions', EVENT_HEAD, decisions(status).map(eventRow)),
    ...tableUnder('migrations that have ended', MIGRATION_HEAD, ended.map(migrationRow)),
    ...eventBlocks(events),
  ];
}

function decisions({ shards }: StatusBody): readonly EventBody[] {
  return shards.flatMap(({ last_decision: event }) => (event === null ? [] : [event]));
}

export function shardBlocks(described: ShardDescription): readonly Block[] {
  const { index, shard, explain, nodes, problems, migrations, last_decision: decision, events } = described;
  const slots = new Map(nodes.map(({ id }) => [id, shard.slot_ranges ?? []] as const));
  const addressOf = (id: string): string => nodes.find((node) => node.id === id)?.addr ?? id;
  return [
    line(`shard ${index}`, 'bold'),
    fields(
      ['slots', shard.slot_ranges?.join(' ') ?? 'none'],
      [
        'moves out',
        shard.migrating_slot === -1 ? '-' : `${shard.migrating_slot} to shard ${shard.target_shard_index}`,
      ],
      ['comes in', shard.import_slot === -1 ? '-' : String(shard.import_slot)],
      ['last decision', decision === null ? 'none' : `${decision.time} ${decision.text}`],
    ),
    ...(problems.length === 0 ? [line('no problems', 'green')] : problemBlocks(problems, true)),
    ...tableUnder('nodes', NODE_HEAD_WIDE, nodeRows(nodes, slots, true)),
    ...tableUnder('open migrations', MIGRATION_HEAD, migrations.map(migrationRow)),
    ...heading('failover'),
    ...explanationBlocks(explain, { addressOf, isWide: true }),
    ...eventBlocks(events),
  ];
}

export function nodeBlocks({ node, problems, events }: NodeDescription): readonly Block[] {
  const age = node.last_look_age_ms;
  return [
    line(`node ${node.addr}`, 'bold'),
    fields(
      ['id', node.id],
      ['shard', String(node.shard)],
      ['role', roleStatusCell(node)],
      ['condition', conditionCell(node)],
      ['version', versionText(node.version)],
      ...replicaFields(node),
      ['sequence', node.sequence === null ? '?' : String(node.sequence)],
      ['looked at', age === null ? 'never' : `${spanText(age)} ago`],
      ['missed probes', String(node.missed_probes)],
      ['error', node.error ?? 'none'],
      ['failover priority', String(node.failover_priority)],
      ['zone', node.zone === '' ? 'none' : node.zone],
      ['maintenance', maintenanceText(node)],
    ),
    ...(problems.length === 0
      ? [line('no problems', 'green')]
      : [line(''), ...problemBlocks(problems, true)]),
    ...witnessBlocks(node.witnesses),
    ...eventBlocks(events),
  ];
}

function versionText({ wanted, seen }: NodeStatusBody['version']): string {
  return seen === wanted ? String(wanted) : `${wanted} wanted, ${seen ?? 'nothing'} seen`;
}

function replicaFields(node: NodeStatusBody): readonly (readonly [string, Cell])[] {
  if (isWantedMaster(node)) return [];
  return [
    ['link', linkCell(node)],
    ['lag', node.behind === null ? '?' : String(node.behind)],
  ];
}

function maintenanceText({ maintenance }: NodeStatusBody): string {
  if (maintenance === null) return 'none';
  const { until, reason } = maintenance;
  return `${until === null ? 'until somebody ends it' : `until ${until}`}${reason === '' ? '' : `, because: ${reason}`}`;
}

/** The newest of them, oldest first. */
function eventBlocks(events: readonly EventBody[]): readonly Block[] {
  const shown = events.slice(0, EVENTS_SHOWN).toReversed();
  const title = events.length > shown.length ? `events, the last ${shown.length}` : 'events';
  return tableUnder(title, EVENT_HEAD, shown.map(eventRow));
}
