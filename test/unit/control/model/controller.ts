// Leaders that come and go: what they see, what they decide, what they commit and carry out. Everything they ask for is checked here.

import { present } from '../../../../src/base/assert.ts';
import { type Result, ok } from '../../../../src/base/result.ts';
import type {
  CommitAction,
  CommitReason,
  FenceAction,
  InquireAction,
  MigrateAction,
  OutrunAction,
  PushAction,
} from '../../../../src/control/actions.ts';
import { type Decision, decide } from '../../../../src/control/decide.ts';
import { chooseByHand, floorOf } from '../../../../src/control/failover-by-hand.ts';
import { type ControlEvent, NO_MEMORY, forgetNode, observe } from '../../../../src/control/memory.ts';
import type { Panel } from '../../../../src/control/evidence.ts';
import type { WordMemory } from '../../../../src/control/node-memory.ts';
import type { NodeError } from '../../../../src/control/observation.ts';
import type { ControlSettings } from '../../../../src/control/settings.ts';
import type { Circumstances, Policies } from '../../../../src/control/sight.ts';
import { lookAt } from '../../../../src/control/situation.ts';
import { findNode, masterOf, migrationsOf } from '../../../../src/topology/cluster.ts';
import { cutOffsOf } from '../../../../src/topology/departure.ts';
import { openPromotion } from '../../../../src/topology/facts.ts';
import { containsSlot, slotSetOf } from '../../../../src/topology/slot.ts';
import { drainText, isolationText } from '../../../../src/topology/setnodes-text.ts';
import { NO_CLUSTER_POLICY, NO_GROUP_POLICY } from '../../../../src/topology/policy.ts';
import { NO_TASKS } from '../../../../src/topology/task.ts';
import type { Cluster, Node, NodeAddress, NodeId, Shard, Slot } from '../../../../src/topology/types.ts';
import { NOW_SECONDS } from '../../topology/arbitrary.ts';
import { Access } from './access.ts';
import { Farewells } from './farewells.ts';
import { migrate, setNodes } from './migration.ts';
import { type Arrival, type ModelNode, failure } from './node.ts';
import { type Change, WINDOW_MS } from './ledger.ts';
import { Records, checkCommit } from './records.ts';
import { isToBeToldAgain } from './replication.ts';
import type { World } from './world.ts';

/** Nobody has said anything. */
const POLICY: Policies = { group: NO_GROUP_POLICY, cluster: NO_CLUSTER_POLICY };

export const INTERVAL_MS = 1000;
export const MAX_PING_COUNT = 3;
export const LAG_MAX = 8;
const SETTINGS: ControlSettings = {
  pingIntervalMs: INTERVAL_MS,
  maxPingCount: MAX_PING_COUNT,
  restartGraceMs: 800,
  lagMax: LAG_MAX,
  switchoverTimeoutMs: 2 * INTERVAL_MS,
  coolDownMs: 0,
  aliveSizeMin: 10,
  failureRatioMax: 0.6,
  leaseMs: 0,
};

/** The leader, whoever it is, is the first of three. */
const PANEL: Panel = { self: 1, voters: [[1, 2, 3]] };

/** What a leader sees is written down this much later at most; what it had no time for is lost with it. */
const WRITTEN_DOWN_MS = 2000;

/** What a look shows is acted upon within this time. */
const SEEN_MS = 100;

const TEXTS = { isolation: isolationText, drain: drainText } as const;

interface ByHand {
  /** Null: the best there is. */
  readonly preferred: NodeId | null;
  readonly isForced: boolean;
}

/** What allows a change of masters to lose something. */
interface Licence {
  readonly isForced: boolean;
  /** Where the living master stood when a failover was asked for; null where it is dead, or nobody asked. */
  readonly floor: number | null;
}

const BY_RULE: Licence = { isForced: false, floor: null };

export class Controller {
  readonly records: Records;
  readonly reasons: CommitReason[] = [];
  last: Decision | null = null;
  /** No leader decides before this. */
  outageUntilMs = -Infinity;
  term = 1;
  readonly #world: World;
  readonly #access: Access;
  readonly #farewells: Farewells;
  #memory = NO_MEMORY;
  #leaderSinceMs = -Infinity;

  constructor(world: World, cluster: Cluster) {
    this.#world = world;
    this.#access = new Access(world);
    this.records = new Records(world, cluster);
    this.#farewells = new Farewells(world, this.#access, this.records);
  }

  /** Whether a target took the slot over with success, be it recorded or not. */
  isServedElsewhere(slot: Slot, node: ModelNode): boolean {
    if (this.#world.ledger.isHandedOver(slot, node)) return true;
    return this.#world.nodes.some((other) => other !== node && other.imported.get(slot)?.isUnheard === false);
  }

  /**
   * Whether a move of the slot is recorded and its success told, or one that is not could have been ended: seen by a look since `sinceMs`, the target not held as an
   * end of another move, and nobody has to confirm first that this group is alone.
   */
  knowsMove(
    slot: Slot,
    move: Omit<Arrival, 'atMs'> & { readonly node: ModelNode; readonly sinceMs: number },
  ): boolean {
    const owner = this.records.ownerOf(slot);
    const isRecorded = owner.migration !== null && containsSlot(slotSetOf([owner.migration.range]), slot);
    if (isRecorded && !move.isUnheard && this.records.masterAddressOf(owner) === move.source) return true;
    const shardId = this.records.placeAt(move.node.address)?.shard.id;
    const isHeld = migrationsOf(this.records.cluster).some(
      ({ source, target }) => source.id === shardId || target.id === shardId,
    );
    // Where a leader has not seen it come, only the owner can tell that it did not hand the slots over.
    const isOwnerUnseen = this.#world.nodeAt(this.records.masterAddressOf(owner)).reachedMs === Infinity;
    if (isHeld || isOwnerUnseen || this.#world.isContested || isToBeToldAgain(this.#world, move.node))
      return false;
    const lookMs = this.#access.lastLook(move.node.address).ms;
    return lookMs >= move.sinceMs && this.#world.nowMs > lookMs + SEEN_MS;
  }

  /** Whether the node was made the master of its shard and was not seen as one since. */
  isPromotionOpen(where: NodeAddress): boolean {
    const place = this.records.placeAt(where);
    return place !== null && openPromotion(this.records.facts, place.shard.id) !== null;
  }

  /** Another member leads now: it has seen nothing yet. */
  changeLeader(): void {
    this.#memory = NO_MEMORY;
    this.#farewells.forget();
    this.#leaderSinceMs = this.#world.nowMs;
    this.#access.disconnect();
    this.#world.ledger.forgotHandOvers();
    for (const node of this.#world.nodes) {
      node.reachedMs = Infinity;
      // What kept the old leader from it may not keep the new one.
      if (!node.isCutFromAll) node.isCutFromControl = false;
    }
    this.term += 1;
  }

  get isOut(): boolean {
    return this.#world.nowMs < this.outageUntilMs;
  }

  probe(addresses: Iterable<NodeAddress>): void {
    const events: ControlEvent[] = [];
    const { nowMs } = this.#world;
    for (const where of addresses) {
      const place = this.records.placeAt(where);
      if (place === null) continue;
      const result = this.#access.look(where);
      const times = { startedAtMs: nowMs, endedAtMs: nowMs + 1 };
      events.push({ kind: 'probed', node: place.node.id, address: where, ...times, result });
    }
    this.#observe(events);
    this.#world.nowMs += 2;
  }

  probeAll(): void {
    this.probe([...this.records.places].map(({ node }) => node.address));
    this.#farewells.tell();
  }

  /** A failover that a person asks for; the reason when there is none. */
  failOver(shardIndex: number, { preferred, isForced }: ByHand): string | null {
    const shard = present(this.records.cluster.shards[shardIndex], 'no such shard');
    const askedAtMs = this.#world.nowMs;
    this.probe(shard.nodes.map((node) => node.address));
    const situation = lookAt(this.#circumstances());
    const floor = floorOf(situation, shard, askedAtMs);
    const choice = chooseByHand(situation, {
      shardIndex,
      preferred,
      isForced,
      askedAtMs,
      floor,
      canDrain: true,
    });
    if (!choice.ok) return choice.error;
    const { action, newMaster, isAcceptance } = choice.value;
    if (isAcceptance) {
      this.#memory = forgetNode(this.#memory, newMaster);
      this.#noteChange(shard, masterOf(shard), { isForced, floor });
    }
    return this.#commit(action, { isForced, floor }) ? null : 'the outcome is not known';
  }

  /** Somebody confirms that nobody else pushes topologies. */
  confirmAlone(): void {
    this.records.install(this.records.cluster, { ...this.records.facts, contestedVersion: null });
  }

  /** One decision and all it asks for; false when it asks for nothing. */
  turn(): boolean {
    const decision = this.#decide();
    this.#memory = decision.memory;
    this.last = decision;
    for (const action of decision.actions) {
      const { nowMs } = this.#world;
      const event = this.#carryOut(action, nowMs + 1);
      this.#observe([event]);
    }
    return decision.actions.length > 0;
  }

  /** Looks again at whom the next decision waits for. */
  lookAtExpectant(): void {
    const { expectant, urgent } = this.#decide();
    const wanted = [...this.records.places].filter(
      ({ node }) => expectant.has(node.id) || urgent.has(node.id),
    );
    this.probe(wanted.map(({ node }) => node.address));
  }

  #decide(): Decision {
    return decide(this.#circumstances());
  }

  #circumstances(): Circumstances {
    const { nowMs } = this.#world;
    const nowSeconds = NOW_SECONDS + Math.floor(nowMs / 1000);
    const { cluster, facts, departures } = this.records;
    const known = { cluster, facts, memory: this.#memory };
    const wanted = {
      policy: POLICY,
      census: { nodes: 0, missed: 0 },
      cutOffs: cutOffsOf(departures),
      tasks: NO_TASKS,
    };
    const lead = { term: this.term, leadSinceMs: this.#leaderSinceMs };
    return { ...known, ...wanted, ...lead, settings: SETTINGS, nowMs, nowSeconds, panel: PANEL };
  }

  #observe(events: readonly ControlEvent[]): void {
    this.#memory = observe(this.#memory, { cluster: this.records.cluster, settings: SETTINGS }, events);
  }

  #carryOut(action: Decision['actions'][number], endedAtMs: number): ControlEvent {
    switch (action.kind) {
      case 'commit':
        return { kind: 'commitEnded', endedAtMs, isCommitted: this.#commit(action, BY_RULE) };
      case 'push':
        return { kind: 'pushed', node: action.node, endedAtMs, result: this.#push(action) };
      case 'fence':
        return { kind: 'fenced', node: action.node, endedAtMs, result: this.#fence(action) };
      case 'inquire':
        return { kind: 'inquired', endedAtMs, words: this.#inquire(action), isOver: true };
      case 'outrun':
        return { kind: 'outran', node: action.node, endedAtMs, result: this.#outrun(action) };
      case 'inspectSpare':
        throw new Error('nobody has named a spare');
      case 'tune':
        throw new Error('nobody has asked for a task');
      default:
        return { kind: 'migrateAnswered', shard: action.shard, endedAtMs, result: this.#migrate(action) };
    }
  }

  #inquire({ nodes }: InquireAction): ReadonlyMap<NodeId, readonly WordMemory[]> {
    const others = PANEL.voters.flat().filter((voter) => voter !== PANEL.self);
    return new Map(
      nodes.map((id) => {
        const place = present(
          findNode(this.records.cluster, id),
          'asked about is only who is in the cluster',
        );
        const words = others.flatMap((observer): WordMemory[] => {
          const kind = this.#access.word(place.node.address);
          return kind === null ? [] : [{ observer, kind, why: kind, askedAtMs: this.#world.nowMs }];
        });
        return [id, words];
      }),
    );
  }

  #push(push: PushAction): Result<void, NodeError> {
    this.#checkPush(push);
    const { version, id, isForced } = push;
    const text = this.#world.reader.read(push.text);
    this.#world.note(
      () =>
        `${push.purpose} v${version}${isForced ? ' forced' : ''} to ${this.#name(push.address)}: ${push.why}`,
    );
    return this.#access.send(push.address, (node) => {
      const before = node.handedOver.size === 0 ? new Set<number>() : node.log.writes();
      const result = setNodes(this.#world, node, { id, text, version, isForced });
      if (!result.ok) return result;
      if (before.size > 0) this.#noteDeleted(node, before);
      const mayGoOn = (target: ModelNode): boolean =>
        target.hollow === null && this.records.placeAt(target.address)?.node.role === 'master';
      if (before.size > 0 && this.#world.ledger.isUndone(node, mayGoOn)) {
        throw new Error('a hand-over was undone that nobody gave up');
      }
      node.isMisled = false;
      node.isFenced = false;
      if (push.purpose === 'drain' && this.#world.chance(50)) this.#ambushAt(push.node);
      return result;
    });
  }

  /** What a source had of slots that it handed over. */
  #noteDeleted(node: ModelNode, before: ReadonlySet<number>): void {
    const left = node.log.writes();
    const deleted = new Set([...before].filter((write) => !left.has(write)));
    const why = `${node.name} was told that it does not own their slots any more`;
    this.#world.ledger.dropped(deleted, { why, isByFault: false });
  }

  #checkPush({ version, purpose, text, node, address, isForced }: PushAction): void {
    const cluster = this.records.committed.get(version);
    if (cluster === undefined) throw new Error(`version ${version} was pushed and never committed`);
    const expected = purpose === 'role' ? this.records.textOf(cluster) : TEXTS[purpose](cluster, node);
    if (expected !== text) throw new Error(`a ${purpose} was pushed that was not committed`);
    if (isForced && this.#access.lastLook(address).version !== version) {
      throw new Error('a version was forced upon a node that had another one when it was last looked at');
    }
  }

  #outrun({ address, count, node }: OutrunAction): Result<void, NodeError> {
    this.#world.note(() => `outrun ${this.#name(address)} by ${count}`);
    if (
      this.records.placeAt(address)?.node.id !== node ||
      this.records.placeAt(address)?.node.role !== 'replica'
    ) {
      throw new Error('a node was outrun that is no replica');
    }
    return this.#access.send(address, (model) => {
      if (model.follows !== null) return failure('refused');
      model.log.bump(count);
      return ok(undefined);
    });
  }

  #fence({ address, why }: FenceAction): Result<void, NodeError> {
    this.#world.note(() => `fence ${this.#name(address)}: ${why}`);
    return this.#access.send(address, (node) => {
      node.isFenced = true;
      return ok(undefined);
    });
  }

  #migrate(action: MigrateAction): Result<void, NodeError> {
    const { range, target } = action;
    this.#world.note(() => `MIGRATE ${range.start}-${range.stop} at ${this.#name(action.sourceAddress)}`);
    this.#world.onMoment('migrate', this.#world.nodeAt(action.sourceAddress));
    return this.#access.send(action.sourceAddress, (node) => migrate(this.#world, node, { range, target }));
  }

  #commit({ next, facts, reasons }: CommitAction, licence: Licence): boolean {
    const isRisky = this.#world.chance(this.#world.weather.commitFailurePercent);
    if (isRisky && this.#world.chance(50)) return false;
    checkCommit(this.records.cluster, next);
    for (const reason of reasons)
      this.#world.note(
        () => `commit v${next.version}: ${reason.kind}: ${'text' in reason ? reason.text : ''}`,
      );
    const planned = reasons.flatMap((reason) =>
      reason.kind === 'failover' && reason.isDrained ? [reason.from] : [],
    );
    this.#noteChanges(next, licence, new Set(planned));
    for (const reason of reasons) {
      if (reason.kind !== 'migrationGivenUp' && reason.kind !== 'migrationFinished') continue;
      const source = this.records.cluster.shards[reason.sourceIndex];
      if (source === undefined) continue;
      const node = this.#world.nodeAt(masterOf(source).address);
      const isGivenUp = reason.kind === 'migrationGivenUp';
      if (!isGivenUp) this.#noteUnheard(node);
      this.#world.ledger.ended(node, { isGivenUp, isAccepted: source.migration?.isCancelled === true });
    }
    const promoted = next.shards.filter(({ nodes }) => nodes.some((node) => this.records.isPromoted(node)));
    this.records.install(next, facts);
    this.reasons.push(...reasons);
    for (const shard of promoted)
      this.#world.onMoment('promotion', this.#world.nodeAt(masterOf(shard).address));
    for (const reason of reasons)
      if (reason.kind === 'drainStarted' && this.#world.chance(50)) this.#ambush(reason);
    return !isRisky;
  }

  #ambushAt(master: NodeId): void {
    const drain = [...this.records.places].find(({ node }) => node.id === master)?.shard.drain ?? null;
    if (drain !== null) this.#ambush({ from: master, to: drain.to });
  }

  /** A drain has begun: something may happen to either end, or to the leader, before the old master is told, or after. */
  #ambush({ from, to }: { readonly from: NodeId; readonly to: NodeId }): void {
    const victim = this.#world.chance(50) ? from : to;
    const place = [...this.records.places].find(({ node }) => node.id === victim);
    if (place !== undefined) this.#world.onMoment('drain', this.#world.nodeAt(place.node.address));
  }

  #noteChanges(next: Cluster, licence: Licence, planned: ReadonlySet<NodeId>): void {
    for (const shard of next.shards) {
      const before = this.records.cluster.shards.find(({ id }) => id === shard.id);
      if (before === undefined) continue;
      const from = masterOf(before).id;
      // One that was drained has given everything: what is lost by it has no excuse.
      if (from !== masterOf(shard).id && !planned.has(from))
        this.#noteChange(before, masterOf(shard), licence);
    }
  }

  #noteChange(before: Shard, to: Node, { isForced, floor }: Licence): void {
    const from = masterOf(before);
    const look = this.#access.lastLook(from.address);
    // Of a new master that was never seen as one, the one before it counts.
    const isOpen = openPromotion(this.records.facts, before.id) !== null;
    const known = isOpen ? null : this.#access.sequenceBefore(from.address, WINDOW_MS);
    const change: Change = {
      shard: before.id,
      from: from.id,
      to: to.id,
      atMs: this.#world.nowMs,
      lookMs: look.ms >= this.#leaderSinceMs ? look.ms : look.ms - WRITTEN_DOWN_MS,
      lookSequence: look.sequence,
      keptSequence: floor ?? (known === null ? null : Math.max(known, look.sequence - LAG_MAX)),
      copy: this.#world.nodeAt(to.address).log.view,
      slots: new Set(before.slots.flatMap((range) => this.#world.slotsIn(range))),
      isForced,
    };
    this.#world.ledger.changes.push(change);
    const old = this.#world.nodeAt(from.address);
    if (old.hollow !== null)
      this.#world.ledger.replacedEmpty(change, (node) => this.#world.isCopy(node, old));
  }

  /** The target says success, and nobody could look at the source since, which may have said that the move failed. */
  #noteUnheard(source: ModelNode): void {
    const lookMs = this.#access.lastLook(source.address).ms;
    for (const { imported } of this.#world.nodes) {
      for (const [slot, { atMs, source: from, isUnheard }] of imported)
        if (isUnheard && from === source.address && lookMs < atMs)
          this.#world.ledger.forgotFailure({ node: source, slot, atMs });
    }
  }

  #name(where: NodeAddress): string {
    return this.#world.nodeAt(where).name;
  }
}
