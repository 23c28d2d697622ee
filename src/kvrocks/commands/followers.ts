// INFO replication of a master: who follows it. A replica is listed from the end of its full sync on (facts section 3.3).

import { err, ok, type Result } from '../../base/result.ts';
import type { NodeError } from '../../control/observation.ts';
import type { AddressParts } from '../../topology/node.ts';
import { malformedReply } from '../errors.ts';
import type { Reply } from '../reply.ts';
import { fieldsOf, integerOf, type NodeCommand, textOf } from './command.ts';

const NAME = 'INFO replication';

/** `host` is as the master sees or was told it. A node that is no master has none. */
export const followers: NodeCommand<readonly AddressParts[]> = {
  words: ['INFO', 'replication'],
  parse(reply: Reply): Result<readonly AddressParts[], NodeError> {
    const text = textOf(reply, NAME);
    if (!text.ok) return text;
    const fields = fieldsOf(text.value);
    if (fields.get('role') !== 'master')
      return err(malformedReply(`${NAME} of a master`, fields.get('role')));
    return ok(
      [...fields].flatMap(([key, value]) => {
        if (!/^slave\d+$/.test(key)) return [];
        const match = /^ip=([^,]*),port=(\d+),/.exec(value);
        const port = integerOf(match?.[2]);
        return port === null ? [] : [{ host: match?.[1] ?? '', port }];
      }),
    );
  },
};
