// Keeps replicas away from a node without asking anybody else: a password that only this program can tell.

import { createHash } from 'node:crypto';

import { Secret } from '../../base/secret.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { NodeError } from '../../control/observation.ts';
import { classifyErrorReply, malformedReply } from '../errors.ts';
import type { Reply } from '../reply.ts';
import type { NodeCommand } from './command.ts';

/**
 * The password of a fenced node whose own is `password`: every controller that knows the one knows the other, and no node does. A restart of the
 * node brings its own back, since the setting is not written to its file.
 */
export function fencePassword(password: Secret): Secret {
  return new Secret(
    createHash('sha256').update(`kvrocks-controller fence ${password.reveal()}`).digest('hex'),
  );
}

/** CONFIG SET requirepass: connections that are logged in go on, replicas included; new ones need the new password (facts section 4). */
export function setPassword(password: Secret): NodeCommand<void> {
  return {
    words: ['CONFIG', 'SET', 'requirepass', password.reveal()],
    parse(reply: Reply): Result<void, NodeError> {
      if (!reply.ok)
        return err({ ...classifyErrorReply(reply.error), message: 'CONFIG SET requirepass failed' });
      return reply.value === 'OK' ? ok(undefined) : err(malformedReply('CONFIG SET answered', reply.value));
    },
  };
}
