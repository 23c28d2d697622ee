// What holds an automatic change of masters back although everything else speaks for it: wishes of people, and doubts about ourselves.

import { printTime } from '../base/wall-time.ts';
import {
  effectiveAutomation,
  ignoresMassFailure,
  nodePolicy,
  wishAt,
  type Wish,
} from '../topology/policy.ts';
import { isProcessGone } from './evidence.ts';
import { isAway } from './sight.ts';
import { type NodeView, type Situation, nodeName, testimonyOf } from './situation.ts';

export interface Restraint {
  readonly kind: 'paused' | 'dryRun' | 'maintenance' | 'massFailure' | 'coolDown';
  /** A sentence's end for people. */
  readonly why: string;
  /** Milliseconds until it ends by itself; null where it does not. */
  readonly leftMs: number | null;
}

/** What holds the replacement of `master` back now, the first of all that do; null when nothing does. */
export function restraintOf(situation: Situation, master: NodeView): Restraint | null {
  // Its replicas have what it lost, and copy it away as soon as they come to it: no wish is worth that.
  if (master.loss !== null) return null;
  const byWish = automationRestraint(situation);
  // A master that cannot be told is no question of whether somebody is there.
  if (byWish !== null || !isAway(master)) return byWish;
  return (
    maintenanceRestraint(situation, master) ??
    massFailureRestraint(situation) ??
    coolDownRestraint(situation, master)
  );
}

/** What people want of all automatic failovers of this cluster, if that holds them back. */
export function automationRestraint({ policy, nowSeconds }: Situation): Restraint | null {
  const effective = effectiveAutomation(policy.group, policy.cluster, nowSeconds);
  if (effective === null || effective.automation.failover === 'on') return null;
  const { by, automation } = effective;
  const what = automation.failover === 'paused' ? 'paused' : 'a dry run';
  const whose = by === 'group' ? 'for all clusters' : 'for this cluster';
  return {
    kind: automation.failover === 'paused' ? 'paused' : 'dryRun',
    why: `automatic failover is ${what} ${whose}${wishText(automation)}`,
    leftMs: leftOf(automation, nowSeconds),
  };
}

function maintenanceRestraint({ policy, nowSeconds }: Situation, master: NodeView): Restraint | null {
  const wish = wishAt(nodePolicy(policy.cluster, master.node.id).maintenance, nowSeconds);
  if (wish === null) return null;
  return {
    kind: 'maintenance',
    why: `${nodeName(master)} is in maintenance${wishText(wish)}`,
    leftMs: leftOf(wish, nowSeconds),
  };
}

/** Rather this group is cut off than so many nodes dead at once. */
export function massFailureRestraint({ census, settings, policy, nowSeconds }: Situation): Restraint | null {
  const { nodes, missed } = census;
  const isMass = nodes >= settings.aliveSizeMin && missed > settings.failureRatioMax * nodes;
  if (!isMass || ignoresMassFailure(policy.group, policy.cluster, nowSeconds)) return null;
  return {
    kind: 'massFailure',
    why: `${missed} of the ${nodes} nodes of this controller are missed at once: rather the controllers are cut off`,
    leftMs: null,
  };
}

/** A second death by silence of one shard, soon after its last change of masters. */
function coolDownRestraint(situation: Situation, master: NodeView): Restraint | null {
  const { settings, facts, nowSeconds } = situation;
  const last = facts.shards.get(master.shard.id)?.promotions.at(-1);
  if (last === undefined || master.condition === 'gone') return null;
  if (isProcessGone(testimonyOf(situation, master, master.memory), settings)) return null;
  const sinceMs = (nowSeconds - last.atSeconds) * 1000;
  // A clock that was set back must not hold it for longer.
  if (sinceMs < 0 || sinceMs >= settings.coolDownMs) return null;
  return {
    kind: 'coolDown',
    why: `the master of this shard was changed ${sinceMs / 1000} s ago, and this one is only silent: that network may come and go`,
    leftMs: settings.coolDownMs - sinceMs,
  };
}

function leftOf({ untilSeconds }: Wish, nowSeconds: number): number | null {
  return untilSeconds === null ? null : (untilSeconds - nowSeconds) * 1000;
}

/** ` until <time> (<reason>)`, for people. */
export function wishText({ untilSeconds, reason }: Wish): string {
  const until = untilSeconds === null ? '' : ` until ${printTime(untilSeconds)}`;
  return `${until}${reason === '' ? '' : ` (${reason})`}`;
}
