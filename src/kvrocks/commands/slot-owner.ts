// Does a node serve a slot? Asked with a read of a key that need not exist, which changes nothing.

import { err, ok, type Result } from '../../base/result.ts';
import type { NodeError } from '../../control/observation.ts';
import { keyOfSlot } from '../../topology/key-slot.ts';
import type { Slot } from '../../topology/types.ts';
import { classifyErrorReply } from '../errors.ts';
import type { Reply } from '../reply.ts';
import type { NodeCommand } from './command.ts';

const keys = new Map<Slot, string>();

function keyOf(slot: Slot): string {
  const known = keys.get(slot);
  if (known !== undefined) return known;
  const key = keyOfSlot(slot);
  keys.set(slot, key);
  return key;
}

/** Whether a client that asks for a key of `slot` is turned away to another node (facts section 5.3). */
export function turnsAway(slot: Slot): NodeCommand<boolean> {
  return {
    words: ['EXISTS', keyOf(slot)],
    parse(reply: Reply): Result<boolean, NodeError> {
      if (reply.ok) return ok(false);
      return reply.error.startsWith('MOVED ') ? ok(true) : err(classifyErrorReply(reply.error));
    },
  };
}
