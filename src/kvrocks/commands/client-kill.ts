// CLIENT KILL: ends connections of others to a node (facts section 9). The node answers first, and closes them a moment later.

import { err, ok, type Result } from '../../base/result.ts';
import type { NodeError } from '../../control/observation.ts';
import { classifyErrorReply, malformedReply } from '../errors.ts';
import type { Reply } from '../reply.ts';
import type { NodeCommand } from './command.ts';

/** Those of all clients but the asking one; replicas and subscribers go on. How many they are. */
export const killClients: NodeCommand<number> = {
  words: ['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes'],
  parse: countOf,
};

/** The connection with this id; 0 when there is none any more. */
export function killClient(id: number): NodeCommand<number> {
  return { words: ['CLIENT', 'KILL', 'ID', String(id)], parse: countOf };
}

function countOf(reply: Reply): Result<number, NodeError> {
  if (!reply.ok) return err(classifyErrorReply(reply.error));
  return typeof reply.value === 'number'
    ? ok(reply.value)
    : err(malformedReply('CLIENT KILL answered', reply.value));
}
