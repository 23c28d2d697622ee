// What happens in a run, drawn before it begins: the shape of the fleet, the weather, and each fault and errand with its time.

import { type Random, createSeededRandom, randomBelow } from '../../../../src/base/random.ts';
import type { Cluster } from '../../../../src/topology/types.ts';
import { sampleCluster } from '../../topology/arbitrary.ts';
import type { FaultKind } from './faults.ts';
import type { ErrandKind } from './operator.ts';
import type { Weather } from './world.ts';

/** One happening. Its own chances come from `seed`, so that leaving others out does not change them. */
export interface Happening {
  readonly step: number;
  /** `between`: in the middle of what the controller does, if it does anything in that step. */
  readonly place: 'before' | 'between';
  readonly kind: HappeningKind;
  readonly seed: number;
}

export interface Plan {
  readonly cluster: Cluster;
  readonly weather: Weather;
  readonly happenings: readonly Happening[];
  /** One node that is dead when all faults end stays dead. */
  readonly isOneLost: boolean;
}

export const TROUBLE_STEPS = 40;

/** Steps before the first trouble: the fleet is told its topology. */
export const QUIET_STEPS = 4;

export type HappeningKind = FaultKind | ErrandKind;

export const HAPPENING_KINDS: readonly HappeningKind[] = [
  'kill',
  'wipe',
  'forget',
  'hang',
  'cutFromMaster',
  'cutFromControl',
  'stranger',
  'fullOfClients',
  'wrongPassword',
  'stuck',
  'leaderChange',
  'outage',
  'secondController',
  'ambushMigrate',
  'ambushHandOver',
  'ambushPromotion',
  'migrate',
  'cancel',
  'addReplica',
  'removeReplica',
  'replaceReplica',
  'rejoin',
  'failover',
  'ambushDrain',
];

/**
 * A run has about a third of the kinds, each seldom or often, so that each is also seen without the others. With `kinds` it has all of these
 * and no others, also from the first step on: for what a few kinds together do.
 */
export function drawPlan(seed: number, kinds?: readonly HappeningKind[]): Plan {
  const random = createSeededRandom(Math.imul(seed, 0x9e3779b1));
  const cluster = sampleCluster(2 + randomBelow(random, 2), 1 + randomBelow(random, 3));
  const weather: Weather = {
    lossPercent: Math.max(0, randomBelow(random, 12) - 6),
    commitFailurePercent: Math.max(0, randomBelow(random, 30) - 15),
    writePercent: 10 + randomBelow(random, 30),
    syncMsMax: randomBelow(random, 4) === 0 ? 8000 : 500,
  };
  const isOneLost = randomBelow(random, 100) < 15;
  if (kinds !== undefined) {
    const fromStep = randomBelow(random, QUIET_STEPS + 1);
    const happenings = kinds.flatMap((kind) => drawHappenings(random, kind, fromStep));
    return { cluster, weather, happenings, isOneLost };
  }
  const happenings = HAPPENING_KINDS.flatMap((kind) =>
    randomBelow(random, 100) < 35 ? drawHappenings(random, kind, QUIET_STEPS) : [],
  );
  return { cluster, weather, happenings, isOneLost };
}

function drawHappenings(random: Random, kind: HappeningKind, fromStep: number): Happening[] {
  const percent = 1 + randomBelow(random, 12);
  const happenings: Happening[] = [];
  for (let step = fromStep; step < QUIET_STEPS + TROUBLE_STEPS; step += 1) {
    const draw = randomBelow(random, 100);
    const seed = random.uint32();
    if (draw >= percent) continue;
    // Another server takes longer to appear at an address than a look needs to become a push.
    const isBetween = seed % 4 === 0 && kind !== 'stranger';
    happenings.push({ step, place: isBetween ? 'between' : 'before', kind, seed });
  }
  return happenings;
}
