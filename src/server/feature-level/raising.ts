// When a group may rise to a higher level: the rule alone.

/** What the members of one configuration support, as the leader was told in its own term. */
export interface Support {
  /** The group's level. */
  readonly current: number;
  /** Of every member, the leader included; null of one that did not say. */
  readonly members: readonly { readonly id: number; readonly level: number | null }[];
}

/** The level to rise to, which every member supports; null when the group stays where it is. Never a lower one. */
export function raisedLevel({ current, members }: Support): number | null {
  const highest = Math.min(...members.map(({ level }) => level ?? current));
  return Number.isSafeInteger(highest) && highest > current ? highest : null;
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
