// CLUSTER RESET: a node forgets its topology and its id, if it has no data.

import { err, ok, type Result } from '../../base/result.ts';
import type { NodeError } from '../../control/observation.ts';
import type { ResetOutcome } from '../../control/node-commands.ts';
import type { Reply } from '../reply.ts';
import { type NodeCommand, okOf } from './command.ts';

/** The server itself refuses it while there is any data, or slots move (facts section 7). */
export const reset: NodeCommand<ResetOutcome> = {
  words: ['CLUSTER', 'RESET'],
  parse(reply: Reply): Result<ResetOutcome, NodeError> {
    if (!reply.ok && /database is not empty/i.test(reply.error)) return ok('keepsData');
    const done = okOf(reply, 'CLUSTER RESET');
    return done.ok ? ok('reset') : err(done.error);
  },
};
