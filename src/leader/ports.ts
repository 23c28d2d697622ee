// What the supervisors need of the world. `server.ts` gives them the adapters.

import type { Result } from '../base/result.ts';
import type { Random } from '../base/random.ts';
import type { EvidenceKind, Observer, Panel } from '../control/evidence.ts';
import type { SlotService } from '../control/imported-hand-over.ts';
import type { LeaseAnswer } from '../control/lease-memory.ts';
import type { LeaseRenewal, NodeEndpoint, ResetOutcome, TopologyPush } from '../control/node-commands.ts';
import type { NodeError, ProbeResult } from '../control/observation.ts';
import type { SpareReport } from '../control/spare-memory.ts';
import type { Departures } from '../topology/departure.ts';
import type { EventDraft } from '../topology/event.ts';
import type { ClusterFacts } from '../topology/facts.ts';
import type { ClusterPolicy, GroupPolicy } from '../topology/policy.ts';
import type { ChangeError, ClusterPlace, ClusterRecord } from '../topology/record.ts';
import type { TaskBook } from '../topology/task.ts';
import type { NodeTuning } from '../topology/tuning.ts';
import type { Cluster, Name, NodeAddress, NodeId, Slot, SlotRange } from '../topology/types.ts';

/** The commands a supervisor sends. Each has its own hard deadline in milliseconds, resolves always and never rejects. */
export interface NodeClient {
  /**
   * One look; `deadlineMs` covers connecting, authentication and all replies. Of a node with a version above `knownVersion` it brings the
   * topology, too.
   */
  probe(endpoint: NodeEndpoint, deadlineMs: number, knownVersion?: number): Promise<ProbeResult>;
  /**
   * SETNODEID (only when `id` is given) and SETNODES in one write. May take over 10 s and stalls the node meanwhile
   * (facts section 3.6): looks wait meanwhile. A timeout is "unknown".
   */
  setTopology(
    endpoint: NodeEndpoint,
    push: TopologyPush,
    deadlineMs: number,
  ): Promise<Result<void, NodeError>>;
  /** CLIENT KILL of all clients, until their connections are closed at the node. A server that does not know it, or refuses it, is `refused`. */
  endClients(endpoint: NodeEndpoint, deadlineMs: number): Promise<Result<void, NodeError>>;
  /** The same of connections over which slots came to the node before. `refused` also when some are coming to it now. */
  endImports(endpoint: NodeEndpoint, deadlineMs: number): Promise<Result<void, NodeError>>;
  /** Renews the lease of a master that answers the questions in front of it, and knows leases. Nothing is sent after the deadline. */
  renewLease(endpoint: NodeEndpoint, renewal: LeaseRenewal, deadlineMs: number): Promise<LeaseAnswer>;
  /** CLUSTERX MIGRATE, asynchronous, on a connection of its own: success means queued, nothing more. */
  migrate(
    endpoint: NodeEndpoint,
    range: SlotRange,
    target: NodeId,
    deadlineMs: number,
  ): Promise<Result<void, NodeError>>;
  /**
   * Lets the node use up `count` sequence numbers, 1 to 20,000 (facts section 13.3). Only for a node that serves no slot.
   */
  outrun(endpoint: NodeEndpoint, count: number, deadlineMs: number): Promise<Result<void, NodeError>>;
  /** Turns away whoever wants to copy the node, until it is told a topology or starts again. */
  fence(endpoint: NodeEndpoint, deadlineMs: number): Promise<Result<void, NodeError>>;
  /** How the node sends slots, of what is not null in `asked`; a setting that it does not know is `refused`. */
  readTuning(
    endpoint: NodeEndpoint,
    asked: NodeTuning,
    deadlineMs: number,
  ): Promise<Result<NodeTuning, NodeError>>;
  /** Changes that, in memory only: a node that starts again has the settings of its file. Acts on a job that runs. */
  setTuning(endpoint: NodeEndpoint, wanted: NodeTuning, deadlineMs: number): Promise<Result<void, NodeError>>;
  /** What a node says of itself that is in no cluster (yet), over a connection of its own. Nothing it sends changes the node. */
  inspect(endpoint: NodeEndpoint, deadlineMs: number): Promise<Result<SpareReport, NodeError>>;
  /** The text of CLUSTER NODES, untrusted, at most 1 MiB; `notInitialized` when the node has no topology. Over a connection of its own. */
  clusterNodes(endpoint: NodeEndpoint, deadlineMs: number): Promise<Result<string, NodeError>>;
  /** How the node treats clients of each of `slots`, in their order, asked over a connection of its own by a write that changes nothing. */
  slotServices(
    endpoint: NodeEndpoint,
    slots: readonly Slot[],
    deadlineMs: number,
  ): Promise<Result<readonly SlotService[], NodeError>>;
  /** Which of the addresses lead to one and the same server process. */
  sameProcess(endpoints: readonly NodeEndpoint[], random: Random, deadlineMs: number): Promise<ProcessGroups>;
  /** CLUSTER RESET: a node without data forgets its topology; the server itself refuses it where there is data (facts section 7). */
  reset(endpoint: NodeEndpoint, deadlineMs: number): Promise<Result<ResetOutcome, NodeError>>;
  /** `listener` is told when a node ends its lasting connection: at once when its process ends. One listener. */
  watchLost(listener: (address: NodeAddress) => void): void;
  /** Closes the lasting connection to a node that is not watched any more. */
  release(address: NodeAddress): void;
  /** Closes everything; what is under way resolves at once as `connectionLost`. */
  close(): void;
}

export interface ProcessGroups {
  /** Addresses of one process each. */
  readonly groups: readonly (readonly NodeAddress[])[];
  /** Addresses of which nothing is known, and why. */
  readonly failures: ReadonlyMap<NodeAddress, NodeError>;
}

/**
 * The stored clusters. Reads are local and immediate: on a leader that applied its own term's first entry they hold
 * everything committed before it, and a stale one only makes a commit fail on its revision.
 */
export interface ClusterRecords {
  allClusters(): readonly ClusterRecord[];
  getCluster(namespace: Name, cluster: Name): ClusterRecord | null;
  /** What people want of the automation. */
  readonly policies: PolicyRecords;
  /** What has left. */
  readonly departures: DepartureLists;
  /** Moves of slots that somebody asked for; the same object while nothing changes. Local and immediate. */
  readonly tasks: { ofCluster(place: ClusterPlace): TaskBook };
  /** The cluster that has a node at `address`; null when none has. */
  ownerOf(address: NodeAddress): ClusterPlace | null;
  /** Whether a planned change of masters can be recorded: not while members of an earlier release take part. */
  readonly storesDrains: boolean;
  /** Resolves once a majority has confirmed that this member still leads. Never rejects. */
  linearize(): Promise<Result<void, ChangeError>>;
  /**
   * Commits `next` in place of `record`, and with it `facts`, if given, in place of the record's: with `record.cluster` itself as `next`
   * only those; `policy`, if given, in place of that of the cluster; and `tasks`, of which all open ones have to be as they were read (the same book twice: they only have to be that). Refused unless this member leads `term` when it proposes, and the policies are
   * as in `underPolicies`. Never rejects.
   */
  replaceCluster(
    record: ClusterRecord,
    next: Cluster,
    change: {
      readonly term: number;
      readonly facts?: ClusterFacts;
      readonly underPolicies?: PolicyStamp;
      readonly policy?: ClusterPolicy;
      readonly tasks?: { readonly before: TaskBook; readonly after: TaskBook };
      readonly events: Told;
    },
  ): Promise<Result<void, ChangeError>>;
  /** Writes down what concerns the whole group; refused unless this member leads `term`. Never rejects. */
  tell(event: EventDraft, term: number): Promise<Result<void, ChangeError>>;
  /** Calls `listener` after every applied change of any cluster, its departures or a policy, but not of facts alone, synchronously. Returns the way to stop. */
  watch(listener: () => void): () => void;
}

/** What has left each cluster. */
export interface DepartureLists {
  /** Local and immediate. */
  ofCluster(place: ClusterPlace): Departures;
  /**
   * Puts what `change` makes of the newest ones in their place, and tells `events`; `missing` where it finds nothing to change (null), or the
   * cluster is gone. Refused unless this member leads `term`. Never rejects.
   */
  change(
    place: ClusterPlace,
    change: (present: Departures) => Departures | null,
    options: { readonly term: number; readonly events: Told },
  ): Promise<Result<void, ChangeError>>;
}

/** Local and immediate, as `ClusterRecords`. */
export interface PolicyRecords {
  ofCluster(place: ClusterPlace): ClusterPolicy;
  ofGroup(): GroupPolicy;
  /** Names what both are now. */
  stamp(place: ClusterPlace): PolicyStamp;
}

/** What is written down of a change, for people. */
export interface Told {
  readonly actor: 'controller';
  readonly drafts: readonly EventDraft[];
}

export type PolicyStamp = readonly { readonly key: string; readonly revision: number }[];

/** The other members of the group as observers. */
export interface Witnesses {
  /** Whose word decides, as the membership is now. */
  panel(): Panel;
  /**
   * Has every other voter look at nodes of one cluster. One promise a voter, which resolves always: with its words, or with none when it does not
   * answer within the deadline of a look and half a second from when it was asked.
   */
  ask(cluster: ClusterPlace, nodes: readonly NodeId[]): readonly Promise<ReadonlyMap<NodeId, WitnessWord>>[];
  /** What is under way ends at once, without a word. */
  close(): Promise<void>;
}

export interface WitnessWord {
  readonly observer: Observer;
  readonly kind: EvidenceKind;
  /** What it saw, for people. */
  readonly why: string;
  /** When it was asked, monotonic milliseconds: its look began later. */
  readonly askedAtMs: number;
}

/** Counts for `/metrics`; every label is a bounded set. Times are milliseconds. */
export interface LeaderMetrics {
  /** A cluster is looked after from now on; `blockingReasons`: all that `failoverBlocked` may be given. */
  begin(place: ClusterPlace, blockingReasons: Iterable<string>): void;
  /** The cluster is no more. */
  forget(place: ClusterPlace): void;
  /** A look has ended; `error`: the kind of what came instead of a report. */
  probe(place: ClusterPlace, look: { readonly elapsedMs: number; readonly error: string | null }): void;
  /** A round of looks began more than an interval late. */
  roundLate(): void;
  /** A change of masters came to an end; `lost`: sequence numbers that are known to be lost by one that is done. */
  failover(
    place: ClusterPlace,
    kind: 'failover' | 'switchover',
    result: 'done' | 'failed' | 'undone',
    lost?: number | null,
  ): void;
  /** The new master was seen in office so long after the decision. */
  promoted(place: ClusterPlace, kind: 'failover' | 'switchover', elapsedMs: number): void;
  /** A master is missed, or has lost its data, and is not replaced now; `reason`: the kind of the problem. */
  failoverBlocked(place: ClusterPlace, reason: string): void;
  push(place: ClusterPlace, outcome: 'accepted' | 'failed'): void;
  migrate(outcome: 'accepted' | 'failed'): void;
  /** A job has ended, with all its slots; `elapsedMs` is null where its beginning was not seen here. */
  slots(
    place: ClusterPlace,
    job: { readonly outcome: 'moved' | 'kept'; readonly count: number; readonly elapsedMs: number | null },
  ): void;
  /** `kind` is the kind of the plan, such as `failover`. */
  commit(kind: string, outcome: 'committed' | 'refused'): void;
}
