// Moves a node's sequence number on, so that it can no longer pass for a beginning of another's history (facts section 13).

import { assert } from '../../base/assert.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { NodeError } from '../../control/observation.ts';
import type { Reply } from '../reply.ts';
import { malformedReply, classifyErrorReply } from '../errors.ts';
import type { NodeCommand } from './command.ts';

/** The one key this program ever writes; a full sync removes it with everything else of that node. */
const OUTRUN_KEY = '__kvrocks_controller_outrun__';

/** Numbers in one command: the node answers nobody else while it runs, about 5 ms for each thousand. */
export const OUTRUN_COUNT_MAX = 20_000;

/**
 * Writes `count` numbers to one key. The key is not declared, so the script runs on a master without slots too, as long
 * as some node of its topology owns the key's slot; without a topology the node answers CLUSTERDOWN.
 */
export function outrun(count: number): NodeCommand<void> {
  assert(Number.isInteger(count) && count >= 1 && count <= OUTRUN_COUNT_MAX, 'a count within its bounds');
  const script = `for i=1,${count} do redis.call('set','${OUTRUN_KEY}',i) end return 1`;
  return {
    words: ['EVAL', script, '0'],
    parse(reply: Reply): Result<void, NodeError> {
      if (!reply.ok) return err(classifyErrorReply(reply.error));
      return reply.value === 1 || reply.value === '1'
        ? ok(undefined)
        : err(malformedReply('EVAL answered', reply.value));
    },
  };
}
