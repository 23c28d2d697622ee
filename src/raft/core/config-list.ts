// The memberships a log stands for: the one of its base and one for every config entry after it. The newest is in force.

import { assert, present } from '../../base/assert.ts';
import { decodeMembership, sameMembership } from './membership-codec.ts';
import type { Entry, LogIndex, Membership, SnapshotMeta } from './types.ts';

interface Place {
  readonly index: LogIndex;
  readonly membership: Membership;
}

/** What a `config` entry carries; null when no group could live with it: unreadable, or a voter set without voters. */
export function membershipOf(entry: Entry): Membership | null {
  const membership = decodeMembership(entry.data);
  return membership?.voterSets.every((voters) => voters.length > 0) === true ? membership : null;
}

/** Kept in step with the entries by the log, which owns it. */
export class ConfigList {
  /** Never empty, indexes ascend; the first place is the base's or the last one before it. */
  #places: Place[];

  constructor(base: SnapshotMeta) {
    this.#places = [{ index: base.index, membership: base.membership }];
  }

  /** In force since its entry was appended, committed or not (thesis section 4.1). */
  get newest(): Membership {
    return this.#last.membership;
  }

  /** Where the newest membership stands; the base's index when no config entry follows it. */
  get newestIndex(): LogIndex {
    return this.#last.index;
  }

  /** The membership in force at `index`, which is not before the base. */
  at(index: LogIndex): Membership {
    return present(
      this.#places.findLast((place) => place.index <= index),
      'the base has a membership',
    ).membership;
  }

  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.kind !== 'config') continue;
      const membership = present(membershipOf(entry), 'a config entry in the log is readable');
      this.#places.push({ index: entry.index, membership });
    }
  }

  /** Entries from `index` on are gone, and with them their memberships: the one before is in force again. */
  truncateFrom(index: LogIndex): void {
    this.#places = this.#places.filter((place, position) => position === 0 || place.index < index);
  }

  /** Entries up to the base are gone. Throws when the base was given another membership than the log had there. */
  compactTo(base: SnapshotMeta): void {
    const membership = this.at(base.index);
    assert(sameMembership(membership, base.membership), 'a base has the membership of its place in the log');
    const after = this.#places.filter((place) => place.index > base.index);
    this.#places = [{ index: base.index, membership }, ...after];
  }

  get #last(): Place {
    return present(this.#places.at(-1), 'there is always a membership');
  }
}
