// How good a replica's copy is known to be: what its link was like while the master lived, and how far behind it is.

import type { NodeId } from '../topology/types.ts';
import type { NodeReport } from './observation.ts';
import { CLOSE_MS, type Lag, type Position, lagBehind } from './link.ts';
import { LAG_MS_MAX, linkSilenceMsMax } from './settings.ts';
import { silentSinceMs } from './sight.ts';
import type { NodeView, Situation } from './situation.ts';

/**
 * How much older than the first sight of a failure a replica's last word from its master may be, when nobody looked before: an idle link
 * carries a ping every 2 s (facts section 8), and the change of leaders took its time.
 */
const LAST_WORD_SLACK_MS = 15_000;

/** Nothing it says shows that it ever came to its master: the first writes to the shard may be younger than the last look at that. */
const NEVER_LINKED =
  'it is empty, and no living link to the master was seen, which may have taken its first writes since it was last looked at';

const ELSEWHERE = 'it did not follow the master while that still answered';

/** Looks are this many intervals apart at most while all is well, late timers included. */
const LINK_SIGHT_INTERVALS = 2.5;

/** `known`: its link worked until the master was last heard, or the shard is empty. `refused` says why that is not so. */
export type Standing =
  | { readonly kind: 'known'; readonly why: string }
  | { readonly kind: 'refused'; readonly why: string };

/** A replica that stands at `sequence` and follows `master`, the node whose data is to be kept. */
export interface Copy {
  readonly view: NodeView;
  readonly master: NodeView;
  readonly sequence: number;
  /** A position that its shard is known to have reached otherwise; 0 when none is. */
  readonly floor: number;
}

export function standingOf(situation: Situation, copy: Copy): Standing {
  const { sequence, master } = copy;
  const lag = lagOf(situation, copy);
  if (sequence === 0 && !isShardEmpty(copy)) {
    return refused('its sequence is 0 and the shard is not known to be empty');
  }
  if (sequence === 0 && isJustSeenEmpty(master)) {
    return { kind: 'known', why: 'its master was seen empty shortly before it was missed' };
  }
  // Its master's data is gone for good, and it would follow that emptied master into nothing: what it has is what is left.
  if (master.loss?.isIdentityLost === true) return { kind: 'known', why: describeLag(copy) };
  const link = linkBefore(situation, { view: copy.view, master, lag });
  if (link !== null) return refused(link);
  const behind = tooFarBehind(situation, lag) ?? stillBehind(copy, lag);
  if (behind !== null) return refused(behind);
  return { kind: 'known', why: describeLag(copy) };
}

/** Known from the master's own word: that a replica has nothing says nothing. */
function isShardEmpty({ master, floor }: Copy): boolean {
  return floor === 0 && lastKnown(master) === 0;
}

/** Whether all that it may have taken since falls into the time that a death may cost: then there is nothing that a link could have failed to bring. */
function isJustSeenEmpty(master: NodeView): boolean {
  const last = master.memory.positions.at(-1);
  if (last?.sequence !== 0 || master.memory.absence === null) return false;
  return silentSinceMs(master) - last.atMs <= LAG_MS_MAX;
}

/** The positions of a master from before it lost its data, if it did: what its successor is measured by. */
function soundPositions({ memory: { positions }, report, loss }: NodeView): readonly Position[] {
  if (loss === null) return positions;
  const fallen = report?.sequence ?? 0;
  return positions.filter(({ sequence }) => sequence > fallen);
}

/** The highest position known of a master: what was written down counts beside what was seen, because it may have been emptied in between. */
function lastKnown(master: NodeView): number | null {
  const seen = soundPositions(master).at(-1)?.sequence ?? null;
  const { sequence } = master.facts;
  return seen === null || sequence === null ? (seen ?? sequence) : Math.max(seen, sequence);
}

/** When the master was last heard with its data; -Infinity when never by this leadership. */
function lastLifeMsOf(master: NodeView): number {
  if (master.loss === null) return master.memory.lastReplyAtMs;
  return soundPositions(master).at(-1)?.atMs ?? -Infinity;
}

/** Against what was seen of the master by this leadership, and what is known of it otherwise. */
function lagOf({ settings }: Situation, { master, sequence, floor }: Copy): Lag {
  const { absence } = master.memory;
  // A process that is gone was there until then at the latest; one that is silent may have hung since its last sight.
  const diedAtMs = absence?.kind === 'refused' && master.loss === null ? absence.sinceMs : -Infinity;
  const pauseMs = Math.max(CLOSE_MS, LINK_SIGHT_INTERVALS * settings.pingIntervalMs);
  const seen = lagBehind(soundPositions(master), sequence, { diedAtMs, pauseMs });
  const known = Math.max(master.facts.sequence ?? 0, floor);
  if (seen.kind === 'unknown' && master.facts.sequence === null && floor === 0) return seen;
  // What this leadership wrote down it has also seen, with the time; what is beyond that is of before its time.
  const isOfBefore = known > (soundPositions(master).at(-1)?.sequence ?? -1);
  const isOld = (seen.kind === 'known' && seen.isOld) || (isOfBefore && known > sequence);
  return {
    kind: 'known',
    count: Math.max(seen.kind === 'known' ? seen.count : 0, known - sequence, 0),
    isOld,
    isAgeKnown: isOld || (seen.kind === 'known' && seen.isAgeKnown),
  };
}

/** Whether it has reached every position at which its master was ever seen. */
export function hasAllKnown(situation: Situation, copy: Copy): boolean {
  const lag = lagOf(situation, copy);
  return lag.kind === 'known' && lag.count === 0;
}

function tooFarBehind({ settings }: Situation, lag: Lag): string | null {
  if (lag.kind === 'unknown') return null;
  if (lag.count > settings.lagMax) {
    return `it lacks ${lag.count} of the numbers its master was seen at, more than the ${settings.lagMax} that may be lost`;
  }
  if (lag.isOld) {
    return `it lacks ${lag.count} numbers, some of which the master had ${LAG_MS_MAX / 1000} s before it was missed`;
  }
  return null;
}

/**
 * A leader that has just begun cannot tell whether what it lacks is old, unless it has all that the first look at the master showed: then only who is
 * written down as keeping up is believed. Who was last seen behind, or has come to its master since, has to have shown it.
 */
function stillBehind({ view, master, sequence }: Copy, lag: Lag): string | null {
  if (lag.kind === 'unknown' || lag.isAgeKnown || lag.count === 0) return null;
  const first = soundPositions(master)[0]?.sequence ?? Infinity;
  if (sequence >= first || isWrittenDown(view, master.node.id)) return null;
  return `it lacks ${lag.count} numbers, and it was last seen behind its master, or without a living link, or not as its copy at all`;
}

interface LinkCase {
  readonly view: NodeView;
  readonly master: NodeView;
  readonly lag: Lag;
}

/** Why the replica's link counts as broken already while the master lived; null when it worked. */
function linkBefore(situation: Situation, found: LinkCase): string | null {
  const { view, master } = found;
  const lastLifeMs = lastLifeMsOf(master);
  // One that gave errors only lived, but where it stood is as unknown as of one that was never heard.
  if (lastLifeMs === -Infinity || soundPositions(master).length === 0) return linkUnseen(situation, found);
  const { linked, unlinked } = view.memory;
  if (unlinked !== null && unlinked.atMs <= lastLifeMs) return linkedAfterwards(found, unlinked.report);
  if (wasLinkedUntilLastSight(situation, view, master)) return null;
  // What it has of a node outside its shard is no copy, however far its numbers are.
  if (linked !== null && !view.shard.nodes.some(({ address }) => address === linked.master)) return ELSEWHERE;
  return wasHeardUntil(situation, view, lastLifeMs)
    ? lackOf(found)
    : 'no living link to the master was seen shortly before the failure';
}

/** Whether its link to `master` was seen to live until that was last heard by this leadership. */
export function wasLinkedUntilLastSight(
  { settings }: Situation,
  { memory: { linked, unlinked } }: NodeView,
  master: NodeView,
): boolean {
  const lastLifeMs = lastLifeMsOf(master);
  if (lastLifeMs === -Infinity || (unlinked !== null && unlinked.atMs <= lastLifeMs)) return false;
  const oldestMs = lastLifeMs - LINK_SIGHT_INTERVALS * settings.pingIntervalMs;
  return linked?.master === master.node.address && linked.atMs >= oldestMs;
}

/**
 * It was seen without a link while the master still answered. It counts all the same when it came to its master after that and received
 * everything that was known of it: a replica's sequence moves by replication only. Not so an old master's, whose sequence is its own.
 */
function linkedAfterwards(found: LinkCase, before: NodeReport): string | null {
  const { view, master } = found;
  if (view.report?.sequence === 0) return NEVER_LINKED;
  const isFresh = before.version < 0;
  if (!isFresh && before.master !== master.node.address) {
    return ELSEWHERE;
  }
  const hasReceived = (view.report?.sequence ?? 0) > (before.sequence ?? 0);
  return isFresh || hasReceived ? lackOf(found) : 'its link was down while the master still answered';
}

/** A replica that came to its master only after the last look at it must have reached what that look showed: `up` comes before the data. */
function lackOf({ view, master, lag }: LinkCase): string | null {
  const wasLinked = view.memory.linked?.master === master.node.address || isWrittenDown(view, master.node.id);
  if (view.report?.sequence === 0 && !wasLinked) return NEVER_LINKED;
  if (lag.kind === 'known' && lag.count === 0) return null;
  const sequence = view.report?.sequence ?? 0;
  const lacks =
    lag.kind === 'known' ? `${sequence} of ${sequence + lag.count}` : `${sequence} of an unknown number`;
  return `it came to the master only just before the failure and has reached sequence ${lacks}`;
}

/** The replica's own word: when it last heard from its master, compared with the master's last sign of life. */
function wasHeardUntil({ settings }: Situation, { memory, report }: NodeView, lastLifeMs: number): boolean {
  if (report?.lastIoSeconds === undefined || report.lastIoSeconds === null || memory.look === null)
    return false;
  const heardAtMs = memory.look.startedAtMs - report.lastIoSeconds * 1000;
  return heardAtMs >= lastLifeMs - linkSilenceMsMax(settings);
}

/** The master was never heard by this leadership: the replica's word must reach up to the failure, or what was written down counts. */
function linkUnseen(situation: Situation, { view, master, lag }: LinkCase): string | null {
  if (lag.kind === 'known' && lag.count === 0 && isWrittenDown(view, master.node.id)) return null;
  const lastIoSeconds = view.report?.lastIoSeconds ?? null;
  if (lastIoSeconds === null) return 'nothing is known of its link before the failure';
  const sinceMs = silentSinceMs(master);
  const silentMs = sinceMs === -Infinity ? 0 : situation.nowMs - sinceMs;
  if (lastIoSeconds * 1000 > silentMs + LAST_WORD_SLACK_MS) {
    return `it last heard from the master ${lastIoSeconds} s ago, long before the failure was seen ${Math.round(silentMs / 1000)} s ago`;
  }
  // A handshake that is refused counts as a word from its master, too, and so does every bit of a catch-up: whoever was written down without a
  // link that kept up, or is empty, has to have shown one before its last word is believed.
  return wasUnlinked(view) ? 'it was last seen without a living link' : null;
}

/** Written down so. One that has data and of which nothing was ever written down is believed. */
function wasUnlinked({ facts: { seenAtSeconds, following }, report }: NodeView): boolean {
  const isUnwritten = seenAtSeconds === 0 && (report?.sequence ?? 0) > 0;
  return following === null && !isUnwritten;
}

function isWrittenDown({ facts }: NodeView, master: NodeId): boolean {
  return facts.following === master && facts.remake === null;
}

function describeLag({ sequence, master }: Copy): string {
  const known = lastKnown(master);
  if (known === null) return `sequence ${sequence}, the master's is not known`;
  return `sequence ${sequence}, the master was last seen at ${known}`;
}

function refused(why: string): Standing {
  return { kind: 'refused', why };
}
