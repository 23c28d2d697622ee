// What is remembered of one node between decisions, and how a look at it changes that.

import { equalRanges } from '../topology/slot.ts';
import type { ClusterVersion, NodeAddress, NodeId, SlotRange } from '../topology/types.ts';
import type { PushPurpose } from './actions.ts';
import type { Evidence, EvidenceKind, Observer, Word } from './evidence.ts';
import { type LeaseMemory, NO_LEASE, doubtedBy } from './lease-memory.ts';
import { type Position, isLivingLink } from './link.ts';
import type { NodeError, NodeReport, ProbeResult } from './observation.ts';
import type { ControlSettings } from './settings.ts';
import { type Sighting, sightingOf } from './sighting.ts';
import { NO_TUNING, type TuningMemory, tuningDoubted } from './tuning-memory.ts';

/** A probe that was answered. Times in milliseconds on the monotonic clock. */
export interface Look {
  readonly report: NodeReport;
  readonly startedAtMs: number;
  readonly endedAtMs: number;
}

/** What a replica's link to one master was like. */
export interface LinkSight {
  readonly master: NodeAddress;
  /** When the look began. */
  readonly atMs: number;
  /** When the look began that first showed it living. */
  readonly sinceMs: number;
  readonly sequence: number | null;
  /** When the look began after which its sequence last grew: it has got something from that master since. -Infinity when it never grew. */
  readonly grewAfterMs: number;
}

/** The beginning of a time without a living link. */
export interface Unlinked {
  /** When the look ended that found it without one, or found that nobody listens at its address. */
  readonly atMs: number;
  /** What it said then, or last. */
  readonly report: NodeReport;
}

/** Looks in a row that did not find this node. */
export interface Absence {
  readonly looks: number;
  /** When the first of these began. */
  readonly sinceMs: number;
  /** When the last of these ended. */
  readonly untilMs: number;
  /** What the last of them saw, and how many in a row saw just that. */
  readonly kind: Exclude<EvidenceKind, 'answered' | 'ownFault'>;
  readonly looksOfKind: number;
  /** When the first of those began, and the last. */
  readonly kindSinceMs: number;
  readonly kindLastMs: number;
  /** When the last look of all began that saw just that, those between the rounds included, and when it ended. */
  readonly checkedFromMs: number;
  readonly checkedToMs: number;
  /**
   * Whether any of them met another Kvrocks server at its address, which its replicas may have copied. Another kind of server is none: a replica
   * copies nothing from who does not know `_db_name` (`ReplicationThread::checkDBNameReadCB`).
   */
  readonly metStranger: boolean;
  /** What it saw, for people. */
  readonly why: string;
}

/** What another member of the group said of a node when it was asked. */
export interface WordMemory {
  readonly observer: Observer;
  readonly kind: EvidenceKind;
  /** What it saw, for people. */
  readonly why: string;
  /** When it was asked: its look began later. */
  readonly askedAtMs: number;
}

/** The questions to the other members about one node. */
export interface InquiryMemory {
  readonly isInFlight: boolean;
  /** When the last answer to them came; -Infinity before the first. */
  readonly endedAtMs: number;
  /** Not again before this, unless somebody waits for it. */
  readonly nextAtMs: number;
  /** The last word of each that has one. */
  readonly words: readonly WordMemory[];
}

/** The pushes of one version to one node. */
export interface PushMemory {
  /** Null before the first push. */
  readonly version: ClusterVersion | null;
  /** Pushes begun and not followed by convergence. */
  readonly attempts: number;
  /** When the push now under way began; null when none is. */
  readonly inFlightSinceMs: number | null;
  /** When the last push ended; -Infinity when there was none. */
  readonly endedAtMs: number;
  /** Not again before this. */
  readonly nextAtMs: number;
  /** What the last push ended with; null for success and when there was none. */
  readonly error: NodeError | null;
  /** What the push under way, or the last one, was for. */
  readonly purpose: PushPurpose;
  /** When somebody asked for the topology to be told again; null when nobody did, or it was pushed since. */
  readonly askedAtMs: number | null;
}

/** How far a node that is made anew was taken. */
export interface RemakeMemory {
  /** The version under which it was cut off from clients; null when it was not by this leadership. */
  readonly isolatedAt: ClusterVersion | null;
  readonly isOutrunInFlight: boolean;
  readonly nextAtMs: number;
  readonly error: NodeError | null;
  /** The last sequence it had as an outrun master; null when it was not outrun by this leadership. */
  readonly outrunTo: number | null;
  /** Whether it was seen in a full synchronisation since it was outrun. */
  readonly sawFullSync: boolean;
  /** What it said of itself before it was cut off: to which history it belonged. */
  readonly before: NodeReport | null;
}

/** The attempts to fence a master that has lost its data. */
export interface FenceMemory {
  readonly isInFlight: boolean;
  readonly nextAtMs: number;
  readonly error: NodeError | null;
}

export interface NodeMemory {
  readonly address: NodeAddress;
  /** The last answered probe. */
  readonly look: Look | null;
  /** The version it had when this leadership saw it first; null before that. */
  readonly firstVersion: number | null;
  /** The positions of the last looks, oldest first. */
  readonly positions: readonly Position[];
  /** Why the last probe brought no report; null when it did, and before the first probe. */
  readonly error: NodeError | null;
  /** When any reply of this node last came, -Infinity when none has. */
  readonly lastReplyAtMs: number;
  /** Null when the last look that told anything found the node, and before the first one. */
  readonly absence: Absence | null;
  readonly inquiry: InquiryMemory;
  /** Since when this controller cannot look at it; null when it can. */
  readonly blindSinceMs: number | null;
  /** Since when it gives error replies only; null when it does not. */
  readonly impairedSinceMs: number | null;
  /** The last look at which it had a living link. */
  readonly linked: LinkSight | null;
  /** The first look since then at which it had none; null while it has one, and before the first look. */
  readonly unlinked: Unlinked | null;
  readonly push: PushMemory;
  /** The version under which it was drained as a master by this leadership, and told nothing since; null when it was not. */
  readonly drainedAt: ClusterVersion | null;
  /** The version at which it was seen in its place since the last push; null when it was not. */
  readonly placedAt: ClusterVersion | null;
  /** The version it has from somebody else: this leadership saw it with another one before, and has not told it. Null when there is none. */
  readonly foreignVersion: number | null;
  /** What it said of itself before it had that; null when nobody had looked. */
  readonly foreignBefore: NodeReport | null;
  /** Since when this leadership has seen it without a topology; -Infinity when it has one, and before the first look. */
  readonly bareSinceMs: number;
  /** It came to the cluster under this leadership, and was not seen with a topology since. */
  readonly isNewcomer: boolean;
  /** It followed its master's address while somebody else may have answered there, and that was not written down yet. */
  readonly mayHaveMetStranger: boolean;
  /** It was seen with cluster mode off, and that was not written down yet. */
  readonly wasOutOfCluster: boolean;
  readonly remake: RemakeMemory;
  readonly fence: FenceMemory;
  readonly tuning: TuningMemory;
  readonly lease: LeaseMemory;
  /** The last import that came to its success and no push has passed since; null when there is none. */
  readonly imported: ImportSight | null;
}

/** An import that a target reports as finished. The line of a success stays for ever (facts section 5.2): only its appearance tells its age. */
export interface ImportSight {
  readonly range: SlotRange;
  /** Whether this leadership saw it appear; one that was there at the first look may be as new. */
  readonly isNew: boolean;
}

/** One finished probe. */
export interface Probe {
  readonly startedAtMs: number;
  readonly endedAtMs: number;
  readonly result: ProbeResult;
  readonly isExtra?: boolean;
}

const NO_PUSH: PushMemory = {
  version: null,
  attempts: 0,
  inFlightSinceMs: null,
  endedAtMs: -Infinity,
  nextAtMs: -Infinity,
  error: null,
  purpose: 'role',
  askedAtMs: null,
};

export const NO_REMAKE: RemakeMemory = {
  isolatedAt: null,
  isOutrunInFlight: false,
  nextAtMs: -Infinity,
  error: null,
  outrunTo: null,
  sawFullSync: false,
  before: null,
};

const NO_INQUIRY: InquiryMemory = {
  isInFlight: false,
  endedAtMs: -Infinity,
  nextAtMs: -Infinity,
  words: [],
};

const NO_FENCE: FenceMemory = { isInFlight: false, nextAtMs: -Infinity, error: null };

/** Positions kept of a node: enough to tell where it was a few seconds before its last answer. */
const POSITIONS_MAX = 12;

/** Positions are kept this far apart at least, so that quick looks do not push the older ones out. */
const POSITION_GAP_MS = 400;

/** A node nobody has looked at yet. */
export function unseenNode(address: NodeAddress): NodeMemory {
  return {
    address,
    look: null,
    firstVersion: null,
    positions: [],
    error: null,
    lastReplyAtMs: -Infinity,
    absence: null,
    inquiry: NO_INQUIRY,
    blindSinceMs: null,
    impairedSinceMs: null,
    linked: null,
    unlinked: null,
    push: NO_PUSH,
    drainedAt: null,
    placedAt: null,
    foreignVersion: null,
    foreignBefore: null,
    bareSinceMs: -Infinity,
    isNewcomer: false,
    mayHaveMetStranger: false,
    wasOutOfCluster: false,
    remake: NO_REMAKE,
    fence: NO_FENCE,
    tuning: NO_TUNING,
    lease: NO_LEASE,
    imported: null,
  };
}

/** This controller's own looks as evidence, by the clock `nowMs`; null before the first look. */
export function evidenceOf(
  { absence, blindSinceMs, lastReplyAtMs }: NodeMemory,
  nowMs: number,
): Evidence | null {
  if (absence !== null) {
    const { kind, sinceMs, kindSinceMs, kindLastMs, untilMs } = absence;
    const looks = kind === 'stranger' ? absence.looksOfKind : absence.looks;
    return { kind, lastedMs: untilMs - sinceMs, ofKindMs: kindLastMs - kindSinceMs, looks };
  }
  if (blindSinceMs !== null) {
    const lastedMs = nowMs - blindSinceMs;
    return { kind: 'ownFault', lastedMs, ofKindMs: lastedMs, looks: 1 };
  }
  return lastReplyAtMs === -Infinity ? null : { kind: 'answered', lastedMs: 0, ofKindMs: 0, looks: 1 };
}

/** What others saw of the node since it is missed here, or cannot be looked at; what they saw before says nothing of that. */
export function wordsOf({ absence, blindSinceMs, inquiry }: NodeMemory, nowMs: number): readonly Word[] {
  const sinceMs = absence?.sinceMs ?? blindSinceMs;
  if (sinceMs === null) return [];
  return inquiry.words
    .filter(({ askedAtMs }) => askedAtMs >= sinceMs)
    .map(({ observer, kind, askedAtMs }) => ({ observer, kind, ageMs: nowMs - askedAtMs }));
}

/** What a finished probe is compared with. */
interface Wanted {
  /** The node that is to be found at the address. */
  readonly id: NodeId;
  /** The committed version of its cluster. */
  readonly version: ClusterVersion;
  readonly settings: ControlSettings;
}

/** Adds a finished probe. */
export function afterProbe(before: NodeMemory, probe: Probe, wanted: Wanted): NodeMemory {
  return afterLook({ ...before, lease: doubtedBy(before.lease, probe.result) }, probe, wanted);
}

function afterLook(before: NodeMemory, probe: Probe, wanted: Wanted): NodeMemory {
  const { id, settings } = wanted;
  const { result } = probe;
  const sighting = sightingOf(result, id);
  if (result.kind === 'failed') return afterFailure(before, { error: result.error, sighting }, probe);
  const { report } = result;
  const look: Look = { report, startedAtMs: probe.startedAtMs, endedAtMs: probe.endedAtMs };
  if (sighting.kind === 'stranger')
    return {
      ...absent(before, { kind: 'stranger', why: sighting.why, isKvrocks: true }, probe),
      error: null,
    };
  const seen: NodeMemory = {
    ...before,
    look,
    firstVersion: before.firstVersion ?? report.version,
    error: null,
    lastReplyAtMs: probe.endedAtMs,
    absence: null,
    blindSinceMs: null,
    impairedSinceMs: null,
    positions: withPosition(before.positions, look),
    remake: remakeAfterLook(before, look),
    imported: importedBy(before, look),
    bareSinceMs: bareSince(before, look),
    isNewcomer: before.isNewcomer && report.version < 0,
    ...foreignTopologySeen(before, report, wanted.version),
  };
  return withLink(seen, look, settings);
}

function bareSince({ bareSinceMs }: NodeMemory, { report, startedAtMs }: Look): number {
  if (report.version >= 0) return -Infinity;
  return bareSinceMs === -Infinity ? startedAtMs : bareSinceMs;
}

function withPosition(positions: readonly Position[], look: Look): readonly Position[] {
  const { sequence, role } = look.report;
  if (sequence === null) return positions;
  const last = positions.at(-1);
  const position: Position = { atMs: look.startedAtMs, sequence };
  // A full synchronisation takes a replica back; a master that goes back has lost something, which its earlier positions show.
  if (role === 'replica' && positions.some((known) => known.sequence > sequence)) return [position];
  // The newest is always known exactly; of those before, one in each gap is kept. After a fall it replaces the one that fell, so that what was
  // lost is not forgotten however often a node is looked at.
  const before = positions.at(-2);
  const isRising = last !== undefined && sequence >= last.sequence;
  const isClose = isRising && before !== undefined && last.atMs - before.atMs < POSITION_GAP_MS;
  const isFallen = last !== undefined && before !== undefined && last.sequence < before.sequence;
  const kept = isClose || isFallen ? positions.slice(0, -1) : positions;
  return [...kept, position].slice(-POSITIONS_MAX);
}

/**
 * A version says nothing of who gave it: another controller may have reached the same number with another topology. What this leadership sees
 * for the first time may be of an earlier one of ours; what changes under its eyes without a push of its own is not.
 */
function foreignTopologySeen(
  before: NodeMemory,
  { version }: NodeReport,
  committed: ClusterVersion,
): Pick<NodeMemory, 'foreignVersion' | 'foreignBefore'> {
  const { foreignVersion, foreignBefore, look } = before;
  if (version === foreignVersion) return { foreignVersion, foreignBefore };
  const known = look?.report.version ?? version;
  const isOurs = version <= committed && (known === version || version === before.push.version);
  if (isOurs) return { foreignVersion: null, foreignBefore: null };
  return { foreignVersion: version, foreignBefore: foreignBefore ?? look?.report ?? null };
}

/** Follows how far a node that was outrun has come: a full synchronisation counts from then until it is a master again. */
function remakeAfterLook({ remake }: NodeMemory, { report }: Look): RemakeMemory {
  if (remake.outrunTo === null) return remake;
  if (report.role === 'master') {
    const outrunTo = report.sequence ?? remake.outrunTo;
    return outrunTo === remake.outrunTo && !remake.sawFullSync
      ? remake
      : { ...remake, outrunTo, sawFullSync: false };
  }
  return report.syncInProgress && !remake.sawFullSync ? { ...remake, sawFullSync: true } : remake;
}

function importedBy(before: NodeMemory, { report }: Look): ImportSight | null {
  const known = before.look?.report.targetJob ?? null;
  const job = report.targetJob;
  if (job?.state !== 'success') return before.imported;
  const isKnown = known?.state === 'success' && equalRanges(known.range, job.range);
  return isKnown ? before.imported : { range: job.range, isNew: before.look !== null };
}

/** Slots that a source reports as handed over, and to whom. */
export interface Export {
  readonly range: SlotRange;
  readonly target: NodeId;
}

/** What the last look at a source shows as handed over that the one before did not; null when there is nothing. */
export function newExport(before: NodeMemory, after: NodeMemory): Export | null {
  const job = after.look === before.look ? null : (after.look?.report.sourceJob ?? null);
  if (job?.state !== 'success') return null;
  const known = before.look?.report.sourceJob ?? null;
  const isSame = known?.destination === job.destination && equalRanges(known.range, job.range);
  return isSame && known.state === 'success' ? null : { range: job.range, target: job.destination };
}

/** Adds that a source says it handed slots over to this node: its own line may be of an earlier import of the same slots. */
export function afterExport(before: NodeMemory, range: SlotRange, isNew: boolean): NodeMemory {
  return before.imported === null ? { ...before, imported: { range, isNew } } : before;
}

function withLink(memory: NodeMemory, look: Look, settings: ControlSettings): NodeMemory {
  const { role, master, sequence } = look.report;
  if (role === 'replica' && master !== null && isLivingLink(look.report, settings)) {
    const { linked } = memory;
    const isSame = memory.unlinked === null && linked?.master === master;
    const atMs = look.startedAtMs;
    const sinceMs = isSame ? linked.sinceMs : atMs;
    const grewAfterMs = isSame ? grewAfter(linked, sequence) : -Infinity;
    return { ...memory, linked: { master, atMs, sinceMs, sequence, grewAfterMs }, unlinked: null };
  }
  const { unlinked } = memory;
  if (unlinked !== null && (unlinked.report.master === master || isOfItsOwn(unlinked.report))) return memory;
  // Whom it follows may change while no link lives: the time without one begins anew then.
  return { ...memory, unlinked: { atMs: look.endedAtMs, report: look.report } };
}

function grewAfter(before: LinkSight, sequence: number | null): number {
  const isGrown = before.sequence !== null && sequence !== null && sequence > before.sequence;
  return isGrown ? before.atMs : before.grewAfterMs;
}

/** A master with a topology has a history of its own: until a living link is seen, it is no replica, whatever it was told since. */
function isOfItsOwn({ role, version }: NodeReport): boolean {
  return role === 'master' && version >= 0;
}

/**
 * A failed probe counts as absence only when nothing of the node came back, and not when our own SETNODES was being executed, which stalls
 * the whole node for up to 10 s (facts section 3.6). A refused connection counts even then: a stalled process still accepts.
 */
function afterFailure(
  before: NodeMemory,
  { error, sighting: { kind, why } }: { readonly error: NodeError; readonly sighting: Sighting },
  probe: Probe,
): NodeMemory {
  switch (kind) {
    case 'refused':
    case 'silent':
    case 'stranger': {
      const isStalled = before.push.inFlightSinceMs !== null || before.push.endedAtMs > probe.startedAtMs;
      const isExcused = isStalled && (error.kind === 'timedOut' || error.kind === 'connectionLost');
      if (kind === 'silent' && probe.isExtra === true) return isExcused ? before : checked(before, probe);
      return isExcused ? before : { ...absent(before, { kind, why, isKvrocks: false }, probe), error };
    }
    case 'ownFault':
      // Absence that spans a time in which nobody looked would be longer than anybody saw it.
      return { ...before, error, absence: null, blindSinceMs: before.blindSinceMs ?? probe.startedAtMs };
    default:
      return {
        ...before,
        error,
        absence: null,
        blindSinceMs: null,
        wasOutOfCluster: before.wasOutOfCluster || error.kind === 'clusterDisabled',
        lastReplyAtMs: probe.endedAtMs,
        impairedSinceMs: before.impairedSinceMs ?? probe.startedAtMs,
      };
  }
}

/** A look between the rounds that found what the last of them did: it adds nothing to the window, but that this holds still. */
function checked(before: NodeMemory, probe: Probe): NodeMemory {
  const { absence } = before;
  if (absence?.kind !== 'silent') return before;
  return {
    ...before,
    absence: { ...absence, checkedFromMs: probe.startedAtMs, checkedToMs: probe.endedAtMs },
  };
}

function absent(
  before: NodeMemory,
  { kind, why, isKvrocks }: Pick<Absence, 'kind' | 'why'> & { readonly isKvrocks: boolean },
  probe: Probe,
): NodeMemory {
  const known = before.absence;
  const absence: Absence = {
    kind,
    why,
    looks: (known?.looks ?? 0) + 1,
    looksOfKind: known?.kind === kind ? known.looksOfKind + 1 : 1,
    kindSinceMs: known?.kind === kind ? known.kindSinceMs : probe.startedAtMs,
    kindLastMs: probe.startedAtMs,
    checkedFromMs: probe.startedAtMs,
    checkedToMs: probe.endedAtMs,
    metStranger: isKvrocks || known?.metStranger === true,
    sinceMs: known?.sinceMs ?? probe.startedAtMs,
    untilMs: probe.endedAtMs,
  };
  // A process that is gone has no link: what it had before says nothing of what came since.
  const unlinked =
    before.unlinked === null && before.look !== null && kind === 'refused'
      ? { atMs: probe.endedAtMs, report: before.look.report }
      : before.unlinked;
  const tuning = tuningDoubted(before.tuning);
  return { ...before, absence, unlinked, tuning, blindSinceMs: null, impairedSinceMs: null };
}

/** Adds that its master answers again, at whose address somebody else was met: what it got from there in between is not known. */
export function afterStranger(before: NodeMemory): NodeMemory {
  return { ...before, mayHaveMetStranger: true };
}
