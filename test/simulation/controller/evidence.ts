// Who looked at which node and what came of it, as the model knows it: what a failover has to be justified by.

import type { EvidenceKind } from '../../../src/control/evidence.ts';
import type { ProbeResult } from '../../../src/control/observation.ts';
import {
  type ControlSettings,
  LAG_MS_MAX,
  NEWS_MS_MAX,
  failureWindowMs,
  saidAgeMsMax,
  sightAgeMsMax,
  wordAgeMsMax,
} from '../../../src/control/settings.ts';
import type { NodeAddress, NodeId } from '../../../src/topology/types.ts';
import type { FleetNode } from './fleet-node.ts';
import { sightingOf } from './production.ts';

/** What changes who may take over is written down this much later at most. */
const WRITTEN_DOWN_MS = 2000;
/** Looks remembered of one observer at one node. */
const LOOKS_MAX = 400;
/** A word that was delivered this shortly before a decision may wait for it. */
const GATHER_US = 20_000;
/** Late timers of the process that judges ages. */
const TOLERANCE_US = 50_000;

/** A finished look. Times in virtual microseconds. */
export interface Look {
  readonly startedUs: number;
  readonly endedUs: number;
  readonly kind: EvidenceKind;
  /** Of the node, where it reported one. */
  readonly sequence: number | null;
  /** A topology was on its way to the node: what such a look shows is judged by nobody. */
  readonly isDuringPush: boolean;
}

/** Looks that began and ended in it. Virtual microseconds. */
interface Span {
  readonly fromUs: number;
  readonly toUs: number;
}

/** What a member's answer to a leader was made of. */
interface Told {
  readonly askedUs: number;
  readonly deliveredUs: number;
  readonly kind: EvidenceKind;
}

/** A failover as its leader is about to propose it. */
export interface Judged {
  readonly leader: number;
  readonly voters: readonly (readonly number[])[];
  readonly master: NodeAddress;
  readonly nowUs: number;
  /** Since when it leads. */
  readonly leadsSinceUs: number;
}

/** Looks further apart than so many intervals have a pause between them. */
const PAUSE_INTERVALS = 3;

export class Evidence {
  readonly #settings: ControlSettings;
  readonly #looks = new Map<string, Look[]>();
  readonly #told = new Map<string, Told>();
  readonly #leaderships: { readonly leader: number; readonly sinceUs: number; untilUs: number }[] = [];

  constructor(settings: ControlSettings) {
    this.#settings = settings;
  }

  noteLook(
    observer: number,
    node: FleetNode,
    look: Omit<Look, 'kind' | 'sequence'> & { readonly result: ProbeResult },
  ): void {
    const { result, startedUs, endedUs, isDuringPush } = look;
    const { kind } = sightingOf(result, node.model.id ?? ('' as NodeId));
    const sequence = result.kind === 'answered' ? result.report.sequence : null;
    const looks = this.#looks.get(key(observer, node.address)) ?? [];
    looks.push({ startedUs, endedUs, kind, sequence, isDuringPush });
    if (looks.length > 2 * LOOKS_MAX) looks.splice(0, LOOKS_MAX);
    this.#looks.set(key(observer, node.address), looks);
  }

  /** An answer of `observer` about the node at `address` has reached the leader. */
  noteTold(
    leader: number,
    observer: number,
    told: Omit<Told, 'kind'> & { readonly address: NodeAddress },
  ): void {
    const { address, askedUs, deliveredUs } = told;
    // A word is of the first look that began after the question.
    const look = this.#of(observer, address).find(
      (each) => each.startedUs >= askedUs && each.endedUs <= deliveredUs,
    );
    if (look !== undefined)
      this.#told.set(`${leader}<${key(observer, address)}`, { askedUs, deliveredUs, kind: look.kind });
  }

  /** A leadership begins; the one before it is over. */
  noteLead(leader: number, sinceUs: number): void {
    this.#leaderships.push({ leader, sinceUs, untilUs: Infinity });
    const before = this.#leaderships.at(-2);
    if (before !== undefined) before.untilUs = sinceUs;
  }

  /** The last look at a node that it answered, by a leader since it leads. */
  lastAnswered(address: NodeAddress, leader: number, sinceUs: number): Look | null {
    return this.#answered(address, leader, { fromUs: sinceUs, toUs: Infinity }).at(-1) ?? null;
  }

  /**
   * When a node was last seen by a leader that had seen it for long enough to tell who keeps up with it, milliseconds: the one that decides, or an
   * earlier one that had the time to write that down. -Infinity when there was none.
   */
  lastJudgedMs(address: NodeAddress, leader: number, sinceUs: number): number {
    const own = this.#judged(address, leader, { fromUs: sinceUs, toUs: Infinity });
    if (spanMs(own) >= LAG_MS_MAX) return (own.at(-1)?.endedUs ?? 0) / 1000;
    for (const each of this.#leaderships.toReversed()) {
      if (each.sinceUs >= sinceUs) continue;
      const all = this.#judged(address, each.leader, { fromUs: each.sinceUs, toUs: each.untilUs });
      const looks = sinceLastPause(all, PAUSE_INTERVALS * this.#settings.pingIntervalMs);
      if (spanMs(looks) >= LAG_MS_MAX + WRITTEN_DOWN_MS)
        return (looks.at(-1)?.endedUs ?? 0) / 1000 - WRITTEN_DOWN_MS;
    }
    return -Infinity;
  }

  #judged(address: NodeAddress, observer: number, span: Span): readonly Look[] {
    return this.#answered(address, observer, span).filter(({ isDuringPush }) => !isDuringPush);
  }

  #answered(address: NodeAddress, observer: number, { fromUs, toUs }: Span): readonly Look[] {
    return this.#of(observer, address).filter(
      ({ kind, sequence, startedUs, endedUs }) =>
        kind === 'answered' && sequence !== null && startedUs >= fromUs && endedUs <= toUs,
    );
  }

  /** What speaks against replacing a master because it does not answer; null when nothing does. */
  against(judged: Judged): string | null {
    return this.#againstMajority(judged) ?? this.#againstWords(judged) ?? this.#againstTime(judged);
  }

  #againstMajority({ leader, voters, master, nowUs }: Judged): string | null {
    const sinceUs = nowUs - saidAgeMsMax(this.#settings) * 1000 - TOLERANCE_US;
    const own = this.#of(leader, master).at(-1);
    if (own === undefined || !isAbsence(own.kind))
      return `controller ${leader} was answered by its last look itself`;
    const isOld = own.startedUs < nowUs - sightAgeMsMax(this.#settings) * 1000 - TOLERANCE_US;
    if (isOld || own.endedUs < nowUs - NEWS_MS_MAX * 1000 - TOLERANCE_US)
      return `the last look of controller ${leader} itself ended at ${own.endedUs / 1000} ms`;
    const missing = new Set(
      voters
        .flat()
        .filter((voter) =>
          this.#of(voter, master).some((look) => look.startedUs >= sinceUs && isAbsence(look.kind)),
        ),
    );
    const isMajority = voters.every(
      (set) => set.filter((voter) => missing.has(voter)).length * 2 > set.length,
    );
    return isMajority
      ? null
      : `only controllers ${[...missing].join(' ')} missed it since ${sinceUs / 1000} ms`;
  }

  #againstWords({ leader, voters, master, nowUs, leadsSinceUs }: Judged): string | null {
    // What was said before it was missed here is of another time.
    const answered = this.lastAnswered(master, leader, leadsSinceUs);
    const youngUs = nowUs - wordAgeMsMax(this.#settings) * 1000 + TOLERANCE_US;
    const sinceUs = Math.max(leadsSinceUs, youngUs, answered?.endedUs ?? 0);
    for (const voter of new Set(voters.flat())) {
      const told = this.#told.get(`${leader}<${key(voter, master)}`);
      if (voter === leader || told?.kind !== 'answered') continue;
      if (told.askedUs >= sinceUs && told.deliveredUs <= nowUs - GATHER_US)
        return `controller ${voter} was answered and said so at ${told.deliveredUs / 1000} ms`;
    }
    return null;
  }

  #againstTime({ leader, master, nowUs, leadsSinceUs }: Judged): string | null {
    const { pingIntervalMs, restartGraceMs } = this.#settings;
    const answered = this.lastAnswered(master, leader, leadsSinceUs);
    if (answered === null) return null;
    const windowMs = (failureWindowMs(this.#settings) - pingIntervalMs) * 0.9;
    // A look out of turn that nothing came back from counts for nothing: what was met before it is proof still.
    const isProven = this.#of(leader, master).some(
      ({ kind, startedUs }) => (kind === 'refused' || kind === 'stranger') && startedUs >= answered.endedUs,
    );
    const neededMs = isProven ? Math.min(windowMs, restartGraceMs) : windowMs;
    const missedMs = (nowUs - answered.startedUs) / 1000;
    return missedMs >= neededMs
      ? null
      : `it answered controller ${leader} ${missedMs} ms ago, needed are ${neededMs}`;
  }

  #of(observer: number, address: NodeAddress): readonly Look[] {
    return this.#looks.get(key(observer, address)) ?? [];
  }
}

function key(observer: number, address: NodeAddress): string {
  return `${observer}/${address}`;
}

function isAbsence(kind: EvidenceKind): boolean {
  return kind === 'refused' || kind === 'silent' || kind === 'stranger';
}

/** What it did not answer for some time cannot have been written down in that time. */
function sinceLastPause(looks: readonly Look[], pauseMs: number): readonly Look[] {
  const isAfterPause = ({ startedUs }: Look, index: number): boolean =>
    index > 0 && startedUs - (looks[index - 1]?.endedUs ?? 0) > pauseMs * 1000;
  return looks.slice(Math.max(0, looks.findLastIndex(isAfterPause)));
}

/** Milliseconds from the first to the last, by their beginnings, as positions are judged. */
function spanMs(looks: readonly Look[]): number {
  const [first, last] = [looks[0], looks.at(-1)];
  return first === undefined || last === undefined ? 0 : (last.startedUs - first.startedUs) / 1000;
}
