// Whoever runs the group: adds members, removes them, replaces lost ones and hands the lead over, while things go wrong.

import type { Random } from '../../src/base/random.ts';
import type { MembershipChange } from '../../src/raft/core/membership-change.ts';
import type { MemberId, Membership } from '../../src/raft/core/types.ts';
import type { Knobs } from './knobs.ts';
import type { Marks } from './marks.ts';
import type { Member } from './member.ts';
import type { Process } from './process.ts';
import { chance, childRandom, pick } from './prng.ts';
import { addressOf, decodeMembership } from './production.ts';
import type { Trace } from './trace.ts';

/** Voters beyond this add nothing to a run but time. */
const VOTERS_MAX = 5;
/** Machines one run may use. */
const MEMBERS_MAX = 9;

export interface OperatorParts {
  readonly seed: number;
  readonly trace: Trace;
  readonly marks: Marks;
  readonly knobs: Knobs;
  /** Grows with every machine that is made. */
  readonly members: readonly Member[];
  /** Makes another machine, with an empty disk and no process. */
  readonly provision: () => Member;
}

export class Operator {
  readonly #parts: OperatorParts;
  readonly #random: Random;
  /** Removals asked for and not answered, with the process that was asked: any of them may still come into force. */
  readonly #removals = new Map<MemberId, Process>();

  constructor(parts: OperatorParts) {
    this.#parts = parts;
    this.#random = childRandom(parts.seed, 'operator');
  }

  /** Makes the group larger, smaller or other than it is. */
  change(): void {
    const leader = this.#leader();
    const driver = leader?.running?.driver ?? null;
    if (leader === null || driver === null) return;
    const { membership } = driver;
    const voters = membership.voterSets[0] ?? [];
    const lost = voters.find((id) => this.#member(id)?.lost === true);
    if (lost !== undefined && chance(this.#random, 0.7)) this.#remove(leader, lost);
    else if (voters.length < VOTERS_MAX && chance(this.#random, voters.length < 3 ? 0.9 : 0.5))
      this.#add(leader);
    else if (voters.length > 1) this.#remove(leader, pick(this.#random, [...voters, ...membership.learners]));
  }

  /** Hands the lead to somebody, or to whoever is best. */
  transfer(): void {
    const leader = this.#leader();
    const driver = leader?.running?.driver ?? null;
    const process = leader?.process ?? null;
    if (leader === null || driver === null || process === null) return;
    const voters = driver.membership.voterSets.flat();
    const to = chance(this.#random, 0.4) ? null : pick(this.#random, voters);
    process.deliver(() =>
      driver.transfer(to, (outcome) => {
        this.#parts.trace.say(leader.id, () => `transfer: ${JSON.stringify(outcome)}`);
        if (outcome.ok) this.#parts.marks.hit('transferDone');
        else if (outcome.error.kind === 'aborted') this.#parts.marks.hit('transferAborted');
      }),
    );
  }

  /**
   * True when the group can lose `victim` for good: under every membership that is, or may still come, into force, the
   * others are a majority.
   */
  mayLose(victim: Member): boolean {
    const lost = this.#parts.members.filter((member) => member.lost || member === victim).map(({ id }) => id);
    return this.#voterSets().every((voters) => isSurvived(voters, lost));
  }

  #add(leader: Member): void {
    const { members, provision } = this.#parts;
    // One that was made and did not get in is tried again before another is made.
    const spare = members.find((member) => !member.lost && !this.#isKnown(member.id));
    if (spare === undefined && members.length >= MEMBERS_MAX) return;
    const member = spare ?? provision();
    member.boot();
    this.#ask(leader, {
      kind: 'addLearner',
      member: member.id,
      address: addressOf(member.id),
      incarnation: chance(this.#random, 0.5) ? member.incarnation : null,
    });
  }

  #remove(leader: Member, id: MemberId): void {
    const lost = this.#parts.members.filter((member) => member.lost).map((member) => member.id);
    const sets = this.#voterSets();
    const allowed = sets.every((voters) =>
      isSurvived(
        voters.filter((voter) => voter !== id),
        lost,
      ),
    );
    if (!allowed || leader.process === null) return;
    this.#removals.set(id, leader.process);
    this.#ask(leader, { kind: 'remove', member: id });
  }

  #ask(leader: Member, change: MembershipChange): void {
    const { process, running } = leader;
    if (process === null || running === null) return;
    const { knobs, trace, marks } = this.#parts;
    const deadlineMs = knobs.driver.electionTimeoutMs * 3;
    trace.say(0, () => `operator asks ${leader.id}: ${JSON.stringify(change)}`);
    process.deliver(() =>
      running.driver.change(change, deadlineMs, (outcome) => {
        // What became of it is in the logs now, if anywhere.
        if (change.kind === 'remove') this.#removals.delete(change.member);
        trace.event('change', leader.id, outcome.ok ? 1 : 0);
        trace.say(leader.id, () => `${change.kind}: ${JSON.stringify(outcome)}`);
        if (!outcome.ok && outcome.error.kind === 'refused') marks.hit('changeRefused');
      }),
    );
  }

  #leader(): Member | null {
    return this.#parts.members.find(({ running }) => running?.driver.role.role === 'leader') ?? null;
  }

  #member(id: MemberId): Member | null {
    return this.#parts.members.find((member) => member.id === id) ?? null;
  }

  /** Some membership names it already: its id is used up. */
  #isKnown(id: MemberId): boolean {
    return this.#memberships().some(
      (membership) => membership.addresses.has(id) || membership.removed.some(({ member }) => member === id),
    );
  }

  #voterSets(): readonly (readonly MemberId[])[] {
    const sets = this.#memberships().flatMap(({ voterSets }) => voterSets);
    const leaving = [...this.#removals].filter(([, process]) => process.alive).map(([id]) => id);
    const coming = leaving.flatMap((id) => sets.map((voters) => voters.filter((voter) => voter !== id)));
    return [...sets, ...coming].filter((voters) => voters.length > 0);
  }

  /** Every membership in any log, durable or not: any of them may be the one in force tomorrow. */
  #memberships(): readonly Membership[] {
    const memberships: Membership[] = [];
    for (const { model, core } of this.#parts.members) {
      memberships.push(model.base.membership);
      if (core !== null) memberships.push(core.membership);
      for (const entry of model.entries) {
        const membership = entry.kind === 'config' ? decodeMembership(entry.data) : null;
        if (membership !== null) memberships.push(membership);
      }
    }
    return memberships;
  }
}

/** A majority of `voters` is not among the lost. */
function isSurvived(voters: readonly MemberId[], lost: readonly MemberId[]): boolean {
  const left = voters.filter((voter) => !lost.includes(voter)).length;
  return left * 2 > voters.length;
}
