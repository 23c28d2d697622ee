// What is remembered between decisions: an immutable value, and the function that adds what happened to it.

import { unreachable } from '../base/assert.ts';
import type { Result } from '../base/result.ts';
import { allNodes, findNode } from '../topology/cluster.ts';
import type { NodeTuning } from '../topology/tuning.ts';
import type { Cluster, ClusterVersion, NodeAddress, NodeId, ShardId, SlotRange } from '../topology/types.ts';
import { afterAsked, afterAskedEnd, afterFence, afterInquiry, afterOutrun, afterPush } from './act-memory.ts';
import {
  type NodeMemory,
  type WordMemory,
  afterExport,
  afterProbe,
  afterStranger,
  newExport,
  unseenNode,
} from './node-memory.ts';
import { type LeaseAnswer, afterLease } from './lease-memory.ts';
import type { NodeError, ProbeResult } from './observation.ts';
import { ASKED_OFTEN_MS, ASK_PACE_MS, type ControlSettings, retryDelayMs } from './settings.ts';
import { NO_SPARES_MEMORY, type SpareLook, type SparesMemory, withSpareLook } from './spare-memory.ts';
import { afterTune } from './tuning-memory.ts';

/** A MIGRATE that was sent. `endedAtMs` is null while its reply is awaited. */
export interface MigrateRequest {
  readonly endedAtMs: number | null;
  readonly error: NodeError | null;
}

/** One migration, under the id of its source shard. */
export interface MigrationMemory {
  /** Tells this migration from an earlier one of the same shard. */
  readonly key: string;
  readonly failures: number;
  readonly nextAtMs: number;
  readonly request: MigrateRequest | null;
  /** The end of the look at which the source said that an attempt failed, and the version in force then; null when it has not, or MIGRATE was sent since. */
  readonly failed: { readonly atMs: number; readonly version: ClusterVersion } | null;
  /** Whether the target was seen, as a master, without a finished import of these slots since the migration was started. */
  readonly sawTargetUnmarked: boolean;
  /** The target that was seen with these slots taken over since MIGRATE was sent last; null while none was, or when the source said that it failed. */
  readonly targetSucceeded: NodeId | null;
  /** Since when the job is seen running, on the monotonic clock; null while it is not. */
  readonly runningSinceMs: number | null;
  /** When the look began that first showed the source's success; null while it does not tell of one. */
  readonly succeededSinceMs: number | null;
  /** Why the last attempt failed; empty when none has. */
  readonly lastError: string;
}

/** One drain as this leadership has watched it, under the id of its shard. */
export interface DrainMemory {
  /** Tells this drain from an earlier one of the same shard. */
  readonly version: ClusterVersion;
  /** Since when this leadership has it before it, milliseconds on the monotonic clock: each has the whole time for it. */
  readonly sinceMs: number;
}

export interface CommitMemory {
  readonly isInFlight: boolean;
  readonly failures: number;
  readonly nextAtMs: number;
}

/**
 * How often somebody else's topology was overruled: by a raise of the version that changed nothing else, or by FORCE at ours. Bounded, so that
 * two causes that disagree cannot spin.
 */
export interface RaiseMemory {
  readonly count: number;
  readonly lastAtMs: number;
  readonly nextAtMs: number;
}

/** Slots recorded at their target on its word alone, while their source was silent (`arrivals.ts`). */
export interface ArrivalMemory {
  /** They lie in it: a leader that has only read of them knows no better. */
  readonly range: SlotRange;
  readonly target: ShardId;
  /** The first version that gives them to the target, as far as is known. */
  readonly version: ClusterVersion;
  /** Who is to be asked. */
  readonly targetMaster: NodeId;
  /** The target has them for good, or is none any more; what their task says of it is to be taken back. */
  readonly isSettled: boolean;
}

/** One cluster's memory. It dies with the leadership: whatever must outlive that is in the `Cluster` or its facts. */
export interface ControlMemory {
  readonly nodes: ReadonlyMap<NodeId, NodeMemory>;
  readonly migrations: ReadonlyMap<ShardId, MigrationMemory>;
  readonly drains: ReadonlyMap<ShardId, DrainMemory>;
  /** Slots that were recorded at their target on its word alone, by the shard that they left. */
  readonly arrivals: ReadonlyMap<ShardId, ArrivalMemory>;
  readonly commit: CommitMemory;
  readonly raise: RaiseMemory;
  /** When positions were last written down; -Infinity when never by this leadership. */
  readonly notedAtMs: number;
  readonly spares: SparesMemory;
  /** When ranges of tasks are tried again whose last job failed. */
  readonly retries: ReadonlyMap<string, number>;
}

export const NO_MEMORY: ControlMemory = {
  nodes: new Map(),
  migrations: new Map(),
  drains: new Map(),
  arrivals: new Map(),
  commit: { isInFlight: false, failures: 0, nextAtMs: -Infinity },
  raise: { count: 0, lastAtMs: -Infinity, nextAtMs: -Infinity },
  notedAtMs: -Infinity,
  spares: NO_SPARES_MEMORY,
  retries: new Map(),
};

/** What happened since the last decision. Times in milliseconds on the monotonic clock. */
export type ControlEvent =
  | {
      readonly kind: 'probed';
      readonly node: NodeId;
      readonly address: NodeAddress;
      readonly startedAtMs: number;
      readonly endedAtMs: number;
      readonly result: ProbeResult;
      /** A look between the rounds: that it meets silence shortens no window. */
      readonly isExtra?: boolean;
    }
  | {
      /** A push, a step of outrunning, or a fencing ended. */
      readonly kind: 'pushed' | 'outran' | 'fenced';
      readonly node: NodeId;
      readonly endedAtMs: number;
      readonly result: Result<void, NodeError>;
    }
  | {
      /** What a node has for what was asked or set. */
      readonly kind: 'tuned';
      readonly node: NodeId;
      readonly endedAtMs: number;
      readonly result: Result<NodeTuning, NodeError>;
    }
  | {
      readonly kind: 'migrateAnswered';
      readonly shard: ShardId;
      readonly endedAtMs: number;
      readonly result: Result<void, NodeError>;
    }
  | {
      /** Members answered, or nobody did in time; `words` are those about each node that was asked about. */
      readonly kind: 'inquired';
      readonly endedAtMs: number;
      readonly words: ReadonlyMap<NodeId, readonly WordMemory[]>;
      /** Everybody who was asked has answered, or will not. */
      readonly isOver: boolean;
    }
  | {
      /** A renewal of its lease may leave from now on; `leaseAnswered` ends that. */
      readonly kind: 'leaseLetGo';
      readonly node: NodeId;
      readonly address: NodeAddress;
    }
  | {
      readonly kind: 'leaseAnswered';
      readonly node: NodeId;
      readonly address: NodeAddress;
      readonly endedAtMs: number;
      readonly answer: LeaseAnswer;
    }
  | { readonly kind: 'spareLooked'; readonly look: SpareLook }
  /** Somebody asks how the spares are. */
  | { readonly kind: 'sparesAsked'; readonly atMs: number }
  /** Somebody asks for the topology to be told again to these nodes, or waits for it no longer (null). */
  | { readonly kind: 'asked'; readonly nodes: readonly NodeId[]; readonly atMs: number | null }
  | { readonly kind: 'commitEnded'; readonly endedAtMs: number; readonly isCommitted: boolean };

/**
 * Adds `events`, oldest first, to what is remembered about `cluster`. Give many at once where possible: each call copies the table of nodes.
 * Events of nodes that are not in the cluster, or no longer at that address, are ignored.
 */
export function observe(
  memory: ControlMemory,
  { cluster, settings }: { readonly cluster: Cluster; readonly settings: ControlSettings },
  events: readonly ControlEvent[],
): ControlMemory {
  // Who is there when a leadership begins is no newcomer, however few of them have answered before the first decision.
  const nodes = new Map(memory.nodes.size === 0 ? forgetOthers(memory, cluster).nodes : memory.nodes);
  const places = new Map(allNodes(cluster).map((place) => [place.node.id, place]));
  let { migrations, commit, spares } = memory;
  for (const event of events) {
    switch (event.kind) {
      case 'probed': {
        if (places.get(event.node)?.node.address !== event.address) break;
        const known = nodes.get(event.node);
        const before = known?.address === event.address ? known : unseenNode(event.address);
        const after = afterProbe(before, event, { id: event.node, version: cluster.version, settings });
        nodes.set(event.node, after);
        if (before.absence?.metStranger === true && after.absence === null)
          suspectFollowers(nodes, cluster, event.node);
        noteExport(nodes, before, after);
        break;
      }
      case 'pushed':
      case 'outran':
      case 'fenced': {
        const before = nodes.get(event.node);
        if (before !== undefined) nodes.set(event.node, AFTER[event.kind](before, event));
        break;
      }
      case 'tuned': {
        const before = nodes.get(event.node);
        if (before !== undefined) nodes.set(event.node, afterTune(before, event));
        break;
      }
      case 'inquired':
        for (const [id, words] of event.words) {
          const before = nodes.get(id);
          if (before !== undefined)
            nodes.set(
              id,
              afterInquiry(before, {
                isOver: event.isOver,
                words,
                endedAtMs: event.endedAtMs,
                nextAtMs: nextInquiryMs(before, event.endedAtMs, settings),
              }),
            );
        }
        break;
      case 'migrateAnswered':
        migrations = withMigrateAnswer(migrations, event);
        break;
      case 'leaseLetGo':
      case 'leaseAnswered': {
        if (places.get(event.node)?.node.address !== event.address) break;
        const known = nodes.get(event.node);
        const before = known?.address === event.address ? known : unseenNode(event.address);
        const lease =
          event.kind === 'leaseLetGo'
            ? { ...before.lease, isInFlight: true }
            : afterLease(before.lease, event.answer, event.endedAtMs);
        nodes.set(event.node, { ...before, lease });
        break;
      }
      case 'spareLooked':
        spares = withSpareLook(spares, event.look);
        break;
      case 'sparesAsked':
        spares = { ...spares, askedAtMs: event.atMs };
        break;
      case 'asked':
        for (const id of event.nodes) {
          const before = nodes.get(id);
          if (before !== undefined)
            nodes.set(id, event.atMs === null ? afterAskedEnd(before) : afterAsked(before, event.atMs));
        }
        break;
      case 'commitEnded':
        commit = commitAfter(commit, event);
        break;
      default:
        unreachable(event);
    }
  }
  return { ...memory, nodes, migrations, commit, spares };
}

/**
 * Whoever followed the address before its master was back may have met the stranger after the last look that could have shown it; so may a
 * replica of the master that nobody has looked at.
 */
function suspectFollowers(nodes: Map<NodeId, NodeMemory>, cluster: Cluster, master: NodeId): void {
  const place = findNode(cluster, master);
  for (const { node, shard } of allNodes(cluster)) {
    const memory = nodes.get(node.id) ?? unseenNode(node.address);
    const unseen = shard.id === place?.shard.id ? place.node.address : null;
    const followed = memory.look === null ? unseen : memory.look.report.master;
    if (followed === place?.node.address && node.id !== master) nodes.set(node.id, afterStranger(memory));
  }
}

/** A target that imported the same slots before says the same as then: that they came again is known from the source alone. */
function noteExport(nodes: Map<NodeId, NodeMemory>, before: NodeMemory, after: NodeMemory): void {
  const handedOver = newExport(before, after);
  const target = handedOver === null ? undefined : nodes.get(handedOver.target);
  if (handedOver === null || target === undefined) return;
  nodes.set(handedOver.target, afterExport(target, handedOver.range, before.look !== null));
}

const AFTER = { pushed: afterPush, outran: afterOutrun, fenced: afterFence } as const;

/** What is remembered, without what left the cluster or changed its address. */
export function forgetOthers(memory: ControlMemory, cluster: Cluster): ControlMemory {
  const nodes = new Map<NodeId, NodeMemory>();
  for (const shard of cluster.shards) {
    for (const { id, address } of shard.nodes) {
      const known = memory.nodes.get(id);
      const isNewcomer = known === undefined && memory.nodes.size > 0;
      nodes.set(id, known?.address === address ? known : { ...unseenNode(address), isNewcomer });
    }
  }
  const migrating = new Set(
    cluster.shards.filter((shard) => shard.migration !== null).map((shard) => shard.id),
  );
  const migrations = new Map([...memory.migrations].filter(([id]) => migrating.has(id)));
  return { ...memory, nodes, migrations };
}

/** What is remembered, without one node: its data counts from now on as it is. */
export function forgetNode(memory: ControlMemory, id: NodeId): ControlMemory {
  const nodes = new Map(memory.nodes);
  nodes.delete(id);
  return { ...memory, nodes };
}

type Event<K extends ControlEvent['kind']> = Extract<ControlEvent, { readonly kind: K }>;
type Migrations = ReadonlyMap<ShardId, MigrationMemory>;

/** Often while it is decided, then at the pace of the rounds: what is known to be away is known to others, too. */
function nextInquiryMs(
  { absence, blindSinceMs }: NodeMemory,
  nowMs: number,
  { pingIntervalMs }: ControlSettings,
): number {
  const sinceMs = absence?.sinceMs ?? blindSinceMs;
  const isNew = sinceMs !== null && nowMs - sinceMs < ASKED_OFTEN_MS;
  return nowMs + (isNew ? ASK_PACE_MS : Math.max(ASK_PACE_MS, pingIntervalMs));
}

function withMigrateAnswer(migrations: Migrations, event: Event<'migrateAnswered'>): Migrations {
  const before = migrations.get(event.shard);
  if (before === undefined || before.request === null) return migrations;
  const request: MigrateRequest = {
    endedAtMs: event.endedAtMs,
    error: event.result.ok ? null : event.result.error,
  };
  return new Map(migrations).set(event.shard, { ...before, request });
}

function commitAfter(before: CommitMemory, event: Event<'commitEnded'>): CommitMemory {
  const failures = event.isCommitted ? 0 : before.failures + 1;
  return {
    isInFlight: false,
    failures,
    nextAtMs: failures === 0 ? -Infinity : event.endedAtMs + retryDelayMs(failures),
  };
}
