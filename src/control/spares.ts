// A shard that stays below its copies gets a spare: which one, in whose place, or why not now.

import { unreachable } from '../base/assert.ts';
import { addNode, removeNode } from '../topology/change-nodes.ts';
import { masterOf, whyBusy } from '../topology/cluster.ts';
import { describe } from '../topology/errors.ts';
import { openPromotion } from '../topology/facts.ts';
import { type ClusterPolicy, nodePolicy, withSpareUsed } from '../topology/policy.ts';
import { isNoSpares, type Spare } from '../topology/spares.ts';
import type { NodeAddress } from '../topology/types.ts';
import type { CommitReason, InspectSpareAction } from './actions.ts';
import { confirmedText, type Draft } from './failover.ts';
import type { NodeEndpoint } from './node-commands.ts';
import type { Problem } from './problems.ts';
import { automationRestraint, massFailureRestraint } from './restraint.ts';
import { lostOf, reviewVacancies, type Shortage, shortagesOf } from './shortage.ts';
import { isAway } from './sight.ts';
import {
  NO_SPARES_MEMORY,
  type SpareLook,
  spareMemory,
  type SparesMemory,
  type SpareStanding,
} from './spare-memory.ts';
import { type NodeView, type Situation, masterView, nodeName, silenceText } from './situation.ts';

/** Milliseconds between two looks at a spare that nobody waits for. */
const LOOK_INTERVAL_MS = 10_000;

/** Milliseconds for which a look counts as made right before a spare is used: its deadline, and a commit that goes first. */
const LOOK_FRESH_MS = 5_000;

export interface SparePlan extends Draft {
  /** Together with the topology, where that changes. */
  readonly policy: ClusterPolicy;
  readonly problems: readonly Problem[];
  readonly looks: readonly InspectSpareAction[];
  /** When a look or a replacement is due; Infinity where none will be. */
  readonly wakeAtMs: number;
}

/** What becomes of one shard that is below its copies. */
export type ShortagePlan =
  /** Not yet: `dueAtMs` of the shortage has to pass. */
  | { readonly kind: 'waits' }
  /** Something stands against it, `why`, whatever the spares are. */
  | { readonly kind: 'held'; readonly why: string }
  | { readonly kind: 'noSpare' }
  /** `spare` takes the place of `lost`; null: one that nobody has. */
  | { readonly kind: 'replaces'; readonly spare: Spare; readonly lost: NodeView | null };

/** One replacement at most, and only of a spare that was seen empty right before. */
export function planSpares(situation: Situation): SparePlan {
  const { cluster, facts, nowMs, policy } = situation;
  const nothing: SparePlan = {
    cluster,
    facts,
    policy: policy.cluster,
    reasons: [],
    problems: [],
    looks: [],
    wakeAtMs: Infinity,
  };
  if (isNoSpares(policy.cluster.spares)) return nothing;
  const shortages = shortagesOf(situation);
  const plans = shortages.map((shortage) => [shortage, planFor(situation, shortage)] as const);
  const problems = plans.flatMap(([shortage, plan]) => problemsOf(situation, shortage, plan));
  const next = plans.find(([, plan]) => plan.kind === 'replaces');
  const wanted = next?.[1].kind === 'replaces' ? next[1].spare : null;
  const looks = dueLooks(situation, wanted);
  const dueAtMs = shortages.map((shortage) => shortage.dueAtMs).filter((atMs) => atMs > nowMs);
  const rest = { problems, looks, wakeAtMs: Math.min(nextLookMs(situation), ...dueAtMs) };
  const draft = next === undefined ? null : replacement(situation, ...next);
  return { ...nothing, ...rest, ...draft };
}

/** What would become of a shard now; the same rule for people and for the decision. */
export function planFor(situation: Situation, shortage: Shortage): ShortagePlan {
  const lost = shortage.isVacant ? null : lostOf(situation, shortage);
  const isDue = situation.nowMs >= shortage.dueAtMs;
  const why = holdOf(situation, shortage);
  if (why !== null) return { kind: 'held', why };
  if (!isDue) return { kind: 'waits' };
  if (!shortage.isVacant && lost === null)
    return { kind: 'held', why: 'no majority of the controllers confirms that a replica is not there' };
  const spare = choose(situation, shortage);
  return spare === null ? { kind: 'noSpare' } : { kind: 'replaces', spare, lost };
}

/** What stands against any replacement in this shard now, a sentence's end for people; null when nothing does. */
function holdOf(situation: Situation, { shard }: Shortage): string | null {
  const { cluster, facts } = situation;
  const restraint = automationRestraint(situation) ?? massFailureRestraint(situation);
  if (restraint !== null) return restraint.why;
  if (facts.contestedVersion !== null) return 'somebody else pushes topologies to this cluster';
  const master = masterView(situation, shard);
  const name = `master ${nodeName(master)}`;
  if (master.condition !== 'answering')
    return `${name} does not answer, and a new copy can come from nobody else`;
  if (master.loss !== null || master.facts.remake !== null) return `${name} has lost its data`;
  if (openPromotion(facts, shard.id) !== null || master.need.kind !== 'nothing')
    return `${name} was not seen in its place yet`;
  const busy = whyBusy(cluster, [shard]);
  if (busy !== null) return describe(busy);
  const coming = comingCopy(situation);
  return coming === null
    ? null
    : `${nodeName(coming)} in shard ${coming.shardIndex} was not seen as a copy yet, and one comes at a time`;
}

/** A replica that was never seen linked to its master, and is not gone: known from the records, so that the next leader waits for it, too. */
function comingCopy({ views }: Situation): NodeView | null {
  for (const view of views.values()) {
    const { node, facts } = view;
    const isUnseen = facts.seenAtSeconds === 0 && facts.following === null && facts.remake === null;
    if (node.role === 'replica' && isUnseen && !isAway(view)) return view;
  }
  return null;
}

/** Of the spares that are ready the first in a zone in which the shard has nobody, else the first. */
function choose(situation: Situation, shortage: Shortage): Spare | null {
  const { policy, memory } = situation;
  const ready = policy.cluster.spares.nodes.filter((spare) => isReady(memory.spares, spare));
  const taken = zonesOf(situation, shortage);
  return ready.find(({ zone }) => zone !== '' && !taken.has(zone)) ?? ready[0] ?? null;
}

/** The zones of the nodes of a shard that are there. */
function zonesOf({ policy }: Situation, { shard, missed }: Shortage): ReadonlySet<string> {
  const gone = new Set(missed.map(({ node }) => node.id));
  const there = shard.nodes.filter(({ id }) => !gone.has(id));
  return new Set(there.map(({ id }) => nodePolicy(policy.cluster, id).zone));
}

/** The commit, if the spare was just seen empty and told apart from everybody else here; null while that look is to come. */
function replacement(
  situation: Situation,
  shortage: Shortage,
  plan: ShortagePlan,
): Pick<SparePlan, 'cluster' | 'policy' | 'reasons'> | null {
  if (plan.kind !== 'replaces') return null;
  const { spare, lost } = plan;
  const { shardIndex } = shortage;
  const { look } = spareMemory(situation.memory.spares, spare);
  if (look === null || !isFreshLook(situation, look)) return null;
  const removed = lost === null ? null : removeNode(situation.cluster, shardIndex, lost.node.id);
  if (removed !== null && !removed.ok) return null;
  const { address, password } = spare;
  const { id } = look;
  const added = addNode(removed?.value ?? situation.cluster, shardIndex, {
    id,
    address,
    password,
    role: 'replica',
    createdAtSeconds: situation.nowSeconds,
  });
  if (!added.ok) return null;
  const reason: CommitReason = {
    kind: 'copyReplaced',
    shardIndex,
    node: id,
    lost: lost?.node.id ?? null,
    text: `${shortText(situation, shortage)}; ${takingText(situation, shortage, plan)}`,
  };
  const policy = withSpareUsed(situation.policy.cluster, { used: spare, id, lost: lost?.node ?? null });
  return { cluster: added.value, policy, reasons: [reason] };
}

function isFreshLook({ nowMs }: Situation, look: SpareLook): boolean {
  return look.isToldApart && nowMs - look.startedAtMs <= LOOK_FRESH_MS;
}

/** Every spare now and then, and at once the one that is about to be used. */
function dueLooks(situation: Situation, wanted: Spare | null): readonly InspectSpareAction[] {
  const { policy, memory, nowMs } = situation;
  return policy.cluster.spares.nodes.flatMap((spare): readonly InspectSpareAction[] => {
    const { look, isInFlight } = spareMemory(memory.spares, spare);
    const isWanted = spare.address === wanted?.address;
    const isOld = look === null || nowMs - look.endedAtMs >= LOOK_INTERVAL_MS;
    const isNeeded = isWanted && look !== null && !isFreshLook(situation, look);
    if (isInFlight || !(isOld || isNeeded)) return [];
    return [{ kind: 'inspectSpare', spare, isToUse: isWanted }];
  });
}

/** When the next look is due; one that begins now, or is under way, tells of its end by itself. */
function nextLookMs({ policy, memory, nowMs }: Situation): number {
  const times = policy.cluster.spares.nodes.map((spare) => {
    const { look, isInFlight } = spareMemory(memory.spares, spare);
    const atMs = isInFlight || look === null ? -Infinity : look.endedAtMs + LOOK_INTERVAL_MS;
    return atMs > nowMs ? atMs : Infinity;
  });
  return Math.min(Infinity, ...times);
}

/** Whom a spare has to be told apart from before it is used: of who does not answer nothing can be learned, and it would only take time. */
export function beside({ views, policy, memory }: Situation, spare: Spare): readonly NodeEndpoint[] {
  const members = [...views.values()].filter(({ condition }) => condition === 'answering');
  const others = policy.cluster.spares.nodes.filter(
    (other) => other.address !== spare.address && isReady(memory.spares, other),
  );
  return [...members.map(({ node }) => node), ...others];
}

function isReady(memory: SparesMemory, spare: Spare): boolean {
  return spareMemory(memory, spare).look?.standing.kind === 'ready';
}

/** What is remembered of spares, without those that are none any more. */
export function reviewSpares(situation: Situation): SparesMemory {
  const { policy, memory } = situation;
  const { nodes } = policy.cluster.spares;
  if (isNoSpares(policy.cluster.spares)) return NO_SPARES_MEMORY;
  const listed = new Set<NodeAddress>(nodes.map(({ address }) => address));
  return {
    nodes: new Map([...memory.spares.nodes].filter(([address]) => listed.has(address))),
    vacantSinceMs: reviewVacancies(situation),
  };
}

/** A moment's silence is nobody's business: a shard is told of once it lacks a member, or one of them is away for certain. */
function problemsOf(situation: Situation, shortage: Shortage, plan: ShortagePlan): readonly Problem[] {
  if (!shortage.isVacant && !shortage.missed.some((view) => isAway(view))) return [];
  const master = masterOf(shortage.shard);
  const place = { shardIndex: shortage.shardIndex, node: master.id, address: master.address };
  const detail = `${shortText(situation, shortage)}; ${planText(situation, shortage, plan)}`;
  const below: Problem = { kind: 'copiesMissing', ...place, detail };
  return plan.kind === 'noSpare'
    ? [below, { kind: 'sparesMissing', ...place, detail: sparesText(situation) }]
    : [below];
}

/** `shard 0 has 1 of 2 nodes for 12 s`, for people. */
function shortText({ nowMs }: Situation, { shardIndex, there, wanted, sinceMs }: Shortage): string {
  return `shard ${shardIndex} has ${there} of ${wanted} nodes for ${Math.round((nowMs - sinceMs) / 1000)} s`;
}

/** What is going to happen, for people. */
export function planText(situation: Situation, shortage: Shortage, plan: ShortagePlan): string {
  switch (plan.kind) {
    case 'waits':
      return `${nextText(situation, shortage)} in ${Math.max(0, Math.ceil((shortage.dueAtMs - situation.nowMs) / 1000))} s`;
    case 'held':
      return `${nextText(situation, shortage)}, but not now: ${plan.why}`;
    case 'noSpare':
      return 'no spare is ready';
    case 'replaces':
      return takingText(situation, shortage, plan);
    default:
      return unreachable(plan);
  }
}

/** Who would take whose place as things are. */
function nextText(situation: Situation, shortage: Shortage): string {
  const spare = choose(situation, shortage);
  const who =
    spare === null ? 'a spare, once one is ready, would take' : `spare ${spareName(spare)} would take`;
  const missed = lostOf(situation, shortage) ?? shortage.missed[0];
  const isFree = shortage.isVacant || missed === undefined;
  return `${who} ${isFree ? 'the free place' : `the place of ${nodeName(missed)}`}`;
}

function takingText(
  situation: Situation,
  shortage: Shortage,
  { spare, lost }: Extract<ShortagePlan, { readonly kind: 'replaces' }>,
): string {
  const isNewZone = spare.zone !== '' && !zonesOf(situation, shortage).has(spare.zone);
  const who = `spare ${spareName(spare)}${isNewZone ? ', where the shard has nobody else,' : ''}`;
  if (lost === null) return `${who} takes the free place`;
  const missed = `replica ${nodeName(lost)} ${silenceText(lost)}${confirmedText(situation, lost)}`;
  return `${missed}; ${who} takes its place`;
}

function spareName({ address, zone }: Spare): string {
  return zone === '' ? address : `${address} in zone ${zone}`;
}

/** Why none of the spares can be used, for people. */
function sparesText({ policy, memory }: Situation): string {
  const { nodes } = policy.cluster.spares;
  if (nodes.length === 0) return 'no spare is listed';
  return nodes
    .map(
      (spare) =>
        `${spareName(spare)}: ${standingText(spareMemory(memory.spares, spare).look?.standing ?? null)}`,
    )
    .join('; ');
}

/** Why a spare cannot be used, a sentence's end for people. */
export function standingText(standing: SpareStanding | null): string {
  if (standing === null) return 'it was not looked at yet';
  return standing.kind === 'ready' ? 'it is ready' : standing.why;
}
