// The lease of a master, where the server knows one: `master-lease-mode` and CLUSTERX HEARTBEAT, as proposed in kvrocks issue 3397. No release has them.

import type { Result } from '../../base/result.ts';
import type { LeaseRenewal } from '../../control/node-commands.ts';
import type { NodeError } from '../../control/observation.ts';
import type { Reply } from '../reply.ts';
import { type NodeCommand, textOf } from './command.ts';
import { configGet } from './config-get.ts';

/** `disabled`, `log-only` or `block-write`; null on a server without leases. */
export const leaseMode = configGet('master-lease-mode');

/** Renews the lease of the node with this id. The reply is INFO's, also for another id, which renews nothing. */
export function heartbeat({ id, version, leaseMs }: LeaseRenewal): NodeCommand<void> {
  return {
    words: ['CLUSTERX', 'HEARTBEAT', id, String(leaseMs), String(version)],
    parse(reply: Reply): Result<void, NodeError> {
      const text = textOf(reply, 'CLUSTERX HEARTBEAT');
      return text.ok ? { ok: true, value: undefined } : text;
    },
  };
}
