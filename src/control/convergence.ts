// Brings every node to the committed topology: whom to push what to now, whom not, and when the version must be raised first.

import { assert } from '../base/assert.ts';
import { clusterWithVersion, masterOf, migrationsOf } from '../topology/cluster.ts';
import { differencesFrom, differenceText } from '../topology/compare.ts';
import { openPromotion } from '../topology/facts.ts';
import { drainText, isolationText, setNodesText } from '../topology/setnodes-text.ts';
import { containsRange } from '../topology/slot.ts';
import type { NodeId } from '../topology/types.ts';
import type { FenceAction, OutrunAction, PushAction } from './actions.ts';
import { vacancyOf } from './candidates.ts';
import type { Draft } from './draft.ts';
import { unrecordedHandOvers } from './hand-over.ts';
import type { RaiseMemory } from './memory.ts';
import { type MigrationView, isEmptied, isSettled, viewMigration } from './migration-status.ts';
import { LINKING_MS } from './link.ts';
import type { NodeMemory } from './node-memory.ts';
import { retryDelayMs } from './settings.ts';
import { untoldSince } from './shortage.ts';
import { isAway, isFresh, isLookCurrent } from './sight.ts';
import { type NodeView, type Situation, masterView, nodeName, viewOf } from './situation.ts';

/** A push under way keeps later waves back no longer than this: one slow node must not keep the cluster on the old topology. */
const WAVE_PATIENCE_MS = 2_000;

/** Raises follow each other this slowly at most. */
const RAISE_DELAY_MS_MAX = 60_000;

/** After so long without a raise the count starts anew. */
export const RAISE_QUIET_MS = 300_000;

/** So many raises in a row without quiet mean that somebody else pushes, too. */
export const RAISES_CONTESTED = 5;

export interface PushPlan {
  readonly pushes: readonly (PushAction | OutrunAction | FenceAction)[];
  /** When the next push becomes due by itself. */
  readonly wakeAtMs: number;
}

export interface RaisePlan extends Draft {
  readonly wakeAtMs: number;
}

/**
 * Nodes that must not hear of a higher version now: both ends of every migration that is not settled (of a cancelled one that can still be
 * ended only the source), of a job that somebody else started from one master to another, and of a hand-over that nobody recorded (facts
 * sections 5.4, 11). A job toward a node that is no longer a master is one that was given up: it must not keep the old master in office. A
 * node without a topology has no job and is not held, but for a target whose source was still at it: told who it is, it would look like one
 * that has what was handed over. For the same reason a master that came back without a topology or any write is held while it may have been a
 * target (`maySourceOf`).
 */
export function heldNodes(situation: Situation): ReadonlySet<NodeId> {
  const held = new Set<NodeId>();
  const awaited = new Set<NodeId>();
  for (const place of migrationsOf(situation.cluster)) {
    const view = viewMigration(situation, place);
    if (isSettled(view)) continue;
    held.add(view.source.node.id);
    if (isToBeEnded(view)) continue;
    held.add(view.target.node.id);
    if (isSourceAtIt(view)) awaited.add(view.target.node.id);
  }
  for (const { source, target, isLost } of unrecordedHandOvers(situation)) {
    held.add(target.node.id);
    if (isLost) awaited.add(target.node.id);
    else held.add(source.node.id);
  }
  for (const shard of situation.cluster.shards) {
    const master = masterView(situation, shard);
    if (maySourceOf(situation, master) !== null) {
      held.add(master.node.id);
      awaited.add(master.node.id);
    }
    const job = master.report?.sourceJob ?? null;
    if (master.condition !== 'answering' || job?.state !== 'start') continue;
    const target = situation.views.get(job.destination);
    if (target?.node.role !== 'master' || shard.migration?.isCancelled === true) continue;
    held.add(master.node.id);
    held.add(target.node.id);
  }
  for (const id of held) {
    const version = situation.views.get(id)?.report?.version ?? 0;
    if (version < 0 && !awaited.has(id)) held.delete(id);
  }
  return held;
}

/**
 * Who may have handed slots over to a master that was in its place before and came back bare, without a loss that is known: another master that was
 * not looked at since, or hangs, and then goes on turning its clients away to it. One whose process is gone has forgotten what it did (facts
 * section 5.2), and to a newcomer nobody has handed anything over. Null when there is none.
 */
export function maySourceOf({ cluster, views }: Situation, bare: NodeView): NodeView | null {
  const { bareSinceMs, isNewcomer } = bare.memory;
  if (!isEmptied(bare) || bare.loss !== null || isNewcomer || bare.facts.seenAtSeconds === 0) return null;
  for (const shard of cluster.shards) {
    const other = views.get(masterOf(shard).id);
    if (other === undefined || other.node.id === bare.node.id) continue;
    const { look, absence } = other.memory;
    const isSeen = other.condition === 'answering' && (look?.startedAtMs ?? -Infinity) >= bareSinceMs;
    if (!isSeen && absence?.kind !== 'refused' && absence?.kind !== 'stranger') return other;
  }
  return null;
}

function isSourceAtIt({ source, sourceState }: MigrationView): boolean {
  return source.condition === 'answering' && (sourceState === 'running' || sourceState === 'succeeded');
}

/** A cancelled job that no end reports as done is ended by a higher version to its target alone. */
function isToBeEnded({ place, sourceState, targetState }: MigrationView): boolean {
  return place.migration.isCancelled && sourceState !== 'succeeded' && targetState !== 'succeeded';
}

/**
 * Whether pushes to this node stand still because somebody else pushes to the cluster, too: then only a master that was just promoted is told,
 * because a shard without a master is worse than two controllers.
 */
function isContested({ facts }: Situation, { node, shard }: NodeView): boolean {
  return facts.contestedVersion !== null && openPromotion(facts, shard.id)?.to !== node.id;
}

/**
 * The fences due now. They wait for no commit: a replica asks an emptied master for its data within a second, and a commit may take longer than
 * that. What is committed meanwhile takes the fence down with what the node is told next.
 */
export function dueFences(situation: Situation): {
  readonly fences: readonly FenceAction[];
  /** When the next one becomes due by itself. */
  readonly wakeAtMs: number;
} {
  const fences: FenceAction[] = [];
  let wakeAtMs = Infinity;
  for (const view of situation.views.values()) {
    const other = otherAct(view);
    if (other?.action.kind !== 'fence') continue;
    if (situation.nowMs >= other.atMs) fences.push(other.action);
    else wakeAtMs = Math.min(wakeAtMs, other.atMs);
  }
  return { fences, wakeAtMs };
}

/**
 * The pushes due now, and the steps of outrunning. One at a time for each node, after a look younger than the last push; repeated with growing
 * pauses for ever. Nodes that become masters or just received slots go first, then those that gave slots away or have to let clients go, then
 * all others at once.
 */
export function planPushes(situation: Situation, held: ReadonlySet<NodeId>): PushPlan {
  const due: { readonly view: NodeView; readonly wave: number }[] = [];
  const others: (OutrunAction | FenceAction)[] = [];
  let openWave = Infinity;
  let wakeAtMs = Infinity;
  for (const view of situation.views.values()) {
    const { push, remake } = view.memory;
    const isHeld = held.has(view.node.id) || isContested(situation, view);
    const other = otherAct(view);
    // A fence tells nobody anything: it only keeps what is left from being lost, too.
    if (other !== null && (!isHeld || other.action.kind === 'fence')) {
      if (situation.nowMs >= other.atMs) others.push(other.action);
      else wakeAtMs = Math.min(wakeAtMs, other.atMs);
    }
    if (isHeld) continue;
    if (view.need.kind !== 'push' || remake.isOutrunInFlight || waitsForDrain(situation, view)) continue;
    if (push.inFlightSinceMs !== null) {
      const patienceEndMs = push.inFlightSinceMs + WAVE_PATIENCE_MS;
      if (situation.nowMs >= patienceEndMs) continue;
      openWave = Math.min(openWave, waveOf(view));
      wakeAtMs = Math.min(wakeAtMs, patienceEndMs);
      continue;
    }
    if (!isLookCurrent(view.memory)) continue;
    const isRepeated = push.version === situation.cluster.version && push.purpose === view.need.purpose;
    const nextAtMs = isRepeated ? push.nextAtMs : -Infinity;
    if (situation.nowMs < nextAtMs) {
      wakeAtMs = Math.min(wakeAtMs, nextAtMs);
      continue;
    }
    due.push({ view, wave: waveOf(view) });
    openWave = Math.min(openWave, waveOf(view));
  }
  const now = due.filter(({ wave }) => wave === openWave);
  const text = now.length === 0 ? '' : setNodesText(situation.cluster);
  return { pushes: [...now.map(({ view }) => pushAction(situation, view, text)), ...others], wakeAtMs };
}

/**
 * A version that only begins a drain is for the drained master alone: to everybody else it would say what they know already, and the next one
 * follows at once.
 */
function waitsForDrain({ cluster }: Situation, { node, shard, report }: NodeView): boolean {
  const isOfDrain = cluster.shards.some(({ drain }) => drain?.version === cluster.version);
  const isDrained = node.role === 'master' && shard.drain !== null;
  return isOfDrain && !isDrained && report?.version === cluster.version - 1;
}

/** What is to be done about a node besides telling it a topology, and when; null when there is nothing, or it is being done. */
function otherAct({
  need,
  node,
  memory: { push, remake, fence },
}: NodeView): { readonly action: OutrunAction | FenceAction; readonly atMs: number } | null {
  const to = { node: node.id, address: node.address };
  if (push.inFlightSinceMs !== null) return null;
  if (need.kind === 'outrun' && !remake.isOutrunInFlight)
    return { action: { kind: 'outrun', ...to, count: need.count }, atMs: remake.nextAtMs };
  if (need.kind === 'fence' && !fence.isInFlight)
    return { action: { kind: 'fence', ...to, why: need.why }, atMs: fence.nextAtMs };
  return null;
}

/** Taken from the node's own words, so that a new leader keeps the order, too. */
function waveOf({ node, shard, report, need, memory }: NodeView): number {
  if (report === null) return 2;
  // Clients of a master that was drained, or is to be, wait for what it is told.
  const purposes = [memory.push.purpose, need.kind === 'push' ? need.purpose : null];
  if (node.role === 'master' && purposes.includes('drain')) return 0;
  if (node.role !== 'master')
    return need.kind === 'push' && need.purpose === 'isolation' && report.role === 'master' ? 1 : 2;
  const imported = report.targetJob;
  if (report.role === 'replica') return 0;
  if (imported?.state === 'success' && containsRange(shard.slots, imported.range)) return 0;
  const exported = report.sourceJob;
  if (exported?.state === 'success' && !containsRange(shard.slots, exported.range)) return 1;
  return 2;
}

const TEXTS = { isolation: isolationText, drain: drainText } as const;

function pushAction(situation: Situation, view: NodeView, text: string): PushAction {
  const { node, need, report } = view;
  assert(need.kind === 'push', 'only nodes that need a push get one');
  const { purpose, id, isForced, why } = need;
  return {
    kind: 'push',
    node: node.id,
    address: node.address,
    id,
    purpose,
    text: purpose === 'role' ? text : TEXTS[purpose](situation.cluster, node.id),
    version: situation.cluster.version,
    isForced,
    endsClients: report?.role === 'replica' && (node.role === 'master' || purpose === 'isolation'),
    why: `${nodeName(view)}: ${why}`,
  };
}

/** The same topology under a version above every node's that cannot be brought into line by a push of the current one. */
export function planRaise(situation: Situation, held: ReadonlySet<NodeId>): RaisePlan {
  const { cluster, facts } = situation;
  const none: RaisePlan = { cluster, facts, reasons: [], wakeAtMs: Infinity };
  if (facts.contestedVersion !== null) return none;
  const views = [...situation.views.values()].filter(
    ({ node, memory }) => !held.has(node.id) && memory.push.inFlightSinceMs === null && isLookCurrent(memory),
  );
  let highest = 0;
  const whys: string[] = [];
  for (const view of views) {
    if (view.need.kind !== 'raise') continue;
    highest = Math.max(highest, view.need.version);
    whys.push(`${nodeName(view)}: ${view.need.why}, ${heldText(situation, view)}`);
  }
  if (whys.length === 0) return none;
  const { nextAtMs } = situation.memory.raise;
  if (situation.nowMs < nextAtMs) return { ...none, wakeAtMs: nextAtMs };
  const raised = clusterWithVersion(cluster, highest + 1);
  assert(raised.ok, 'versions of nodes are bounded far below the limit');
  const text = whys.join('; ');
  return {
    cluster: raised.value,
    facts,
    reasons: [{ kind: 'versionRaised', from: cluster.version, to: raised.value.version, text }],
    wakeAtMs: Infinity,
  };
}

/** What a node holds under a version above ours, as against ours; it is never adopted. */
export function heldText({ cluster }: Situation, { report }: NodeView): string {
  const topology = report?.topology ?? null;
  if (topology === null) return 'what it holds could not be read';
  return differenceText(differencesFrom(cluster, topology));
}

export function raiseMemoryAfter(before: RaiseMemory, nowMs: number): RaiseMemory {
  const count = nowMs - before.lastAtMs > RAISE_QUIET_MS ? 1 : before.count + 1;
  return { count, lastAtMs: nowMs, nextAtMs: nowMs + retryDelayMs(count, RAISE_DELAY_MS_MAX) };
}

/** Nodes worth another look at once rather than at the next interval: something that waits depends on their word. */
export function expectantNodes(situation: Situation): ReadonlySet<NodeId> {
  const expectant = new Set<NodeId>();
  for (const view of situation.views.values()) {
    const isExpected =
      isConverging(view) || isLinking(situation, view.memory) || mayReturnAsMaster(situation, view);
    if (isExpected) expectant.add(view.node.id);
  }
  for (const shard of situation.cluster.shards) {
    const master = masterView(situation, shard);
    // A master that comes back from a restart may come back empty: every moment it is not looked at, its replicas may copy that.
    if (master.memory.absence !== null && master.memory.absence.kind !== 'silent')
      expectant.add(master.node.id);
    // A replica that is still linked to a master that we miss speaks for its life.
    if (master.memory.absence === null && master.loss === null) continue;
    const { sinceMs } = vacancyOf(situation, shard);
    for (const { id } of shard.nodes) {
      const replica = viewOf(situation, id);
      if (id !== master.node.id && (isAwaited(replica, sinceMs) || mayHear(master, replica)))
        expectant.add(id);
    }
  }
  for (const { source, target } of migrationsOf(situation.cluster)) {
    for (const end of [masterView(situation, source), masterView(situation, target)]) {
      if (!isAway(end)) expectant.add(end.node.id);
    }
  }
  return expectant;
}

/** Quick restarts are over by then: whoever is back that soon was replaced a moment ago. */
const JUST_REPLACED_MS = 10_000;

/** Most restarts are over by then; a look at a port where nobody listens costs next to nothing. */
const RETURN_WATCH_MS = 120_000;

/**
 * Masters at whose address nobody listens, with replicas that come to it as soon as somebody does. Should it be back on an empty disk, every
 * moment until the first look may cost what they have.
 */
export function returningMasters(situation: Situation): ReadonlySet<NodeId> {
  const returning = new Set<NodeId>();
  for (const shard of situation.cluster.shards) {
    const { node, memory } = masterView(situation, shard);
    const { absence } = memory;
    const isRecent = absence?.kind === 'refused' && absence.untilMs - absence.sinceMs < RETURN_WATCH_MS;
    if (isRecent && shard.nodes.length > 1) returning.add(node.id);
    // One that is back without its data is copied by its replicas as soon as they come to it: they are asked at once, to take over before that.
    if (masterView(situation, shard).loss !== null)
      for (const { id } of shard.nodes) if (id !== node.id && isFound(situation, id)) returning.add(id);
  }
  // One that was just replaced takes writes from its start until it is told.
  for (const view of situation.views.values()) {
    const { absence } = view.memory;
    const isJustGone = absence?.kind === 'refused' && absence.untilMs - absence.sinceMs < JUST_REPLACED_MS;
    if (isJustGone && mayReturnAsMaster(situation, view)) returning.add(view.node.id);
  }
  return returning;
}

function isFound(situation: Situation, id: NodeId): boolean {
  const { absence, blindSinceMs } = viewOf(situation, id).memory;
  return absence === null && blindSinceMs === null;
}

/**
 * An old master that is away takes writes again, as soon as it is back, until it is told that it was replaced (facts section 7). For ever: its clients
 * wait for it as long as that. A look at one that hangs ends with its time, and the next begins then: whenever it goes on, a question is
 * there already.
 */
function mayReturnAsMaster(situation: Situation, view: NodeView): boolean {
  const { node, memory } = view;
  if (node.role === 'master' || memory.absence === null || memory.absence.kind === 'stranger') return false;
  return memory.look?.report.role === 'master' || untoldSince(situation, view) !== null;
}

function isConverging({ need, memory }: NodeView): boolean {
  if (memory.push.inFlightSinceMs !== null || memory.remake.isOutrunInFlight) return false;
  switch (need.kind) {
    case 'push':
    case 'raise':
      return !isLookCurrent(memory);
    case 'wait':
    case 'condemn':
    case 'startOver':
    case 'outrun':
    case 'fence':
      return true;
    default:
      return memory.remake.outrunTo !== null;
  }
}

/**
 * A replica that was just told whom to follow is looked at until its link is up: should the master die right now, that look is what makes
 * the replica eligible.
 */
function isLinking({ nowMs }: Situation, { look, push }: NodeMemory): boolean {
  if (look === null || look.report.role !== 'replica' || push.inFlightSinceMs !== null) return false;
  return look.report.link !== 'up' && nowMs - push.endedAtMs < LINKING_MS;
}

/** It is linked to a master that is missed here, and may hear from it any moment. */
function mayHear({ condition }: NodeView, { report, ...replica }: NodeView): boolean {
  return condition === 'suspect' && replica.condition === 'answering' && report?.link === 'up';
}

/** The election waits for the node (see `candidates.ts`). */
function isAwaited(view: NodeView, sinceMs: number): boolean {
  switch (view.condition) {
    case 'unknown':
    case 'suspect':
      return true;
    case 'answering':
      return !isFresh(view, sinceMs);
    default:
      return false;
  }
}
