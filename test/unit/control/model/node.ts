// One Kvrocks process with its disk: what it holds, whom it follows, what it serves and what it answers.

import { type Result, err, ok } from '../../../../src/base/result.ts';
import type {
  NodeError,
  NodeErrorKind,
  ProbeResult,
  SourceJob,
  TargetJob,
} from '../../../../src/control/observation.ts';
import type { NodeAddress, NodeId, NodeRole, Slot, SlotRange } from '../../../../src/topology/types.ts';
import { Log } from './log.ts';
import type { Row, TopologyText } from './topology-text.ts';

/** What answers at the address of a node that is dead. */
export type Stranger =
  | { readonly kind: 'kvrocks'; readonly node: ModelNode }
  | { readonly kind: 'redis' }
  | { readonly kind: 'garbage' };

/** The connection of a replica to its master. */
export interface Link {
  readonly master: NodeAddress;
  state: 'connecting' | 'live' | 'syncing';
  peer: ModelNode | null;
  /** Of the peer when the connection was made: a restarted one, or one whose data was replaced, ends it. */
  incarnation: number;
  /** -Infinity while nothing was ever heard. */
  lastIoMs: number;
  syncBeganMs: number;
  syncEndsMs: number;
  /** The full synchronisation began, by a fault alone, from a node that has lost its data or never was ours. */
  isByFault: boolean;
}

export interface Arrival {
  readonly atMs: number;
  readonly source: NodeAddress;
  /** The source never heard of the success, says that its job failed, and keeps its clients. */
  readonly isUnheard: boolean;
}

export interface TopologyCommand {
  /** Given by SETNODEID first; null when it stays. */
  readonly id: NodeId | null;
  readonly text: TopologyText;
  readonly version: number;
  readonly isForced: boolean;
}

export class ModelNode {
  readonly name: string;
  readonly address: NodeAddress;
  life: 'up' | 'hung' | 'dead' = 'up';
  stranger: Stranger | null = null;
  /** Requests that arrived while it hung; they run when it goes on, whoever still waits for them (facts section 8). */
  readonly queue: (() => void)[] = [];

  log = new Log();
  id: NodeId | null = null;
  version = -1;
  rows: ReadonlyMap<NodeId, Row> = new Map();
  readonly owners = new Map<Slot, NodeId>();
  follows: NodeAddress | null = null;

  /** Counts what ends the connections of its replicas: restarts, and its data being replaced. */
  incarnation = 0;
  link: Link | null = null;
  sourceJob: Omit<SourceJob, 'isInEffect'> | null = null;
  targetJob: TargetJob | null = null;
  /** Handed over with success and not told about by a topology yet: answered with MOVED. */
  readonly handedOver = new Set<Slot>();
  /** Taken over with success, when and from whom, and not told about by a topology yet: served. */
  readonly imported = new Map<Slot, Arrival>();
  /** Of the last success: writes of these slots get TRYAGAIN when it owns them (facts section 5.4). */
  forbidden: SlotRange | null = null;

  /** A fault took its data, and no synchronisation has brought it back. `seenMs`: when a controller first saw it so. */
  hollow: { seenMs: number } | null = null;
  /** Somebody else gave it an older topology, and no controller of ours has told it since. */
  isMisled = false;
  /** When the present leader first saw it since it can be reached; Infinity while it did not. */
  reachedMs = Infinity;
  /** When something sent to it was last lost on its way, or had to be: it is sent again some time later. */
  lostMs = -Infinity;

  /** Its disk is full: it hears of changes and does not apply them. */
  isStuck = false;
  /** Packets between it and its master are dropped. */
  isCutFromMaster = false;
  /** Packets between it and the controllers are dropped. */
  isCutFromControl = false;
  /** The other members cannot reach it either, while the leader cannot. */
  isCutFromAll = false;
  isPasswordWrong = false;
  /** Only controllers know its password, until it starts again. */
  isFenced = false;
  isFullOfClients = false;

  constructor(name: string, address: NodeAddress) {
    this.name = name;
    this.address = address;
  }

  get role(): NodeRole {
    return this.follows === null ? 'master' : 'replica';
  }

  isLoading(nowMs: number): boolean {
    const { link } = this;
    return link?.state === 'syncing' && nowMs >= (link.syncBeganMs + link.syncEndsMs) / 2;
  }

  /** Whether a client's write of the slot is taken. */
  serves(slot: Slot, nowMs: number): boolean {
    if (this.life !== 'up' || this.id === null || this.isLoading(nowMs)) return false;
    if (this.owners.get(slot) !== this.id || !this.rows.has(this.id)) return this.imported.has(slot);
    return !this.handedOver.has(slot) && !this.isForbidden(slot);
  }

  isForbidden(slot: Slot): boolean {
    return this.forbidden !== null && slot >= this.forbidden.start && slot <= this.forbidden.stop;
  }

  /** SETNODEID and SETNODES (facts sections 2.1, 2.2). */
  setNodes(command: TopologyCommand, nowMs: number): Result<void, NodeError> {
    if (this.isLoading(nowMs)) return failure('loading');
    if (command.id !== null) {
      this.id = command.id;
      if (this.version >= 0) this.#takeRole();
    }
    if (!command.isForced && command.version < this.version) return failure('invalidVersion');
    if (!command.isForced && command.version === this.version) return ok(undefined);
    this.version = command.version;
    this.rows = command.text.rows;
    for (const [slot, owner] of command.text.owners) this.owners.set(slot, owner);
    if (command.isForced || this.id === null) this.#detectId();
    this.#takeRole();
    for (const slot of this.handedOver) {
      if (this.owners.get(slot) !== this.id) this.log.clear(slot);
    }
    this.handedOver.clear();
    this.imported.clear();
    return ok(undefined);
  }

  #detectId(): void {
    for (const [id, row] of this.rows) if (row.address === this.address) this.id = id;
  }

  /** A node that is not in the text goes on as before (facts section 2.4). */
  #takeRole(): void {
    const own = this.id === null ? undefined : this.rows.get(this.id);
    if (own === undefined) return;
    if (own.role === 'master') this.follows = null;
    else {
      const master = own.master === null ? undefined : this.rows.get(own.master);
      if (master !== undefined) this.follows = master.address;
    }
    if (this.link !== null && this.link.master !== this.follows) this.link = null;
  }

  /** The end of the process: what only memory held is gone. */
  die(): void {
    this.life = 'dead';
    this.reachedMs = Infinity;
    this.incarnation += 1;
    this.link = null;
    this.sourceJob = null;
    this.targetJob = null;
    this.handedOver.clear();
    this.imported.clear();
    this.forbidden = null;
    this.isFenced = false;
    this.queue.length = 0;
  }

  /** Another disk, with nothing on it. */
  wipe(): void {
    this.log = new Log();
    this.hollow = { seenMs: Infinity };
    this.forgetTopology();
  }

  /** A disk without `nodes.conf` (facts sections 7, 14). */
  forgetTopology(): void {
    this.id = null;
    this.version = -1;
    this.rows = new Map();
    this.owners.clear();
    this.follows = null;
  }

  /** A controller had an answer. */
  seenBy(nowMs: number): void {
    this.reachedMs = Math.min(this.reachedMs, nowMs);
    if (this.hollow !== null) this.hollow.seenMs = Math.min(this.hollow.seenMs, nowMs);
  }

  /** The process goes on, or starts again; only its disk decides who it is. */
  wake(): void {
    this.life = 'up';
    for (const run of this.queue.splice(0)) run();
  }

  #jobReport(): SourceJob | null {
    if (this.sourceJob === null) return null;
    const { range, state } = this.sourceJob;
    const isLeft = [...this.handedOver].some((slot) => slot >= range.start && slot <= range.stop);
    return { ...this.sourceJob, isInEffect: state === 'success' ? isLeft : null };
  }

  report(nowMs: number): ProbeResult {
    if (this.isLoading(nowMs)) return probeFailure('loading');
    const { link, follows } = this;
    const isReplica = follows !== null;
    return {
      kind: 'answered',
      report: {
        id: this.id,
        version: this.version,
        role: this.role,
        master: follows,
        link: isReplica ? (link !== null && link.state !== 'connecting' ? 'up' : 'down') : null,
        lastIoSeconds:
          link === null || link.lastIoMs === -Infinity ? null : Math.floor((nowMs - link.lastIoMs) / 1000),
        syncInProgress: link?.state === 'syncing',
        sequence: this.log.sequence,
        sourceJob: isReplica ? null : this.#jobReport(),
        targetJob: isReplica ? null : this.targetJob,
        login: this.isPasswordWrong ? 'refused' : 'accepted',
        emptiesBeforeFullSync: false,
        isFenced: this.isFenced,
      },
    };
  }
}

export function failure(kind: NodeErrorKind): Result<never, NodeError> {
  return err({ kind, message: kind });
}

export function probeFailure(kind: NodeErrorKind): ProbeResult {
  return { kind: 'failed', error: { kind, message: kind } };
}
