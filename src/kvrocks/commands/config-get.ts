// CONFIG GET of one setting (facts section 9). Runs on the lasting connection, so it works at `maxclients` too.

import { err, ok, type Result } from '../../base/result.ts';
import { Secret } from '../../base/secret.ts';
import type { NodeError } from '../../control/observation.ts';
import { addressFromParts } from '../../topology/node.ts';
import type { NodeAddress } from '../../topology/types.ts';
import { classifyErrorReply, malformedReply } from '../errors.ts';
import type { Reply } from '../reply.ts';
import type { NodeCommand } from './command.ts';

/** The text of a setting; null when the server has none of that name. */
export function configGet(name: string): NodeCommand<string | null> {
  return {
    words: ['CONFIG', 'GET', name],
    parse(reply: Reply): Result<string | null, NodeError> {
      if (!reply.ok) return err(classifyErrorReply(reply.error));
      if (!Array.isArray(reply.value)) return err(malformedReply('CONFIG GET answered', reply.value));
      const [answered, value]: readonly unknown[] = reply.value;
      if (answered === undefined) return ok(null);
      return answered === name && typeof value === 'string'
        ? ok(value)
        : err(malformedReply('CONFIG GET answered', value));
    },
  };
}

/** Whether a replica destroys its data before a full sync, and dies of INFO when that fails (facts section 3.4). */
export const emptiesBeforeFullSync = configGet('slave-empty-db-before-fullsync');

/** `host port` of the master a replica follows, empty on a master: the only way to the role that never touches the data. */
export const followed = configGet('slaveof');

/**
 * Whether the node has a password, for connections that need none because they were open before it was set. Its value comes
 * along and is dropped here. The alternative, another connection every time, would be refused by a full node.
 */
export const hasPassword: NodeCommand<boolean> = {
  words: ['CONFIG', 'GET', 'requirepass'],
  parse(reply: Reply): Result<boolean, NodeError> {
    const value = configGet('requirepass').parse(reply);
    if (!value.ok) return err({ kind: value.error.kind, message: 'CONFIG GET requirepass failed' });
    return ok(value.value !== null && value.value !== '');
  },
};

/** With what the node logs in at a master; null when it does not tell. No error brings the reply along. */
export const masterAuth: NodeCommand<Secret | null> = {
  words: ['CONFIG', 'GET', 'masterauth'],
  parse(reply: Reply): Result<Secret | null, NodeError> {
    const value = configGet('masterauth').parse(reply);
    if (!value.ok) return ok(null);
    return ok(value.value === null ? null : new Secret(value.value));
  },
};

/** `yes` and `no` as Kvrocks writes them; null for anything else, a refused question included. */
export function yesNoOf(value: Result<string | null, NodeError>): boolean | null {
  if (!value.ok || (value.value !== 'yes' && value.value !== 'no')) return null;
  return value.value === 'yes';
}

/** The master in the text of `followed`; null on a master, and when the text is none. */
export function followedAddress(value: Result<string | null, NodeError>): NodeAddress | null {
  if (!value.ok || value.value === null) return null;
  const [host = '', port = ''] = value.value.split(' ');
  const address = addressFromParts(host, port);
  return address.ok ? address.value : null;
}
