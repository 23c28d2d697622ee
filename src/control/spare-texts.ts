// What people are told of shards that are short and of the spares they wait for.

import { unreachable } from '../base/assert.ts';
import type { Spare } from '../topology/spares.ts';
import { confirmedText } from './failover.ts';
import type { Recheck } from './recheck.ts';
import { lostOf, type Shortage, untoldSince } from './shortage.ts';
import { type NodeView, nodeName, silenceText, type Situation } from './situation.ts';
import { chooseSpare, zonesOf } from './spare-choice.ts';
import { spareMemory, type SpareStanding } from './spare-memory.ts';
import { sparesOf } from './spare-watch.ts';

/** What becomes of one shard that is below its copies. */
export type ShortagePlan =
  /** Nothing, but that who has the place becomes a copy. */
  | { readonly kind: 'comes' }
  /** Not yet: `dueAtMs` of the shortage has to pass. */
  | { readonly kind: 'waits' }
  /** Something stands against it, `why`, whatever the spares are. */
  | { readonly kind: 'held'; readonly why: string }
  | { readonly kind: 'noSpare' }
  /** Everything else is there, and `lost` is seen once more before `spare` takes its place. */
  | { readonly kind: 'checks'; readonly spare: Spare; readonly lost: NodeView; readonly recheck: Recheck }
  /** `spare` takes the place of `lost`; null: one that nobody has. */
  | { readonly kind: 'replaces'; readonly spare: Spare; readonly lost: NodeView | null };

/** `shard 0 has 1 of 2 nodes for 12 s`, for people. */
export function shortText({ nowMs }: Situation, { shardIndex, there, wanted, sinceMs }: Shortage): string {
  return `shard ${shardIndex} has ${there} of ${wanted} nodes for ${Math.round((nowMs - sinceMs) / 1000)} s`;
}

/** What is going to happen, for people. */
export function planText(situation: Situation, shortage: Shortage, plan: ShortagePlan): string {
  switch (plan.kind) {
    case 'comes':
      return comingText(shortage);
    case 'waits': {
      const { replaceAfterSeconds } = situation.policy.cluster.spares;
      const leftSeconds = Math.ceil((shortage.dueAtMs - situation.nowMs) / 1000);
      return `${nextText(situation, shortage)} in ${Math.max(0, Math.min(replaceAfterSeconds, leftSeconds))} s`;
    }
    case 'held':
      // A master's place is for who has its data.
      if (isOfMaster(shortage)) return `no spare takes the place of a master: ${plan.why}`;
      return `${nextText(situation, shortage)}, but not now: ${plan.why}`;
    case 'checks':
      return `${nextText(situation, shortage)}: ${plan.recheck.why}`;
    case 'noSpare':
      return 'no spare is ready';
    case 'replaces':
      return takingText(situation, shortage, plan);
    default:
      return unreachable(plan);
  }
}

function comingText({ coming }: Shortage): string {
  const names = coming.map((view) => nodeName(view)).join(' and ');
  return `${names} ${coming.length === 1 ? 'is' : 'are'} being copied to, and will count once seen linked to the master`;
}

function isOfMaster({ isVacant, missed }: Shortage): boolean {
  return !isVacant && missed.every(({ node }) => node.role === 'master');
}

/** Who would take whose place as things are. */
function nextText(situation: Situation, shortage: Shortage): string {
  const spare = chooseSpare(situation, shortage);
  const who =
    spare === null ? 'a spare, once one is ready, would take' : `spare ${spareName(spare)} would take`;
  const missed = lostOf(situation, shortage) ?? shortage.missed.find(({ node }) => node.role === 'replica');
  if (shortage.isVacant || missed === undefined) return `${who} the free place`;
  return `${who} the place of ${nodeName(missed)}${untoldText(situation, missed)}`;
}

export function takingText(
  situation: Situation,
  shortage: Shortage,
  { spare, lost }: Extract<ShortagePlan, { readonly kind: 'replaces' }>,
): string {
  const isNewZone = spare.zone !== '' && !zonesOf(situation, shortage).has(spare.zone);
  const who = `spare ${spareName(spare)}${isNewZone ? ', where the shard has nobody else,' : ''}`;
  if (lost === null) return `${who} takes the free place`;
  const missed = `replica ${nodeName(lost)} ${silenceText(lost)}${confirmedText(situation, lost)}`;
  return `${missed}${untoldText(situation, lost)}; ${who} takes its place`;
}

/** What is lost with an old master that comes back to no place. */
function untoldText(situation: Situation, view: NodeView): string {
  const version = untoldSince(situation, view);
  return version === null
    ? ''
    : ` (the master until version ${version}, and not told yet that it is none: what clients wrote to it since is lost with it)`;
}

/** Why none of the spares can be used, for people. */
export function sparesText(situation: Situation): string {
  const { memory } = situation;
  const nodes = sparesOf(situation);
  if (nodes.length === 0) return 'no spare is listed';
  return nodes
    .map(
      (spare) =>
        `${spareName(spare)}: ${standingText(spare, spareMemory(memory.spares, spare).look?.standing ?? null)}`,
    )
    .join('; ');
}

/** Why a spare cannot be used, a sentence's end for people. Nobody but who was a member may have writes that are nowhere else. */
export function standingText({ lost }: Spare, standing: SpareStanding | null): string {
  if (standing === null) return 'it was not looked at yet';
  if (standing.kind === 'ready') return 'it is ready';
  const isPrecious = standing.kind === 'hasData' && lost !== null;
  return isPrecious
    ? `it was node ${lost.slice(0, 8)} of this cluster and may have what nobody else has, look first; ${standing.why}`
    : standing.why;
}

function spareName({ address, zone }: Spare): string {
  return zone === '' ? address : `${address} in zone ${zone}`;
}
