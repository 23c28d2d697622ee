// The failover that a person asks for: the rules of the automatic one, what a living master adds to them, and what force overrides.

import { err, ok, type Result } from '../base/result.ts';
import { startDrain } from '../topology/change-nodes.ts';
import { endMigration } from '../topology/change-slots.ts';
import {
  clusterWithVersion,
  masterOf,
  migrationOfShard,
  replicasOf,
  shardIndexOf,
} from '../topology/cluster.ts';
import { describe } from '../topology/errors.ts';
import { UNSEEN_NODE, openPromotion, withNodeFacts } from '../topology/facts.ts';
import { printSlotRange } from '../topology/slot.ts';
import type { Node, NodeId, Shard, SlotRange } from '../topology/types.ts';
import type { CommitAction, CommitReason } from './actions.ts';
import { type Candidate, type Judged, elect, judged, vacancyOf } from './candidates.ts';
import { heldNodes, maySourceOf } from './convergence.ts';
import type { Draft } from './draft.ts';
import { lackOf, replaceMaster } from './failover.ts';
import { type HandOver, lostHandOver, unrecordedHandOvers } from './hand-over.ts';
import { linkFault } from './link.ts';
import { exposureText, leaseWait, mayTakeWrites } from './lease.ts';
import { isEmptied } from './migration-status.ts';
import { isAway, isFresh } from './sight.ts';
import { type NodeView, type Situation, masterView, nodeName, viewOf } from './situation.ts';

export interface HandChoice {
  readonly shardIndex: number;
  /** Null: the best replica. */
  readonly preferred: NodeId | null;
  readonly isForced: boolean;
  /** Only nodes that answered a look begun since then are candidates. */
  readonly askedAtMs: number;
  /** Where the master stood when this was asked, if it lives: whoever is to take over from it must have that much. Null when it does not answer. */
  readonly floor: number | null;
  /** Whether a drain can be recorded by this group. */
  readonly canDrain: boolean;
}

export interface Choice {
  /** For a drain its first step: whether the new master takes over is decided by what is seen of both afterwards (`drain.ts`). */
  readonly action: CommitAction;
  readonly newMaster: NodeId;
  readonly isDrain: boolean;
  /** The new master's data is accepted as it is: what was remembered of it counts no more. */
  readonly isAcceptance: boolean;
  /** What may be lost, for people; null where the master hands over, or is proven to take no writes. */
  readonly warning: string | null;
}

/** The next topology and facts, or the sentence why there are none. Never another node than the preferred one. */
export function chooseByHand(situation: Situation, choice: HandChoice): Result<Choice, string> {
  const shard = situation.cluster.shards[choice.shardIndex];
  if (shard === undefined) return err(`shard: there is no shard ${choice.shardIndex}`);
  const master = masterView(situation, shard);
  const unfit =
    choice.preferred === null ? null : unfitReason(shard, unacceptedWhy(situation, master) !== null, choice);
  if (unfit !== null) return err(unfit);
  if (choice.preferred === master.node.id) return acceptLoss(situation, master, choice);
  const obstacle = obstacleOf(situation, master, choice);
  if (obstacle !== null) return err(obstacle);
  const candidate = choice.isForced
    ? forcedCandidate(situation, shard, choice)
    : properCandidate(situation, shard, choice);
  if (!candidate.ok) return candidate;
  if (isDrained(choice)) return drained(situation, { shard, master, candidate: candidate.value });
  return promoted(situation, { shard, master, candidate: candidate.value, choice });
}

/** Why the preferred node can never be the answer; null when it can. `isUnaccepted`: the master's data may be in want of acceptance. */
export function unfitReason(
  shard: Shard,
  isUnaccepted: boolean,
  { preferred, isForced }: Pick<HandChoice, 'preferred' | 'isForced'>,
): string | null {
  const node = shard.nodes.find((candidate) => candidate.id === preferred);
  if (node === undefined) return `preferred_node_id: node ${preferred ?? ''} is not in this shard`;
  return node.role === 'master' && !(isForced && isUnaccepted)
    ? `preferred_node_id: node ${node.id} is already the master of this shard`
    : null;
}

/** Whether the master lives and can be asked to let its clients go first. By force nobody is asked. */
export function isDrained({ isForced, floor, canDrain }: HandChoice): boolean {
  return canDrain && !isForced && floor !== null;
}

/** What speaks against any failover of this shard now; null when nothing does. */
function obstacleOf(situation: Situation, master: NodeView, choice: HandChoice): string | null {
  const { isForced, askedAtMs } = choice;
  const place = migrationOfShard(situation.cluster, master.shard.id);
  if (place?.migration.stage.kind === 'started' && !isAway(master)) {
    return 'slots of this shard are being moved; wait for the end or give the move up: POST .../migrate/cancel';
  }
  const leased = leaseObstacle(situation, master, askedAtMs);
  if (leased !== null) return leased;
  if (isForced) return null;
  if (master.shard.drain !== null) {
    return 'another planned change of masters of this shard is under way; it takes seconds at most: please retry';
  }
  if (master.condition === 'impaired' || master.condition === 'loading') {
    const why = master.memory.error?.message ?? 'it does not report';
    return (
      `the master ${nodeName(master)} lives but cannot be told to step down (${why}): it would go on taking writes that are lost; ` +
      'repair that first, or ask with "force": true'
    );
  }
  if (master.presence === 'elsewhere' || master.presence === 'linked') {
    const who =
      master.presence === 'linked' ? 'a replica still hears from it' : 'it answers another controller';
    return (
      `the master ${nodeName(master)} lives (${who}) but cannot be reached from here and told to step down: it would go on taking writes that are lost; ` +
      'repair that first, or ask with "force": true'
    );
  }
  const isUntellable = isFresh(master, askedAtMs) && master.report?.login === 'refused';
  if (!isUntellable && isDrained(choice)) return obstacleOfDrain(situation, master);
  return isUntellable
    ? `the master ${nodeName(master)} refuses the password recorded for it; record the right one (PATCH .../nodes/{id}), or ask with "force": true`
    : null;
}

/** Also by force: in seconds the lease of a master that does not answer is over, and nothing that it takes until then has to be lost. */
function leaseObstacle(situation: Situation, master: NodeView, askedAtMs: number): string | null {
  if (hasAnswered(master, askedAtMs)) return null;
  const wait = leaseWait(situation, master);
  if (wait === null) return null;
  const leftMs = wait.untilMs - situation.nowMs;
  const left = leftMs === Infinity ? 'a moment' : `${Math.ceil(leftMs / 1000)} s`;
  return `the master ${nodeName(master)} does not answer, and ${wait.why}; ask again in ${left}`;
}

/** Whether the master answers, be it an error, as far as is known since this was asked. */
function hasAnswered(master: NodeView, askedAtMs: number): boolean {
  const { condition } = master;
  return isFresh(master, askedAtMs) || condition === 'impaired' || condition === 'loading';
}

/** Why the master could not be drained, or what it had would not be what its shard has; null when nothing is known against it. */
function obstacleOfDrain(situation: Situation, master: NodeView): string | null {
  const name = nodeName(master);
  if (openPromotion(situation.facts, master.shard.id) !== null) {
    return `the master ${name} was just chosen and not seen as master yet: please retry, or ask with "force": true`;
  }
  if (situation.facts.contestedVersion !== null) {
    return (
      `nothing is pushed to this cluster, so ${name} cannot be told to let its clients go: confirm first that this group alone manages it ` +
      '(POST .../sync), or ask with "force": true'
    );
  }
  // What it has handed over and keeps after all it would delete with the drain, which says that its slots are another's (cluster.cc, SetClusterNodes).
  if (isUntold(situation, master))
    return `the master ${name} was not told the present topology yet: please retry, or ask with "force": true`;
  return heldNodes(situation).has(master.node.id)
    ? `slots of the master ${name} are being moved; wait for the end, or ask with "force": true`
    : null;
}

/** Whether it answers, and has another version than is committed. */
function isUntold({ cluster }: Situation, { condition, report }: NodeView): boolean {
  return condition === 'answering' && report !== null && report.version !== cluster.version;
}

function candidatesOf(shard: Shard, preferred: NodeId | null): readonly Node[] {
  const master = masterOf(shard).id;
  return shard.nodes.filter(({ id }) => id !== master && (preferred === null || id === preferred));
}

function properCandidate(situation: Situation, shard: Shard, choice: HandChoice): Result<Candidate, string> {
  const { askedAtMs, preferred, floor } = choice;
  const vacancy = { ...vacancyOf(situation, shard), sinceMs: askedAtMs, preferred };
  const all = candidatesOf(shard, preferred).map((node): Judged => {
    const found = judged(situation, vacancy, node);
    const unusable = unusableReason(situation, found.view, choice);
    const verdict = unusable === null ? found.verdict : ({ kind: 'refused', why: unusable } as const);
    return { view: found.view, verdict, rank: found.rank };
  });
  const election = elect(all, floor !== null);
  switch (election.kind) {
    case 'elected':
      return ok(election.candidate);
    case 'wait':
      return err(`no replica can take over yet: ${election.why}`);
    default:
      return err(
        `no replica can take over: ${election.refusals.join('; ')}. ${forcedCandidate(situation, shard, choice).ok ? FORCE_HELPS : FORCE_IS_NONE}`,
      );
  }
}

const FORCE_HELPS =
  'With "force": true the best copy that answers is promoted, and the log says what may be lost';
const FORCE_IS_NONE = 'No copy answers that could be promoted by force either: start one of them first';

/**
 * What a request adds to the rules for dead masters: a replica has to answer now, and while the master answers too, its link has to live now and
 * it must have what the master had when this was asked. Nobody dies, so nothing that is known of has to be lost.
 */
export function unusableReason(
  situation: Situation,
  view: NodeView,
  { askedAtMs, floor }: HandChoice,
): string | null {
  if (!isFresh(view, askedAtMs)) {
    const message = view.memory.error === null ? '' : ` (${view.memory.error.message})`;
    return `it did not bring a report${message}`;
  }
  if (floor === null || view.report === null) return null;
  const fault = linkFault(view.report, situation.settings);
  if (fault !== null) return `${fault}, and the master is alive`;
  const lacking = floor - (view.report.sequence ?? 0);
  return lacking > 0
    ? `it lacks ${lacking} of the numbers that the living master had when this was asked`
    : null;
}

/** Where the master stands if it lives and has its data: what a request has to keep. Null otherwise. */
export function floorOf(situation: Situation, shard: Shard, askedAtMs: number): number | null {
  const master = masterView(situation, shard);
  const isAlive = master.loss === null && isFresh(master, askedAtMs);
  return isAlive ? (master.report?.sequence ?? null) : null;
}

/** Whether the master is just being told, or some candidate lacks nothing but numbers that are on their way: another look may find that it is so. */
export function isCatchingUp(situation: Situation, choice: HandChoice): boolean {
  const shard = situation.cluster.shards[choice.shardIndex];
  if (shard === undefined || choice.floor === null) return false;
  const { floor } = choice;
  if (isUntold(situation, masterView(situation, shard))) return true;
  return candidatesOf(shard, choice.preferred).some((node) => {
    const view = viewOf(situation, node.id);
    const isBehind = (view.report?.sequence ?? floor) < floor;
    return isBehind && unusableReason(situation, view, { ...choice, floor: 0 }) === null;
  });
}

/** By force: whatever answers under its own id, a proven copy before an unproven one, then the furthest. */
function forcedCandidate(situation: Situation, shard: Shard, choice: HandChoice): Result<Candidate, string> {
  const vacancy = { ...vacancyOf(situation, shard), sinceMs: choice.askedAtMs, isForced: true };
  const usable = candidatesOf(shard, choice.preferred).flatMap((node): readonly Candidate[] => {
    const { view, verdict } = judged(situation, vacancy, node);
    const { report } = view;
    if (!isFresh(view, choice.askedAtMs) || report === null || report.sequence === null) return [];
    if (report.sequence < 0 || (report.version >= 0 && report.id !== node.id)) return [];
    const { sequence } = report;
    const isProven = verdict.kind === 'eligible';
    return [{ view, sequence, isProven, why: isProven ? verdict.why : `by force, although ${verdict.why}` }];
  });
  const best = usable.toSorted(
    (left, right) => Number(right.isProven) - Number(left.isProven) || ownSequence(right) - ownSequence(left),
  )[0];
  if (best !== undefined) return ok(best);
  return err('no node of this shard that could be promoted answers; start one of them, then ask again');
}

/** A node that is being made anew was put far forward: what it had before counts. */
function ownSequence({ view, sequence }: Candidate): number {
  return view.facts.remake === null ? sequence : Math.min(sequence, view.facts.sequence ?? 0);
}

/** The first step of a planned change of masters: the old one is to let its clients go. */
function drained(
  situation: Situation,
  found: { readonly shard: Shard; readonly master: NodeView; readonly candidate: Candidate },
): Result<Choice, string> {
  const { shard, master, candidate } = found;
  const newMaster = candidate.view.node.id;
  const next = startDrain(situation.cluster, master.shardIndex, newMaster);
  if (!next.ok) return err(describe(next.error));
  const reason: CommitReason = {
    kind: 'drainStarted',
    shardIndex: shardIndexOf(next.value, shard.id),
    from: master.node.id,
    to: newMaster,
    text:
      `asked for by hand; ${nodeName(master)} is told to turn its clients away to ${nodeName(candidate.view)}, ` +
      `which takes over once it has everything: ${candidate.why}`,
  };
  const action: CommitAction = {
    kind: 'commit',
    next: next.value,
    facts: situation.facts,
    reasons: [reason],
  };
  return ok({ action, newMaster, isDrain: true, isAcceptance: false, warning: null });
}

function promoted(
  situation: Situation,
  found: {
    readonly shard: Shard;
    readonly master: NodeView;
    readonly candidate: Candidate;
    readonly choice: HandChoice;
  },
): Result<Choice, string> {
  const { shard, master, candidate, choice } = found;
  const draft: Draft = { cluster: situation.cluster, facts: situation.facts, reasons: [] };
  const replaced = replaceMaster(situation, draft, { shard, candidate });
  if (typeof replaced === 'string') return err(replaced);
  const newMaster = candidate.view.node.id;
  const warning = candidate.isProven
    ? silenceWarning(situation, master, choice)
    : unprovenWarning(master, candidate);
  const reason: CommitReason = {
    kind: 'failover',
    shardIndex: choice.shardIndex,
    from: master.node.id,
    to: newMaster,
    isDrained: false,
    lost: lackOf(master, candidate.sequence),
    text: `asked for by hand; replica ${nodeName(candidate.view)} takes over: ${candidate.why}${candidate.isProven ? '' : `; ${warning}`}. The old master: ${exposureText(situation, master, hasAnswered(master, choice.askedAtMs))}`,
  };
  const action: CommitAction = {
    kind: 'commit',
    next: replaced.cluster,
    facts: replaced.facts,
    reasons: [...replaced.reasons, reason],
  };
  return ok({ action, newMaster, isDrain: false, isAcceptance: !candidate.isProven, warning });
}

function unprovenWarning({ memory, facts }: NodeView, { view, sequence }: Candidate): string {
  const known = memory.positions.at(-1)?.sequence ?? facts.sequence;
  return (
    `forced: ${nodeName(view)} is not known to have everything (it stands at sequence ${sequence}, the master was last ` +
    `seen at ${known ?? 'an unknown one'}); what it lacks is lost`
  );
}

/** One that hangs hands nothing over: what it took last, and takes until it is told, may be nowhere else. Null where that cannot be. */
function silenceWarning(situation: Situation, master: NodeView, { askedAtMs }: HandChoice): string | null {
  if (hasAnswered(master, askedAtMs) || !mayTakeWrites(situation, master)) return null;
  return `the master ${nodeName(master)} did not answer and handed nothing over: ${exposureText(situation, master, false)}`;
}

/** Why the data of a master does not count as that of its shard, unless somebody accepts it; null when it does. */
function unacceptedWhy(situation: Situation, master: NodeView): string | null {
  const { loss, need } = master;
  const source = maySourceOf(situation, master);
  const heldWhy =
    source === null
      ? null
      : `it came back without a topology or any write, and ${nodeName(source)}, which may have handed slots over to it, cannot be asked`;
  return loss?.why ?? (need.kind === 'condemn' ? need.why : (lostHandOver(situation, master) ?? heldWhy));
}

/** The master stays although it lost its data: the way out of a shard that has nothing better. */
function acceptLoss(
  situation: Situation,
  master: NodeView,
  { askedAtMs }: HandChoice,
): Result<Choice, string> {
  const { node, report, shardIndex } = master;
  const why = unacceptedWhy(situation, master);
  if (why === null || report === null || !isFresh(master, askedAtMs)) {
    return err(
      `preferred_node_id: node ${node.id}, the master of this shard, does not answer now; ask again when it does`,
    );
  }
  let facts = withNodeFacts(situation.facts, node.id, {
    sequence: report.sequence,
    following: node.id,
    seenAtSeconds: situation.nowSeconds,
    remake: null,
  });
  // Their history ended with the data that is given up: a number that fits the new one says nothing.
  for (const { id } of replicasOf(master.shard)) {
    const known = facts.nodes.get(id) ?? UNSEEN_NODE;
    const remake = 'its master was accepted without the data it had';
    facts = withNodeFacts(facts, id, { ...known, following: null, remake });
  }
  const text = `${nodeName(master)} is accepted as it is, by hand and by force, although ${why}`;
  const reason: CommitReason = { kind: 'copyRemade', shardIndex, node: node.id, text };
  const settled = withoutMove(situation, master);
  const action: CommitAction = {
    kind: 'commit',
    next: settled.cluster,
    facts,
    reasons: [...settled.reasons, reason],
  };
  const warning = `forced: ${nodeName(master)} stays master without the data it had (${why})`;
  return ok({ action, newMaster: node.id, isDrain: false, isAcceptance: true, warning });
}

/**
 * A move from or to a node that lost its data has nothing left to move: the slots stay where they are. So do those that were handed over to it
 * without a record: their source goes on turning clients away until it hears of a higher version.
 */
function withoutMove(situation: Situation, master: NodeView): Pick<Draft, 'cluster' | 'reasons'> {
  const { cluster } = situation;
  const place = migrationOfShard(cluster, master.shard.id);
  const text = `${nodeName(master)} has lost its data`;
  const reasons = handOversTo(situation, master).map(({ range, source, target }) =>
    givenUp({ range, sourceIndex: source.shardIndex, targetIndex: target.shardIndex, text }),
  );
  if (place !== null) reasons.push(givenUp({ ...place, range: place.migration.range, text }));
  if (reasons.length === 0) return { cluster, reasons: [] };
  const ended = place === null ? ok(cluster) : endMigration(cluster, place.sourceIndex);
  const raised = ended.ok ? clusterWithVersion(ended.value, cluster.version + 1) : ended;
  return raised.ok ? { cluster: raised.value, reasons } : { cluster, reasons: [] };
}

/** Those that go to nothing once the master is accepted. One that kept its identity may have what it took: its source is held on. */
function handOversTo(situation: Situation, master: NodeView): readonly HandOver[] {
  return unrecordedHandOvers(situation).filter(
    ({ target, isLost }) => target.node.id === master.node.id && (isLost || isEmptied(master)),
  );
}

function givenUp(move: {
  readonly range: SlotRange;
  readonly sourceIndex: number;
  readonly targetIndex: number;
  readonly text: string;
}): CommitReason {
  const { range, sourceIndex, targetIndex, text } = move;
  return { kind: 'migrationGivenUp', sourceIndex, targetIndex, slots: printSlotRange(range), text };
}
