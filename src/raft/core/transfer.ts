// Leadership transfer (thesis section 3.10): bring one voter up to date, tell it to campaign at once, give up after an
// election timeout. A leader that was removed leaves the same way, but in any case.

import { present } from '../../base/assert.ts';
import { becomeFollower } from './election.ts';
import { isChangePending } from './configuration.ts';
import { isVoter } from './membership.ts';
import type { Progress } from './progress.ts';
import { envelope } from './state.ts';
import type { CoreState, Leadership, Transfer } from './state.ts';
import type { TransferRefusal } from './step.ts';
import type { MemberId } from './types.ts';

/** Starts a transfer to `to`, or to the best follower when it is null, unless something speaks against it. */
export function startTransfer(core: CoreState, to: MemberId | null): void {
  const lead = core.role;
  if (lead.kind !== 'leader') {
    refuse(core, 'notLeader');
    return;
  }
  const reason = refusalOf(core, lead, to);
  const target = targetOf(core, lead, to);
  if (reason !== null) refuse(core, reason);
  else if (target === null) refuse(core, 'noTarget');
  else begin(core, lead, { to: target.member, departing: false });
}

/**
 * What a leader does when a step may have moved things: a removed one leaves once its removal is committed, and the
 * target of a transfer is told to campaign once it has the whole log.
 */
export function advanceTransfer(core: CoreState, lead: Leadership): void {
  if (lead.transfer === null && isRemoved(core)) depart(core, lead);
  const { transfer } = lead;
  if (transfer === null || transfer.asked) return;
  if (lead.peers.get(transfer.to)?.match !== core.log.lastIndex) return;
  transfer.asked = true;
  sendTimeoutNow(core, transfer);
  if (transfer.departing) becomeFollower(core, core.hardState.term, null);
}

/** One tick of a leader: a transfer that takes an election timeout has failed. */
export function tickTransfer(core: CoreState, lead: Leadership): void {
  const { transfer } = lead;
  if (transfer === null || lead.ticks - transfer.sinceTick < core.options.electionTicks) return;
  if (transfer.departing) {
    becomeFollower(core, core.hardState.term, null);
    return;
  }
  lead.transfer = null;
  core.out.transfer = { kind: 'aborted' };
}

/** The request to campaign may have been lost; it is harmless when it was not. */
export function repeatTimeoutNow(core: CoreState, lead: Leadership): void {
  if (lead.transfer?.asked === true) sendTimeoutNow(core, lead.transfer);
}

function refuse(core: CoreState, reason: TransferRefusal): void {
  core.out.transfer = { kind: 'refused', reason };
}

function begin(
  core: CoreState,
  lead: Leadership,
  { to, departing }: { readonly to: MemberId; readonly departing: boolean },
): void {
  lead.transfer = { to, sinceTick: lead.ticks, departing, asked: false };
  core.out.transfer = { kind: 'started', to };
}

function sendTimeoutNow(core: CoreState, { to }: Transfer): void {
  core.out.sendNow.push({ ...envelope(core, to), kind: 'timeoutNow', last: core.log.last });
}

function refusalOf(core: CoreState, lead: Leadership, to: MemberId | null): TransferRefusal | null {
  if (lead.transfer !== null) return 'transferring';
  if (!lead.established) return 'notEstablished';
  if (isChangePending(core)) return 'changePending';
  if (to === core.options.self) return 'isSelf';
  return to === null || isVoter(core.log.membership, to) ? null : 'notVoter';
}

/** The named voter, or the one with most of the log, if it was heard lately: waiting for a dead one stops all writes. */
function targetOf(core: CoreState, lead: Leadership, to: MemberId | null): Progress | null {
  const candidates = [...lead.peers.values()].filter(
    (peer) =>
      isVoter(core.log.membership, peer.member) &&
      (to === null || peer.member === to) &&
      lead.ticks - peer.heardAtTick < core.options.electionTicks,
  );
  candidates.sort((left, right) => right.match - left.match || right.heardAtTick - left.heardAtTick);
  return candidates[0] ?? null;
}

/** The removal of this member is committed. Until then it leads on without counting itself (thesis section 4.2.2). */
function isRemoved(core: CoreState): boolean {
  const { log, options } = core;
  return !isVoter(log.membership, options.self) && log.membershipIndex <= log.commitIndex;
}

function depart(core: CoreState, lead: Leadership): void {
  const target = present(targetOf(core, lead, null), 'a voter was heard: it committed the removal');
  begin(core, lead, { to: target.member, departing: true });
}
