// A shard that stays below its copies gets a spare: which one, in whose place, or why not now.

import { addNode, removeNode } from '../topology/change-nodes.ts';
import { masterOf, migrationOfShard, whyBusy } from '../topology/cluster.ts';
import { describe } from '../topology/errors.ts';
import { openPromotion } from '../topology/facts.ts';
import { type ClusterPolicy, withSpareUsed } from '../topology/policy.ts';
import { isNoSpares } from '../topology/spares.ts';
import { isDone, isStuck, openTasks, type TaskRange } from '../topology/task.ts';
import type { NodeAddress, NodeId } from '../topology/types.ts';
import type { CommitReason, InspectSpareAction } from './actions.ts';
import type { Draft } from './draft.ts';
import { lateMoverText, mayMoveLate } from './migration-status.ts';
import type { Problem } from './problems.ts';
import { type Recheck, recheckOf } from './recheck.ts';
import { automationRestraint, massFailureRestraint } from './restraint.ts';
import {
  isUnseenCopy,
  lostOf,
  lostSinceMs,
  reviewDemotions,
  reviewVacancies,
  reviewWaits,
  type Shortage,
  shortagesOf,
} from './shortage.ts';
import { isAway } from './sight.ts';
import { type NodeView, type Situation, masterView, nodeName } from './situation.ts';
import { chooseSpare } from './spare-choice.ts';
import { NO_SPARES_MEMORY, spareMemory, type SparesMemory } from './spare-memory.ts';
import { planText, shortText, type ShortagePlan, sparesText, takingText } from './spare-texts.ts';
import { dueLooks, isFreshLook, nextLookMs } from './spare-watch.ts';

export interface SparePlan extends Draft {
  /** Together with the topology, where that changes. */
  readonly policy: ClusterPolicy;
  readonly problems: readonly Problem[];
  readonly looks: readonly InspectSpareAction[];
  /** Replicas that are about to lose their places: they are looked at, and asked about, at once. */
  readonly rechecks: ReadonlyMap<NodeId, Recheck>;
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
    rechecks: new Map(),
    wakeAtMs: Infinity,
  };
  if (isNoSpares(policy.cluster.spares)) return nothing;
  const shortages = shortagesOf(situation);
  const plans = shortages.map((shortage) => [shortage, planFor(situation, shortage)] as const);
  const problems = plans.flatMap(([shortage, plan]) => problemsOf(situation, shortage, plan));
  const next = plans.find(([, plan]) => plan.kind === 'replaces' || plan.kind === 'checks');
  const plan = next?.[1];
  const wanted = plan?.kind === 'replaces' || plan?.kind === 'checks' ? plan.spare : null;
  const rechecks = new Map(plan?.kind === 'checks' ? [[plan.lost.node.id, plan.recheck] as const] : []);
  const looks = dueLooks(situation, wanted);
  const dueAtMs = shortages.map((shortage) => shortage.dueAtMs).filter((atMs) => atMs > nowMs);
  const rest = { problems, looks, rechecks, wakeAtMs: Math.min(nextLookMs(situation), ...dueAtMs) };
  const draft = next === undefined ? null : replacement(situation, ...next);
  return { ...nothing, ...rest, ...draft };
}

/** What would become of a shard now; the same rule for people and for the decision. */
export function planFor(situation: Situation, shortage: Shortage): ShortagePlan {
  if (shortage.isComing) return { kind: 'comes' };
  const lost = shortage.isVacant ? null : lostOf(situation, shortage);
  const isDue = situation.nowMs >= shortage.dueAtMs;
  const why = holdOf(situation, shortage);
  if (why !== null) return { kind: 'held', why };
  if (!isDue) return { kind: 'waits' };
  const late = lost === null ? null : lateMoveHold(situation, lost);
  if (late !== null) return { kind: 'held', why: late };
  if (!shortage.isVacant && lost === null)
    return { kind: 'held', why: 'no majority of the controllers confirms that a replica is not there' };
  const spare = chooseSpare(situation, shortage);
  if (spare === null) return { kind: 'noSpare' };
  const recheck = lost === null ? null : recheckOf(situation, lost, lostSinceMs(situation, lost));
  return lost === null || recheck === null
    ? { kind: 'replaces', spare, lost }
    : { kind: 'checks', spare, lost, recheck };
}

/** What stands against any replacement in this shard now, a sentence's end for people; null when nothing does. */
function holdOf(situation: Situation, { shard, missed }: Shortage): string | null {
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
  if (coming === null) return null;
  return missed.includes(coming)
    ? `${nodeName(coming)} may still come to be a copy: it is not missed for certain yet`
    : `${nodeName(coming)} in shard ${coming.shardIndex} was not seen as a copy yet, and one comes at a time`;
}

/**
 * Slots that are to leave the shard wait for a master that hung and was replaced (`lateMover`). Were its place taken, nobody would know of it any more,
 * and they would not. Null where nothing is to leave.
 */
function lateMoveHold({ tasks, cluster }: Situation, lost: NodeView): string | null {
  if (!mayMoveLate(lost)) return null;
  const isSource = ({ source }: TaskRange): boolean => source === lost.shard.id;
  const task = openTasks(tasks).find(({ ranges }) =>
    ranges.some((range) => isSource(range) && !isDone(range) && !isStuck(range)),
  );
  if (task === undefined && migrationOfShard(cluster, lost.shard.id) === null) return null;
  const which = task === undefined ? 'a migration' : `migration ${task.id}`;
  return `${lateMoverText(lost)}; ${which} waits for that`;
}

/** A copy that is not there yet, and is not gone. */
function comingCopy({ views }: Situation): NodeView | null {
  for (const view of views.values()) if (isUnseenCopy(view) && !isAway(view)) return view;
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

/** What is remembered of spares, without those that are none any more. */
export function reviewSpares(situation: Situation): SparesMemory {
  const { policy, memory } = situation;
  const { nodes } = policy.cluster.spares;
  if (isNoSpares(policy.cluster.spares)) return NO_SPARES_MEMORY;
  const listed = new Set<NodeAddress>(nodes.map(({ address }) => address));
  return {
    nodes: new Map([...memory.spares.nodes].filter(([address]) => listed.has(address))),
    vacantSinceMs: reviewVacancies(situation),
    demotedSinceMs: reviewDemotions(situation),
    waits: reviewWaits(situation),
    askedAtMs: memory.spares.askedAtMs,
  };
}

/** A moment's silence is nobody's business: a shard is told of once it lacks a member, or one of them is away for certain. */
function problemsOf(situation: Situation, shortage: Shortage, plan: ShortagePlan): readonly Problem[] {
  const { isVacant, isComing, missed } = shortage;
  if (!isVacant && !isComing && !missed.some((view) => isAway(view))) return [];
  const master = masterOf(shortage.shard);
  const place = { shardIndex: shortage.shardIndex, node: master.id, address: master.address };
  const detail = `${shortText(situation, shortage)}; ${planText(situation, shortage, plan)}`;
  const below: Problem = { kind: 'copiesMissing', ...place, detail };
  return plan.kind === 'noSpare'
    ? [below, { kind: 'sparesMissing', ...place, detail: sparesText(situation) }]
    : [below];
}
