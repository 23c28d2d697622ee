// What is remembered between decisions: an immutable value, and the function that adds what happened to it.

import { unreachable } from '../base/assert.ts';
import type { Result } from '../base/result.ts';
import { type NodePlace, allNodes, masterOf, replicasOf } from '../topology/cluster.ts';
import type { Cluster, NodeAddress, NodeId, ShardId } from '../topology/types.ts';
import type { NodeError, NodeReport, ProbeResult } from './observation.ts';
import { retryDelayMs } from './settings.ts';

/** A probe that was answered. Times in milliseconds on the monotonic clock. */
export interface Look {
  readonly report: NodeReport;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}

/** A replica's last look from before its master's last answer: what its link was like while the master lived. */
export interface Evidence {
  readonly report: NodeReport;
  readonly lookStartedAtMs: number;
  readonly masterId: NodeId;
  /** When the master answered. */
  readonly atMs: number;
}

/** The last look at which the node, as a replica, had a working link. Newer than the evidence where the master died between two of its own looks. */
export interface Linked {
  readonly master: NodeAddress;
  /** When the look began. */
  readonly atMs: number;
}

/** Probes in a row without any reply. */
export interface Silence {
  readonly probes: number;
  /** When the first of these began. */
  readonly sinceMs: number;
  /** When the last of these ended. */
  readonly untilMs: number;
}

/** The pushes of one version to one node. */
export interface PushMemory {
  readonly version: number;
  /** Pushes begun and not followed by convergence. */
  readonly attempts: number;
  /** When the push now under way began; null when none is. */
  readonly inFlightSinceMs: number | null;
  /** When the last push ended; -Infinity when there was none. */
  readonly endedAtMs: number;
  /** Not again before this. */
  readonly nextAtMs: number;
  /** What the last push ended with; null for success and when there was none. */
  readonly error: NodeError | null;
}

export interface NodeMemory {
  readonly address: NodeAddress;
  /** The last answered probe. */
  readonly look: Look | null;
  /** Why the last probe brought no report; null when it did, and before the first probe. */
  readonly error: NodeError | null;
  /** Null when the last probe brought any reply, and before the first one. */
  readonly silence: Silence | null;
  readonly evidence: Evidence | null;
  readonly linked: Linked | null;
  readonly push: PushMemory;
}

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
  /** Whether the target was seen, as a master, without a finished import of these slots since the migration was started. */
  readonly sawTargetUnmarked: boolean;
  /** Why the last attempt failed; empty when none has. */
  readonly lastError: string;
}

export interface CommitMemory {
  readonly isInFlight: boolean;
  readonly failures: number;
  readonly nextAtMs: number;
}

/** Raises of the version that changed nothing else: bounded, so that two causes that disagree cannot spin. */
export interface RaiseMemory {
  readonly count: number;
  readonly lastAtMs: number;
  readonly nextAtMs: number;
}

/** One cluster's memory. It dies with the leadership: whatever must outlive that is in the `Cluster`. */
export interface ControlMemory {
  readonly nodes: ReadonlyMap<NodeId, NodeMemory>;
  readonly migrations: ReadonlyMap<ShardId, MigrationMemory>;
  readonly commit: CommitMemory;
  readonly raise: RaiseMemory;
}

export const NO_MEMORY: ControlMemory = {
  nodes: new Map(),
  migrations: new Map(),
  commit: { isInFlight: false, failures: 0, nextAtMs: -Infinity },
  raise: { count: 0, lastAtMs: -Infinity, nextAtMs: -Infinity },
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
    }
  | {
      readonly kind: 'pushed';
      readonly node: NodeId;
      readonly endedAtMs: number;
      readonly result: Result<void, NodeError>;
    }
  | {
      readonly kind: 'migrateAnswered';
      readonly shard: ShardId;
      readonly endedAtMs: number;
      readonly result: Result<void, NodeError>;
    }
  | { readonly kind: 'commitEnded'; readonly endedAtMs: number; readonly isCommitted: boolean };

const NO_PUSH: PushMemory = {
  version: 0,
  attempts: 0,
  inFlightSinceMs: null,
  endedAtMs: -Infinity,
  nextAtMs: -Infinity,
  error: null,
};

/** A node nobody has looked at yet. */
export function unseenNode(address: NodeAddress): NodeMemory {
  return {
    address,
    look: null,
    error: null,
    silence: null,
    evidence: null,
    linked: null,
    push: NO_PUSH,
  };
}

/**
 * Adds `events`, oldest first, to what is remembered about `cluster`. Give many at once where possible: each call copies the table of nodes.
 * Events of nodes that are not in the cluster, or no longer at that address, are ignored.
 */
export function observe(
  memory: ControlMemory,
  cluster: Cluster,
  events: readonly ControlEvent[],
): ControlMemory {
  const nodes = new Map(memory.nodes);
  const places = new Map(allNodes(cluster).map((place) => [place.node.id, place]));
  let { migrations, commit } = memory;
  for (const event of events) {
    switch (event.kind) {
      case 'probed':
        addProbe(nodes, places.get(event.node), event);
        break;
      case 'pushed':
        addPush(nodes, event);
        break;
      case 'migrateAnswered':
        migrations = withMigrateAnswer(migrations, event);
        break;
      case 'commitEnded':
        commit = commitAfter(commit, event);
        break;
      default:
        unreachable(event);
    }
  }
  return { ...memory, nodes, migrations, commit };
}

/** What is remembered, without what left the cluster or changed its address. */
export function forgetOthers(memory: ControlMemory, cluster: Cluster): ControlMemory {
  const nodes = new Map<NodeId, NodeMemory>();
  for (const shard of cluster.shards) {
    for (const { id, address } of shard.nodes) {
      const known = memory.nodes.get(id);
      nodes.set(id, known?.address === address ? known : unseenNode(address));
    }
  }
  const migrating = new Set(
    cluster.shards.filter((shard) => shard.migration !== null).map((shard) => shard.id),
  );
  const migrations = new Map([...memory.migrations].filter(([id]) => migrating.has(id)));
  return { ...memory, nodes, migrations };
}

type Event<K extends ControlEvent['kind']> = Extract<ControlEvent, { readonly kind: K }>;

function addProbe(
  nodes: Map<NodeId, NodeMemory>,
  place: NodePlace | undefined,
  event: Event<'probed'>,
): void {
  if (place === undefined || place.node.address !== event.address) return;
  const known = nodes.get(event.node);
  const before = known?.address === event.address ? known : unseenNode(event.address);
  const { result, startedAtMs, endedAtMs } = event;
  if (result.kind === 'failed') {
    nodes.set(event.node, afterFailure(before, result.error, event));
    return;
  }
  const look: Look = { report: result.report, startedAtMs, endedAtMs };
  const linked = linkOf(look) ?? before.linked;
  nodes.set(event.node, { ...before, silence: null, look, error: null, linked });
  if (place.node.role === 'master' && result.report.role === 'master') {
    for (const replica of replicasOf(place.shard)) {
      const memory = nodes.get(replica.id);
      if (memory === undefined || memory.look === null || memory.error !== null) continue;
      const evidence: Evidence = {
        report: memory.look.report,
        lookStartedAtMs: memory.look.startedAtMs,
        masterId: masterOf(place.shard).id,
        atMs: endedAtMs,
      };
      nodes.set(replica.id, { ...memory, evidence });
    }
  }
}

function linkOf({ report, startedAtMs }: Look): Linked | null {
  const { role, master, link, syncInProgress } = report;
  if (role !== 'replica' || master === null || link !== 'up' || syncInProgress) return null;
  return { master, atMs: startedAtMs };
}

/**
 * A failed probe counts only when nothing came back, and not when our own SETNODES was being executed, which stalls the whole node for up to
 * 10 s (facts section 3.6). A refused connection counts even then: a stalled process still accepts.
 */
function afterFailure(before: NodeMemory, error: NodeError, probe: Event<'probed'>): NodeMemory {
  switch (error.kind) {
    // What this controller could not try says nothing of the node.
    case 'ownFault':
      return before;
    case 'connectionRefused':
    case 'unreachable':
      return silent(before, error, probe);
    case 'timedOut':
    case 'connectionLost': {
      const isExcused = before.push.inFlightSinceMs !== null || before.push.endedAtMs > probe.startedAtMs;
      return isExcused ? before : silent(before, error, probe);
    }
    default:
      return { ...before, silence: null, error };
  }
}

function silent(before: NodeMemory, error: NodeError, probe: Event<'probed'>): NodeMemory {
  const { probes, sinceMs } = before.silence ?? { probes: 0, sinceMs: probe.startedAtMs };
  return { ...before, error, silence: { probes: probes + 1, sinceMs, untilMs: probe.endedAtMs } };
}

function addPush(nodes: Map<NodeId, NodeMemory>, event: Event<'pushed'>): void {
  const before = nodes.get(event.node);
  if (before === undefined) return;
  const push: PushMemory = {
    ...before.push,
    inFlightSinceMs: null,
    endedAtMs: event.endedAtMs,
    nextAtMs: event.endedAtMs + retryDelayMs(before.push.attempts),
    error: event.result.ok ? null : event.result.error,
  };
  nodes.set(event.node, { ...before, push });
}

function withMigrateAnswer(
  migrations: ReadonlyMap<ShardId, MigrationMemory>,
  event: Event<'migrateAnswered'>,
): ReadonlyMap<ShardId, MigrationMemory> {
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
