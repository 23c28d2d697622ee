// What people want of the automation: of a cluster, of its nodes, and of everything this group manages.

import type { Secret } from '../base/secret.ts';
import { allNodes } from './cluster.ts';
import type { EventSeverity } from './event.ts';
import { NO_SPARES, type Spare, type SparesPolicy } from './spares.ts';
import type { Cluster, Node, NodeId } from './types.ts';

/** What becomes of dead masters: replaced, left, or only told who would take over. */
export const FAILOVER_MODES = ['on', 'dry-run', 'paused'] as const;
export type FailoverMode = (typeof FAILOVER_MODES)[number];

/** A wish that ends by itself. */
export interface Wish {
  /** Seconds since the Unix epoch from which on it counts no more; null for one that lasts until it is taken back. */
  readonly untilSeconds: number | null;
  /** For people; may be empty. */
  readonly reason: string;
  /** Seconds since the Unix epoch when it was said. */
  readonly setAtSeconds: number;
}

export interface Automation extends Wish {
  readonly failover: FailoverMode;
  /** Masters are replaced although very many nodes are missed at once. */
  readonly ignoresMassFailure: boolean;
}

/** A node that people work on: it never takes over, and is not replaced for being away. */
export type Maintenance = Wish;

/** What becomes of a copy that is none, such as that of an old master with writes of its own: made anew, or kept until somebody says so. */
export const DIVERGENCE_MODES = ['resync', 'quarantine'] as const;
export type DivergenceMode = (typeof DIVERGENCE_MODES)[number];

export interface NodePolicy {
  readonly maintenance: Maintenance | null;
  /** Of candidates with the same data the highest takes over; one with 0 never does by itself. */
  readonly failoverPriority: number;
  /** The reason for which its copy is to be made anew, once somebody has allowed just that; null when nobody has. */
  readonly released: string | null;
  /** Where it stands, such as a rack or data centre; empty where nobody said. */
  readonly zone: string;
}

export interface ClusterPolicy {
  readonly automation: Automation | null;
  readonly onDivergence: DivergenceMode;
  /** Of nodes about which anything was said. */
  readonly nodes: ReadonlyMap<NodeId, NodePolicy>;
  readonly spares: SparesPolicy;
}

/** Who is told of events. */
export interface Webhook {
  /** Unique in the group; what logs call it. */
  readonly name: string;
  /** `http:` or `https:`; it may have a user and a password in it. */
  readonly url: Secret;
  /** What its requests are signed with; empty: not at all. */
  readonly secret: Secret;
  /** The least that is told. */
  readonly severity: EventSeverity;
}

export const WEBHOOKS_MAX = 8;

export interface GroupPolicy {
  readonly automation: Automation | null;
  readonly webhooks: readonly Webhook[];
}

export const FAILOVER_PRIORITY_DEFAULT = 100;
export const FAILOVER_PRIORITY_MAX = 1000;
/** Characters of a reason and of a zone. */
export const REASON_LENGTH_MAX = 200;
export const ZONE_LENGTH_MAX = 64;

export const NO_NODE_POLICY: NodePolicy = {
  maintenance: null,
  released: null,
  failoverPriority: FAILOVER_PRIORITY_DEFAULT,
  zone: '',
};
export const NO_CLUSTER_POLICY: ClusterPolicy = {
  automation: null,
  onDivergence: 'resync',
  nodes: new Map(),
  spares: NO_SPARES,
};
export const NO_GROUP_POLICY: GroupPolicy = { automation: null, webhooks: [] };

/** `wish` as long as it counts. */
export function wishAt<W extends Wish>(wish: W | null, nowSeconds: number): W | null {
  return wish === null || (wish.untilSeconds !== null && wish.untilSeconds <= nowSeconds) ? null : wish;
}

export function nodePolicy({ nodes }: ClusterPolicy, id: NodeId): NodePolicy {
  return nodes.get(id) ?? NO_NODE_POLICY;
}

/** `policy` with what is now wanted of one node. What is as if nothing had been said is not kept. */
export function withNodePolicy(policy: ClusterPolicy, id: NodeId, node: NodePolicy): ClusterPolicy {
  const nodes = new Map(policy.nodes);
  const isPlain =
    node.maintenance === null &&
    node.released === null &&
    node.failoverPriority === FAILOVER_PRIORITY_DEFAULT &&
    node.zone === '';
  if (isPlain) nodes.delete(id);
  else nodes.set(id, node);
  return { ...policy, nodes };
}

/** How the reasons begin for which a copy is made anew because somebody has asked for just that. */
export const TAKEN_TO_REMAKE = 'it was taken in to be made anew';
export const ASKED_TO_REMAKE = 'somebody has asked for a new copy';

/** Whether what a node has is kept until somebody allows that it is thrown away; `remake`: why it is no copy. */
export function isQuarantined(policy: ClusterPolicy, id: NodeId, remake: string): boolean {
  const isAsked = [TAKEN_TO_REMAKE, ASKED_TO_REMAKE].some((reason) => remake.startsWith(reason));
  const isAgreed = isAsked || nodePolicy(policy, id).released === remake;
  return policy.onDivergence === 'quarantine' && !isAgreed;
}

/** `policy` without nodes that are not in `cluster`; the same object when there are none. */
export function policyFor(policy: ClusterPolicy, cluster: Cluster): ClusterPolicy {
  const members = new Set(allNodes(cluster).map(({ node }) => node.id));
  const staying = [...policy.nodes].filter(([id]) => members.has(id));
  return staying.length === policy.nodes.size ? policy : { ...policy, nodes: new Map(staying) };
}

/**
 * `policy` once `used` is the node `id` of the cluster. What it took the place of becomes a spare itself, for when it is back and empty; null where
 * it took nobody's place.
 */
export function withSpareUsed(
  policy: ClusterPolicy,
  { used, id, lost }: { readonly used: Spare; readonly id: NodeId; readonly lost: Node | null },
): ClusterPolicy {
  const others = policy.spares.nodes.filter(({ address }) => address !== used.address);
  const back: readonly Spare[] =
    lost === null
      ? []
      : [
          {
            address: lost.address,
            password: lost.password,
            zone: nodePolicy(policy, lost.id).zone,
            lost: lost.id,
          },
        ];
  const spares = { ...policy.spares, nodes: [...others, ...back] };
  return withNodePolicy({ ...policy, spares }, id, { ...NO_NODE_POLICY, zone: used.zone });
}

/** The wish about automatic failovers that counts now, and whose it is; null when nobody has one. */
export interface EffectiveAutomation {
  readonly by: 'cluster' | 'group';
  readonly automation: Automation;
}

/** Of two the more careful one; the group's where both are the same. */
export function effectiveAutomation(
  group: GroupPolicy,
  cluster: ClusterPolicy,
  nowSeconds: number,
): EffectiveAutomation | null {
  const ofGroup = wishAt(group.automation, nowSeconds);
  const ofCluster = wishAt(cluster.automation, nowSeconds);
  if (ofCluster === null) return ofGroup === null ? null : { by: 'group', automation: ofGroup };
  if (ofGroup === null) return { by: 'cluster', automation: ofCluster };
  const isClusterStricter =
    FAILOVER_MODES.indexOf(ofCluster.failover) > FAILOVER_MODES.indexOf(ofGroup.failover);
  return isClusterStricter ? { by: 'cluster', automation: ofCluster } : { by: 'group', automation: ofGroup };
}

/** Whether somebody has said, of this cluster or of all, that masters are replaced however many nodes are missed. */
export function ignoresMassFailure(group: GroupPolicy, cluster: ClusterPolicy, nowSeconds: number): boolean {
  return [group, cluster].some(
    ({ automation }) => wishAt(automation, nowSeconds)?.ignoresMassFailure === true,
  );
}
