// Nodes in reserve: which there are, and up to how many copies they make a shard up by themselves.

import type { Secret } from '../base/secret.ts';
import type { NodeAddress, NodeId } from './types.ts';

/** A node that belongs to no shard yet. Its address is its cluster's, as those of members are. */
export interface Spare {
  readonly address: NodeAddress;
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
