// A leader, its records and a fleet, all on one clock.

import type { LogFields, Logger } from '../../../src/base/logger.ts';
import { createSeededRandom } from '../../../src/base/random.ts';
import { Secret } from '../../../src/base/secret.ts';
import { Leadership, type LeadershipOptions } from '../../../src/leader/leadership.ts';
import type { LeaderMetrics } from '../../../src/leader/ports.ts';
import type { FailoverRequest } from '../../../src/control/failover-request.ts';
import type { TopologyPush } from '../../../src/control/node-commands.ts';
import { allNodes } from '../../../src/topology/cluster.ts';
import { createCluster } from '../../../src/topology/create-cluster.ts';
import { parseName } from '../../../src/topology/name.ts';
import { parseAddress } from '../../../src/topology/node.ts';
import { drainText, isolationText, setNodesText } from '../../../src/topology/setnodes-text.ts';
import type { Cluster, Name, Node, NodeAddress } from '../../../src/topology/types.ts';
import { FakeClock } from './fake-clock.ts';
import { ModelWitnesses } from './model-witnesses.ts';
import { ModelFleet, type ModelNode } from './model-fleet.ts';
import { ModelRecords } from './model-records.ts';

export const PING_INTERVAL_MS = 1000;
/** A process that is gone has the whole window, unless a test says otherwise. */
export const OPTIONS: LeadershipOptions = {
  pingIntervalMs: PING_INTERVAL_MS,
  maxPingCount: 3,
  restartGraceMs: 600_000,
  lagMax: 1000,
  switchoverTimeoutMs: 2000,
  coolDownMs: 0,
  aliveSizeMin: 10,
  failureRatioMax: 0.6,
  leaseMs: 0,
};

export interface LogLine {
  readonly level: string;
  readonly event: string;
  readonly fields: LogFields;
}

export class Scene {
  readonly clock = new FakeClock();
  readonly records = new ModelRecords(this.clock);
  readonly log: LogLine[] = [];
  readonly counts = new Map<string, number>();
  readonly namespace = nameOf('ns');
  readonly name = nameOf('c');
  readonly fleet: ModelFleet;
  /** The other members: a group of one, unless a test adds some. */
  readonly witnesses = new ModelWitnesses(() => this.clock.monotonicMs());
  readonly #options: LeadershipOptions;
  /** Members to whom the lead was given. */
  readonly givenTo: number[] = [];
  leadership: Leadership;
  /** The term this member believes to lead. */
  currentTerm = 1;

  /** One cluster of `shards` shards with `replicas` nodes each (the master included), stored and not yet pushed. */
  constructor(shards: number, replicas: number, options = OPTIONS) {
    this.#options = options;
    const addresses = Array.from({ length: shards * replicas }, (_, index) => addressOf(7000 + index));
    this.fleet = new ModelFleet(this.clock, addresses);
    this.put(this.namespace, makeCluster(this.name, addresses, replicas));
    this.leadership = this.lead(this.currentTerm, this.fleet);
  }

  put(namespace: Name, cluster: Cluster): void {
    this.records.put(namespace, cluster);
  }

  lead(term: number, client: ModelFleet): Leadership {
    const ports = {
      records: this.records,
      client,
      witnesses: this.witnesses,
      clock: this.clock,
      random: createSeededRandom(term),
      logger: this.#logger({}),
      metrics: this.#metrics(),
      isCurrent: (asked: number) => asked === this.currentTerm,
      giveLead: (to: number) => {
        this.givenTo.push(to);
        return Promise.resolve();
      },
    };
    return new Leadership(term, ports, this.#options);
  }

  /** A failover by hand of the first shard to whoever is best. */
  failoverRequest(): FailoverRequest {
    return {
      namespace: this.namespace,
      cluster: this.name,
      shardIndex: 0,
      preferred: null,
      isForced: false,
    };
  }

  get cluster(): Cluster {
    const record = this.records.getCluster(this.namespace, this.name);
    if (record === null) throw new Error('no cluster');
    return record.cluster;
  }

  node(shardIndex: number, nodeIndex: number): Node {
    return this.cluster.shards[shardIndex]!.nodes[nodeIndex]!;
  }

  model(shardIndex: number, nodeIndex: number): ModelNode {
    return this.fleet.node(this.node(shardIndex, nodeIndex).address);
  }

  /** Whether this is a committed topology, or the one that cuts the node at `address` off, or drains it, under the same version. */
  isCommitted(push: TopologyPush, address: NodeAddress): boolean {
    return this.records.history.some((cluster) => {
      if (cluster.version !== push.version) return false;
      if (push.text === setNodesText(cluster)) return true;
      const place = allNodes(cluster).find(({ node }) => node.address === address);
      if (place === undefined) return false;
      return place.node.role === 'replica'
        ? push.text === isolationText(cluster, place.node.id)
        : place.shard.drain !== null && push.text === drainText(cluster, place.node.id);
    });
  }

  /** Every node that is up has the committed version. */
  isConverged(): boolean {
    const { version } = this.cluster;
    return [...this.fleet.nodes.values()].every((node) => node.state !== 'up' || node.version === version);
  }

  /** Starts and waits until all nodes have the topology, hold a hundred writes and have been seen so. */
  async settle(): Promise<void> {
    this.leadership.start();
    await this.clock.until(
      () => this.leadership.status(this.namespace, this.name)?.isConverged === true,
      5000,
    );
    for (const node of this.fleet.nodes.values()) node.sequence = 100;
    await this.clock.advance(2 * PING_INTERVAL_MS);
  }

  /** Stops the leadership, letting a commit under way end. */
  async stop(): Promise<void> {
    const stopped = this.leadership.stop();
    await this.clock.advance(10);
    await stopped;
  }

  events(event: string): readonly LogLine[] {
    return this.log.filter((line) => line.event === event);
  }

  #logger(bound: LogFields): Logger {
    const at =
      (level: string) =>
      (event: string, fields: LogFields = {}) => {
        this.log.push({ level, event, fields: { ...bound, ...fields } });
      };
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      child: (fields) => this.#logger({ ...bound, ...fields }),
    };
  }

  #metrics(): LeaderMetrics {
    const count = (key: string): void => {
      this.counts.set(key, (this.counts.get(key) ?? 0) + 1);
    };
    return {
      probe: (_, { error }) => count(`probe ${error ?? 'answered'}`),
      roundLate: () => count('round late'),
      push: (_, outcome) => count(`push ${outcome}`),
      migrate: (outcome) => count(`migrate ${outcome}`),
      slots: (_, { outcome, count: slots }) => count(`${slots} slots ${outcome}`),
      commit: (kind, outcome) => count(`commit ${kind} ${outcome}`),
      failover: (_, kind, result, lost) =>
        count(result === 'done' ? `${kind} lost ${lost}` : `${kind} ${result}`),
      promoted: (_, kind) => count(`promoted by ${kind}`),
      failoverBlocked: (_, reason) => count(`blocked ${reason}`),
      begin: ({ cluster }) => count(`begin ${cluster}`),
      forget: ({ cluster }) => count(`forget ${cluster}`),
    };
  }
}

export function nameOf(text: string): Name {
  const name = parseName(text);
  if (!name.ok) throw new Error(text);
  return name.value;
}

export function addressOf(port: number): NodeAddress {
  const address = parseAddress(`127.0.0.1:${port}`);
  if (!address.ok) throw new Error(String(port));
  return address.value;
}

let seed = 1;

export function makeCluster(name: Name, addresses: readonly NodeAddress[], replicas: number): Cluster {
  seed += 1;
  const cluster = createCluster({
    name,
    addresses,
    replicas,
    password: Secret.none,
    nowSeconds: 1,
    random: createSeededRandom(seed),
  });
  if (!cluster.ok) throw new Error(JSON.stringify(cluster.error));
  return cluster.value;
}
