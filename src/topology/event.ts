// What has happened to a cluster, or to the group: told to people long after it did.

import { printTime } from '../base/wall-time.ts';
import type { NodeId } from './types.ts';

export const EVENT_SEVERITIES = ['info', 'warning', 'error'] as const;
export type EventSeverity = (typeof EVENT_SEVERITIES)[number];

/** Every kind, with how much it matters. */
export const EVENTS = {
  clusterCreated: 'info',
  clusterImported: 'info',
  clusterDeleted: 'warning',
  clusterConfirmed: 'info',
  clusterAccepted: 'warning',
  passwordChanged: 'info',
  shardAdded: 'info',
  shardRemoved: 'warning',
  nodeAdded: 'info',
  nodeRemoved: 'warning',
  nodeMoved: 'info',
  slotsAdded: 'info',
  slotsRemoved: 'warning',
  slotsRecorded: 'warning',
  migrationRequested: 'info',
  migrationCancelled: 'info',
  migrationStarted: 'info',
  migrationCleared: 'info',
  migrationFinished: 'info',
  migrationGivenUp: 'warning',
  taskCreated: 'info',
  taskWished: 'info',
  taskStarted: 'info',
  taskSucceeded: 'info',
  taskFailed: 'error',
  taskCancelled: 'warning',
  failover: 'warning',
  switchoverStarted: 'info',
  switchoverUndone: 'warning',
  switchover: 'info',
  promotionConfirmed: 'info',
  copyCondemned: 'warning',
  copyRemade: 'info',
  copyReplaced: 'warning',
  versionRaised: 'warning',
  pushesHeld: 'error',
  automationChanged: 'warning',
  maintenanceBegun: 'info',
  maintenanceEnded: 'info',
  nodeWished: 'info',
  clusterWished: 'info',
  resyncRequested: 'warning',
  sparesChanged: 'info',
  nodeDetached: 'info',
  departureForgotten: 'warning',
  syncRequested: 'info',
  webhooksChanged: 'warning',
  leaderElected: 'info',
} as const satisfies Record<string, EventSeverity>;

export type EventKind = keyof typeof EVENTS;

/** Kinds that members of an earlier release cannot read, with the feature level that they came with. */
export const EVENT_LEVELS: Partial<Record<EventKind, number>> = {
  copyReplaced: 5,
  sparesChanged: 5,
  nodeDetached: 5,
  departureForgotten: 5,
  syncRequested: 5,
  taskCreated: 6,
  taskWished: 6,
  taskStarted: 6,
  taskSucceeded: 6,
  taskFailed: 6,
  taskCancelled: 6,
  clusterAccepted: 7,
};

/** What whoever makes a change says of it. */
export interface EventDraft {
  readonly kind: EventKind;
  /** One sentence or more, for people. */
  readonly text: string;
  readonly shardIndex?: number | null;
  readonly node?: NodeId | null;
  /** Names what belongs together, such as the steps of one switchover. */
  readonly correlation?: string;
  /** Sequence numbers that are known to be lost by it; null where that is not known. */
  readonly lost?: number | null;
  /** Why it was decided so, as JSON. */
  readonly details?: string | null;
}

/** Who did it: a request, or the controllers by themselves. */
export type EventActor = 'api' | 'controller';

export interface ClusterEvent {
  /** Unique in the group, and the same for ever: `<namespace>/<cluster>/<number>`, `group/<number>` for those of the group. */
  readonly id: string;
  /** Milliseconds since the Unix epoch, by the clock of who led then. */
  readonly atMs: number;
  readonly kind: EventKind;
  readonly severity: EventSeverity;
  readonly actor: EventActor;
  readonly text: string;
  readonly shardIndex: number | null;
  readonly node: NodeId | null;
  readonly correlation: string;
  readonly lost: number | null;
  readonly details: string | null;
  /** The cluster's version before and after; null for those of the group. */
  readonly versions: { readonly before: number; readonly after: number } | null;
}

/** Events kept of one cluster, and of the group: the newest. */
export const EVENTS_MAX = 200;
/** Characters of a text, of details (or none are kept), of a correlation. */
export const EVENT_TEXT_MAX = 1000;
export const EVENT_DETAILS_MAX = 6000;
export const CORRELATION_MAX = 64;

/** The place of an event among all: the log index of its transaction, then the key it is stored at. */
export interface EventCursor {
  readonly revision: number;
  readonly key: string;
}

export function printEventCursor({ revision, key }: EventCursor): string {
  return `${revision}.${key}`;
}

/** What `printEventCursor` wrote; null for any other text. */
export function parseEventCursor(text: string): EventCursor | null {
  const match = /^(\d{1,15})\.([\w./-]{1,600})$/.exec(text);
  const [, revision, key] = match ?? [];
  return revision === undefined || key === undefined ? null : { revision: Number(revision), key };
}

/** As the API shows an event, and as webhooks are told it. */
export function eventBody({ atMs, shardIndex, versions, details, ...event }: ClusterEvent): unknown {
  return {
    ...event,
    time: printTime(atMs / 1000),
    shard: shardIndex,
    version: versions,
    details: details === null ? null : (JSON.parse(details) as unknown),
  };
}

/** Whether an event of `severity` is at least `least`. */
export function isAtLeast(severity: EventSeverity, least: EventSeverity): boolean {
  return EVENT_SEVERITIES.indexOf(severity) >= EVENT_SEVERITIES.indexOf(least);
}
