// What a check comes to: findings, or a sentence that says what was looked at and found well.

import type { Result } from '../../base/result.ts';
import type { MemberSight, Sights } from './sights.ts';

/** From the worst on. `fail`: somebody has to act now. `warn`: a margin is gone, or something could not be looked at. */
export const VERDICTS = ['fail', 'warn', 'ok'] as const;
export type Verdict = (typeof VERDICTS)[number];

export interface Finding {
  readonly verdict: Exclude<Verdict, 'ok'>;
  /** Which controller or cluster. */
  readonly subject: string;
  readonly why: string;
  readonly remedy: string;
}

export interface Judgement {
  readonly findings: readonly Finding[];
  /** What is said where nothing was found. */
  readonly well: string;
}

export type Judge = (sights: Sights) => Judgement;

export const GROUP = 'the group';

export function memberText({ id, addr }: { readonly id: number; readonly addr: string }): string {
  return `controller ${id} at ${addr}`;
}

/** Members that told something at all. */
export function answering({ members }: Sights): readonly MemberSight[] {
  return members.filter(({ silence }) => silence === null);
}

/** The leader, as it sees itself; null where it does not answer or nobody leads. */
export function leaderOf(sights: Sights): MemberSight | null {
  return answering(sights).find(({ id, peers }) => peers?.leader === id) ?? null;
}

/** What was not seen is not well. */
export function unseen(subject: string, why: string, remedy: string): Judgement {
  return { findings: [{ verdict: 'warn', subject, why: `not known: ${why}`, remedy }], well: '' };
}

/** Judges a part that the leader alone knows. */
export function atLeader(sights: Sights, judge: (leader: MemberSight) => Judgement): Judgement {
  const leader = leaderOf(sights);
  if (leader !== null) return judge(leader);
  return unseen(GROUP, 'no controller that answers leads', 'see members.leader');
}

interface PerMember<Part> {
  readonly part: (member: MemberSight) => Result<Part, string>;
  /** What is wrong with it. */
  readonly judge: (part: Part, subject: string) => readonly Finding[];
  /** What is said after `N controllers` where nothing is. */
  readonly well: string;
}

/** Judges each member by a part of what it told. Who did not tell it is found by `members.answers`. */
export function eachMember<Part>(sights: Sights, { part, judge, well }: PerMember<Part>): Judgement {
  const told = answering(sights).flatMap((member) => {
    const each = part(member);
    return each.ok ? [{ member, value: each.value }] : [];
  });
  if (told.length === 0) return unseen(GROUP, 'no controller has told it', 'see members.answers');
  return {
    findings: told.flatMap(({ member, value }) => judge(value, memberText(member))),
    well: `${told.length} of ${sights.members.length} controllers ${well}`,
  };
}
