// Events as bytes; read back with full validation.

import type { StoredValue } from '../store/types.ts';
import {
  type ClusterEvent,
  CORRELATION_MAX,
  EVENT_DETAILS_MAX,
  EVENT_TEXT_MAX,
  type EventActor,
  type EventDraft,
  type EventKind,
  EVENTS,
} from '../topology/event.ts';
import { parseRecordedNodeId } from '../topology/node.ts';
import { packRecord, readRecord } from './record-fields.ts';
import { readable } from './unreadable-record.ts';

const EVENT_VERSION = 1;
const KINDS = Object.keys(EVENTS) as EventKind[];
const ACTORS = ['api', 'controller'] as const satisfies readonly EventActor[];

/** Who did it, when, and from which version to which. */
export interface EventContext {
  readonly actor: EventActor;
  readonly atMs: number;
  readonly versions: ClusterEvent['versions'];
}

/** What is too long is cut, details are left out instead. The bytes are read back before they are returned. */
export function encodeEvent(draft: EventDraft, { actor, atMs, versions }: EventContext): Uint8Array {
  const { kind, text, shardIndex = null, node = null, correlation = '', lost = null, details = null } = draft;
  const value = packRecord(EVENT_VERSION, [
    atMs,
    kind,
    actor,
    text.slice(0, EVENT_TEXT_MAX).toWellFormed(),
    shardIndex,
    node,
    correlation.slice(0, CORRELATION_MAX).toWellFormed(),
    lost,
    details === null || details.length > EVENT_DETAILS_MAX ? null : details,
    versions === null ? null : [versions.before, versions.after],
  ]);
  decodeEvent({ key: 'event about to be written', value }, '');
  return value;
}

/** Throws `UnreadableRecordError`. */
export function decodeEvent(stored: Pick<StoredValue, 'key' | 'value'>, id: string): ClusterEvent {
  return readRecord(stored, EVENT_VERSION, (fields) => {
    const atMs = fields.number();
    const kind = fields.oneOf(KINDS);
    const actor = fields.oneOf(ACTORS);
    const text = fields.text();
    const shardIndex = fields.numberOrNull();
    const node = fields.textOrNull();
    return {
      id,
      atMs,
      kind,
      severity: EVENTS[kind],
      actor,
      text,
      shardIndex,
      node: node === null ? null : readable(fields.key, parseRecordedNodeId(node)),
      correlation: fields.text(),
      lost: fields.numberOrNull(),
      details: fields.textOrNull(),
      versions: fields.optional((each) => ({ before: each.number(), after: each.number() })),
    };
  });
}
