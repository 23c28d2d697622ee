// CLUSTER NODES: the whole topology as one node holds it, for imports. `topology/cluster-nodes-text.ts` reads the text.

import type { Result } from '../../base/result.ts';
import type { NodeError } from '../../control/observation.ts';
import type { Reply } from '../reply.ts';
import { type NodeCommand, textOf } from './command.ts';

export const clusterNodes: NodeCommand<string> = {
  words: ['CLUSTER', 'NODES'],
  parse: (reply: Reply): Result<string, NodeError> => textOf(reply, 'CLUSTER NODES'),
};
