// When each spare is looked at, and whom it has to be told apart from: one process is one node under however many names.

import { allNodes } from '../topology/cluster.ts';
import { commonPassword, type Spare, sparesIn } from '../topology/spares.ts';
import type { Cluster, NodeId } from '../topology/types.ts';
import type { InspectSpareAction } from './actions.ts';
import type { NodeEndpoint } from './node-commands.ts';
import type { Situation } from './situation.ts';
import { type SpareLook, spareMemory, type SpareProcess, type SpareReport } from './spare-memory.ts';

/** Milliseconds between two looks at a spare that nobody waits for. */
const LOOK_INTERVAL_MS = 10_000;

/** Milliseconds between two looks at a spare while somebody keeps asking. */
const ASKED_INTERVAL_MS = 1_000;

/** Milliseconds for which a look counts as made right before a spare is used: its deadline, and a commit that goes first. */
const LOOK_FRESH_MS = 5_000;

/** Milliseconds by which two readings of the start of one process differ at most: uptimes are whole seconds, and answers take their time. */
const SAME_START_MS = 5_000;

export function sparesOf({ cluster, policy }: Pick<Situation, 'cluster' | 'policy'>): readonly Spare[] {
  return sparesIn(cluster, policy.cluster.spares);
}

export function isFreshLook({ nowMs }: Situation, look: SpareLook): boolean {
  return look.isToldApart && nowMs - look.startedAtMs <= LOOK_FRESH_MS;
}

/** Every spare now and then, soon when somebody asks, and at once the one that is about to be used. */
export function dueLooks(situation: Situation, wanted: Spare | null): readonly InspectSpareAction[] {
  return sparesOf(situation).flatMap((spare): readonly InspectSpareAction[] => {
    const { look, isInFlight } = spareMemory(situation.memory.spares, spare);
    const isWanted = spare.address === wanted?.address;
    const isNeeded = isWanted && look !== null && !isFreshLook(situation, look);
    if (isInFlight || !(lookDueMs(situation, spare) <= situation.nowMs || isNeeded)) return [];
    return [{ kind: 'inspectSpare', spare, isToUse: isWanted }];
  });
}

/** When the next look is due; one that begins now, or is under way, tells of its end by itself. */
export function nextLookMs(situation: Situation): number {
  const times = sparesOf(situation).map((spare) => lookDueMs(situation, spare));
  return Math.min(Infinity, ...times.filter((atMs) => atMs > situation.nowMs));
}

function lookDueMs({ memory }: Situation, spare: Spare): number {
  const { look, isInFlight } = spareMemory(memory.spares, spare);
  if (isInFlight) return Infinity;
  if (look === null) return -Infinity;
  const isAsked = look.startedAtMs < memory.spares.askedAtMs;
  return look.endedAtMs + (isAsked ? ASKED_INTERVAL_MS : LOOK_INTERVAL_MS);
}

/** Whom a spare is told apart from before it is used, or before anybody is advised to stop it: of who does not answer nothing can be learned, and it would only take time. */
export function beside(situation: Situation, spare: Spare): readonly NodeEndpoint[] {
  const members = [...situation.views.values()].filter(({ condition }) => condition === 'answering');
  return [...members.map(({ node }) => node), ...othersBefore(situation, spare)];
}

/**
 * The spares that one without a topology may be: a process that is a member has one, and is known by its id. Of two names of one process the
 * one that is listed first is the spare.
 */
export function mayBe(
  situation: Situation,
  spare: Spare,
  process: SpareProcess | null,
): readonly NodeEndpoint[] {
  return othersBefore(situation, spare).filter((other) => {
    const known = spareMemory(situation.memory.spares, other).look?.process ?? null;
    if (known === null || process === null) return true;
    return known.id === process.id && Math.abs(known.startedAtMs - process.startedAtMs) <= SAME_START_MS;
  });
}

/** Spares that are listed before this one, but for those that were found not to answer. */
function othersBefore(situation: Situation, spare: Spare): readonly Spare[] {
  const spares = sparesOf(situation);
  const index = spares.findIndex(({ address }) => address === spare.address);
  return spares.slice(0, Math.max(0, index)).filter((other) => {
    const kind = spareMemory(situation.memory.spares, other).look?.standing.kind;
    return kind !== 'silent' && kind !== 'ownFault';
  });
}

/** The member with this id, a sentence's end for people; null when there is none. */
export function memberText(clusters: Iterable<Cluster>, id: NodeId): string | null {
  for (const cluster of clusters)
    for (const { node, shardIndex } of allNodes(cluster))
      if (node.id === id)
        return `node ${id.slice(0, 8)} at ${node.address} (cluster ${cluster.name}, shard ${shardIndex})`;
  return null;
}

/**
 * Why a spare that answers to `password` would be no good node of `cluster`, for people; null when nothing speaks against it. Replicas log in
 * at their master with `masterauth`, moves of slots with the `requirepass` of the source (facts section 4): all nodes need the same, in both.
 */
export function passwordFault(
  cluster: Cluster,
  { password }: Spare,
  { masterAuth }: SpareReport,
): string | null {
  const members = allNodes(cluster).map(({ node }) => node.password);
  if (password.isEmpty && members.every((member) => !member.isEmpty))
    return 'it takes everybody, but the nodes of this cluster have passwords: set requirepass and masterauth on it, and name that password in PUT .../spares where they have different ones';
  const common = commonPassword(cluster);
  if (common !== null && !password.equals(common))
    return `its password is not the one that ${common.isEmpty ? 'the nodes of this cluster have, which is none' : 'all nodes of this cluster have'}: set requirepass and masterauth to that one, and name no other in PUT .../spares`;
  if (masterAuth === undefined || masterAuth === null) return null;
  if (members.some((member) => member.equals(masterAuth))) return null;
  return 'it could not copy anything: its masterauth is not the password of any node of this cluster; set it (CONFIG SET masterauth, and in its configuration)';
}
