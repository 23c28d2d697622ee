// What an operator does about a problem: the one call its remedy names. A state that is not left by itself has to name one of these.

import type { Problem, ProblemKind } from '../../../../src/control/problems.ts';
import { masterOf } from '../../../../src/topology/cluster.ts';
import type { Controller } from './controller.ts';
import type { Faults } from './faults.ts';
import type { Operator } from './operator.ts';
import type { World } from './world.ts';

type Call = 'restartNode' | 'replaceNode' | 'forceFailover' | 'confirmAlone';

const CALLS: Partial<Record<ProblemKind, Call>> = {
  slotsWriteForbidden: 'restartNode',
  replicaUnreachable: 'replaceNode',
  masterUnreachable: 'forceFailover',
  masterDataLost: 'forceFailover',
  versionContested: 'confirmAlone',
  unrecordedHandOver: 'restartNode',
};

interface Hands {
  readonly controller: Controller;
  readonly faults: Faults;
  readonly operator: Operator;
}

/** Follows the remedies of all problems; whether there was any to follow. */
export function followRemedies(world: World, hands: Hands): boolean {
  let isFollowed = false;
  for (const problem of hands.controller.last?.problems ?? []) {
    const call = CALLS[problem.kind];
    if (call === undefined || !carryOut(call, problem, hands)) continue;
    world.note(() => `the operator has followed the remedy of ${problem.kind}: ${call}`);
    isFollowed = true;
  }
  return isFollowed;
}

function carryOut(call: Call, problem: Problem, { controller, faults, operator }: Hands): boolean {
  const { address, shardIndex } = problem;
  switch (call) {
    case 'restartNode':
      return address !== null && faults.restart(address);
    case 'replaceNode':
      return address !== null && operator.replace(address);
    case 'forceFailover':
      return shardIndex !== null && forceFailover(controller, shardIndex);
    default:
      controller.confirmAlone();
      return true;
  }
}

/** The best copy there is; and where there is none but an emptied master, that master as it is. */
function forceFailover(controller: Controller, shardIndex: number): boolean {
  if (controller.failOver(shardIndex, { preferred: null, isForced: true }) === null) return true;
  const shard = controller.records.cluster.shards[shardIndex];
  if (shard === undefined) return false;
  return controller.failOver(shardIndex, { preferred: masterOf(shard).id, isForced: true }) === null;
}
