// What stands between a node and the committed topology, and what it needs next: the way back of every node, step by step.

import { assert } from '../base/assert.ts';
import { masterOf } from '../topology/cluster.ts';
import { isCondemned, openPromotion } from '../topology/facts.ts';
import { containsRange, intersectionSlots, printSlotRange, slotSetOf } from '../topology/slot.ts';
import { isQuarantined } from '../topology/policy.ts';
import type { NodeId, SlotSet } from '../topology/types.ts';
import type { PushPurpose } from './actions.ts';
import { wasCutOff } from './departure.ts';
import { type CopyPlace, type History, historyOf } from './lineage.ts';
import { lagBehind } from './link.ts';
import { lossOf } from './loss.ts';
import type { NodeReport } from './observation.ts';
import type { Circumstances, Sight } from './sight.ts';
import { doubtOfRepeating, isAskedAgain } from './sync.ts';

export type Need =
  | { readonly kind: 'nothing' }
  /** It does not answer: nothing is known, nothing is done. */
  | { readonly kind: 'unseen' }
  /** Something else has to happen first. */
  | { readonly kind: 'wait'; readonly why: string }
  | {
      readonly kind: 'push';
      readonly purpose: PushPurpose;
      readonly id: NodeId | null;
      /** It has this version already and ignores an equal one (facts section 2.2). */
      readonly isForced: boolean;
      readonly why: string;
    }
  /** Its copy is no copy: to be written down before anything is done about it. */
  | { readonly kind: 'condemn'; readonly why: string }
  | { readonly kind: 'outrun'; readonly count: number; readonly why: string }
  /** Its data is gone, and replicas that come to it would copy that. */
  | { readonly kind: 'fence'; readonly why: string }
  /** What was done to make it anew counts no more: it met somebody else at its master's address. */
  | { readonly kind: 'startOver'; readonly why: string }
  /** Left as it is until somebody decides: what would be done about it costs too much. */
  | { readonly kind: 'aside'; readonly why: string }
  /** A push would be refused: the version must first be put above `version`. */
  | { readonly kind: 'raise'; readonly version: number; readonly why: string }
  | { readonly kind: 'foreignVersion'; readonly why: string };

/**
 * The highest version of a node that is answered by raising ours above it. Far beyond any honest count of changes, and far enough below
 * `CLUSTER_VERSION_MAX` that one lying node cannot use the rest up.
 */
export const ADOPTED_VERSION_MAX = 2 ** 40;

/**
 * How far a node is put above its master, so that the master does not come past before the node asks for its synchronisation (facts section
 * 13.3). The role is given while at least half of it is left.
 */
const OUTRUN_MARGIN = 100_000;

/** Numbers used up in one step: about 0.1 s of the node's time. */
const OUTRUN_STEP = 20_000;

/** The longest way that is outrun: about half a minute. A node further behind is cheaper to start on a new data directory. */
const OUTRUN_MAX = 5_000_000;

type Sights = ReadonlyMap<NodeId, Sight>;

export function needOf(circumstances: Circumstances, sights: Sights, sight: Sight): Need {
  const { cluster } = circumstances;
  const { condition, report, node } = sight;
  if (node.role === 'replica' && sight.memory.wasOutOfCluster && sight.facts.remake === null)
    return { kind: 'condemn', why: OUT_OF_CLUSTER };
  if (condition !== 'answering' || report === null) return { kind: 'unseen' };
  if (report.version > ADOPTED_VERSION_MAX) {
    return { kind: 'foreignVersion', why: `it has version ${report.version}, ours is ${cluster.version}` };
  }
  if (report.version > cluster.version) {
    const astray = needOfAstray(circumstances, { sights, sight, report });
    return (
      astray ?? { kind: 'raise', version: report.version, why: `it has the higher version ${report.version}` }
    );
  }
  return node.role === 'master'
    ? needOfMaster(circumstances, { sights, sight, report })
    : needOfReplica(circumstances, { sights, sight, report });
}

/** It follows again as if nothing had been when it is back (facts section 3.5). */
const OUT_OF_CLUSTER = 'it was seen with cluster mode off, in which it is a master for anybody';

interface NodeCase {
  readonly sights: Sights;
  readonly sight: Sight;
  readonly report: NodeReport;
}

function needOfMaster({ cluster, facts }: Circumstances, found: NodeCase): Need {
  const { sight, report } = found;
  const { node, loss, shard } = sight;
  if (loss?.isIdentityLost === true) {
    const isOpen = !report.isFenced && shard.nodes.length > 1;
    return { kind: isOpen ? 'fence' : 'wait', why: loss.why };
  }
  // Chosen and not told yet, it still follows the old address.
  const taint = openPromotion(facts, shard.id) === null ? null : taintOf(found);
  if (taint !== null) return { kind: 'condemn', why: taint };
  const purpose = shard.drain === null ? 'role' : 'drain';
  const isAtVersion = report.version === cluster.version;
  const isMaster = report.role === 'master' && report.id === node.id;
  const isInPlace = isAtVersion && isMaster && !isForeign(sight) && !report.isFenced;
  if (isInPlace) {
    const stray = strayMoveOf(found);
    return stray === null
      ? inPlace({ cluster }, sight, report)
      : { kind: 'push', purpose, id: null, isForced: true, why: stray };
  }
  return push(sight, { purpose, report, isForced: isAtVersion });
}

/** A node that seems in its place is told it once more where somebody asks: slots and members do not show in a look. */
function inPlace(circumstances: Pick<Circumstances, 'cluster'>, sight: Sight, report: NodeReport): Need {
  if (!isAskedAgain(sight) || doubtOfRepeating(circumstances, sight, report) !== null)
    return { kind: 'nothing' };
  return { kind: 'push', purpose: 'role', id: null, isForced: true, why: 'somebody asked for it' };
}

/** What a move that nobody asked for any more has left at a master; the topology it has undoes it when it is told again. */
function strayMoveOf(found: NodeCase): string | null {
  if (hasStrayImport(found)) return 'slots came to it that nobody moves there';
  return hasStrayHandOver(found) ? 'it handed slots over to a node that is no master any more' : null;
}

/** Clients are turned away to a node that turns them away, or that has left the cluster. */
function hasStrayHandOver({ sights, report, sight: { shard } }: NodeCase): boolean {
  const job = report.sourceJob;
  if (job?.state !== 'success' || job.isInEffect !== true || shard.migration !== null) return false;
  return containsRange(shard.slots, job.range) && sights.get(job.destination)?.node.role !== 'master';
}

/**
 * Whether slots came to it that its shard does not own and that nobody moves there: from a master that hung with a MIGRATE before it, was
 * replaced, and went on. It serves them to whoever asks until it is told a topology (facts sections 5.3, 5.4).
 */
function hasStrayImport({ sights, sight: { memory, shard, node } }: NodeCase): boolean {
  const { imported } = memory;
  if (imported === null || containsRange(shard.slots, imported.range)) return false;
  const slots = slotSetOf([imported.range]);
  const isPart = (of: SlotSet): boolean => intersectionSlots(of, slots).length > 0;
  return [...sights.values()].every(({ shard: source, node: other, report, condition }) => {
    if (other.role !== 'master') return true;
    const { migration } = source;
    const isRecorded = migration?.target === shard.id && isPart(slotSetOf([migration.range]));
    const job = report?.sourceJob ?? null;
    // A source that says that its job failed has handed nothing over.
    const isHandedOver =
      job?.destination === node.id && job.state !== 'fail' && isPart(slotSetOf([job.range]));
    // Of one that came at an unknown time, only who owns the slots can say that they were not handed over.
    const isUntold = !imported.isNew && isPart(source.slots) && condition !== 'answering';
    return !isRecorded && !isHandedOver && !isUntold;
  });
}

/**
 * A node that is to follow gets its role only once its copy is known to be of its master's history and cannot grow any more in another one:
 * whoever belongs to an earlier history is cut off first, and judged by where it stands then.
 */
function needOfReplica(circumstances: Circumstances, found: NodeCase): Need {
  const { cluster, facts } = circumstances;
  const { sight, report } = found;
  const { node, shard } = sight;
  const isAtVersion = report.version === cluster.version;
  const isFollowing = report.role === 'replica' && report.master === masterOf(shard).address;
  const isInPlace =
    isAtVersion && report.id === node.id && isFollowing && !isForeign(sight) && !report.isFenced;
  const taint =
    taintOf(found) ??
    emptiedWith(found) ??
    growthOf(circumstances, found) ??
    misleadingOf(circumstances, found);
  if (taint !== null && sight.facts.remake === null) return { kind: 'condemn', why: taint };
  // Once that is forgotten it is cut off like any other, which is what ends its link to the stranger.
  if (taint !== null && hasComeFar(sight)) return { kind: 'startOver', why: taint };
  if (sight.facts.remake === null && isInPlace) return inPlace(circumstances, sight, report);
  if (sight.facts.remake !== null && isFollowing && isBeingRemade(sight, report)) {
    return isInPlace ? { kind: 'nothing' } : push(sight, { purpose: 'role', report, isForced: isAtVersion });
  }
  const open = openPromotion(facts, shard.id);
  if (open !== null) {
    const lost = open.from === node.id ? emptiedWhy(sight, report) : null;
    if (lost !== null && !report.isFenced) return { kind: 'fence', why: lost };
    return { kind: 'wait', why: 'the new master was not seen as master yet' };
  }
  const danger = dangerOfFollowing(found);
  if (danger !== null) return { kind: 'wait', why: danger };
  const isCutOff =
    isIsolated(circumstances, sight, report) || isDrained(sight) || isDetached(circumstances, sight, report);
  if (report.role === 'master' && report.sourceJob?.state === 'start') {
    return isCutOff
      ? { kind: 'wait', why: AT_A_MOVE }
      : push(sight, { purpose: 'isolation', report, isForced: isAtVersion });
  }
  if (sight.facts.remake !== null) return needOfCondemned(circumstances, found);
  const history = historyAt(circumstances, found, isCutOff);
  if (history.kind === 'empty' || history.kind === 'current') {
    return push(sight, { purpose: 'role', report, isForced: isAtVersion });
  }
  if (!isCutOff && !isFinal(found))
    return push(sight, { purpose: 'isolation', report, isForced: isAtVersion });
  if (history.kind !== 'prefix') return { kind: 'condemn', why: history.why };
  const gap = gapOf(sight, report);
  return gap === null
    ? push(sight, { purpose: 'role', report, isForced: isAtVersion })
    : { kind: 'condemn', why: gap };
}

/**
 * A source that reaches its target only after a cut, minutes later, has not begun to send: nothing at the target shows it, and as a replica it would not
 * show it either. It goes on with the move all the same, or says that it failed, which deletes what came from its successor (slot_migrate.cc).
 */
const AT_A_MOVE =
  'it is at a move of slots still that it was asked for before it was replaced; told to follow, it would not show the end of that';

/** An old master that is back on an empty disk: until they are told otherwise, the replicas of its shard copy from its address. */
function emptiedWhy({ memory, facts }: Sight, report: NodeReport): string | null {
  const loss = lossOf(report, { memory, facts, replicaSequence: null });
  return loss?.isIdentityLost === true ? loss.why : null;
}

/**
 * A node that is cut off deletes the slots it had handed over (facts section 5.4): what looks like a prefix then has a gap. The source of slots that were
 * coming to it, or had come in a move that was given up, has it delete them when it can, until it is a replica (slot_import.cc, Fail): that goes on in its
 * sequence, and it would follow from beyond what it has.
 */
function gapOf({ shard }: Sight, { sourceJob, targetJob }: NodeReport): string | null {
  if (sourceJob?.state === 'success' && containsRange(shard.slots, sourceJob.range))
    return `it handed slots ${printSlotRange(sourceJob.range)} over while it was being replaced, and may have deleted them`;
  const isComing = targetJob?.state === 'start' || targetJob?.state === 'success';
  if (!isComing || (targetJob.state === 'success' && containsRange(shard.slots, targetJob.range)))
    return null;
  return `slots ${printSlotRange(targetJob.range)} that were coming to it went no further, and their source may have it delete them yet`;
}

/** Why a copy does not count: the sentence's end for people. */
export const MET_STRANGER = 'it may have copied what another node at the address of its master has';

/** A replica reconnects to whoever listens at its master's address, and takes that one's data for its master's (facts section 3.5). */
function taintOf({ sights, sight, report }: NodeCase): string | null {
  if (sight.memory.mayHaveMetStranger) return MET_STRANGER;
  if (report.role !== 'replica' || (report.link !== 'up' && !report.syncInProgress)) return null;
  const source = [...sights.values()].find(({ node }) => node.address === report.master);
  const absence = source?.memory.absence ?? null;
  const lookedAtMs = sight.memory.look?.startedAtMs ?? -Infinity;
  if (absence?.metStranger !== true || lookedAtMs < absence.sinceMs) return null;
  return MET_STRANGER;
}

/**
 * A replica that follows a master which has lost its data, stands no further than that and behind where it was seen itself: it has copied it. Its number grows
 * with whatever clients write to that master, and would in the end be taken for all that was lost. (One that only lost its last writes in a power cut
 * stands further than an emptied master.)
 */
function emptiedWith({ sights, sight, report }: NodeCase): string | null {
  if (report.role !== 'replica' || report.link !== 'up') return null;
  const master = sights.get(masterOf(sight.shard).id);
  if (master === undefined || master.loss === null) return null;
  if ((report.sequence ?? 0) > (master.report?.sequence ?? 0)) return null;
  const { memory, facts } = sight;
  const loss = lossOf(report, { memory, facts, replicaSequence: null });
  return loss === null ? null : `it has copied a master that lost its data: ${loss.why}`;
}

/** Cut off from an address at which a stranger was met, it must stand where it stood when its master was last there. */
function growthOf(circumstances: Circumstances, { sights, sight, report }: NodeCase): string | null {
  const { remake, positions } = sight.memory;
  if (remake.before === null || !isIsolated(circumstances, sight, report)) return null;
  const { master } = remake.before;
  const absence = [...sights.values()].find(({ node }) => node.address === master)?.memory.absence ?? null;
  if (absence?.metStranger !== true) return null;
  const known = positions.findLast(({ atMs }) => atMs < absence.sinceMs)?.sequence ?? null;
  return known === report.sequence ? null : MET_STRANGER;
}

/** Somebody else told it to follow: from then on its position says nothing, so it must be known to have been a copy before. */
function misleadingOf(circumstances: Circumstances, { sight, report }: NodeCase): string | null {
  const { memory, facts, shard, node } = sight;
  if (report.role !== 'replica') return null;
  const why = 'somebody else told it to follow before its copy was compared';
  // A master that became a replica without a word of this leadership: by its predecessor a moment ago, or by somebody else. What has changed under
  // its eyes and is not foreign it was told by this leadership, also when it was told something else since.
  if (!isForeign(sight)) {
    const isOfBefore = memory.firstVersion === report.version && memory.push.version !== report.version;
    return facts.following === node.id && isOfBefore ? why : null;
  }
  if (memory.foreignBefore === null) {
    return facts.sequence === null || facts.following === masterOf(shard).id ? null : why;
  }
  const { kind } = historyOf(memory.foreignBefore, placeOf(circumstances, sight));
  return kind === 'current' || kind === 'empty' ? null : why;
}

/**
 * A replica that somebody else made a master, or had follow another node, may be told to follow its master again before we may tell it anything:
 * that it is no copy is seen in it now only. Null while what it has may still be wanted.
 */
function needOfAstray(circumstances: Circumstances, found: NodeCase): Need | null {
  const { sight, report } = found;
  const { node, shard } = sight;
  if (node.role !== 'replica' || openPromotion(circumstances.facts, shard.id) !== null) return null;
  if (dangerOfFollowing(found) !== null) return null;
  const history = historyOf(report, placeOf(circumstances, sight));
  const why = history.kind === 'unknown' ? history.why : misleadingOf(circumstances, found);
  if (why === null) return null;
  if (sight.facts.remake === null) return { kind: 'condemn', why };
  return hasComeFar(sight) ? { kind: 'startOver', why } : null;
}

/** What a node is told to follow replaces what it has: not a master that lost its data, nor one nobody could look at. */
function dangerOfFollowing({ sights, sight, report }: NodeCase): string | null {
  const master = sights.get(masterOf(sight.shard).id);
  if (master === undefined || master.loss !== null) return 'its master has lost its data';
  const { absence } = master.memory;
  if (absence?.kind === 'stranger' || absence?.metStranger === true)
    return 'another node answers at the address of its master';
  const isUnseen = master.condition === 'unknown' || master.condition === 'blind';
  return isUnseen && report.sequence !== 0 ? 'its master was not looked at yet' : null;
}

/** Isolate, outrun, rejoin (facts section 13): the only way on any release of the server to make a running node drop what it has. */
function needOfCondemned(circumstances: Circumstances, { sights, sight, report }: NodeCase): Need {
  const { shard, memory } = sight;
  const isForced = report.version === circumstances.cluster.version;
  if (report.version < 0 && report.sequence === 0) {
    return { kind: 'wait', why: 'it is empty now, which is written down first' };
  }
  // Whom it follows may send it something at any time, and what it has may be all that is left.
  if (!isIsolated(circumstances, sight, report))
    return push(sight, { purpose: 'isolation', report, isForced });
  const { remake } = sight.facts;
  if (remake !== null && isQuarantined(circumstances.policy.cluster, sight.node.id, remake)) {
    return { kind: 'aside', why: 'what diverges is kept until somebody says that it may go' };
  }
  const master = sights.get(masterOf(shard).id);
  const goal = master?.condition === 'answering' ? (master.report?.sequence ?? null) : null;
  if (goal === null || report.sequence === null) {
    return { kind: 'wait', why: 'its copy is to be made anew once the position of its master is known' };
  }
  if (memory.remake.outrunTo !== null && report.sequence >= goal + OUTRUN_MARGIN / 2) {
    return push(sight, { purpose: 'role', report, isForced });
  }
  const missing = goal + OUTRUN_MARGIN - report.sequence;
  if (missing > OUTRUN_MAX) {
    return { kind: 'aside', why: `it would have to be put ${missing} sequence numbers forward` };
  }
  return { kind: 'outrun', count: Math.max(1, Math.min(OUTRUN_STEP, missing)), why: 'its copy is made anew' };
}

/**
 * Whether a condemned node that follows its master has all of it: since this leadership outran it, it was seen in a full synchronisation or
 * fell back from the number it was put to, which nothing else does; and it has caught up.
 */
export function isRemade({ memory, report }: Sight, master: Sight): boolean {
  const { outrunTo, sawFullSync } = memory.remake;
  if (report === null || report.sequence === null || report.role !== 'replica' || outrunTo === null)
    return false;
  const isFull = sawFullSync || report.sequence < outrunTo;
  const lag = lagBehind(master.memory.positions, report.sequence);
  return isFull && report.link === 'up' && !report.syncInProgress && lag.kind === 'known' && !lag.isOld;
}

/**
 * It was outrun by this leadership and is on its way, or is seen in a full synchronisation that another leadership led to. Not so when its
 * master came past it in between, so that a partial synchronisation was accepted: its link is up and it never fell back.
 */
function isBeingRemade({ memory }: Sight, report: NodeReport): boolean {
  const { outrunTo, sawFullSync } = memory.remake;
  if (report.syncInProgress) return true;
  if (outrunTo === null) return false;
  return sawFullSync || report.link !== 'up' || report.sequence === null || report.sequence < outrunTo;
}

/** What is remembered of its way to a new copy would be taken for one of its master. */
function hasComeFar({ memory: { remake } }: Sight): boolean {
  return remake.outrunTo !== null || remake.sawFullSync;
}

/** Cut off from clients by this leadership, and seen so since. */
function isIsolated({ cluster }: Circumstances, { memory }: Sight, report: NodeReport): boolean {
  const { push: last, remake, look } = memory;
  return (
    remake.isolatedAt === cluster.version &&
    report.version === cluster.version &&
    report.role === 'master' &&
    look !== null &&
    look.startedAtMs >= last.endedAtMs
  );
}

/** It was cut off when it left, has come back, and was told nothing since. */
function isDetached({ cutOffs }: Circumstances, { node }: Sight, report: NodeReport): boolean {
  return report.id === node.id && wasCutOff(report, cutOffs.get(node.id) ?? null);
}

/** A master that was drained by this leadership, and seen so since: it takes no writes until it is told something else. */
export function isDrained(sight: Sight): boolean {
  const { memory, report } = sight;
  const { drainedAt, look, push: last } = memory;
  if (drainedAt === null || report?.version !== drainedAt || report.role !== 'master') return false;
  return look !== null && look.startedAtMs >= last.endedAtMs && !isForeign(sight);
}

/**
 * Whether its data can grow no more although it was not cut off: a node that serves nobody, or a replica of a drained master, which has nothing
 * that its successor lacks. Not a replica of an address at which nobody listens: the old master may be back before the node is told its role, take
 * a write of a client that still knows it, and send it to whoever follows it still. Nor does a master that is silent to us have to be so to its
 * replicas, and a link that is down may be up in a moment: to a stranger, too.
 */
function isFinal({ sights, report }: NodeCase): boolean {
  if (report.role === 'master') return report.version < 0;
  const source = [...sights.values()].find(({ node }) => node.address === report.master);
  return source !== undefined && isDrained(source);
}

/** What it said before it was cut off tells its history, where it stands now its position. */
function historyAt(circumstances: Circumstances, { sight, report }: NodeCase, isCutOff: boolean): History {
  const before = isDetached(circumstances, sight, report)
    ? (circumstances.cutOffs.get(sight.node.id)?.before ?? null)
    : sight.memory.remake.before;
  const copy = isCutOff && before !== null ? { ...before, sequence: report.sequence } : report;
  return historyOf(copy, placeOf(circumstances, sight));
}

function placeOf({ facts }: Circumstances, { node, shard, facts: known }: Sight): CopyPlace {
  const shardFacts = facts.shards.get(shard.id);
  assert(shardFacts !== undefined, 'the facts are in step with the cluster');
  return {
    id: node.id,
    facts: known,
    shard: shardFacts,
    masterAddress: masterOf(shard).address,
    addressOf: (id) => shard.nodes.find((other) => other.id === id)?.address ?? null,
    isCondemned: (id) => isCondemned(facts, id),
  };
}

/** Whether the version it has is another controller's, although ours may have the same number. */
function isForeign({ memory, report }: Sight): boolean {
  return report !== null && memory.foreignVersion === report.version;
}

interface Push {
  readonly purpose: PushPurpose;
  readonly report: NodeReport;
  readonly isForced: boolean;
}

function push(sight: Sight, { purpose, report, isForced }: Push): Need {
  const { node } = sight;
  const id = report.id === node.id ? null : node.id;
  const why =
    isForced && isForeign(sight) ? 'it has our version from somebody else' : whyPushed(report, isForced);
  return { kind: 'push', purpose, id, isForced, why };
}

function whyPushed(report: NodeReport, isAtVersion: boolean): string {
  if (!isAtVersion) return report.version < 0 ? 'it has no topology' : `it has version ${report.version}`;
  if (report.id === null) return 'it has our version but no id';
  const role = report.role === 'replica' ? `a replica of ${report.master ?? 'nobody'}` : 'a master';
  return `it has our version but is ${role}`;
}
