// Recognises the rare paths of the core by what goes in and comes out, so that a run can show that it took them.

import { isJoint } from '../../../src/raft/core/membership.ts';
import type { PeerView, RaftCore } from '../../../src/raft/core/raft-core.ts';
import type { Effects, Input, RoleView } from '../../../src/raft/core/step.ts';
import type { LogIndex, Membership, Term } from '../../../src/raft/core/types.ts';

export type CoverageMark =
  | 'conflict truncated'
  | 'config rolled back'
  | 'joint config left'
  | 'joint config left by a new leader'
  | 'stale completion'
  | 'stale reject'
  | 'timeoutNow obeyed'
  | 'late timeoutNow'
  | 'transfer started'
  | 'transfer aborted'
  | 'removed leader stepped down'
  | 'founded';

/** What must be known of a core before a step to judge the step. */
interface Glimpse {
  readonly role: RoleView;
  readonly membership: Membership;
  readonly membershipIndex: LogIndex;
  /** The term of the entry that carries the membership. */
  readonly membershipTerm: Term | null;
  readonly peers: readonly PeerView[];
}

export class CoverageWatch {
  readonly #before = new WeakMap<RaftCore, Glimpse>();

  /** Call after every step of every core. A core's first step is not judged. */
  marksOf(core: RaftCore, input: Input, effects: Effects): readonly CoverageMark[] {
    const before = this.#before.get(core);
    this.#before.set(core, glimpse(core));
    return before === undefined
      ? []
      : [...logMarks(before, core, effects), ...inputMarks(before, core, input, effects)];
  }
}

function glimpse(core: RaftCore): Glimpse {
  return {
    role: core.role,
    membership: core.membership,
    membershipIndex: core.membershipIndex,
    membershipTerm: core.termAt(core.membershipIndex),
    peers: core.peers(),
  };
}

function logMarks(before: Glimpse, core: RaftCore, effects: Effects): readonly CoverageMark[] {
  const marks: CoverageMark[] = [];
  if (effects.truncateFrom !== null) {
    marks.push('conflict truncated');
    if (before.membershipIndex >= effects.truncateFrom) marks.push('config rolled back');
  }
  const config = effects.append.find((entry) => entry.kind === 'config');
  const own = config !== undefined && effects.accepted.length === 0 && core.role.term === config.term;
  if (own && core.role.role === 'leader' && isJoint(before.membership) && !isJoint(core.membership)) {
    marks.push('joint config left');
    if (before.membershipTerm !== config.term) marks.push('joint config left by a new leader');
  }
  if (own && core.role.role === 'leader' && config.index === 1) marks.push('founded');
  if (effects.transfer?.kind === 'started') marks.push('transfer started');
  if (effects.transfer?.kind === 'aborted') marks.push('transfer aborted');
  const asked = effects.sendNow.some((message) => message.kind === 'timeoutNow');
  if (asked && core.role.role === 'follower') marks.push('removed leader stepped down');
  return marks;
}

function inputMarks(
  before: Glimpse,
  core: RaftCore,
  input: Input,
  effects: Effects,
): readonly CoverageMark[] {
  if (input.kind === 'persisted') {
    const { last, hardState } = input;
    const overwritten = last.index > core.base.index && core.termAt(last.index) !== last.term;
    return hardState.term < before.role.term || overwritten ? ['stale completion'] : [];
  }
  if (input.kind !== 'message') return [];
  const { message } = input;
  if (message.kind === 'timeoutNow') {
    return effects.role?.role === 'candidate' ? ['timeoutNow obeyed'] : ['late timeoutNow'];
  }
  if (message.kind !== 'appendRejected' || before.role.role !== 'leader') return [];
  if (message.term !== before.role.term) return [];
  const then = before.peers.find((peer) => peer.member === message.from);
  const now = core.peers().find((peer) => peer.member === message.from);
  return then?.next === now?.next && then?.state === now?.state ? ['stale reject'] : [];
}
