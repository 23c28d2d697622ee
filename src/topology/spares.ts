// Nodes in reserve: which there are, and up to how many copies they make a shard up by themselves.

import type { Secret } from '../base/secret.ts';
import { allNodes } from './cluster.ts';
import type { Cluster, NodeAddress, NodeId } from './types.ts';

/** A node that belongs to no shard yet. Its address is its cluster's, as those of members are. */
export interface Spare {
  readonly address: NodeAddress;
  /** Its `requirepass`; empty: that of the cluster, see `sparesIn`. */
  readonly password: Secret;
  /** Where it stands; empty where nobody said. It takes that along into its shard. */
  readonly zone: string;
  /** The member that it was until a spare took its place; null for one that people named. */
  readonly lost: NodeId | null;
}

export interface SparesPolicy {
  /** In the order in which they are used, but for zones. */
  readonly nodes: readonly Spare[];
  /** Nodes wanted in each shard, its master among them; null: nobody is replaced. */
  readonly copies: number | null;
  /** Seconds for which a shard has to be below that before a spare is used. */
  readonly replaceAfterSeconds: number;
}

export const SPARES_MAX = 64;
export const COPIES_MAX = 16;
export const REPLACE_AFTER_SECONDS_DEFAULT = 600;
/** A month: whoever wants to wait for longer wants no replacement. */
export const REPLACE_AFTER_SECONDS_MAX = 30 * 86_400;

export const NO_SPARES: SparesPolicy = {
  nodes: [],
  copies: null,
  replaceAfterSeconds: REPLACE_AFTER_SECONDS_DEFAULT,
};

/** Whether nobody wants anything of spares: then nothing of them has to be stored. */
export function isNoSpares({ nodes, copies, replaceAfterSeconds }: SparesPolicy): boolean {
  return nodes.length === 0 && copies === null && replaceAfterSeconds === REPLACE_AFTER_SECONDS_DEFAULT;
}

/** The one password that all members have; null where they differ. */
export function commonPassword(cluster: Cluster): Secret | null {
  const [first, ...others] = allNodes(cluster).map(({ node }) => node.password);
  if (first === undefined) return null;
  return others.every((other) => other.equals(first)) ? first : null;
}

/** `spares` of a cluster as they are asked and taken in: who is listed without a password has that of all members, if they have the same. */
export function sparesIn(cluster: Cluster, { nodes }: SparesPolicy): readonly Spare[] {
  if (nodes.every(({ password }) => !password.isEmpty)) return nodes;
  const common = commonPassword(cluster);
  if (common === null || common.isEmpty) return nodes;
  return nodes.map((spare) => (spare.password.isEmpty ? { ...spare, password: common } : spare));
}

/** Whose password a spare is asked with: `own` was named with it. */
export type SpareLogin = 'own' | 'cluster' | 'none';

export function spareLogin(cluster: Cluster, { password }: Spare): SpareLogin {
  if (!password.isEmpty) return 'own';
  return commonPassword(cluster)?.isEmpty === false ? 'cluster' : 'none';
}
