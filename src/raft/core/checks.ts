// What must hold of the options and after every step, whatever came in.

import { assert } from '../../base/assert.ts';
import type { CoreState } from './state.ts';
import type { CoreOptions, RoleView } from './step.ts';
import type { HardState, LogIndex } from './types.ts';

/** Throws `AssertionError` for sizes and times that make no sense. */
export function checkOptions(options: CoreOptions): void {
  const { heartbeatTicks, electionTicks } = options;
  assert(Number.isSafeInteger(heartbeatTicks) && heartbeatTicks >= 1, 'heartbeatTicks is an integer >= 1');
  assert(Number.isSafeInteger(electionTicks), 'electionTicks is an integer');
  assert(electionTicks >= 3 * heartbeatTicks, 'electionTicks is at least 3 * heartbeatTicks');
  assert(options.appendEntriesMax >= 1, 'appendEntriesMax is at least 1');
  assert(options.appendBytesMax >= 1, 'appendBytesMax is at least 1');
  assert(options.inflightMax >= 1, 'inflightMax is at least 1');
  assert(options.uncommittedBytesMax >= 0, 'uncommittedBytesMax is not negative');
  assert(options.readsMax >= 0, 'readsMax is not negative');
}

/** What must hold after every step, whatever came in. */
export function checkStep(core: CoreState, before: HardState, commitBefore: LogIndex): void {
  const { hardState, log, role } = core;
  assert(hardState.term >= before.term, 'the term never falls');
  const voteKept = before.votedFor === null || hardState.votedFor === before.votedFor;
  assert(hardState.term > before.term || voteKept, 'one vote a term');
  assert(log.commitIndex >= commitBefore, 'the commit index never falls');
  assert(log.base.index <= log.commitIndex && log.commitIndex <= log.lastIndex, 'base <= commit <= last');
  assert(log.durableIndex <= log.lastIndex, 'durable <= last');
  assert(log.membershipIndex <= log.lastIndex, 'the membership in force is in the log');
  assert(log.last.term <= hardState.term, 'no entry is of a later term');
  assert((role.kind === 'leader') === (core.leader === core.options.self), 'a leader knows that it leads');
  assert(role.kind !== 'leader' || core.out.truncateFrom === null, 'a leader never truncates');
}

export function sameHardState(left: HardState, right: HardState): boolean {
  return left.term === right.term && left.votedFor === right.votedFor;
}

export function sameRole(left: RoleView, right: RoleView): boolean {
  return (
    left.role === right.role &&
    left.term === right.term &&
    left.leader === right.leader &&
    left.established === right.established
  );
}
