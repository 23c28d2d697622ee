// CLUSTERX MIGRATE, asynchronous: the source queues the job and answers at once (facts section 5.1).

import type { Result } from '../../base/result.ts';
import type { NodeError } from '../../control/observation.ts';
import { printSlotRange } from '../../topology/slot.ts';
import type { NodeId, SlotRange } from '../../topology/types.ts';
import type { Reply } from '../reply.ts';
import { type NodeCommand, okOf } from './command.ts';

/** Success means queued and nothing more: what becomes of the job is read from CLUSTER INFO. */
export function migrate(range: SlotRange, target: NodeId): NodeCommand<void> {
  return {
    words: ['CLUSTERX', 'MIGRATE', printSlotRange(range), target],
    parse: (reply: Reply): Result<void, NodeError> => okOf(reply, 'CLUSTERX MIGRATE'),
  };
}
