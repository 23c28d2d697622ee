// How a node serves one slot, asked with a write that changes nothing (facts sections 3.7, 5.3 and 5.4).

import { err, ok, type Result } from '../../base/result.ts';
import type { SlotService } from '../../control/imported-hand-over.ts';
import type { NodeError } from '../../control/observation.ts';
import { addressFromParts } from '../../topology/node.ts';
import type { NodeAddress, Slot } from '../../topology/types.ts';
import { classifyErrorReply } from '../errors.ts';
import type { Reply } from '../reply.ts';
import { keyInSlot } from '../slot-keys.ts';
import type { NodeCommand } from './command.ts';

const MOVED = /^MOVED \d+ (\S+):(\d+)$/;

/** PERSIST of a key that does not exist is a write for the checks of the slot, and writes nothing. */
export function slotService(slot: Slot): NodeCommand<SlotService> {
  return {
    words: ['PERSIST', keyInSlot(slot)],
    parse(reply: Reply): Result<SlotService, NodeError> {
      if (reply.ok) return ok({ kind: 'served' });
      const moved = MOVED.exec(reply.error);
      if (moved !== null) return ok({ kind: 'moved', to: addressOf(moved) });
      if (reply.error.startsWith('TRYAGAIN')) return ok({ kind: 'writeForbidden' });
      const error = classifyErrorReply(reply.error);
      return error.kind === 'refused' ? ok({ kind: 'refused', reason: error.message }) : err(error);
    },
  };
}

/** An IPv6 host comes bare (facts section 2.4). */
function addressOf([, host = '', port = '']: readonly string[]): NodeAddress | null {
  const address = addressFromParts(host, port);
  return address.ok ? address.value : null;
}
