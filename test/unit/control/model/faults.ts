// What goes wrong: one table of faults, each with its beginning and its end. A run has some of them, so that each is also seen without the others.

import { queueWrites } from './clients.ts';
import type { Controller } from './controller.ts';
import { failJobsOf, setNodes } from './migration.ts';
import { ModelNode, type Stranger } from './node.ts';
import { masterOf, migrationsOf } from '../../../../src/topology/cluster.ts';
import { isCondemned } from '../../../../src/topology/facts.ts';
import { setNodesText } from '../../../../src/topology/setnodes-text.ts';
import type { NodeAddress, NodeId } from '../../../../src/topology/types.ts';
import type { Moment, World } from './world.ts';

export type FaultKind =
  | 'kill'
  | 'wipe'
  | 'forget'
  | 'hang'
  | 'cutFromMaster'
  | 'cutFromControl'
  | 'stranger'
  | 'fullOfClients'
  | 'wrongPassword'
  | 'stuck'
  | 'leaderChange'
  | 'outage'
  | 'secondController'
  | AmbushKind;

/** A fault that waits for its moment. */
type AmbushKind = 'ambushMigrate' | 'ambushHandOver' | 'ambushPromotion' | 'ambushDrain';

const AMBUSHES: Record<Moment, AmbushKind> = {
  migrate: 'ambushMigrate',
  handOver: 'ambushHandOver',
  promotion: 'ambushPromotion',
  drain: 'ambushDrain',
};

/** A stranger stays for this long after it was first seen, at least. */
const STRANGER_MS = 3000;

const AMBUSHING = ['kill', 'hang', 'hang', 'wipe', 'forget', 'cutFromControl', 'leaderChange'] as const;

/** In the midst of a drain also what keeps the replica from coming. */
const AMBUSHING_DRAINS = [...AMBUSHING, 'leaderChange', 'stuck', 'cutFromMaster', 'outage'] as const;

function isAmbush(kind: FaultKind): kind is AmbushKind {
  return Object.values<FaultKind>(AMBUSHES).includes(kind);
}

/** What ends a fault, and when. */
interface Healing {
  readonly atMs: number;
  readonly heal: () => void;
}

export class Faults {
  /** The node whose host does not come back. */
  lost: ModelNode | null = null;
  readonly #world: World;
  readonly #controller: Controller;
  readonly #healings: Healing[] = [];
  readonly #armed = new Set<FaultKind>();

  constructor(world: World, controller: Controller) {
    this.#world = world;
    this.#controller = controller;
    world.isCopy = (node, of) => node.life === 'up' && this.#isInPlace(node, of);
    world.isMember = (node) => controller.records.placeAt(node.address) !== null;
    world.isFenceable = (master) => {
      const { records } = controller;
      const place = records.placeAt(master.address);
      if (place?.node.role !== 'master' || master.version >= 0 || master.isCutFromControl) return false;
      if (controller.isOut || master.isFullOfClients || master.isPasswordWrong) return false;
      return (records.facts.nodes.get(place.node.id)?.sequence ?? 0) > 0;
    };
    world.onMoment = (moment, node) => {
      if (this.#armed.delete(AMBUSHES[moment]) && node.life === 'up') {
        this.#strike(world.pick(moment === 'drain' ? AMBUSHING_DRAINS : AMBUSHING), node);
      }
    };
  }

  /** Ends what has lasted long enough. */
  healDue(): void {
    for (const healing of this.#healings.filter(({ atMs }) => atMs <= this.#world.nowMs)) {
      this.#healings.splice(this.#healings.indexOf(healing), 1);
      healing.heal();
    }
  }

  /** Ends everything; at the end of some runs a host is lost for good. */
  healAll(isOneLost: boolean): void {
    this.#world.note(() => 'all faults end');
    this.lost = isOneLost ? this.#world.pickWhere(this.#world.nodes, (node) => this.#isLosable(node)) : null;
    this.#world.note(() => (this.lost === null ? 'no host is lost' : `${this.lost.name} is lost for good`));
    for (const { heal } of this.#healings.splice(0)) heal();
    this.#armed.clear();
    if (this.lost !== null) this.lost.stranger = null;
    for (const node of this.#world.nodes) if (node.life !== 'up') this.#goOn(node);
    this.#controller.outageUntilMs = -Infinity;
  }

  /** Whether a node is where it should be, in the shard of another, with a disk that is known to be a copy and that a controller can ask about. */
  #isInPlace(node: ModelNode, of: ModelNode): boolean {
    const { records } = this.#controller;
    const place = records.placeAt(node.address);
    if (place === null || of.isMisled || node.version < 0) return false;
    if (node.isCutFromControl || node.isPasswordWrong || node.isFullOfClients) return false;
    const isFollowing =
      node.follows === (place.node.role === 'master' ? null : masterOf(place.shard).address);
    const isOfShard = place.shard.id === records.placeAt(of.address)?.shard.id;
    return isFollowing && isOfShard && !isCondemned(records.facts, place.node.id);
  }

  /** A shard that has no other node has nothing to go on with. */
  #isLosable(node: ModelNode): boolean {
    const place = this.#controller.records.placeAt(node.address);
    return node.life === 'dead' && place !== null && place.shard.nodes.length > 1;
  }

  /** What an operator does to a node that needs it: its data and its topology stay. */
  restart(where: NodeAddress): boolean {
    const node = this.#world.nodeAt(where);
    failJobsOf(this.#world, node);
    node.die();
    this.#goOn(node);
    return true;
  }

  begin(kind: FaultKind): void {
    if (isAmbush(kind)) {
      this.#armed.add(kind);
      return;
    }
    const node = this.#victim(kind);
    if (node !== null) this.#strike(kind, node);
  }

  /** Whom it strikes: often where something is going on, else masters as often as replicas. */
  #victim(kind: FaultKind): ModelNode | null {
    const isFit = (node: ModelNode): boolean =>
      node.life === 'up' && this.#controller.records.placeAt(node.address) !== null;
    if (this.#world.chance(40)) {
      const busy = this.#world.pickWhere(this.#busyNodes(), isFit);
      if (busy !== null) return busy;
    }
    const isOfReplicas = kind === 'stuck' || kind === 'cutFromMaster' || this.#world.chance(50);
    const wanted = isOfReplicas ? 'replica' : 'master';
    return (
      this.#world.pickWhere(this.#world.nodes, (node) => isFit(node) && node.role === wanted) ??
      this.#world.pickWhere(this.#world.nodes, isFit)
    );
  }

  /** The ends of migrations, and the shard whose master changed last. */
  #busyNodes(): readonly ModelNode[] {
    const { cluster } = this.#controller.records;
    const last = this.#world.ledger.changes.at(-1)?.shard;
    const changed = cluster.shards.filter(({ id }) => id === last).flatMap(({ nodes }) => nodes);
    const ends = migrationsOf(cluster).flatMap(({ source, target }) => [masterOf(source), masterOf(target)]);
    return [...changed, ...ends].map(({ address }) => this.#world.nodeAt(address));
  }

  #strike(kind: Exclude<FaultKind, AmbushKind>, node: ModelNode): void {
    const world = this.#world;
    world.note(() => `fault ${kind} at ${node.name} (${node.role}, v${node.version}, ${node.log.sequence})`);
    switch (kind) {
      case 'kill':
        this.#kill(node, 25);
        return;
      case 'wipe':
        this.#wipe(node);
        return;
      case 'forget':
        this.#kill(node, 10);
        node.forgetTopology();
        return;
      case 'hang':
        queueWrites(world, node);
        node.life = 'hung';
        node.reachedMs = Infinity;
        this.#later(15, () => this.#goOn(node));
        return;
      case 'cutFromMaster':
        this.#flag(node, 'isCutFromMaster', 30);
        return;
      case 'cutFromControl':
        this.#flag(node, 'isCutFromControl', 15);
        node.isCutFromAll = this.#world.chance(50);
        return;
      case 'stranger':
        this.#replace(node);
        return;
      case 'fullOfClients':
        this.#flag(node, 'isFullOfClients', 20);
        return;
      case 'wrongPassword':
        this.#flag(node, 'isPasswordWrong', 20);
        return;
      case 'stuck':
        this.#flag(node, 'isStuck', 30);
        return;
      case 'leaderChange':
        this.#controller.changeLeader();
        return;
      case 'outage':
        if (world.nodes.some(({ stranger }) => stranger !== null)) return;
        this.#controller.outageUntilMs = world.nowMs + 30_000;
        this.#controller.changeLeader();
        return;
      default:
        this.#meddle(node);
    }
  }

  #isUnwatched(): boolean {
    return this.#world.nowMs < this.#controller.outageUntilMs;
  }

  #later(secondsMax: number, heal: () => void): void {
    this.#healings.push({ atMs: this.#world.nowMs + 1000 * this.#world.below(secondsMax + 1), heal });
  }

  #flag(
    node: ModelNode,
    flag: 'isCutFromMaster' | 'isCutFromControl' | 'isFullOfClients' | 'isPasswordWrong' | 'isStuck',
    secondsMax: number,
  ): void {
    node[flag] = true;
    if (flag === 'isCutFromControl') node.reachedMs = Infinity;
    this.#later(secondsMax, () => {
      node[flag] = false;
      this.#world.note(() => `${flag} of ${node.name} ends`);
    });
  }

  #kill(node: ModelNode, secondsMax: number): void {
    node.life = 'dead';
    failJobsOf(this.#world, node);
    this.#world.ledger.forgot(node);
    node.die();
    this.#later(secondsMax, () => this.#goOn(node));
  }

  #goOn(node: ModelNode): void {
    if (node.life === 'up' || node === this.lost) return;
    if (this.#isStrangerUnseen(node)) {
      this.#healings.push({ atMs: this.#world.nowMs + 1000, heal: () => this.#goOn(node) });
      return;
    }
    this.#world.note(
      () =>
        `${node.name} ${node.life === 'hung' ? 'goes on' : 'starts'} (v${node.version}, ${node.log.sequence})`,
    );
    node.stranger = null;
    node.wake();
  }

  /** Who comes and goes between two looks leaves no trace (facts section 3.5): strangers stay until they were seen for a while. */
  #isStrangerUnseen({ stranger }: ModelNode): boolean {
    return stranger?.kind === 'kvrocks' && this.#world.nowMs < stranger.node.reachedMs + STRANGER_MS;
  }

  #wipe(node: ModelNode): void {
    this.#kill(node, 10);
    const before = node.log;
    node.wipe();
    const cause = { why: `the disk of ${node.name} was wiped`, isByFault: true };
    const { ledger } = this.#world;
    // What it had of a move that is not recorded yet is still where it came from.
    // Nor is anything lost that a replica has which is dead now: whoever comes back first, it must not copy what is empty.
    const isLeft = (other: ModelNode): boolean =>
      this.#world.isCopy(other, node) ||
      ledger.isSourceOf(other, node) ||
      (other.life === 'dead' && this.#isInPlace(other, node));
    ledger.dropped(before.writes(), cause, isLeft);
  }

  /** What comes and goes while nobody can look leaves no trace that anybody could find (facts section 3.5). */
  #replace(node: ModelNode): void {
    this.#kill(node, 25);
    if (this.#isUnwatched() || node.isCutFromControl) return;
    node.stranger = this.#stranger(node);
    this.#world.note(() => `a ${node.stranger?.kind} answers at the address of ${node.name}`);
  }

  /** A node of another cluster has data of its own: less than ours, or more. */
  #stranger(node: ModelNode): Stranger {
    const kind = this.#world.pick(['kvrocks', 'redis', 'garbage'] as const);
    if (kind !== 'kvrocks') return { kind };
    const stranger = new ModelNode('stranger', node.address);
    const id = 's'.repeat(40) as NodeId;
    const text = this.#world.reader.read(`${id} ${node.address.replace(':', ' ')} master - 0-16383`);
    stranger.setNodes({ id, text, version: 1 + this.#world.below(9), isForced: false }, 0);
    stranger.hollow = { seenMs: Infinity };
    const length = this.#world.below(2 * node.log.sequence + 2);
    for (let index = 0; index < length; index += 1) {
      stranger.log.put(this.#world.ledger.nextId(), this.#world.pick(this.#world.slots));
    }
    return { kind, node: stranger };
  }

  /** Somebody else pushes what was committed now or some time ago, under a higher version. */
  #meddle(node: ModelNode): void {
    // Another group knows of its own decisions only: it does not tell a node what this one has just decided, before this one can.
    const isBehind = node.version < this.#controller.records.cluster.version;
    if (node.version < 1 || isBehind || this.#isUnwatched()) return;
    const versions = [...this.#controller.records.committed.values()];
    const cluster = this.#world.chance(70) ? this.#controller.records.cluster : this.#world.pick(versions);
    const version = node.version + 1 + this.#world.below(3);
    const text = this.#world.reader.read(setNodesText(cluster));
    this.#world.note(
      () => `somebody else tells ${node.name} the topology of v${cluster.version} as v${version}`,
    );
    const before = node.log.writes();
    setNodes(this.#world, node, { id: null, text, version, isForced: false });
    if (cluster === this.#controller.records.cluster) return;
    this.#world.ledger.meddledWith.add(node);
    node.isMisled = true;
    node.reachedMs = Infinity;
    // What it had handed over and was told to forget.
    const left = node.log.writes();
    const cause = { why: `${node.name} was told an old topology`, isByFault: true };
    this.#world.ledger.dropped(new Set([...before].filter((write) => !left.has(write))), cause, () => false);
  }
}
