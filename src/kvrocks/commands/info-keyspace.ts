// INFO keyspace: how full the volume of the data is, the one word of a server about its disk that costs it no write.

import { ok, type Result } from '../../base/result.ts';
import type { NodeError } from '../../control/observation.ts';
import type { Reply } from '../reply.ts';
import { fieldsOf, type NodeCommand, textOf } from './command.ts';

/**
 * Percent of the volume in use; null when the server does not tell. Nothing else that can be asked for differs on a full disk: its writes fail or
 * hang while the rest of `INFO` stays as it was, the count of background errors included.
 */
export const diskUsed: NodeCommand<number | null> = {
  words: ['INFO', 'keyspace'],
  parse(reply: Reply): Result<number | null, NodeError> {
    const text = textOf(reply, 'INFO keyspace');
    if (!text.ok) return text;
    const percent = /^(\d{1,3}(?:\.\d{1,9})?)%$/.exec(
      fieldsOf(text.value).get('used_disk_percent') ?? '',
    )?.[1];
    return ok(percent === undefined ? null : Number(percent));
  },
};
