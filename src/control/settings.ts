// The numbers decisions depend on: what people configure, and the waiting times between repeated attempts.

/** From the configuration's `controller.failover`. */
export interface ControlSettings {
  /** Milliseconds between two probes of a node. */
  readonly pingIntervalMs: number;
  /** Probes in a row without any reply after which a node counts as down; at least 1. */
  readonly maxPingCount: number;
  /** Milliseconds that a process that is proven to be gone is given to be back, at least 0; the window of silence ends it sooner. */
  readonly restartGraceMs: number;
  /** Sequence numbers that a replica may be behind the last known position of its master and still take over by itself. */
  readonly lagMax: number;
  /** Milliseconds in which a drained master has to be reached by the replica that takes over; then the drain is undone. */
  readonly switchoverTimeoutMs: number;
  /** Milliseconds after a change of masters before a master that is only silent is replaced. */
  readonly coolDownMs: number;
  /** Nodes in all clusters together from which on a mass failure is told apart, and the part of them that has to be exceeded, 0 to 1. */
  readonly aliveSizeMin: number;
  readonly failureRatioMax: number;
  /** Milliseconds for which a master that knows leases may take writes after each renewal; 0: masters get none. */
  readonly leaseMs: number;
}

/**
 * What a leader may change while it leads: every decision is made of what was seen and of these, and none of them was promised to anybody. A
 * lease was, to masters and by the next leader's count.
 */
export type LiveSettings = Omit<ControlSettings, 'leaseMs'>;

/** Milliseconds before the last sight of a master up to which its successor must have everything that is known of it. */
export const LAG_MS_MAX = 1_500;

/** A replica hears from its master every 2 s on an idle link (facts section 8); after this long, or three intervals, the link counts as dead. */
const LINK_SILENCE_MS_MIN = 10_000;

/** Milliseconds of silence of its master after which a replica's link is dead although it says `up`. */
export function linkSilenceMsMax(settings: ControlSettings): number {
  return Math.max(LINK_SILENCE_MS_MIN, 3 * settings.pingIntervalMs);
}

/** A replica of an idle master hears from it every 2 s, tells whole seconds, and is looked at every interval (facts section 8). */
const IDLE_LINK_MS = 4_000;

/** Milliseconds for which it counts that a replica heard from its master: after that the master may have died since. */
export function heardMsMax(settings: ControlSettings): number {
  return failureWindowMs(settings) + IDLE_LINK_MS;
}

/** Milliseconds of silence before which a replica that is linked still may only not have heard from an idle master; a shorter window ends without it. */
export function linkedMsMin(settings: ControlSettings): number {
  return failureWindowMs(settings) >= IDLE_LINK_MS ? IDLE_LINK_MS : 0;
}

const DEADLINE_MS_MIN = 200;
const DEADLINE_MS_MAX = 1_000;

/**
 * How long a node may take to answer a look, in milliseconds. A master that hangs at a random moment is found hung after
 * `(count - 1/2) * interval + deadline` (median), so half an interval keeps detection within the window of
 * `count * interval`. At least 200 ms, because a busy node is not a dead one; at most 1 s, because a longer wait
 * finds nothing out.
 */
export function probeDeadlineMs(intervalMs: number): number {
  return Math.min(DEADLINE_MS_MAX, Math.max(DEADLINE_MS_MIN, intervalMs / 2));
}

/**
 * Milliseconds since the end of the last look that did not find a node, for which that look is the latest news of it: after that it is looked at
 * again before anything is done that costs what it has taken since. A decision comes 5 ms after the look that makes it due, so the end of a
 * window waits for no other look; this is for turns that are late, and for a commit that goes first.
 */
export const NEWS_MS_MAX = 100;

/** How late the timers of a leader may be that can be believed. */
const LATE_MS = 500;

/**
 * Milliseconds since the beginning of such a look: one that took longer is of a leader that stood still, and an answer to it may lie unread. A leader whose
 * timers are that late look after look does not keep the lead.
 */
export function sightAgeMsMax({ pingIntervalMs }: ControlSettings): number {
  return probeDeadlineMs(pingIntervalMs) + LATE_MS;
}

/**
 * Milliseconds for which the words of others are news, since they were asked. While it is decided they are asked again and again (`ASK_PACE_MS`): the last word is at most
 * as old as its look, the pause, the look after that, and what is lost on the way of both.
 */
export function saidAgeMsMax({ pingIntervalMs }: ControlSettings): number {
  return 2 * probeDeadlineMs(pingIntervalMs) + ASK_PACE_MS + 2 * LATE_MS;
}

/** Milliseconds between two questions to the other members about one node: at first, and after it was missed for `ASKED_OFTEN_MS`, unless somebody waits for their word. */
export const ASK_PACE_MS = 250;
export const ASKED_OFTEN_MS = 30_000;

/** Milliseconds for which what another member saw of a node counts: two rounds of questions, each with its look. */
export function wordAgeMsMax(settings: ControlSettings): number {
  return 2 * settings.pingIntervalMs + 2_000;
}

/** The first repetition waits this long. */
const RETRY_DELAY_MS_MIN = 200;

/** Repetitions go on for ever, this far apart at most. */
export const RETRY_DELAY_MS_MAX = 10_000;

/**
 * Milliseconds to wait after failure number `failures` (1 = the first), doubling up to `delayMsMax`. Without jitter on purpose: a decision is a
 * function of its inputs, and what is retried here is one node or one record, not a crowd's common resource.
 */
export function retryDelayMs(failures: number, delayMsMax: number = RETRY_DELAY_MS_MAX): number {
  return Math.min(delayMsMax, RETRY_DELAY_MS_MIN * 2 ** Math.min(Math.max(0, failures - 1), 32));
}

/** Milliseconds between two renewals of a lease. */
export function leasePaceMs({ leaseMs }: ControlSettings): number {
  return leaseMs / 3;
}

/** A renewal may take a third of the lease, at most this long. */
const RENEWAL_MS_MAX = 1_000;

/** Milliseconds from the beginning of a confirmation of the lead after which no renewal that it justified reaches a node any more. */
export function renewalMsMax({ leaseMs }: ControlSettings): number {
  return Math.min(RENEWAL_MS_MAX, leaseMs / 3);
}

/** Milliseconds after which a lease is over by every clock: a node's may go slower than ours by 5 %. */
export function leaseOverMs({ leaseMs }: ControlSettings): number {
  return leaseMs * 1.05;
}

/** Milliseconds of silence after which a node is down at the latest. */
export function failureWindowMs(settings: ControlSettings): number {
  return settings.pingIntervalMs * settings.maxPingCount;
}
