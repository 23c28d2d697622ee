// What changes clusters: other masters, nodes that are worked on, slots that move.

import type { Command } from 'commander';

import type { Act } from './act.ts';
import { registerFailovers } from './failovers.ts';
import { registerMoves } from './moves.ts';
import { registerNodes } from './nodes.ts';
import { registerPauses } from './pauses.ts';
import { registerPlans } from './plans.ts';
import { registerSpares } from './spares.ts';
import { registerTasks } from './tasks.ts';

export function registerActs(program: Command, act: Act): void {
  registerMoves(program, act);
  registerFailovers(program, act);
  registerPauses(program, act);
  registerNodes(program, act);
  registerPlans(program, act);
  registerTasks(program, act);
  registerSpares(program, act);
}
