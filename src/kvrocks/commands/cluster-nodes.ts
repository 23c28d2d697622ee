// CLUSTER NODES: the whole topology as one node holds it, for imports. `topology/cluster-nodes-text.ts` reads the text.

import type { Result } from '../../base/result.ts';
import type { NodeError } from '../../control/observation.ts';
import type { Reply } from '../reply.ts';
import { type NodeCommand, textOf } from './command.ts';

/**
 * Bytes of the text, at most. A thousand shards of four nodes with all 16,384 slots as single ranges are 0.7 MB; what is
 * longer is refused by its announced length, before anybody spends time on reading it.
 */
export const CLUSTER_NODES_BYTES_MAX = 1024 * 1024;

export const clusterNodes: NodeCommand<string> = {
  words: ['CLUSTER', 'NODES'],
  parse: (reply: Reply): Result<string, NodeError> => textOf(reply, 'CLUSTER NODES'),
};
