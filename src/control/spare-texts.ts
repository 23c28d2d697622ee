// What people are told of shards that are short and of the spares they wait for.

import { unreachable } from '../base/assert.ts';
import type { Spare } from '../topology/spares.ts';
import { confirmedText } from './failover.ts';
import { lostOf, type Shortage } from './shortage.ts';
import { type NodeView, nodeName, silenceText, type Situation } from './situation.ts';
import { chooseSpare, zonesOf } from './spare-choice.ts';
import { spareMemory, type SpareStanding } from './spare-memory.ts';

/** What becomes of one shard that is below its copies. */
export type ShortagePlan =
  /** Not yet: `dueAtMs` of the shortage has to pass. */
  | { readonly kind: 'waits' }
  /** Something stands against it, `why`, whatever the spares are. */
  | { readonly kind: 'held'; readonly why: string }
  | { readonly kind: 'noSpare' }
  /** `spare` takes the place of `lost`; null: one that nobody has. */
  | { readonly kind: 'replaces'; readonly spare: Spare; readonly lost: NodeView | null };

/** `shard 0 has 1 of 2 nodes for 12 s`, for people. */
export function shortText({ nowMs }: Situation, { shardIndex, there, wanted, sinceMs }: Shortage): string {
  return `shard ${shardIndex} has ${there} of ${wanted} nodes for ${Math.round((nowMs - sinceMs) / 1000)} s`;
}

/** What is going to happen, for people. */
export function planText(situation: Situation, shortage: Shortage, plan: ShortagePlan): string {
  switch (plan.kind) {
    case 'waits':
      return `${nextText(situation, shortage)} in ${Math.max(0, Math.ceil((shortage.dueAtMs - situation.nowMs) / 1000))} s`;
    case 'held':
      return `${nextText(situation, shortage)}, but not now: ${plan.why}`;
    case 'noSpare':
      return 'no spare is ready';
    case 'replaces':
      return takingText(situation, shortage, plan);
    default:
      return unreachable(plan);
  }
}

/** Who would take whose place as things are. */
function nextText(situation: Situation, shortage: Shortage): string {
  const spare = chooseSpare(situation, shortage);
  const who =
    spare === null ? 'a spare, once one is ready, would take' : `spare ${spareName(spare)} would take`;
  const missed = lostOf(situation, shortage) ?? shortage.missed[0];
  const isFree = shortage.isVacant || missed === undefined;
  return `${who} ${isFree ? 'the free place' : `the place of ${nodeName(missed)}`}`;
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
  return `${missed}; ${who} takes its place`;
}

/** Why none of the spares can be used, for people. */
export function sparesText({ policy, memory }: Situation): string {
  const { nodes } = policy.cluster.spares;
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
