// The text of CLUSTER NODES, as a node tells it, and the cluster it describes. Everything here may be hostile.

import { present } from '../base/assert.ts';
import { type Result, err, ok } from '../base/result.ts';
import type { Secret } from '../base/secret.ts';
import { FIRST_SHARD_ID, FIRST_VERSION, makeCluster, shardIdAt } from './cluster.ts';
import type { TopologyError } from './errors.ts';
import { addressFromParts, makeNode, parseNodeId, parseRole } from './node.ts';
import { parseSlotSet } from './slot.ts';
import {
  type Cluster,
  type Name,
  type Node,
  type NodeAddress,
  type NodeId,
  type NodeRole,
  SLOT_COUNT,
  type Shard,
  type SlotSet,
} from './types.ts';

/**
 * Longer texts are refused unread: a thousand shards of four nodes with every slot a range of its own take 700 kB. Reading this much takes some
 * ten milliseconds, in which nobody else is served.
 */
const TEXT_LENGTH_MAX = 1024 * 1024;

/** More masters than a controller can look after in one cluster are refused, and more nodes than so many shards of five. */
const SHARDS_MAX = 1000;
const NODES_MAX = 5 * SHARDS_MAX;

/** A flag list has a role and perhaps `myself` and states; more are nonsense. */
const FLAG_COUNT_MAX = 8;

/** Eight fields, then at most one range a slot; what comes after that is not even cut. */
const FIELD_COUNT_MAX = 8 + SLOT_COUNT;

/** One line of the text. */
export interface NodesLine {
  readonly id: NodeId;
  readonly address: NodeAddress;
  readonly role: NodeRole;
  /** Whether the node that answered described itself here. */
  readonly isMyself: boolean;
  /** The master's id on a replica's line; null on a master's. */
  readonly masterId: NodeId | null;
  /** The node's topology version, which it prints on every line. */
  readonly version: number;
  readonly slots: SlotSet;
}

/** What to add to the text to make a cluster of it. */
export interface ImportPlan {
  readonly name: Name;
  readonly password: Secret;
  /** Seconds since the Unix epoch. */
  readonly nowSeconds: number;
}

/**
 * The lines of a CLUSTER NODES reply, in the node's (random) order. States such as `fail` and job marks such as `[1000->-<id>]` are
 * read over; the field behind `@` too. A line that is anything else than recorded in facts section 2.4 is an error that names it.
 */
export function parseClusterNodes(text: string): Result<readonly NodesLine[], TopologyError> {
  if (text.length > TEXT_LENGTH_MAX) {
    return badCount(text.length, `characters are too many, at most ${TEXT_LENGTH_MAX}`);
  }
  const rows = text.split('\n', NODES_MAX + 2).map((row) => row.trim());
  if (rows.length > NODES_MAX + 1)
    return badCount(rows.length, `lines or more are too many, at most ${NODES_MAX}`);
  const lines: NodesLine[] = [];
  let rangeCount = 0;
  let masterCount = 0;
  let selfCount = 0;
  for (const [index, row] of rows.entries()) {
    if (row === '') continue;
    if (lines.length === NODES_MAX)
      return badCount(lines.length + 1, `nodes are too many, at most ${NODES_MAX}`);
    const line = parseLine(row, `CLUSTER NODES line ${index + 1}`);
    if (!line.ok) return line;
    lines.push(line.value);
    rangeCount += line.value.slots.length;
    masterCount += line.value.role === 'master' ? 1 : 0;
    selfCount += line.value.isMyself ? 1 : 0;
    if (masterCount > SHARDS_MAX) return badCount(masterCount, `shards are too many, at most ${SHARDS_MAX}`);
    if (rangeCount > SLOT_COUNT) return badCount(rangeCount, 'ranges of slots are more than there are slots');
    if (selfCount > 1) return badCount(selfCount, 'lines say "myself", a node is one of them');
  }
  return lines.length === 0 ? badCount(0, 'nodes in the text, a cluster has at least one') : ok(lines);
}

/**
 * What a text says apart from who answered, when, and in which order: equal for nodes that hold one topology. Different ones may still mean
 * the same to `clusterFromNodes`. Far cheaper than reading, for a cluster in which every node tells of every other.
 */
export function topologyFingerprint(text: string): string {
  return text
    .split('\n')
    .map((row) => withoutTimes(row.trim()))
    .filter((row) => row !== '')
    .toSorted()
    .join('\n');
}

/** Cuts out the two fields with times, and what only the own line has. */
function withoutTimes(row: string): string {
  const isOwn = row.includes('myself,');
  const line = isOwn ? row.replace('myself,', '').replaceAll(/ \[[^\]]*\]/g, '') : row;
  let from = -1;
  for (let field = 0; field < 4; field += 1) from = line.indexOf(' ', from + 1);
  const to = line.indexOf(' ', line.indexOf(' ', from + 1) + 1);
  return from === -1 || to === -1 ? line : line.slice(0, from) + line.slice(to);
}

/** The line in which the node that answered describes itself; null when there is none that can be read. */
export function ownLine(text: string): NodesLine | null {
  const row = text.split('\n').find((candidate) => candidate.includes('myself'));
  const line = row === undefined ? null : parseLine(row.trim(), 'CLUSTER NODES');
  return line?.ok === true && line.value.isMyself ? line.value : null;
}

function badCount(count: number, why: string): Result<never, TopologyError> {
  return err({ kind: 'invalidCount', field: 'CLUSTER NODES', count, why });
}

function parseLine(row: string, field: string): Result<NodesLine, TopologyError> {
  const [idText, addressText, flagsText, masterText, ping, pong, versionText, link, ...slotTexts] = row.split(
    / +/,
    FIELD_COUNT_MAX + 1,
  );
  if (
    idText === undefined ||
    addressText === undefined ||
    flagsText === undefined ||
    masterText === undefined
  ) {
    return err({ kind: 'invalidText', field, text: row, why: 'has too few fields' });
  }
  if (ping === undefined || pong === undefined || versionText === undefined || link === undefined) {
    return err({ kind: 'invalidText', field, text: row, why: 'has too few fields' });
  }
  const id = parseNodeId(idText, `${field}, id`);
  if (!id.ok) return id;
  const address = parseHostPort(addressText, `${field}, address`);
  if (!address.ok) return address;
  const flags = parseFlags(flagsText, `${field}, flags`);
  if (!flags.ok) return flags;
  const masterId = parseMasterId(masterText, flags.value.role, `${field}, master id`);
  if (!masterId.ok) return masterId;
  const version = parseVersion(versionText, `${field}, version`);
  if (!version.ok) return version;
  if (slotTexts.length > SLOT_COUNT)
    return err({ kind: 'invalidText', field, text: row, why: 'owns slots it cannot own' });
  const slots = parseSlotSet(
    slotTexts.filter((slotText) => !slotText.startsWith('[')),
    `${field}, slots`,
  );
  if (!slots.ok) return slots;
  if (flags.value.role === 'replica' && slots.value.length > 0) {
    return err({ kind: 'invalidText', field, text: row, why: 'owns slots it cannot own' });
  }
  return ok({
    id: id.value,
    address: address.value,
    ...flags.value,
    masterId: masterId.value,
    version: version.value,
    slots: slots.value,
  });
}

/** `host:port@busport[,hostname]`, the host bare even when it is IPv6 (facts section 2.4). */
function parseHostPort(text: string, field: string): Result<NodeAddress, TopologyError> {
  const at = text.indexOf('@');
  const hostPort = at === -1 ? text : text.slice(0, at);
  const colon = hostPort.lastIndexOf(':');
  if (colon === -1) return err({ kind: 'invalidText', field, text, why: 'is not host:port' });
  return addressFromParts(hostPort.slice(0, colon), hostPort.slice(colon + 1), field);
}

function parseFlags(
  text: string,
  field: string,
): Result<{ readonly role: NodeRole; readonly isMyself: boolean }, TopologyError> {
  const flags = text.split(',');
  const roles = flags.map((flag) => parseRole(flag)).filter((role) => role.ok);
  const [role] = roles;
  if (role === undefined || roles.length !== 1 || flags.length > FLAG_COUNT_MAX) {
    return err({
      kind: 'invalidText',
      field,
      text,
      why: 'does not say whether the node is a master or a slave',
    });
  }
  return ok({ role: role.value, isMyself: flags.includes('myself') });
}

function parseMasterId(text: string, role: NodeRole, field: string): Result<NodeId | null, TopologyError> {
  if (role === 'replica') return parseNodeId(text, field);
  return text === '-'
    ? ok(null)
    : err({ kind: 'invalidText', field, text, why: 'is on the line of a master' });
}

function parseVersion(text: string, field: string): Result<number, TopologyError> {
  const version = Number(text);
  if (!/^\d{1,16}$/.test(text) || !Number.isSafeInteger(version)) {
    return err({ kind: 'invalidText', field, text, why: 'is not a topology version' });
  }
  return ok(version);
}

/**
 * The cluster the lines describe, at the version they carry. One set of lines gives one cluster, whatever their order:
 * shards by their first slot, those without slots last by the master's id; a shard's master first, then its replicas by id. So two nodes
 * agree exactly when their clusters print the same SETNODES text.
 */
export function clusterFromNodes(
  lines: readonly NodesLine[],
  plan: ImportPlan,
): Result<Cluster, TopologyError> {
  const versions = new Set(lines.map((line) => line.version));
  const [version] = versions;
  if (version === undefined || versions.size !== 1)
    return badCount(versions.size, 'different versions in one text');
  if (version < FIRST_VERSION)
    return badCount(
      version,
      'is not a version to go on from, push the topology as version 1 or higher first',
    );
  const shardLines = new Map<NodeId, NodesLine[]>();
  const masters = lines.filter((line) => line.role === 'master').toSorted(byFirstSlot);
  for (const master of masters) shardLines.set(master.id, [master]);
  for (const line of lines.toSorted(byId)) {
    if (line.masterId === null) continue;
    const siblings = shardLines.get(line.masterId);
    if (siblings === undefined) {
      return err({
        kind: 'invalidText',
        field: `node ${line.id}, master id`,
        text: line.masterId,
        why: 'is not the id of a master',
      });
    }
    siblings.push(line);
  }
  const shards = masters.map((master, index): Shard => {
    const members = present(shardLines.get(master.id), 'every master has its lines');
    return {
      id: shardIdAt(index),
      nodes: members.map((line) => nodeFromLine(line, plan)),
      slots: master.slots,
      migration: null,
      drain: null,
    };
  });
  return makeCluster({
    name: plan.name,
    version,
    shards,
    nextShardId: FIRST_SHARD_ID + shards.length,
  });
}

function nodeFromLine(line: NodesLine, plan: ImportPlan): Node {
  const { id, address, role } = line;
  return makeNode({ id, address, password: plan.password, createdAtSeconds: plan.nowSeconds }, role);
}

function byId(left: NodesLine, right: NodesLine): number {
  return left.id < right.id ? -1 : Number(left.id > right.id);
}

function byFirstSlot(left: NodesLine, right: NodesLine): number {
  const leftFirst = left.slots[0]?.start ?? SLOT_COUNT;
  const rightFirst = right.slots[0]?.start ?? SLOT_COUNT;
  return leftFirst - rightFirst || byId(left, right);
}
