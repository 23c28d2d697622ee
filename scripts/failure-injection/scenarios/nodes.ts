// Faults of the nodes of a cluster, one scenario each, with writers whose acknowledged writes are looked for in the end.

import { nodeHang, nodeKill } from '../node-faults/deaths.ts';
import { nodeFlapping } from '../node-faults/flapping.ts';
import { nodeHost } from '../node-faults/host.ts';
import { nodeCutAll, nodeCutOne, nodeSlow } from '../node-faults/links.ts';
import { nodeMigration } from '../node-faults/migration.ts';
import { switchover } from '../node-faults/planned.ts';
import { runNodeFault } from '../node-faults/trial.ts';
import type { Drama } from '../scenario.ts';

export const NODE_FAULTS: readonly Drama[] = [
  nodeKill,
  nodeHang,
  nodeSlow,
  nodeCutOne,
  nodeCutAll,
  nodeFlapping,
  nodeHost,
  switchover,
  nodeMigration,
].map((fault) => ({
  name: fault.name,
  summary: fault.summary,
  takesActions: fault.actions !== undefined,
  run: async (options) => runNodeFault(fault, options),
}));
