// Who looked at which node and what came of it, as the model knows it: what a failover has to be justified by.

import type { EvidenceKind } from '../../../src/control/evidence.ts';
import type { ProbeResult } from '../../../src/control/observation.ts';
import { type ControlSettings, failureWindowMs, wordAgeMsMax } from '../../../src/control/settings.ts';
import type { NodeAddress, NodeId } from '../../../src/topology/types.ts';
import type { FleetNode } from './fleet.ts';
import { sightingOf } from './production.ts';

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

export class Evidence {
  readonly #settings: ControlSettings;
  readonly #looks = new Map<string, Look[]>();
  readonly #told = new Map<string, Told>();

  constructor(settings: ControlSettings) {
    this.#settings = settings;
  }

  noteLook(
    observer: number,
    node: FleetNode,
    look: Omit<Look, 'kind' | 'sequence'> & { readonly result: ProbeResult },
  ): void {
    const { result, startedUs, endedUs } = look;
    const { kind } = sightingOf(result, node.model.id ?? ('' as NodeId));
    const sequence = result.kind === 'answered' ? result.report.sequence : null;
    const looks = this.#looks.get(key(observer, node.address)) ?? [];
    looks.push({ startedUs, endedUs, kind, sequence });
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
    const look = this.#of(observer, address).findLast(
      (each) => each.startedUs >= askedUs && each.endedUs <= deliveredUs,
    );
    if (look !== undefined)
      this.#told.set(`${leader}<${key(observer, address)}`, { askedUs, deliveredUs, kind: look.kind });
  }

  /** The last look at a node that it answered: by the leader since it leads, or by anybody. */
  lastAnswered(
    address: NodeAddress,
    by: { readonly leader: number; readonly sinceUs: number } | null,
  ): Look | null {
    const isAnswer = (look: Look): boolean => look.kind === 'answered' && look.sequence !== null;
    if (by !== null)
      return (
        this.#of(by.leader, address).findLast((look) => isAnswer(look) && look.startedUs >= by.sinceUs) ??
        null
      );
    let last: Look | null = null;
    for (const [name, looks] of this.#looks) {
      const look = name.endsWith(`/${address}`) ? looks.findLast(isAnswer) : undefined;
      if (look !== undefined && look.endedUs > (last?.endedUs ?? -1)) last = look;
    }
    return last;
  }

  /** What speaks against replacing a master because it does not answer; null when nothing does. */
  against(judged: Judged): string | null {
    return this.#againstMajority(judged) ?? this.#againstWords(judged) ?? this.#againstTime(judged);
  }

  #againstMajority({ leader, voters, master, nowUs }: Judged): string | null {
    const sinceUs = nowUs - wordAgeMsMax(this.#settings) * 1000 - TOLERANCE_US;
    const own = this.#of(leader, master).at(-1);
    if (own === undefined || !isAbsence(own.kind))
      return `controller ${leader} was answered by its last look itself`;
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
    const answered = this.lastAnswered(master, { leader, sinceUs: leadsSinceUs });
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
    const answered = this.lastAnswered(master, { leader, sinceUs: leadsSinceUs });
    if (answered === null) return null;
    const windowMs = (failureWindowMs(this.#settings) - pingIntervalMs) * 0.9;
    const isSilent = this.#of(leader, master).at(-1)?.kind === 'silent';
    const neededMs = isSilent ? windowMs : Math.min(windowMs, restartGraceMs);
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
