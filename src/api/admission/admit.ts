// Nodes before they are taken in: seen, told apart, and judged.

import type { Context } from 'hono';

import type { Clock } from '../../base/clock.ts';
import type { Secret } from '../../base/secret.ts';
import { type Newcomer, type Standing, standingOfFresh } from '../../control/joining.ts';
import { TAKEN_TO_REMAKE } from '../../topology/policy.ts';
import type { Cluster, NodeAddress } from '../../topology/types.ts';
import { wallSeconds } from '../dependencies.ts';
import type { Clusters, GroupView, NodeInspector } from '../ports.ts';
import {
  checkNoController,
  checkOneProcessEach,
  checkUnclaimed,
  checkUnknownIds,
  knownNodes,
} from './identity.ts';
import { lookAtAll } from './looks.ts';
import { masterRefusal, nodeRefusal, replicaRefusal } from './refusals.ts';

export interface Admission {
  readonly clusters: Clusters;
  readonly inspector: NodeInspector;
  readonly group: GroupView;
  readonly clock: Clock;
}

export interface AdmissionRequest {
  readonly addresses: readonly NodeAddress[];
  readonly password: Secret;
  /** The client takes it on itself that the nodes can be reached, are in cluster mode and in no other cluster (contract, *Answers*). */
  readonly isWaived: boolean;
  /** The cluster the nodes are to join; null for a new one. */
  readonly joined: Cluster | null;
  /** Fires when the client has gone. */
  readonly abandoned: AbortSignal;
}

/** Each node as it was seen; null for one that could not be looked at, which only a waived check lets pass. */
export type Newcomers = ReadonlyMap<NodeAddress, Newcomer | null>;

/** Why a replica that was taken without a look must be made anew. */
const NEVER_LOOKED_AT = 'it was never looked at';

export function waivesChecks(context: Context): boolean {
  return context.req.header('X-Dont-Check-Cluster-Mode')?.toLowerCase() === 'yes';
}

/**
 * Looks at the nodes and tells them apart. Throws for the first (in the order given) that cannot be taken, saying which and why. A
 * waived check passes over what the look should have found; it never passes over two names of one process.
 */
export async function seeNewcomers(
  { clusters, inspector, group, clock }: Admission,
  { addresses, password, isWaived, joined, abandoned }: AdmissionRequest,
): Promise<Newcomers> {
  checkUnclaimed(clusters, addresses);
  checkNoController(group, addresses);
  const endpoints = addresses.map((address) => ({ address, password }));
  const looks = await lookAtAll({ inspector, clock, abandoned }, endpoints, (look) => !look.ok && !isWaived);
  const newcomers = new Map<NodeAddress, Newcomer | null>();
  for (const [index, look] of looks.entries()) {
    const address = addresses[index];
    if (address === undefined) continue;
    if (!look.ok && !isWaived) throw nodeRefusal(address, look.error);
    newcomers.set(address, look.ok ? look.value : null);
  }
  const seen = [...newcomers.values()].filter((newcomer) => newcomer !== null);
  if (joined !== null) checkUnknownIds(seen, joined);
  await checkOneProcessEach(
    inspector,
    endpoints.filter(({ address }) => newcomers.get(address) !== null),
    knownNodes(clusters, joined, wallSeconds({ clock })),
  );
  return newcomers;
}

/** Where the node that becomes a master stands; null when it was not seen. Throws when it may not become one. */
export function admitMaster(
  newcomers: Newcomers,
  address: NodeAddress,
  { withData, isWaived }: { readonly withData: boolean; readonly isWaived: boolean },
): number | null {
  const newcomer = newcomers.get(address) ?? null;
  if (newcomer === null) return null;
  const standing = withWaiver(standingOfFresh(newcomer), newcomer, isWaived);
  const refusal = masterRefusal(address, standing);
  if (refusal !== null && !(withData && standing.kind === 'unproven')) throw refusal;
  return newcomer.sequence;
}

/** Why the replica must be made anew; null for an empty one or a proven copy. Throws when it may not become one. */
export function admitReplica(
  newcomers: Newcomers,
  address: NodeAddress,
  wishes: {
    readonly remake: boolean;
    readonly isWaived: boolean;
    readonly standingOf: (newcomer: Newcomer) => Standing;
  },
): string | null {
  const newcomer = newcomers.get(address) ?? null;
  if (newcomer === null) return NEVER_LOOKED_AT;
  const standing = withWaiver(wishes.standingOf(newcomer), newcomer, wishes.isWaived);
  const refusal = replicaRefusal(address, standing);
  if (refusal === null) return null;
  if (wishes.remake && standing.kind === 'unproven') return `${TAKEN_TO_REMAKE}: ${standing.why}`;
  throw refusal;
}

/** A waived check does not ask which cluster a node belongs to, but what its data is counts all the same. */
function withWaiver(standing: Standing, { version, sequence }: Newcomer, isWaived: boolean): Standing {
  if (standing.kind !== 'foreign' || !isWaived) return standing;
  if (sequence === 0) return { kind: 'empty' };
  return { kind: 'unproven', why: `it has a topology of version ${version} and the sequence ${sequence}` };
}
