// What the routes need of the rest of the program. `server.ts` joins them with the registry, the leader and Raft.

import type { Readable } from 'node:stream';

import type { BackupReport } from '../backup/report.ts';
import type { Feature } from '../base/feature-level.ts';
import type { Result } from '../base/result.ts';
import type { CheckRefusal, ClusterCheck } from '../control/check.ts';
import type { Explanation } from '../control/explain.ts';
import type { FailoverDone, FailoverRefusal, FailoverRequest } from '../control/failover-request.ts';
import type { HandPlan } from '../control/plan-by-hand.ts';
import type { SlotService } from '../control/imported-hand-over.ts';
import type { NodeEndpoint } from '../control/node-commands.ts';
import type { NodeError, SourceJob, TargetJob } from '../control/observation.ts';
import type { ClusterStatus } from '../control/status.ts';
import type { SyncedNode, SyncRefusal } from '../control/sync-outcome.ts';
import type { TaskSight } from '../control/tasks.ts';
import type { Departures } from '../topology/departure.ts';
import type { ClusterFacts } from '../topology/facts.ts';
import type { ClusterEvent, EventCursor, EventDraft } from '../topology/event.ts';
import type { ClusterPolicy, GroupPolicy, Webhook } from '../topology/policy.ts';
import type { ChangeError, ClusterPlace, ClusterRecord } from '../topology/record.ts';
import type { TaskBook } from '../topology/task.ts';
import type { Cluster, Name, NodeAddress, NodeId, NodeRole, Slot } from '../topology/types.ts';

/** This member's view of the group. All calls are local and immediate. */
export interface GroupView {
  current(): GroupStatus;
  /** Everybody who belongs to the group, ascending by id, as this member knows it. */
  members(): GroupMembers;
}

/** The configuration of this member. No call rejects. */
export interface Configuration {
  view(): ConfigurationView;
  /** Reads everything again; where anything is wrong nothing changes. `by`: who asked, for the log. */
  reload(by: string): Promise<Result<Reloaded, readonly ConfigurationProblem[]>>;
  /** For so many seconds; the configured level ends what was asked for before. */
  setLogLevel(level: LogLevel, seconds: number): LogLevelView;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

export interface ConfigurationView {
  readonly settings: readonly SettingView[];
  /** Paths of the file that mean nothing here. */
  readonly withoutEffect: readonly string[];
  /** What the file says by now, and counts from the next start on. */
  readonly needsRestart: readonly SettingChange[];
  readonly logLevel: LogLevelView;
  /** How the last reload went, the start counted as one. */
  readonly reload: {
    readonly isGood: boolean;
    readonly readAtSeconds: number;
    readonly problems: readonly ConfigurationProblem[];
  };
}

export interface SettingView {
  readonly path: string;
  readonly value: string | number | readonly string[];
  readonly source: {
    readonly kind: 'line' | 'file' | 'environment' | 'flag' | 'default';
    /** `file:line:column`, a variable, a flag. */
    readonly text: string;
  };
  /** It counts on a reload. */
  readonly isLive: boolean;
}

export interface LogLevelView {
  readonly level: LogLevel;
  /** Seconds since the Unix epoch; null for the configured level, which stays. */
  readonly untilSeconds: number | null;
  readonly configured: LogLevel;
}

export interface SettingChange {
  readonly path: string;
  readonly from: SettingView['value'];
  readonly to: SettingView['value'];
}

export interface Reloaded {
  readonly applied: readonly SettingChange[];
  readonly needsRestart: readonly SettingChange[];
}

export interface ConfigurationProblem {
  /** The whole as one line. */
  readonly text: string;
  /** Null where it is not in a line, or in no file. */
  readonly file: string | null;
  readonly line: number | null;
  readonly column: number | null;
  /** The setting; null where it is no setting that is wrong. */
  readonly path: string | null;
  readonly message: string;
}

/** For requests that come between two leaders. */
export interface LeaderWait {
  /**
   * Resolves once a leader is known, or none is to be expected soon, or too many wait already, or `abandoned` fires:
   * ask `GroupView` which it was. Bounded by an election timeout; never rejects.
   */
  untilKnown(abandoned: AbortSignal): Promise<void>;
}

export interface GroupMembers {
  readonly members: readonly GroupMember[];
  /** Of everything written for other members to read, up to which all of them understand it. */
  readonly featureLevel: number;
  /** The voters before and after the change that is under way; null when none is. */
  readonly changing: { readonly from: readonly number[]; readonly to: readonly number[] } | null;
}

export interface GroupMember {
  readonly id: number;
  /** The recorded address. */
  readonly address: NodeAddress;
  /** A learner receives the log and never counts. */
  readonly role: 'voter' | 'learner';
  /** Log entries it lacks, as the leader knows it; null on a follower, or while nothing is known. */
  readonly lagEntries: number | null;
  /** Milliseconds since it was last heard; null for this member itself and for one never heard. */
  readonly lastContactMs: number | null;
  /** What it supports; null on a follower, or while it has not said. */
  readonly featureLevel: number | null;
}

/** Changes of who belongs to the group and who leads it, for the leader. No call rejects. */
export interface GroupChanges {
  /** Resolves once the new member is committed as a learner; it becomes a voter by itself when it has caught up. */
  add(member: {
    readonly id: number;
    readonly address: NodeAddress;
  }): Promise<Result<void, GroupChangeError>>;
  /** Resolves once the removal is committed. `address`, when given, must be the recorded one. */
  remove(member: {
    readonly id: number;
    readonly address: NodeAddress | null;
  }): Promise<Result<void, GroupChangeError>>;
  /** Gives the lead to `to`, or to whoever is furthest when null. Resolves once the new leader is known here. */
  transferLead(to: number | null): Promise<Result<NewLeader, GroupChangeError>>;
}

export interface NewLeader {
  readonly id: number;
  readonly address: NodeAddress;
  readonly term: number;
}

/**
 * `invalid`: the request can never succeed as it is. `conflict`: not while things are as they are. `unavailable`: not
 * now, try again soon. In all of them, and for `notLeader`, nothing happened; `unknown`: it may have or may still.
 * `reason` is a sentence for people.
 */
export type GroupChangeError =
  | { readonly kind: 'invalid'; readonly field: 'id' | 'peer' | 'to'; readonly reason: string }
  | { readonly kind: 'conflict' | 'unavailable' | 'unknown'; readonly reason: string }
  | { readonly kind: 'notLeader' };

/** An upgrade of the group, from its first restarted member to the level from which there is no way back. No call rejects. */
export interface Upgrades {
  /** Asks every member what it runs; a second at most. */
  status(): Promise<UpgradeStatus>;
  /** Why the leader cannot be asked to finalize: its release does not know how. Null when it can. */
  olderLeader(): Promise<string | null>;
  /** For the leader. Resolves once the group works at the level, or at once where it does already or nothing is to be done. */
  finalize(request: FinalizeRequest): Promise<Result<Finalized, GroupChangeError>>;
}

export interface FinalizeRequest {
  /** Null: the highest that any member supports. */
  readonly level: number | null;
  readonly isDryRun: boolean;
}

export interface Finalized {
  readonly from: number;
  /** Equal to `from` where the group worked at it already. */
  readonly to: number;
}

export interface UpgradeStatus {
  /** Of the member that tells. */
  readonly release: string;
  /** The group's. */
  readonly level: number;
  /** That any member supports. */
  readonly highest: number;
  readonly members: readonly {
    readonly id: number;
    readonly address: string;
    /** Null of a release that does not say, and while it cannot be asked. */
    readonly release: string | null;
    /** What it supports; null while it cannot be asked. */
    readonly level: number | null;
    /** Why it cannot be asked; null when it answered. */
    readonly fault: string | null;
  }[];
  /** Who keeps the group from `highest`, as a phrase; null when nobody does. */
  readonly heldBy: string | null;
  /** What has to be done next, as a phrase. */
  readonly next: string;
  /** What the release of the member that tells can do, and the group not yet. */
  readonly off: readonly Feature[];
  /** How to go back, as a phrase. */
  readonly wayBack: string;
}

/** A consistent copy of the whole state, to be kept outside. */
export interface Backups {
  /** The state at one moment of this leader, everything acknowledged before the call included. Never rejects. */
  open(): Promise<Result<Backup, ChangeError>>;
}

export interface Backup {
  /** Such as `kvrocks-controller-1042.snapshot`; letters, digits, `.`, `-` only. */
  readonly fileName: string;
  /** Fails when the copy cannot be made whole, or when nothing of it was read for too long. */
  readonly content: ReadableStream<Uint8Array>;
  /** Fires just before `content` fails: a truncated download is an error of the connection, never a short file. */
  readonly broken: AbortSignal;
}

/** Reads backups that others hold, to see whether they are any good. Nothing is kept and nothing is changed. */
export interface BackupVerifier {
  /**
   * `body` is read to its end in any case, unless it is `tooLarge`; the error of a body that breaks off is thrown. `refused`: it is damaged, foreign
   * or contradicts itself, and the reason names the place.
   */
  verify(body: Readable): Promise<Result<BackupReport, BackupVerdict>>;
}

export type BackupVerdict =
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'tooLarge'; readonly bytesMax: number }
  /** So many as are read at a time are being read. */
  | { readonly kind: 'overloaded' };

export interface GroupStatus {
  readonly self: number;
  readonly term: number;
  readonly leader: { readonly id: number; readonly address: NodeAddress } | null;
}

/** One thing that has to be so. */
export interface HealthCheck {
  readonly name: string;
  /** A sentence for people; null when all is well. */
  readonly problem: string | null;
}

/** This member's own condition. Local and immediate. */
export interface Health {
  /** Whether the process should go on: what speaks against it only a new start mends. */
  live(): readonly HealthCheck[];
  /** Whether it can answer for its group; `mustLead`: and leads it. */
  ready(mustLead: boolean): readonly HealthCheck[];
}

/** The stored namespaces and clusters. Reads are local: call `linearize` first. No call rejects. */
export interface Clusters {
  linearize(): Promise<Result<void, ChangeError>>;
  /** In code unit order, those behind `after`; as of the call, however slowly they are taken. */
  listNamespaces(after: Name | null): Iterable<Name>;
  hasNamespace(namespace: Name): boolean;
  createNamespace(namespace: Name): Promise<Result<void, ChangeError>>;
  deleteNamespace(namespace: Name): Promise<Result<void, ChangeError>>;
  /** As `listNamespaces`. */
  listClusters(namespace: Name, after: Name | null): Iterable<Name>;
  getCluster(namespace: Name, cluster: Name): ClusterRecord | null;
  /** The cluster that has a node at `address`; null when none has. */
  ownerOf(address: NodeAddress): ClusterPlace | null;
  /** Every stored cluster; for looking over all of them once, not for every request. */
  allClusters(): readonly ClusterRecord[];
  /** `facts`: what was seen of the copies when the nodes were looked at. */
  createCluster(
    namespace: Name,
    cluster: Cluster,
    facts: ClusterFacts,
    events: Told,
  ): Promise<Result<void, ChangeError>>;
  /** Moves of slots. */
  readonly tasks: TaskLists;
  /** Without `facts` what is known of the copies stays, without `tasks` they do; with them it is compared and replaced, too (the same book twice: it is only compared). */
  replaceCluster(
    record: ClusterRecord,
    next: Cluster,
    change: {
      readonly facts?: ClusterFacts;
      readonly tasks?: { readonly before: TaskBook; readonly after: TaskBook };
      readonly events: Told;
    },
  ): Promise<Result<void, ChangeError>>;
  deleteCluster(record: ClusterRecord, events: Told): Promise<Result<void, ChangeError>>;
}

/** Moves of slots that somebody asked for. Reads are local: call `Clusters.linearize` first. */
export interface TaskLists {
  ofCluster(place: ClusterPlace): TaskBook;
  /** Why none can be recorded now; null when one can. */
  readonly refusal: ChangeError | null;
}

/** What people want of the automation. Reads are local: call `Clusters.linearize` first. No call rejects. */
export interface Policies {
  ofCluster(place: ClusterPlace): ClusterPolicy;
  ofGroup(): GroupPolicy;
  /** Why nothing can be recorded now; null when it can. */
  readonly refusal: ChangeError | null;
  /** Puts what `change` makes of the newest one in its place; `change` may be called again. */
  changeCluster(
    place: ClusterPlace,
    change: (policy: ClusterPolicy) => ClusterPolicy,
    event: EventDraft,
  ): Promise<Result<void, ChangeError>>;
  changeGroup(
    change: (policy: GroupPolicy) => GroupPolicy,
    event: EventDraft,
  ): Promise<Result<void, ChangeError>>;
}

/** What has left a cluster. Reads are local: call `Clusters.linearize` first. */
export interface DepartureLists {
  ofCluster(place: ClusterPlace): Departures;
  /** Puts what `change` makes of the newest ones in their place; `missing` where it finds nothing to change (null). Never rejects. */
  change(
    place: ClusterPlace,
    change: (present: Departures) => Departures | null,
    options: { readonly events: Told },
  ): Promise<Result<void, ChangeError>>;
}

/** Who is told of events. */
export interface WebhookRecords {
  present(): readonly Webhook[];
  /** Puts what `choose` makes of those that are recorded in their place; it may be called again. */
  set(
    choose: (present: readonly Webhook[]) => readonly Webhook[],
    event: EventDraft,
  ): Promise<Result<void, ChangeError>>;
  /** How many of the next 1,000 events it wants to be told and has not been yet. */
  pending(name: string): number;
}

/** What is told of a change that a request makes. */
export interface Told {
  readonly actor: 'api';
  readonly drafts: readonly EventDraft[];
}

/** What has happened. Local, as all reads are. */
export interface Events {
  page(query: EventQuery): EventPage;
}

export interface EventQuery {
  /** Null: all clusters and the group. */
  readonly place: ClusterPlace | null;
  /** Where an earlier page has ended. */
  readonly cursor: EventCursor | null;
  readonly limit: number;
  readonly isWanted: (event: ClusterEvent) => boolean;
}

/** Newest first; `next` is the text of the cursor behind the last one, null at the end. */
export interface EventPage {
  readonly events: readonly ClusterEvent[];
  readonly next: string | null;
}

/** What a node says about itself before it is taken into a cluster. */
export interface NodeInspection {
  /** Null on a node that was never given one. */
  readonly id: NodeId | null;
  /** -1 without a topology. */
  readonly version: number;
  readonly role: NodeRole;
  /** Whom a replica follows; null on a master. */
  readonly master: NodeAddress | null;
  /** Everything ever written to its data, counted; 0 on a new data directory only. Null when it could not be read. */
  readonly sequence: number | null;
  /** Its last or current moves of slots, out and in; null when it remembers none. */
  readonly sourceJob: SourceJob | null;
  readonly targetJob: TargetJob | null;
}

/** Asks nodes. Each call has its own deadline and never rejects. Nothing it sends changes a node. */
export interface NodeInspector {
  /** Reachable, Kvrocks, cluster mode, right password; else the reason. */
  inspect(endpoint: NodeEndpoint): Promise<Result<NodeInspection, NodeError>>;
  /** The text of CLUSTER NODES. */
  clusterNodes(endpoint: NodeEndpoint): Promise<Result<string, NodeError>>;
  /** What the node does with each of `slots`, in their order. */
  slotServices(
    endpoint: NodeEndpoint,
    slots: readonly Slot[],
  ): Promise<Result<readonly SlotService[], NodeError>>;
  /** Which of the addresses lead to one and the same server process. */
  sameProcess(endpoints: readonly NodeEndpoint[]): Promise<SameProcesses>;
}

export interface SameProcesses {
  /** The addresses of each process that was reached. */
  readonly groups: readonly (readonly NodeAddress[])[];
  /** Addresses of which nothing is known, and why. */
  readonly failures: ReadonlyMap<NodeAddress, NodeError>;
}

/** Draws the leader's attention to a cluster. */
export interface Attention {
  /** Has its nodes looked at now instead of at the next round; nothing where this member does not lead. */
  nudge(namespace: Name, cluster: Name): void;
  /** Has its spares looked at soon, for who asks again. */
  lookAtSpares(place: ClusterPlace): void;
  /** Has all its nodes, or one, told their topology again. Resolves within seconds with what became of each; never rejects. */
  sync(place: ClusterPlace, node: NodeId | null): Promise<Result<readonly SyncedNode[], SyncRefusal>>;
  /** Has every node asked what it holds, and compares that with the store. Resolves within seconds; never rejects and changes nothing. */
  check(place: ClusterPlace): Promise<Result<ClusterCheck, CheckRefusal>>;
}

/** What the leader sees and why it does, or does not, act; null where this member does not lead or has not looked yet. */
export interface Insight {
  status(place: ClusterPlace): ClusterStatus | null;
  /** The shard has to be there. */
  explain(place: ClusterPlace, shardIndex: number): Explanation | null;
  /** Of the open migrations, by their ids; none where this member has seen nothing yet. */
  tasks(place: ClusterPlace): ReadonlyMap<number, TaskSight>;
}

/** Manual failover, run by the leader of the current term. */
export interface Failovers {
  /**
   * Promotes `preferred`, or the best replica when null. Resolves when the change is committed and the new master was
   * told or a bounded time has passed. Another node than `preferred` is never taken.
   */
  failover(request: FailoverRequest): Promise<Result<FailoverDone, FailoverRefusal>>;
  /** What that would do now and what it would cost. Nothing is changed. */
  planFailover(request: FailoverRequest): Promise<Result<HandPlan, FailoverRefusal>>;
}

/** Counts and times of requests; `telemetry/metrics.ts`. */
export interface RequestMetrics {
  /** Before the request is answered, which `observeRequest` then tells. */
  requestBegan(): void;
  observeRequest(labels: RequestLabels, elapsedMs: number, payloadBytes: number): void;
  /** Prometheus text and its content type. */
  render(): Promise<{ readonly pieces: readonly Uint8Array[]; readonly contentType: string }>;
}

export interface RequestLabels {
  readonly method: string;
  /** The route's template, never the raw path: labels are bounded sets. */
  readonly uri: string;
  readonly code: number;
}
