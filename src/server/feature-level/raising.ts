// When a group may rise to a higher level: the rules alone.

import { FIRST_FEATURE_LEVEL } from '../../base/feature-level.ts';

/** What a member supports; null of one that did not say. */
export interface Supporting {
  readonly id: number;
  readonly level: number | null;
}

/** What the members of one configuration support, as they said themselves. */
export interface Support {
  /** The group's level. */
  readonly current: number;
  /** Every member, also the one that asked. */
  readonly members: readonly Supporting[];
}

/** Why a group stays where it is though all of its members support more. */
export const WAITS_FOR_PEOPLE =
  'every member supports more; it is used, and no earlier release starts any more, once somebody asks for it: POST /api/v1/controller/upgrade/finalize, kvctl upgrade finalize';

/** The level of a group that has none yet: what every member supports. Null while that is the first one, or somebody has not said. */
export function foundingLevel(members: readonly Supporting[]): number | null {
  const level = Math.min(...members.map((member) => member.level ?? FIRST_FEATURE_LEVEL));
  return Number.isSafeInteger(level) && level > FIRST_FEATURE_LEVEL ? level : null;
}

/** The highest level that any member supports: what an upgrade leads to. */
export function highestLevel({ current, members }: Support): number {
  return Math.max(current, ...members.map(({ level }) => level ?? current));
}

/** Who keeps the group from `wanted`, for people; null when nobody does. */
export function whatHolds({ current, members }: Support, wanted: number): string | null {
  if (wanted <= current) return null;
  const reasons = members.flatMap(({ id, level }) => {
    if (level === null) return `member ${id} does not say what it supports`;
    return level < wanted ? `member ${id} supports level ${level}` : [];
  });
  return reasons.length === 0 ? null : reasons.join(', ');
}

/** What becomes of a request to work at `wanted`. A group is never lowered: what was written since could not be read any more. */
export function judgeFinalize(
  support: Support,
  wanted: number,
): 'raise' | 'there' | { readonly refusal: string } {
  const { current } = support;
  if (wanted === current) return 'there';
  if (wanted < current)
    return { refusal: `the group works at level ${current} and never goes back to a lower one` };
  const held = whatHolds(support, wanted);
  return held === null
    ? 'raise'
    : { refusal: `level ${wanted} has to be supported by every member: ${held}; ${REMEDY}` };
}

/** For whoever is in the way. */
export const REMEDY =
  'restart who supports less with the new release and without a lower raft.feature_level_max; start who is away, or remove it for good';
