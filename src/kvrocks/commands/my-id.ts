// CLUSTERX MYID: which id the node believes to have.

import { err, ok, type Result } from '../../base/result.ts';
import type { NodeError } from '../../control/observation.ts';
import { parseNodeId } from '../../topology/node.ts';
import type { NodeId } from '../../topology/types.ts';
import { malformedReply } from '../errors.ts';
import type { Reply } from '../reply.ts';
import { type NodeCommand, textOf } from './command.ts';

/** Null on a node that was never given an id: it answers an empty bulk string (facts section 1). */
export const myId: NodeCommand<NodeId | null> = {
  words: ['CLUSTERX', 'MYID'],
  parse(reply: Reply): Result<NodeId | null, NodeError> {
    const text = textOf(reply, 'CLUSTERX MYID');
    if (!text.ok) return text;
    if (text.value === '') return ok(null);
    const id = parseNodeId(text.value);
    return id.ok ? id : err(malformedReply('CLUSTERX MYID answered', text.value));
  },
};
