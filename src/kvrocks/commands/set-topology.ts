// CLUSTERX SETNODEID and SETNODES: the only way a node learns its place (facts section 2).

import type { Result } from '../../base/result.ts';
import type { TopologyPush } from '../../control/node-commands.ts';
import type { NodeError } from '../../control/observation.ts';
import type { NodeId } from '../../topology/types.ts';
import type { Reply } from '../reply.ts';
import { type NodeCommand, okOf } from './command.ts';

/** Never sent without SETNODES right behind it: a node that restarts between the two does not start again (facts section 2.1). */
export function setNodeId(id: NodeId): NodeCommand<void> {
  return {
    words: ['CLUSTERX', 'SETNODEID', id],
    parse: (reply: Reply): Result<void, NodeError> => okOf(reply, 'CLUSTERX SETNODEID'),
  };
}

/** Without force an equal version answers OK and changes nothing, not even looking at the text (facts section 2.2): only a probe shows the effect. */
export function setNodes({ text, version, force }: Omit<TopologyPush, 'id'>): NodeCommand<void> {
  return {
    words: ['CLUSTERX', 'SETNODES', text, String(version), ...(force ? ['FORCE'] : [])],
    parse: (reply: Reply): Result<void, NodeError> => okOf(reply, 'CLUSTERX SETNODES'),
  };
}
