// What people want of the automation as bytes; read back with full validation.

import { Secret } from '../base/secret.ts';
import type { StoredValue } from '../store/types.ts';
import { EVENT_SEVERITIES } from '../topology/event.ts';
import { parseRecordedNodeId } from '../topology/node.ts';
import {
  type Automation,
  type ClusterPolicy,
  DIVERGENCE_MODES,
  FAILOVER_MODES,
  type GroupPolicy,
  type NodePolicy,
  type Wish,
} from '../topology/policy.ts';
import type { NodeId } from '../topology/types.ts';
import { type Fields, packRecord, readRecord } from './record-fields.ts';
import { readable } from './unreadable-record.ts';

const POLICY_VERSION = 1;

type Stored = Pick<StoredValue, 'key' | 'value'>;

/** The bytes are read back before they are returned. Throws when they cannot. */
export function encodeClusterPolicy({ automation, onDivergence, nodes }: ClusterPolicy): Uint8Array {
  const encoded = [...nodes].map(([id, { maintenance, released, failoverPriority, zone }]) => [
    id,
    maintenance === null ? null : encodeWish(maintenance),
    released,
    failoverPriority,
    zone,
  ]);
  const value = packRecord(POLICY_VERSION, [encodeAutomation(automation), onDivergence, encoded]);
  decodeClusterPolicy({ key: 'policy about to be written', value });
  return value;
}

/** Throws `UnreadableRecordError`. */
export function decodeClusterPolicy(stored: Stored): ClusterPolicy {
  return readRecord(stored, POLICY_VERSION, (fields) => ({
    automation: fields.optional(decodeAutomation),
    onDivergence: fields.oneOf(DIVERGENCE_MODES),
    nodes: new Map(fields.each(decodeNode)),
  }));
}

export function encodeGroupPolicy({ automation, webhooks }: GroupPolicy): Uint8Array {
  const hooks = webhooks.map(({ name, url, secret, severity }) => [
    name,
    url.reveal(),
    secret.reveal(),
    severity,
  ]);
  const value = packRecord(POLICY_VERSION, [encodeAutomation(automation), hooks]);
  decodeGroupPolicy({ key: 'policy about to be written', value });
  return value;
}

/** Throws `UnreadableRecordError`. */
export function decodeGroupPolicy(stored: Stored): GroupPolicy {
  return readRecord(stored, POLICY_VERSION, (fields) => ({
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
