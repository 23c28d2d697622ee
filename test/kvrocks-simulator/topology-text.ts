// The text of CLUSTERX SETNODES: parsing with the server's own errors (facts section 2.3).

import { err, ok, type Result } from '../../src/base/result.ts';
import { parseInt64, SLOT_COUNT, type SlotRange } from './slots.ts';

/** A node of a topology. Identity matters: a slot that a later text leaves out keeps the old object (facts section 2.4). */
export interface ClusterNode {
  readonly id: string;
  readonly host: string;
  readonly port: number;
  readonly role: 'master' | 'slave';
  /** `-` for a master. */
  readonly masterId: string;
  /** Ids of the slaves that name this node as their master. */
  readonly replicaIds: string[];
  /** Set on `myself` only, while it imports. */
  importing: SlotRange | null;
}

export interface ParsedTopology {
  readonly nodes: ReadonlyMap<string, ClusterNode>;
  /** Slot to node id. */
  readonly owners: ReadonlyMap<number, string>;
}

/** Parses the whole text; the error is the server's text after `ERR `. */
export function parseTopologyText(text: string): Result<ParsedTopology, string> {
  const lines = words(text, '\n');
  if (lines.length === 0) return err('Invalid cluster nodes info');
  const nodes = new Map<string, ClusterNode>();
  const owners = new Map<number, string>();
  for (const line of lines) {
    const fields = words(line, ' ');
    const node = parseNode(fields);
    if (!node.ok) return node;
    const failure = node.value.role === 'master' ? assignSlots(fields.slice(5), node.value.id, owners) : null;
    if (failure !== null) return err(failure);
    nodes.set(node.value.id, node.value);
  }
  for (const node of nodes.values()) {
    if (node.role === 'slave') nodes.get(node.masterId)?.replicaIds.push(node.id);
  }
  return ok({ nodes, owners });
}

function parseNode(fields: readonly string[]): Result<ClusterNode, string> {
  const [id = '', host = '', portText = '', roleText = '', masterId = ''] = fields;
  if (fields.length < 5) return err('Invalid cluster nodes info');
  if (id.length !== 40) return err('Invalid cluster node id');
  const port = parseInt64(portText);
  if (port === null || port < 0n || port > 65_535n) return err('Invalid cluster node port');
  const role = parseRole(roleText);
  if (role === null) return err('Invalid cluster node role');
  if (role === 'master' ? masterId !== '-' : masterId.length !== 40) return err('Invalid cluster node id');
  if (role === 'slave' && fields.length !== 5) return err('Invalid cluster nodes info');
  return ok({ id, host, port: Number(port), role, masterId, replicaIds: [], importing: null });
}

function parseRole(text: string): ClusterNode['role'] | null {
  switch (text.toLowerCase()) {
    case 'master':
      return 'master';
    case 'slave':
    case 'replica':
      return 'slave';
    default:
      return null;
  }
}

function assignSlots(fields: readonly string[], id: string, owners: Map<number, string>): string | null {
  for (const field of fields) {
    if (/^[0-9a-fA-F]{40}$/.test(field)) {
      return 'Invalid nodes definition: Missing newline between node entries.';
    }
    const range = parseSlotField(field);
    if (range === null) return 'Slot is out of range';
    for (let slot = range.start; slot <= range.end; slot += 1) {
      if (owners.has(slot)) return 'Slot distribution is overlapped';
      owners.set(slot, id);
    }
  }
  return null;
}

/** A range needs `start < end`: the server refuses `5-5`. */
function parseSlotField(field: string): SlotRange | null {
  const numbers = words(field, '-').map((word) => parseInt64(word));
  const [start, end] = numbers;
  if (start === undefined || start === null || !inRange(start)) return null;
  if (numbers.length === 1) return { start: Number(start), end: Number(start) };
  if (numbers.length > 2 || end === undefined || end === null || !inRange(end) || start >= end) return null;
  return { start: Number(start), end: Number(end) };
}

function inRange(slot: bigint): boolean {
  return slot >= 0n && slot < BigInt(SLOT_COUNT);
}

/** Splits and drops empty parts, so that double blanks and trailing newlines are accepted. */
function words(text: string, separator: string): readonly string[] {
  return text.split(separator).filter((word) => word !== '');
}
