// Looks through a whole state: every record is decoded as the registry does, and whatever contradicts another record is told.

import { FEATURE_LEVEL } from '../base/feature-level.ts';
import { type Task, pause } from '../base/task.ts';
import { decodeDepartures } from '../registry/departure-codec.ts';
import { decodeEvent } from '../registry/event-codec.ts';
import { decodeFacts } from '../registry/facts-codec.ts';
import {
  GROUP_POLICY_KEY,
  addressKey,
  clusterKey,
  departuresKey,
  factsKey,
  namespaceKey,
  namespaceOf,
  policyKey,
  taskKey,
} from '../registry/keys.ts';
import { decodeClusterPolicy, decodeGroupPolicy } from '../registry/policy-codec.ts';
import { decodeClaim, decodeCluster } from '../registry/record-codec.ts';
import { readRecord } from '../registry/record-fields.ts';
import { decodeTask } from '../registry/task-codec.ts';
import { UnreadableRecordError, readable } from '../registry/unreadable-record.ts';
import { FEATURE_LEVEL_KEY, readFeatureLevel } from '../store/feature-level.ts';
import type { Key, Store, StoredValue } from '../store/types.ts';
import { allNodes } from '../topology/cluster.ts';
import { parseName } from '../topology/name.ts';
import { parseAddress } from '../topology/node.ts';
import type { ClusterPlace } from '../topology/record.ts';
import { isOpen } from '../topology/task.ts';
import type { Cluster, NodeAddress } from '../topology/types.ts';

/** Records looked at before everything else that is due gets its turn. */
const SLICE_RECORDS = 32;
/** Findings that are told one by one; the rest is counted. */
const FINDINGS_MAX = 100;

/** Of the store, what is needed to look at it. */
export type ReadableState = Pick<Store, 'get' | 'list' | 'scan'>;

/** A record that cannot be read, or contradicts another one. Texts never name what a record holds but for names and addresses. */
export interface Finding {
  readonly key: Key;
  readonly text: string;
}

export interface StateCounts {
  readonly namespaces: number;
  readonly clusters: number;
  readonly shards: number;
  readonly nodes: number;
  readonly openTasks: number;
  readonly events: number;
}

export interface StateAudit {
  /** Null where this release cannot read it. */
  readonly featureLevel: number | null;
  readonly counts: StateCounts;
  /** Milliseconds since the Unix epoch; null without events. */
  readonly newestEventAtMs: number | null;
  /** In the order of keys, the first hundred. */
  readonly findings: readonly Finding[];
  readonly findingCount: number;
}

/** `defer` lets everything else have its turn: a state of any size holds up nobody. */
export function* auditTask(state: ReadableState, defer: (callback: () => void) => void): Task<StateAudit> {
  const audit = new Audit(state);
  let looked = 0;
  for (const stored of state.scan('', null)) {
    audit.look(stored);
    looked += 1;
    if (looked % SLICE_RECORDS === 0) yield* pause(defer);
  }
  return audit.result();
}

/** A cluster with its spares, for those who refer to it. */
interface Sight {
  readonly cluster: Cluster;
  readonly spares: ReadonlySet<NodeAddress>;
  /** Of its nodes and its spares. */
  readonly addresses: ReadonlySet<NodeAddress>;
}

type Look = (audit: Audit, stored: StoredValue, parts: readonly string[]) => void;

/** By what keys begin with; `parts` are those between the slashes. */
const LOOKS: ReadonlyMap<string, Look> = new Map<string, Look>([
  ['address', (audit, stored) => audit.lookAtClaim(stored)],
  ['cluster', (audit, stored) => audit.lookAtCluster(stored)],
  ['departures', (audit, stored, parts) => audit.lookAtDepartures(stored, parts)],
  ['event', (audit, stored, parts) => audit.lookAtEvent(stored, parts)],
  ['facts', (audit, stored, parts) => audit.lookAtFacts(stored, parts)],
  ['group', (audit, stored) => audit.lookAtLevel(stored)],
  ['namespace', (audit, stored) => audit.lookAtNamespace(stored)],
  ['policy', (audit, stored, parts) => audit.lookAtPolicy(stored, parts)],
  ['task', (audit, stored, parts) => audit.lookAtTask(stored, parts)],
  ['webhook', (audit, stored) => audit.lookAtCursor(stored)],
]);

class Audit {
  readonly #state: ReadableState;
  readonly #sights = new Map<Key, Sight>();
  readonly #findings: Finding[] = [];
  readonly #counts = { namespaces: 0, clusters: 0, shards: 0, nodes: 0, openTasks: 0, events: 0 };
  #findingCount = 0;
  #newestEventAtMs: number | null = null;

  constructor(state: ReadableState) {
    this.#state = state;
  }

  /** Whatever a record holds is found, not thrown: it may come from anywhere. */
  look(stored: StoredValue): void {
    const parts = stored.key.split('/');
    const look = LOOKS.get(parts[0] ?? '');
    if (look === undefined) return this.#find(stored.key, 'this release knows no such record');
    try {
      look(this, stored, parts);
    } catch (error) {
      this.#find(stored.key, reasonOf(stored.key, error));
    }
  }

  result(): StateAudit {
    const level = readFeatureLevel(this.#state);
    return {
      featureLevel: level.ok ? level.value.level : null,
      counts: { ...this.#counts },
      newestEventAtMs: this.#newestEventAtMs,
      findings: this.#findings,
      findingCount: this.#findingCount,
    };
  }

  lookAtNamespace({ key }: StoredValue): void {
    this.#counts.namespaces += 1;
    namespaceOf(key);
  }

  lookAtCluster(stored: StoredValue): void {
    this.#counts.clusters += 1;
    const { namespace, cluster } = decodeCluster(stored);
    const nodes = allNodes(cluster);
    this.#counts.shards += cluster.shards.length;
    this.#counts.nodes += nodes.length;
    if (this.#state.get(namespaceKey(namespace)) === null)
      this.#find(stored.key, `there is no namespace ${namespace}`);
    const place = { namespace, cluster: cluster.name };
    const spares = this.#sight(place)?.spares ?? new Set<NodeAddress>();
    const members = new Set(nodes.map(({ node }) => node.address));
    for (const address of spares)
      if (members.has(address)) this.#find(stored.key, `${address} is both a node and a spare`);
    for (const address of new Set([...members, ...spares])) this.#expectClaim(stored.key, place, address);
  }

  lookAtClaim(stored: StoredValue): void {
    const holder = decodeClaim(stored);
    const address = readable(stored.key, parseAddress(stored.key.slice('address/'.length)));
    const sight = this.#sight(holder);
    if (sight === undefined) return;
    const name = `${holder.namespace}/${holder.cluster}`;
    if (sight === null)
      return this.#find(stored.key, `it is claimed by ${name}, and there is no such cluster`);
    if (!sight.addresses.has(address))
      this.#find(stored.key, `it is claimed by ${name}, which has no such node or spare`);
  }

  lookAtFacts(stored: StoredValue, parts: readonly string[]): void {
    const facts = decodeFacts(stored);
    const sight = this.#sightOf(stored.key, parts, factsKey);
    if (sight === null) return;
    const shards = new Set(sight.cluster.shards.map(({ id }) => id));
    const nodes = new Set(allNodes(sight.cluster).map(({ node }) => node.id));
    for (const id of facts.shards.keys())
      if (!shards.has(id)) this.#find(stored.key, `they tell of shard ${id}, which its cluster has not`);
    // Who left and has to be made anew is remembered for when it comes back.
    for (const [id, { remake }] of facts.nodes)
      if (remake === null && !nodes.has(id))
        this.#find(stored.key, `they tell of node ${id}, which its cluster has not`);
  }

  lookAtPolicy(stored: StoredValue, parts: readonly string[]): void {
    if (stored.key === GROUP_POLICY_KEY) {
      decodeGroupPolicy(stored);
      return;
    }
    decodeClusterPolicy(stored);
    this.#sightOf(stored.key, parts, policyKey);
  }

  lookAtDepartures(stored: StoredValue, parts: readonly string[]): void {
    decodeDepartures(stored);
    this.#sightOf(stored.key, parts, departuresKey);
  }

  lookAtTask(stored: StoredValue, parts: readonly string[]): void {
    const task = decodeTask(stored);
    if (isOpen(task)) this.#counts.openTasks += 1;
    this.#sightOf(stored.key, parts, (place) => taskKey(place, task.id));
  }

  lookAtEvent(stored: StoredValue, parts: readonly string[]): void {
    this.#counts.events += 1;
    const { atMs } = decodeEvent(stored, stored.key);
    this.#newestEventAtMs = Math.max(this.#newestEventAtMs ?? 0, atMs);
    const number = parts.at(-1) ?? '';
    if (!/^\d{12}$/.test(number)) throw new UnreadableRecordError(stored.key, 'the key has no number');
    // Events of the group have nothing in the place of a namespace.
    if (stored.key === `event//${number}`) return;
    this.#sightOf(stored.key, parts, ({ namespace, cluster }) => `event/${namespace}/${cluster}/${number}`);
  }

  lookAtCursor(stored: StoredValue): void {
    readRecord(stored, 1, (fields) => [fields.number(), fields.text()]);
  }

  lookAtLevel(stored: StoredValue): void {
    if (stored.key !== FEATURE_LEVEL_KEY) return this.#find(stored.key, 'this release knows no such record');
    const level = readFeatureLevel(this.#state);
    if (!level.ok) this.#find(stored.key, 'the feature level of the group cannot be read');
    else if (level.value.level > FEATURE_LEVEL)
      this.#find(
        stored.key,
        `the group works at feature level ${level.value.level}, this release understands ${FEATURE_LEVEL} at most: ask the release that wrote it`,
      );
  }

  #expectClaim(key: Key, place: ClusterPlace, address: NodeAddress): void {
    const claim = this.#state.get(addressKey(address));
    if (claim === null) return this.#find(key, `nobody claims ${address} for it`);
    const holder = decodeClaim(claim);
    if (holder.namespace === place.namespace && holder.cluster === place.cluster) return;
    this.#find(key, `${address} is claimed by ${holder.namespace}/${holder.cluster}, too`);
  }

  /** The cluster that a record of its own belongs to; null, and found, where there is none. `keyOf` is where such a record has to lie. */
  #sightOf(key: Key, parts: readonly string[], keyOf: (place: ClusterPlace) => Key): Sight | null {
    const [, namespace = '', cluster = ''] = parts;
    const place = {
      namespace: readable(key, parseName(namespace)),
      cluster: readable(key, parseName(cluster)),
    };
    if (keyOf(place) !== key) this.#find(key, 'it lies at another key than it should');
    const sight = this.#sight(place);
    if (sight === null) this.#find(key, `there is no cluster ${namespace}/${cluster}`);
    return sight ?? null;
  }

  /** Null where there is no such cluster; undefined where its own record is found to be unreadable anyway. */
  #sight(place: ClusterPlace): Sight | null | undefined {
    const key = clusterKey(place);
    const known = this.#sights.get(key);
    if (known !== undefined) return known;
    const stored = this.#state.get(key);
    if (stored === null) return null;
    try {
      const policy = this.#state.get(policyKey(place));
      const spares = policy === null ? [] : decodeClusterPolicy(policy).spares.nodes;
      const { cluster } = decodeCluster(stored);
      const reserved = spares.map(({ address }) => address);
      const addresses = new Set([...allNodes(cluster).map(({ node }) => node.address), ...reserved]);
      const sight = { cluster, spares: new Set(reserved), addresses };
      this.#sights.set(key, sight);
      return sight;
    } catch {
      return undefined;
    }
  }

  #find(key: Key, text: string): void {
    this.#findingCount += 1;
    if (this.#findings.length < FINDINGS_MAX) this.#findings.push({ key, text });
  }
}

/** Our own errors name no content; whatever else goes wrong may quote it. */
function reasonOf(key: Key, error: unknown): string {
  if (!(error instanceof UnreadableRecordError)) return 'it cannot be read by this release';
  return error.message.replace(`the stored record ${key} `, 'it ');
}
