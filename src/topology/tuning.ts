// How a source sends the slots of a task: two settings of a node's configuration, which a task can want otherwise while it moves slots out of it.

import type { NodeId } from './types.ts';

/** The values of `migrate-type` that all supported servers know (facts section 5.3). */
export const MIGRATE_TYPES = ['redis-command', 'raw-key-value'] as const;
export type MigrateType = (typeof MIGRATE_TYPES)[number];

/** The highest `migrate-speed` that servers take. */
export const MIGRATE_SPEED_MAX = 2_147_483_647;

/** What a task wants of its sources. Null: whatever the node has. */
export interface TaskSettings {
  /** Keys per second; 0 is no limit. */
  readonly speed: number | null;
  readonly type: MigrateType | null;
}

export const NO_SETTINGS: TaskSettings = { speed: null, type: null };

/** The same two as a node has them, in its own word for the type. Null: not asked about, or left alone. */
export interface NodeTuning {
  readonly speed: number | null;
  readonly type: string | null;
}

/** A node whose configuration a task changes, or may have changed, with what it was before. */
export interface TunedNode {
  readonly node: NodeId;
  readonly before: NodeTuning;
}

export function wantsSettings({ speed, type }: TaskSettings): boolean {
  return speed !== null || type !== null;
}

export function equalTuning(one: NodeTuning, other: NodeTuning): boolean {
  return one.speed === other.speed && one.type === other.type;
}

/** What of `wanted` is not so in `present`: null for the rest. */
export function tuningLeft(wanted: NodeTuning, present: NodeTuning): NodeTuning {
  return {
    speed: wanted.speed === present.speed ? null : wanted.speed,
    type: wanted.type === present.type ? null : wanted.type,
  };
}

/** `migrate-speed 100 and migrate-type raw-key-value`, for people. */
export function tuningText({ speed, type }: NodeTuning): string {
  const parts = [
    ...(speed === null ? [] : [`migrate-speed ${speed}`]),
    ...(type === null ? [] : [`migrate-type ${type}`]),
  ];
  return parts.join(' and ');
}
