// What an operator does about a problem: the one call its remedy names. A state that is not left by itself has to name one of these.

import type { Problem, ProblemKind } from '../../../../src/control/problems.ts';
import type { Controller } from './controller.ts';
import type { Faults } from './faults.ts';
import type { World } from './world.ts';

type Call = 'restartNode';

const CALLS: Partial<Record<ProblemKind, Call>> = {
  slotsWriteForbidden: 'restartNode',
};

/** Follows the remedies of all problems; whether there was any to follow. */
export function followRemedies(world: World, controller: Controller, faults: Faults): boolean {
  let isFollowed = false;
  for (const problem of controller.last?.problems ?? []) {
    const call = CALLS[problem.kind];
    if (call === undefined) continue;
    world.note(() => `the operator follows the remedy of ${problem.kind}: ${call}`);
    carryOut(call, problem, { controller, faults });
    isFollowed = true;
  }
  return isFollowed;
}

function carryOut(
  call: Call,
  problem: Problem,
  { faults }: { readonly controller: Controller; readonly faults: Faults },
): void {
  switch (call) {
    case 'restartNode':
      if (problem.address !== null) faults.restart(problem.address);
      return;
    default:
      throw new Error(`no call ${String(call)}`);
  }
}
