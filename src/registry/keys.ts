// Where each record lies in the store.

import type { Key } from '../store/types.ts';
import { parseName } from '../topology/name.ts';
import type { ClusterPlace } from '../topology/record.ts';
import type { Name, NodeAddress } from '../topology/types.ts';
import { readable } from './unreadable-record.ts';

/** Names and addresses have no slash (`parseName`, `parseAddress`), so keys split in one way only. */
export const NAMESPACE_PREFIX = 'namespace/';
export const CLUSTER_PREFIX = 'cluster/';
const FACTS_PREFIX = 'facts/';
const POLICY_PREFIX = 'policy/';
const DEPARTURES_PREFIX = 'departures/';
const TASK_PREFIX = 'task/';
/** Keys are listed in code unit order: so are the numbers of tasks, oldest first. */
const TASK_ID_DIGITS = 10;
/** What is wanted of the automation for every cluster. */
export const GROUP_POLICY_KEY: Key = 'policy';
const ADDRESS_PREFIX = 'address/';

export function namespaceKey(namespace: Name): Key {
  return NAMESPACE_PREFIX + namespace;
}

export function clusterKey({ namespace, cluster }: ClusterPlace): Key {
  return clustersPrefix(namespace) + cluster;
}

/** Facts have a key of their own: writing down what was seen is no change of the cluster, and wakes nobody who waits for one. */
export function factsKey({ namespace, cluster }: ClusterPlace): Key {
  return `${FACTS_PREFIX}${namespace}/${cluster}`;
}

/** What people want of the automation is no change of the topology either. */
export function policyKey({ namespace, cluster }: ClusterPlace): Key {
  return `${POLICY_PREFIX}${namespace}/${cluster}`;
}

/** Who has heard that it left is no change of the topology either. */
export function departuresKey({ namespace, cluster }: ClusterPlace): Key {
  return `${DEPARTURES_PREFIX}${namespace}/${cluster}`;
}

/** What the keys of all tasks of a cluster start with. */
export function tasksPrefix({ namespace, cluster }: ClusterPlace): string {
  return `${TASK_PREFIX}${namespace}/${cluster}/`;
}

export function taskKey(place: ClusterPlace, id: number): Key {
  return tasksPrefix(place) + String(id).padStart(TASK_ID_DIGITS, '0');
}

/** What the keys of all clusters of a namespace start with. */
export function clustersPrefix(namespace: Name): string {
  return `${CLUSTER_PREFIX}${namespace}/`;
}

/** The key that a cluster holds for each of its addresses: its existence is what makes an address unique. */
export function addressKey(address: NodeAddress): Key {
  return ADDRESS_PREFIX + address;
}

/** The namespace of a namespace key. */
export function namespaceOf(key: Key): Name {
  return readable(key, parseName(key.slice(NAMESPACE_PREFIX.length)));
}

/** The name of the cluster of a cluster key. */
export function clusterOf(key: Key): Name {
  return readable(key, parseName(key.slice(key.lastIndexOf('/') + 1)));
}

/** The place a cluster key names; null for other keys. */
export function placeOf(key: Key): ClusterPlace | null {
  return placeBehind(CLUSTER_PREFIX, key);
}

const WATCHED_PREFIXES = [CLUSTER_PREFIX, POLICY_PREFIX, DEPARTURES_PREFIX, TASK_PREFIX];

/** The cluster whose record, policy, departures or task lie at `key`; null for other keys. */
export function changedPlaceOf(key: Key): ClusterPlace | null {
  const prefix = WATCHED_PREFIXES.find((each) => key.startsWith(each));
  return prefix === undefined ? null : placeBehind(prefix, key);
}

function placeBehind(prefix: string, key: Key): ClusterPlace | null {
  if (!key.startsWith(prefix)) return null;
  const [namespace = '', cluster = ''] = key.slice(prefix.length).split('/');
  return { namespace: readable(key, parseName(namespace)), cluster: readable(key, parseName(cluster)) };
}
