// Whose messages are listened to: not those of a wiped disk under an old id, nor those of a removed member.

import type { CoreState } from './state.ts';
import type { Incarnation, MemberId } from './types.ts';

/** `otherIncarnation`: the id is bound to another data directory. `removed`: the id left the group for good. */
export type Admission = 'yes' | 'otherIncarnation' | 'removed';

/**
 * Strangers are admitted: a member that lags or joins does not know everybody, and what a stranger asks for is judged
 * by term and log. A binding counts as soon as it is in the log, because votes are counted by it.
 */
export function admission(core: CoreState, from: MemberId, incarnation: Incarnation): Admission {
  const bound = core.log.membership.incarnations.get(from);
  if (bound !== undefined && bound !== incarnation) return 'otherIncarnation';
  return wasRemoved(core, from) ? 'removed' : 'yes';
}

/**
 * Only a committed removal counts: one that is not may be rolled back by the very member it removes. And a leader that
 * was removed is heard until it has handed the lead over.
 */
export function wasRemoved(core: CoreState, member: MemberId): boolean {
  if (core.leader === member) return false;
  const { log } = core;
  return log.membershipAt(log.commitIndex).removed.some((gone) => gone.member === member);
}
