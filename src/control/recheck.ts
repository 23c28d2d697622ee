// Whether what is known of a node that is away is news still, right before something is done that costs what it took since.

import { isMajority } from './evidence.ts';
import { wordsOf } from './node-memory.ts';
import {
  type ControlSettings,
  NEWS_MS_MAX,
  probeDeadlineMs,
  saidAgeMsMax,
  sightAgeMsMax,
} from './settings.ts';
import type { NodeView, Situation } from './situation.ts';

/** What has to be seen once more first. It takes about as long as a look. */
export interface Recheck {
  /** The gate of a failover that waits for it: this controller's own look (`time`), or the words of a majority (`confirmed`). */
  readonly gate: 'time' | 'confirmed';
  /** A whole sentence's end for people. */
  readonly why: string;
  /** Milliseconds that it takes at most. */
  readonly leftMs: number;
}

/** Until such a look has begun. */
const BEGIN_MS = 50;

/** Milliseconds that a look takes at most which somebody waits for. */
export function recheckMs({ pingIntervalMs }: ControlSettings): number {
  return probeDeadlineMs(pingIntervalMs) + BEGIN_MS;
}

/**
 * What was seen of `view`, which is away, is acted on only while it is news: it may have been held back for hours by a wish of people, by a lease, by a
 * leader that stood still, and the node may be back since. `sinceMs`: what is older does not count anyway. Null when nothing has to be
 * seen again.
 */
export function recheckOf(situation: Situation, view: NodeView, sinceMs = -Infinity): Recheck | null {
  const { settings, nowMs, panel } = situation;
  const { absence } = view.memory;
  if (absence === null) return null;
  const leftMs = recheckMs(settings);
  const { checkedFromMs, checkedToMs } = absence;
  const isOld = checkedFromMs < sinceMs || nowMs - checkedToMs > NEWS_MS_MAX;
  if (isOld || nowMs - checkedFromMs > sightAgeMsMax(settings)) {
    const why = `the last look at it began ${inSeconds(nowMs - checkedFromMs)} ago, and it is looked at once more before that`;
    return { gate: 'time', why, leftMs };
  }
  const ageMsMax = Math.min(saidAgeMsMax(settings), nowMs - sinceMs);
  const words = wordsOf(view.memory, nowMs);
  const recent = words.filter(({ kind, ageMs }) => kind !== 'ownFault' && ageMs <= ageMsMax);
  if (isMajority(panel, recent)) return null;
  const oldestMs = Math.max(0, ...words.map(({ ageMs }) => ageMs));
  const why = `the other controllers were last asked ${inSeconds(oldestMs)} ago, and are asked once more before that`;
  return { gate: 'confirmed', why, leftMs };
}

function inSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
