// What an operator does about a problem: the one call its remedy names. A state that is not left by itself has to name one of these.

import type { Problem, ProblemKind } from '../../../../src/control/problems.ts';
import type { Controller } from './controller.ts';
import type { Faults } from './faults.ts';
import type { Operator } from './operator.ts';
import type { World } from './world.ts';

type Call = 'restartNode' | 'replaceNode';

const CALLS: Partial<Record<ProblemKind, Call>> = {
  slotsWriteForbidden: 'restartNode',
  replicaUnreachable: 'replaceNode',
};

interface Hands {
  readonly faults: Faults;
  readonly operator: Operator;
}

/** Follows the remedies of all problems; whether there was any to follow. */
export function followRemedies(world: World, controller: Controller, hands: Hands): boolean {
  let isFollowed = false;
  for (const problem of controller.last?.problems ?? []) {
    const call = CALLS[problem.kind];
    if (call === undefined || !carryOut(call, problem, hands)) continue;
    world.note(() => `the operator follows the remedy of ${problem.kind}: ${call}`);
    isFollowed = true;
  }
  return isFollowed;
}

function carryOut(call: Call, { address }: Problem, { faults, operator }: Hands): boolean {
  if (address === null) return false;
  switch (call) {
    case 'restartNode':
      faults.restart(address);
      return true;
    default:
      return operator.replace(address);
  }
}
