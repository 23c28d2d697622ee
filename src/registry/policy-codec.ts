// What people want of the automation as bytes; read back with full validation.

import { assert } from '../base/assert.ts';
import { Secret } from '../base/secret.ts';
import type { StoredValue } from '../store/types.ts';
import { EVENT_SEVERITIES } from '../topology/event.ts';
import { parseAddress, parseRecordedNodeId } from '../topology/node.ts';
import {
  type Automation,
  type ClusterPolicy,
  DIVERGENCE_MODES,
  FAILOVER_MODES,
  type GroupPolicy,
  type NodePolicy,
  type Wish,
} from '../topology/policy.ts';
import { isNoSpares, NO_SPARES, type Spare, type SparesPolicy } from '../topology/spares.ts';
import type { NodeId } from '../topology/types.ts';
import { clusterPolicyVersion } from './feature-level.ts';
import { type Fields, packRecord, readRecord } from './record-fields.ts';
import { readable } from './unreadable-record.ts';

const GROUP_POLICY_VERSION = 1;
const CLUSTER_POLICY_VERSION_MAX = 2;

type Stored = Pick<StoredValue, 'key' | 'value'>;

/** In the format of the feature level. The bytes are read back before they are returned. Throws when they cannot. */
export function encodeClusterPolicy(policy: ClusterPolicy, level: number): Uint8Array {
  const { automation, onDivergence, nodes, spares } = policy;
  const version = clusterPolicyVersion(level);
  assert(version > 1 || isNoSpares(spares), 'spares are refused before they could be left out');
  const encoded = [...nodes].map(([id, { maintenance, released, failoverPriority, zone }]) => [
    id,
    maintenance === null ? null : encodeWish(maintenance),
    released,
    failoverPriority,
    zone,
  ]);
  const fields = [encodeAutomation(automation), onDivergence, encoded];
  const value = packRecord(version, version === 1 ? fields : [...fields, encodeSpares(spares)]);
  decodeClusterPolicy({ key: 'policy about to be written', value });
  return value;
}

/** Throws `UnreadableRecordError`. */
export function decodeClusterPolicy(stored: Stored): ClusterPolicy {
  return readRecord(stored, CLUSTER_POLICY_VERSION_MAX, (fields) => ({
    automation: fields.optional(decodeAutomation),
    onDivergence: fields.oneOf(DIVERGENCE_MODES),
    nodes: new Map(fields.each(decodeNode)),
    spares: fields.version === 1 ? NO_SPARES : fields.list(decodeSpares),
  }));
}

export function encodeGroupPolicy({ automation, webhooks }: GroupPolicy): Uint8Array {
  const hooks = webhooks.map(({ name, url, secret, severity }) => [
    name,
    url.reveal(),
    secret.reveal(),
    severity,
  ]);
  const value = packRecord(GROUP_POLICY_VERSION, [encodeAutomation(automation), hooks]);
  decodeGroupPolicy({ key: 'policy about to be written', value });
  return value;
}

/** Throws `UnreadableRecordError`. */
export function decodeGroupPolicy(stored: Stored): GroupPolicy {
  return readRecord(stored, GROUP_POLICY_VERSION, (fields) => ({
    automation: fields.optional(decodeAutomation),
    webhooks: fields.each((each) => ({
      name: each.text(),
      url: new Secret(each.text()),
      secret: new Secret(each.text()),
      severity: each.oneOf(EVENT_SEVERITIES),
    })),
  }));
}

function encodeWish({ untilSeconds, reason, setAtSeconds }: Wish): readonly unknown[] {
  return [untilSeconds, reason, setAtSeconds];
}

function encodeAutomation(automation: Automation | null): readonly unknown[] | null {
  if (automation === null) return null;
  return [automation.failover, automation.ignoresMassFailure, ...encodeWish(automation)];
}

function decodeAutomation(fields: Fields): Automation {
  return {
    failover: fields.oneOf(FAILOVER_MODES),
    ignoresMassFailure: fields.flag(),
    ...decodeWish(fields),
  };
}

function decodeWish(fields: Fields): Wish {
  return { untilSeconds: fields.numberOrNull(), reason: fields.text(), setAtSeconds: fields.number() };
}

function decodeNode(fields: Fields): readonly [NodeId, NodePolicy] {
  const id = readable(fields.key, parseRecordedNodeId(fields.text()));
  const maintenance = fields.optional(decodeWish);
  const released = fields.textOrNull();
  return [id, { maintenance, released, failoverPriority: fields.number(), zone: fields.text() }];
}

function encodeSpares({ nodes, copies, replaceAfterSeconds }: SparesPolicy): readonly unknown[] {
  const encoded = nodes.map(({ address, password, zone, lost }) => [address, password.reveal(), zone, lost]);
  return [encoded, copies, replaceAfterSeconds];
}

function decodeSpares(fields: Fields): SparesPolicy {
  const nodes = fields.each(decodeSpare);
  return { nodes, copies: fields.numberOrNull(), replaceAfterSeconds: fields.number() };
}

function decodeSpare(fields: Fields): Spare {
  const address = readable(fields.key, parseAddress(fields.text()));
  const password = new Secret(fields.text());
  const zone = fields.text();
  const lost = fields.textOrNull();
  return {
    address,
    password,
    zone,
    lost: lost === null ? null : readable(fields.key, parseRecordedNodeId(lost)),
  };
}
