// Requests of one piece of work, in the words of its parsers.

import { present } from '../base/assert.ts';
import { err, type Result } from '../base/result.ts';
import type { NodeError } from '../control/observation.ts';
import type { NodeCommand } from './commands/command.ts';
import type { Session } from './connection.ts';
import type { LinkFailure, LinkRequest, Outcome } from './link.ts';
import type { Reply } from './reply.ts';

/** A failure that another connection would not mend: something was sent, or the node has answered. */
export function final(error: NodeError): { readonly ok: false; readonly error: LinkFailure } {
  return err({ error, mayRetry: false });
}

/** Sends the commands of a request under the session's deadline. */
export function send(
  session: Session,
  request: Omit<LinkRequest, 'leftMs' | 'deadlineMs'>,
): Promise<Outcome> {
  return session.link.request({ ...request, leftMs: session.leftMs(), deadlineMs: session.deadlineMs });
}

/** One command and its parsed reply. */
export async function ask<T>(
  session: Session,
  command: NodeCommand<T>,
  how: Pick<LinkRequest, 'isAlone'> = {},
): Promise<Result<T, LinkFailure>> {
  const outcome = await send(session, { ...how, commands: [command.words] });
  if (!outcome.ok) return outcome;
  const parsed = command.parse(replyAt(outcome.value, 0));
  return parsed.ok ? parsed : final(parsed.error);
}

/** The reply to the command at `index`; there is one a command. */
export function replyAt(replies: readonly Reply[], index: number): Reply {
  return present(replies[index], 'one reply a command');
}
