// A shard that stays below its copies gets a spare: which one, in whose place, or why not now.

import { addNode, removeNode } from '../topology/change-nodes.ts';
import { masterOf, whyBusy } from '../topology/cluster.ts';
import { describe } from '../topology/errors.ts';
import { openPromotion } from '../topology/facts.ts';
import { type ClusterPolicy, withSpareUsed } from '../topology/policy.ts';
import { isNoSpares, type Spare } from '../topology/spares.ts';
import type { NodeAddress } from '../topology/types.ts';
import type { CommitReason, InspectSpareAction } from './actions.ts';
import type { Draft } from './failover.ts';
import type { NodeEndpoint } from './node-commands.ts';
import type { Problem } from './problems.ts';
import { automationRestraint, massFailureRestraint } from './restraint.ts';
import { lostOf, reviewVacancies, type Shortage, shortagesOf } from './shortage.ts';
import { isAway } from './sight.ts';
import { type NodeView, type Situation, masterView, nodeName } from './situation.ts';
import { chooseSpare, isReady } from './spare-choice.ts';
import { NO_SPARES_MEMORY, type SpareLook, spareMemory, type SparesMemory } from './spare-memory.ts';
import { planText, shortText, type ShortagePlan, sparesText, takingText } from './spare-texts.ts';

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
  const spare = chooseSpare(situation, shortage);
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
