// What is committed, from the log itself, and what is sent to nodes: only that, one topology a version, one master a slot.

import { present } from '../../../src/base/assert.ts';
import type { TopologyPush } from '../../../src/control/node-commands.ts';
import type { Entry } from '../../../src/raft/core/types.ts';
import type { DurableCopy } from '../../../src/store/durable-copy.ts';
import { allNodes, masterOf } from '../../../src/topology/cluster.ts';
import type { ClusterPolicy } from '../../../src/topology/policy.ts';
import type { ClusterRecord } from '../../../src/topology/record.ts';
import { containsSlot } from '../../../src/topology/slot.ts';
import { NO_TASKS, type TaskBook } from '../../../src/topology/task.ts';
import {
  type Cluster,
  type NodeAddress,
  type Shard,
  type Slot,
  SLOT_COUNT,
} from '../../../src/topology/types.ts';
import type { Violate } from '../ledger.ts';
import { childRandom } from '../prng.ts';
import type { Fleet } from './fleet.ts';
import type { FleetNode } from './fleet-node.ts';
import {
  KeyValueState,
  LOG_START,
  Registry,
  ReplicatedStore,
  StoreStateMachine,
  departureText,
  drainText,
  isolationText,
  setNodesText,
} from './production.ts';

/** Nothing of what this state machine holds has to outlive anything. */
const NO_COPY: DurableCopy = {
  write: () => undefined,
  flush: () => undefined,
  replace: () => undefined,
  close: () => undefined,
};

export interface TopologiesParts {
  readonly fleet: () => Fleet;
  readonly violate: Violate;
  /** A version was committed; `before` is null for the first. */
  readonly onCommitted: (before: ClusterRecord | null, after: ClusterRecord) => void;
  /** The cluster as committed is another one, be it of the same version. */
  readonly onRecorded: (before: Cluster, after: Cluster) => void;
  /** The cluster as committed, or the tasks of it, are others. */
  readonly onWorked: (before: Recorded, after: Recorded) => void;
}

/** What is committed of a cluster. */
export interface Recorded {
  readonly record: ClusterRecord;
  readonly tasks: TaskBook;
}

export class Topologies {
  readonly #parts: TopologiesParts;
  readonly #machine = new StoreStateMachine(NO_COPY, {
    state: new KeyValueState(),
    position: LOG_START,
  });
  readonly #registry: Registry;
  readonly #clusters = new Map<number, Cluster>();
  #latest: ClusterRecord | null = null;
  #tasks: TaskBook = NO_TASKS;

  constructor(parts: TopologiesParts) {
    this.#parts = parts;
    const nobody = (): never => {
      throw new Error('the truth is only read');
    };
    this.#registry = new Registry({
      store: new ReplicatedStore({ propose: nobody, read: nobody }, this.#machine),
      clock: { monotonicMs: nobody, wallMs: nobody, setTimer: nobody },
      random: childRandom(0, 'unused'),
      deadlineMs: 1,
      featureLevel: () => 1,
    });
  }

  /** The committed cluster; null before there is one. */
  get latest(): ClusterRecord | null {
    return this.#latest;
  }

  /** What people want of the cluster, as committed. */
  get policy(): ClusterPolicy {
    const { namespace, cluster } = present(this.#latest, 'a cluster that people can want something of');
    return this.#registry.policies.ofCluster({ namespace, cluster: cluster.name });
  }

  /** Every committed entry, once and in order. */
  apply(entry: Entry): void {
    this.#machine.apply([entry]);
    if (entry.kind !== 'command') return;
    const [record] = this.#registry.allClusters();
    if (record === undefined) return;
    const before = this.#latest;
    this.#latest = record;
    if (before === null || record.cluster !== before.cluster) this.#note(before, record);
    const tasks = this.#tasks;
    this.#tasks = this.#registry.tasks.ofCluster({
      namespace: record.namespace,
      cluster: record.cluster.name,
    });
    if (before === null || (record.cluster === before.cluster && tasks === this.#tasks)) return;
    this.#parts.onWorked({ record: before, tasks }, { record, tasks: this.#tasks });
  }

  /** The tasks as committed. */
  get tasks(): TaskBook {
    return this.#tasks;
  }

  #note(before: ClusterRecord | null, after: ClusterRecord): void {
    const { violate, onCommitted, onRecorded } = this.#parts;
    const { version } = after.cluster;
    const known = this.#clusters.get(version);
    if (known !== undefined && setNodesText(known) !== setNodesText(after.cluster))
      violate('versions', `version ${version} is two topologies`);
    if (before !== null && version < before.cluster.version)
      violate('versions', `version ${before.cluster.version} is followed by ${version}`);
    this.#clusters.set(version, after.cluster);
    const astray = slotAstray(after.cluster);
    if (astray !== null) violate('slots', `slot ${astray} does not have one owner in version ${version}`);
    if (before !== null) onRecorded(before.cluster, after.cluster);
    if (before?.cluster.version !== version) onCommitted(before, after);
  }

  /** What a controller sends: the committed topology of its version, or what that is for this one node alone. */
  checkPush(node: FleetNode, { text, version }: TopologyPush): void {
    const { violate } = this.#parts;
    const cluster = this.#clusters.get(version);
    if (cluster === undefined) {
      violate('committed topologies', `version ${version} is sent to ${node.name} and never was committed`);
      return;
    }
    const place = allNodes(cluster).find((each) => each.node.address === node.address);
    const texts = [setNodesText(cluster)];
    if (place?.node.role === 'replica') texts.push(isolationText(cluster, place.node.id));
    if (place?.node.role === 'master' && place.shard.drain !== null)
      texts.push(drainText(cluster, place.node.id));
    const { id } = node.model;
    if (place === undefined && id !== null) texts.push(departureText(cluster, { id, address: node.address }));
    if (!texts.includes(text))
      violate(
        'committed topologies',
        `what is sent to ${node.name} as version ${version} is not that:\n${text}`,
      );
  }

  /** A node has another place now: in one version one node owns a slot. */
  checkMasters(node: FleetNode): void {
    const { violate, fleet } = this.#parts;
    for (const other of fleet().nodes) {
      if (other === node || other.model.version !== node.model.version) continue;
      const slot = fleet().world.slots.find((each) => owns(node, each) && owns(other, each));
      if (slot === undefined) continue;
      violate(
        'one master',
        `${node.name} and ${other.name} both own slot ${slot} in version ${node.model.version}`,
      );
    }
  }

  shardOf(slot: Slot): Shard {
    const cluster = present(this.#latest, 'clients come after the cluster').cluster;
    return present(
      cluster.shards.find(({ slots }) => containsSlot(slots, slot)),
      'every slot has an owner',
    );
  }

  masterOf(slot: Slot): NodeAddress {
    return masterOf(this.shardOf(slot)).address;
  }

  isMaster({ address }: FleetNode): boolean {
    return this.#latest?.cluster.shards.some((shard) => masterOf(shard).address === address) ?? false;
  }
}

/** The first slot that nobody has, or two have; null when there is none: the cluster is founded with all of them. */
function slotAstray({ shards }: Cluster): number | null {
  const ranges = shards.flatMap(({ slots }) => slots).toSorted((one, other) => one.start - other.start);
  let next = 0;
  for (const { start, stop } of ranges) {
    if (start !== next) return Math.min(start, next);
    next = stop + 1;
  }
  return next === SLOT_COUNT ? null : next;
}

function owns({ model }: FleetNode, slot: Slot): boolean {
  return model.id !== null && model.version >= 0 && model.owners.get(slot) === model.id;
}
