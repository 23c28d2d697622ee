// Tasks of a cluster as bytes; read back with full validation.

import type { StoredValue } from '../store/types.ts';
import { parseShardId } from '../topology/cluster.ts';
import { parseRecordedNodeId } from '../topology/node.ts';
import { parseSlotRange, printSlotRange } from '../topology/slot.ts';
import {
  type MigrationTask,
  sizeOf,
  TASK_ENDS,
  TASK_KINDS,
  TASK_WISHES,
  type TaskRange,
} from '../topology/task.ts';
import { MIGRATE_SPEED_MAX, MIGRATE_TYPES, type TaskSettings, type TunedNode } from '../topology/tuning.ts';
import { SLOT_COUNT } from '../topology/types.ts';
import { type Fields, packRecord, readRecord } from './record-fields.ts';
import { readable } from './unreadable-record.ts';

const TASK_VERSION = 1;

type Stored = Pick<StoredValue, 'key' | 'value'>;

/** The bytes are read back before they are returned. Throws when they cannot. */
export function encodeTask(task: MigrationTask): Uint8Array {
  const { id, kind, actor, ranges, batch, removes, wish, end, createdAtSeconds, startedAtSeconds } = task;
  const { settings, tuned } = task;
  const ended = end === null ? null : [end.state, end.why, end.atSeconds];
  const value = packRecord(TASK_VERSION, [
    id,
    kind,
    actor,
    batch,
    wish,
    removes.map((shard) => [shard]),
    createdAtSeconds,
    startedAtSeconds,
    ended,
    ranges.map(encodeRange),
    [settings.speed, settings.type],
    tuned.map(({ node, before }) => [node, before.speed, before.type]),
  ]);
  decodeTask({ key: 'task about to be written', value });
  return value;
}

/** Throws `UnreadableRecordError`. */
export function decodeTask(stored: Stored): MigrationTask {
  return readRecord(stored, TASK_VERSION, (fields) => {
    const id = positive(fields);
    const kind = fields.oneOf(TASK_KINDS);
    const actor = fields.text();
    const batch = positive(fields);
    if (batch > SLOT_COUNT) throw fields.malformed();
    return {
      id,
      kind,
      actor,
      batch,
      wish: fields.oneOf(TASK_WISHES),
      removes: fields.each((one) => readable(one.key, parseShardId(one.number()))),
      createdAtSeconds: fields.number(),
      startedAtSeconds: fields.numberOrNull(),
      end: fields.optional((end) => ({
        state: end.oneOf(TASK_ENDS),
        why: end.text(),
        atSeconds: end.number(),
      })),
      ranges: fields.each(decodeRange),
      settings: fields.list(decodeSettings),
      tuned: fields.each(decodeTuned),
    };
  });
}

function encodeRange(each: TaskRange): readonly unknown[] {
  const { range, source, target, moved, attempts, lastError } = each;
  return [printSlotRange(range), source, target, moved, attempts, lastError];
}

function decodeRange(fields: Fields): TaskRange {
  const range = {
    range: readable(fields.key, parseSlotRange(fields.text())),
    source: readable(fields.key, parseShardId(fields.number())),
    target: readable(fields.key, parseShardId(fields.number())),
    moved: fields.number(),
    attempts: fields.number(),
    lastError: fields.text(),
  };
  if (range.moved > sizeOf(range)) throw fields.malformed();
  return range;
}

function decodeSettings(fields: Fields): TaskSettings {
  const speed = fields.numberOrNull();
  if (speed !== null && speed > MIGRATE_SPEED_MAX) throw fields.malformed();
  const type = fields.textOrNull();
  const known = MIGRATE_TYPES.find((one) => one === type) ?? null;
  if (known !== type) throw fields.malformed();
  return { speed, type: known };
}

function decodeTuned(fields: Fields): TunedNode {
  const node = readable(fields.key, parseRecordedNodeId(fields.text()));
  return { node, before: { speed: fields.numberOrNull(), type: fields.textOrNull() } };
}

function positive(fields: Fields): number {
  const value = fields.number();
  if (value < 1) throw fields.malformed();
  return value;
}
