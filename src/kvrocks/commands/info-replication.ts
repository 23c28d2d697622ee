// INFO replication: role, link and sequence number. Never ROLE, which crashes a server that restores (facts section 3.4).

import { err, ok, type Result } from '../../base/result.ts';
import type { NodeError } from '../../control/observation.ts';
import { addressFromParts } from '../../topology/node.ts';
import type { NodeAddress, NodeRole } from '../../topology/types.ts';
import { malformedReply } from '../errors.ts';
import type { Reply } from '../reply.ts';
import { fieldsOf, integerOf, type NodeCommand, textOf } from './command.ts';

export interface ReplicationInfo {
  readonly role: NodeRole;
  readonly master: NodeAddress | null;
  readonly link: 'up' | 'down' | null;
  readonly lastIoSeconds: number | null;
  readonly syncInProgress: boolean;
  readonly sequence: number | null;
}

const NAME = 'INFO replication';

/** A replica that never heard from its master reports the seconds since 1970 (facts section 3.3). */
const NEVER_CONNECTED_SECONDS = 1_000_000_000;

export const infoReplication: NodeCommand<ReplicationInfo> = {
  words: ['INFO', 'replication'],
  parse(reply: Reply): Result<ReplicationInfo, NodeError> {
    const text = textOf(reply, NAME);
    if (!text.ok) return text;
    // While a full sync is restored the section is absent (facts section 8).
    if (text.value === '')
      return err({ kind: 'loading', message: `${NAME} is empty: the node restores its data` });
    const fields = fieldsOf(text.value);
    const sequence = integerOf(fields.get('master_repl_offset'));
    switch (fields.get('role')) {
      case 'master':
        return ok({
          role: 'master',
          master: null,
          link: null,
          lastIoSeconds: null,
          syncInProgress: false,
          sequence,
        });
      case 'slave':
        return replicaOf(fields, sequence);
      default:
        return err(malformedReply(`${NAME} without a role`, text.value));
    }
  },
};

function replicaOf(
  fields: ReadonlyMap<string, string>,
  sequence: number | null,
): Result<ReplicationInfo, NodeError> {
  const host = fields.get('master_host') ?? '';
  const port = fields.get('master_port') ?? '';
  const master = addressFromParts(host, port);
  if (!master.ok) return err(malformedReply(`${NAME} with the master`, `${host}:${port}`));
  const link = fields.get('master_link_status');
  if (link !== 'up' && link !== 'down') return err(malformedReply(`${NAME} with master_link_status`, link));
  const lastIoSeconds = integerOf(fields.get('master_last_io_seconds_ago'));
  const hasHeard = lastIoSeconds !== null && lastIoSeconds >= 0 && lastIoSeconds < NEVER_CONNECTED_SECONDS;
  return ok({
    role: 'replica',
    master: master.value,
    link,
    lastIoSeconds: hasHeard ? lastIoSeconds : null,
    syncInProgress: fields.get('master_sync_in_progress') === '1',
    sequence,
  });
}
