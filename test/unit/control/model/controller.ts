// Leaders that come and go: what they see, what they decide, what they commit and carry out. Everything they ask for is checked here.

import { present } from '../../../../src/base/assert.ts';
import { type Result, ok } from '../../../../src/base/result.ts';
import type {
  CommitAction,
  CommitReason,
  MigrateAction,
  OutrunAction,
  PushAction,
} from '../../../../src/control/actions.ts';
import { type Decision, decide } from '../../../../src/control/decide.ts';
import { chooseByHand } from '../../../../src/control/failover-by-hand.ts';
import { type ControlEvent, NO_MEMORY, forgetNode, observe } from '../../../../src/control/memory.ts';
import type { NodeError, ProbeResult } from '../../../../src/control/observation.ts';
import type { ControlSettings } from '../../../../src/control/settings.ts';
import { type Circumstances, lookAt } from '../../../../src/control/situation.ts';
import { type NodePlace, allNodes, masterOf } from '../../../../src/topology/cluster.ts';
import { type ClusterFacts, factsFor, initialFacts } from '../../../../src/topology/facts.ts';
import { isolationText, setNodesText } from '../../../../src/topology/setnodes-text.ts';
import type { Cluster, Node, NodeAddress, NodeId, Shard, Slot } from '../../../../src/topology/types.ts';
import { NOW_SECONDS } from '../../topology/arbitrary.ts';
import { migrate, setNodes } from './migration.ts';
import { type ModelNode, failure, probeFailure } from './node.ts';
import type { World } from './world.ts';

export const INTERVAL_MS = 1000;
export const MAX_PING_COUNT = 3;
export const LAG_MAX = 8;
const SETTINGS: ControlSettings = {
  pingIntervalMs: INTERVAL_MS,
  maxPingCount: MAX_PING_COUNT,
  lagMax: LAG_MAX,
};

/** What a look shows is acted upon within this time. */
const SEEN_MS = 100;

interface ByHand {
  /** Null: the best there is. */
  readonly preferred: NodeId | null;
  readonly isForced: boolean;
}

export class Controller {
  cluster: Cluster;
  facts: ClusterFacts;
  readonly committed = new Map<number, Cluster>();
  readonly reasons: CommitReason[] = [];
  last: Decision | null = null;
  /** No leader decides before this. */
  outageUntilMs = -Infinity;
  term = 1;
  readonly #world: World;
  #memory = NO_MEMORY;
  readonly #looks = new Map<
    NodeAddress,
    { readonly ms: number; readonly sequence: number; readonly version: number }
  >();
  readonly #connected = new Set<NodeAddress>();
  #places = new Map<NodeAddress, NodePlace>();
  #owners = new Map<Slot, Shard>();
  /** When all nodes were last looked at. */
  #roundMs = -Infinity;
  readonly #texts = new WeakMap<Cluster, string>();

  constructor(world: World, cluster: Cluster) {
    this.#world = world;
    this.cluster = cluster;
    this.facts = initialFacts(cluster);
    this.install(cluster, this.facts);
  }

  /** Makes `cluster` the committed one, with what is known of its copies. */
  install(cluster: Cluster, facts: ClusterFacts): void {
    this.facts = factsFor(facts, cluster);
    if (cluster === this.cluster && this.#places.size > 0) return;
    this.cluster = cluster;
    this.committed.set(cluster.version, cluster);
    this.#places = new Map(allNodes(cluster).map((place) => [place.node.address, place]));
    this.#owners = new Map();
    for (const shard of cluster.shards) {
      for (const range of shard.slots)
        for (const slot of this.#world.slotsIn(range)) this.#owners.set(slot, shard);
    }
  }

  placeAt(where: NodeAddress): NodePlace | null {
    return this.#places.get(where) ?? null;
  }

  ownerOf(slot: Slot): Shard {
    return present(this.#owners.get(slot), 'every slot has an owner');
  }

  masterAddressOf(shard: Shard): NodeAddress {
    return masterOf(shard).address;
  }

  /** Whether a target took the slot over with success that no topology told it to forget. */
  isServedElsewhere(slot: Slot, node: ModelNode): boolean {
    return this.#world.nodes.some((other) => other !== node && other.imported.has(slot));
  }

  /** Whether a move of the slot is recorded, or one that is not could have been seen. */
  knowsMove(slot: Slot, doneAtMs: number): boolean {
    const owner = this.ownerOf(slot);
    const { migration } = owner;
    if (migration !== null && slot >= migration.range.start && slot <= migration.range.stop) return true;
    return this.#roundMs > doneAtMs && this.#world.nowMs > this.#roundMs + SEEN_MS;
  }

  /** Another member leads now: it has seen nothing yet. */
  changeLeader(): void {
    this.#memory = NO_MEMORY;
    this.#connected.clear();
    this.term += 1;
  }

  get isOut(): boolean {
    return this.#world.nowMs < this.outageUntilMs;
  }

  probe(addresses: Iterable<NodeAddress>): void {
    const events: ControlEvent[] = [];
    const { nowMs } = this.#world;
    for (const where of addresses) {
      const place = this.#places.get(where);
      if (place === undefined) continue;
      const result = this.#look(where);
      const times = { startedAtMs: nowMs, endedAtMs: nowMs + 1 };
      events.push({ kind: 'probed', node: place.node.id, address: where, ...times, result });
    }
    this.#observe(events);
    this.#world.nowMs += 2;
  }

  probeAll(): void {
    this.#roundMs = this.#world.nowMs;
    this.probe(this.#places.keys());
  }

  #look(where: NodeAddress): ProbeResult {
    const node = this.#world.nodeAt(where);
    const fault = this.#obstacle(node);
    if (fault !== null) return probeFailure(fault);
    const stranger = node.stranger?.kind === 'kvrocks' ? node.stranger.node : null;
    const result = (stranger ?? node).report(this.#world.nowMs);
    this.#connected.add(where);
    (stranger ?? node).seenBy(this.#world.nowMs);
    if (stranger === null && result.kind === 'answered' && result.report.id !== null) {
      this.#looks.set(where, {
        ms: this.#world.nowMs,
        sequence: node.log.sequence,
        version: node.version,
      });
    }
    return result;
  }

  /** What keeps a request from being executed. */
  #obstacle(node: ModelNode): NodeError['kind'] | null {
    if (node.isCutFromControl || this.#world.chance(this.#world.weather.lossPercent)) return 'timedOut';
    if (node.stranger !== null) {
      if (node.stranger.kind === 'redis') return 'notKvrocks';
      return node.stranger.kind === 'garbage' ? 'garbage' : null;
    }
    if (node.life !== 'up') {
      this.#connected.delete(node.address);
      return node.life === 'dead' ? 'connectionRefused' : 'timedOut';
    }
    // A connection that is open and logged in works on (facts section 14).
    if (this.#connected.has(node.address)) return null;
    if (node.isFullOfClients) return 'tooManyClients';
    return node.isPasswordWrong ? 'passwordRequired' : null;
  }

  /** A failover that a person asks for; the reason when there is none. */
  failOver(shardIndex: number, { preferred, isForced }: ByHand): string | null {
    const shard = present(this.cluster.shards[shardIndex], 'no such shard');
    const askedAtMs = this.#world.nowMs;
    this.probe(shard.nodes.map((node) => node.address));
    const situation = lookAt(this.#circumstances());
    const choice = chooseByHand(situation, { shardIndex, preferred, isForced, askedAtMs });
    if (!choice.ok) return choice.error;
    const { action, newMaster, isAcceptance } = choice.value;
    if (isAcceptance) {
      this.#memory = forgetNode(this.#memory, newMaster);
      this.#noteChange(shard, masterOf(shard), isForced);
    }
    return this.#commit(action, isForced) ? null : 'the outcome is not known';
  }

  /** Somebody confirms that nobody else pushes topologies. */
  confirmAlone(): void {
    this.install(this.cluster, { ...this.facts, contestedVersion: null });
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
    const { expectant } = this.#decide();
    const wanted = [...this.#places.values()].filter(({ node }) => expectant.has(node.id));
    this.probe(wanted.map(({ node }) => node.address));
  }

  #decide(): Decision {
    return decide(this.#circumstances());
  }

  #circumstances(): Circumstances {
    const { nowMs } = this.#world;
    const nowSeconds = NOW_SECONDS + Math.floor(nowMs / 1000);
    const { cluster, facts, term } = this;
    return { cluster, facts, memory: this.#memory, settings: SETTINGS, nowMs, nowSeconds, term };
  }

  #observe(events: readonly ControlEvent[]): void {
    this.#memory = observe(this.#memory, { cluster: this.cluster, settings: SETTINGS }, events);
  }

  #carryOut(action: Decision['actions'][number], endedAtMs: number): ControlEvent {
    switch (action.kind) {
      case 'commit':
        return { kind: 'commitEnded', endedAtMs, isCommitted: this.#commit(action, false) };
      case 'push':
        return { kind: 'pushed', node: action.node, endedAtMs, result: this.#push(action) };
      case 'outrun':
        return { kind: 'outran', node: action.node, endedAtMs, result: this.#outrun(action) };
      default:
        return { kind: 'migrateAnswered', shard: action.shard, endedAtMs, result: this.#migrate(action) };
    }
  }

  /** Lost requests never arrive, requests whose reply is lost do their work, and a node that hangs does it later. */
  #send<T>(where: NodeAddress, run: (node: ModelNode) => Result<T, NodeError>): Result<T, NodeError> {
    const node = this.#world.nodeAt(where);
    const fault = this.#obstacle(node);
    if (fault === 'timedOut' && node.life === 'hung' && !node.isCutFromControl) {
      node.queue.push(() => void run(node));
    }
    if (fault !== null) return failure(fault);
    const receiver = node.stranger?.kind === 'kvrocks' ? node.stranger.node : node;
    const result = run(receiver);
    return this.#world.chance(this.#world.weather.lossPercent) ? failure('timedOut') : result;
  }

  #push(action: PushAction): Result<void, NodeError> {
    this.#checkPush(action);
    const { version, id, isForced } = action;
    const text = this.#world.reader.read(action.text);
    this.#world.note(
      () =>
        `${action.purpose} v${version}${isForced ? ' forced' : ''} to ${this.#name(action.address)}: ${action.why}`,
    );
    return this.#send(action.address, (node) => {
      this.#checkOurs(node);
      return setNodes(this.#world, node, { id, text, version, isForced });
    });
  }

  #checkPush({ version, purpose, text, node, address, isForced }: PushAction): void {
    const cluster = this.committed.get(version);
    const expected =
      cluster === undefined || purpose === 'role' ? this.#textOf(cluster) : isolationText(cluster, node);
    if (expected !== text) throw new Error(`a ${purpose} was pushed that was not committed`);
    if (isForced && this.#looks.get(address)?.version !== version) {
      throw new Error('a version was forced upon a node that had another one when it was last looked at');
    }
  }

  #textOf(cluster: Cluster | undefined): string | null {
    if (cluster === undefined) return null;
    const known = this.#texts.get(cluster) ?? setNodesText(cluster);
    this.#texts.set(cluster, known);
    return known;
  }

  #checkOurs(node: ModelNode): void {
    if (!this.#world.nodes.includes(node)) throw new Error('something was sent to a node of another cluster');
  }

  #outrun({ address, count, node }: OutrunAction): Result<void, NodeError> {
    this.#world.note(() => `outrun ${this.#name(address)} by ${count}`);
    if (this.#places.get(address)?.node.id !== node || this.#places.get(address)?.node.role !== 'replica') {
      throw new Error('a node was outrun that is no replica');
    }
    return this.#send(address, (model) => {
      this.#checkOurs(model);
      if (model.follows !== null) return failure('refused');
      model.log.bump(count);
      return ok(undefined);
    });
  }

  #migrate(action: MigrateAction): Result<void, NodeError> {
    const { range, target } = action;
    this.#world.note(() => `MIGRATE ${range.start}-${range.stop} at ${this.#name(action.sourceAddress)}`);
    this.#world.onMoment('migrate', this.#world.nodeAt(action.sourceAddress));
    return this.#send(action.sourceAddress, (node) => migrate(this.#world, node, { range, target }));
  }

  #commit({ next, facts, reasons }: CommitAction, isForced: boolean): boolean {
    const isRisky = this.#world.chance(this.#world.weather.commitFailurePercent);
    if (isRisky && this.#world.chance(50)) return false;
    checkCommit(this.cluster, next);
    for (const reason of reasons)
      this.#world.note(
        () => `commit v${next.version}: ${reason.kind}: ${'text' in reason ? reason.text : ''}`,
      );
    this.#noteChanges(next, isForced);
    const promoted = next.shards.filter(({ nodes }) => nodes.some((node) => this.#isPromoted(node)));
    this.install(next, facts);
    this.reasons.push(...reasons);
    for (const shard of promoted)
      this.#world.onMoment('promotion', this.#world.nodeAt(masterOf(shard).address));
    return !isRisky;
  }

  #isPromoted(node: Node): boolean {
    return node.role === 'master' && this.#places.get(node.address)?.node.role === 'replica';
  }

  #noteChanges(next: Cluster, isForced: boolean): void {
    for (const shard of next.shards) {
      const before = this.cluster.shards.find(({ id }) => id === shard.id);
      if (before === undefined) continue;
      if (masterOf(before).id !== masterOf(shard).id) this.#noteChange(before, masterOf(shard), isForced);
    }
  }

  #noteChange(before: Shard, to: Node, isForced: boolean): void {
    const from = masterOf(before);
    const look = this.#looks.get(from.address) ?? { ms: 0, sequence: 0, version: 0 };
    this.#world.ledger.changes.push({
      shard: before.id,
      from: from.id,
      to: to.id,
      atMs: this.#world.nowMs,
      lookMs: look.ms,
      lookSequence: look.sequence,
      copy: this.#world.nodeAt(to.address).log.view,
      isForced,
    });
  }

  #name(where: NodeAddress): string {
    return this.#world.nodeAt(where).name;
  }

  nameOf(id: NodeId): string {
    const place = [...this.#places.values()].find(({ node }) => node.id === id);
    return place === undefined ? id.slice(0, 8) : this.#name(place.node.address);
  }
}

function checkCommit(before: Cluster, next: Cluster): void {
  if (next.version < before.version) throw new Error('a version was lowered');
  if (next.version === before.version && next !== before && setNodesText(next) !== setNodesText(before)) {
    throw new Error('a changed topology needs a higher version');
  }
  for (const shard of next.shards) {
    if (shard.nodes.filter((node) => node.role === 'master').length !== 1)
      throw new Error('not exactly one master');
  }
}
