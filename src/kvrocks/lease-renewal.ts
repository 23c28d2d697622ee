// How a lease is renewed: the node is asked who and what it is first, and only one that answers gets a heartbeat.

import { ok, type Result } from '../base/result.ts';
import type { LeaseAnswer, LeaseMode } from '../control/lease-memory.ts';
import type { LeaseRenewal } from '../control/node-commands.ts';
import type { NodeErrorKind } from '../control/observation.ts';
import { followed } from './commands/config-get.ts';
import { heartbeat, leaseMode } from './commands/lease.ts';
import { myId } from './commands/my-id.ts';
import type { Session } from './connection.ts';
import { ask, replyAt, send } from './exchange.ts';
import type { LinkFailure } from './link.ts';
import type { Reply } from './reply.ts';

/** No reply came, and what was sent may be carried out at any later time (facts section 8). */
const OPEN: ReadonlySet<NodeErrorKind> = new Set(['timedOut', 'connectionLost', 'garbage']);

/**
 * A node that hangs, or is cut off, carries out what reached it when it goes on, and a lease counts from then: so no heartbeat is sent to who does
 * not answer. What is left of that is a node that hangs in the moment between its answer and the heartbeat behind it.
 */
export async function renewLease(
  session: Session,
  renewal: LeaseRenewal,
): Promise<Result<LeaseAnswer, LinkFailure>> {
  const asked = await send(session, { commands: [myId.words, leaseMode.words, followed.words] });
  if (!asked.ok) return asked;
  const [id, mode, master] = [replyAt(asked.value, 0), replyAt(asked.value, 1), replyAt(asked.value, 2)];
  const known = readState({ id, mode, master }, renewal);
  if (known.kind !== 'leased') return ok(known);
  if (!renewal.isStillWanted()) return ok({ kind: 'unsent', why: 'it was not wanted any more' });
  const answer = await ask(session, heartbeat(renewal));
  if (answer.ok) return ok({ kind: 'renewed', mode: known.mode });
  const { kind, message: why } = answer.error.error;
  if (OPEN.has(kind)) return ok({ kind: 'unanswered', mode: known.mode, why });
  return ok(answer.error.mayRetry ? { kind: 'unsent', why } : { kind: 'refused', why });
}

interface State {
  readonly id: Reply;
  readonly mode: Reply;
  readonly master: Reply;
}

/** `leased`: the node itself, a master of a server that knows leases. */
function readState(
  replies: State,
  { id }: LeaseRenewal,
): LeaseAnswer | { readonly kind: 'leased'; readonly mode: LeaseMode } {
  const found = myId.parse(replies.id);
  if (!found.ok) return { kind: 'unsent', why: found.error.message };
  if (found.value !== id) return { kind: 'unsent', why: `${found.value ?? 'a node without an id'} answers` };
  const mode = leaseMode.parse(replies.mode);
  if (!mode.ok) return { kind: 'unsent', why: mode.error.message };
  if (mode.value === null) return { kind: 'none', why: 'knows no leases', isLasting: true };
  const master = followed.parse(replies.master);
  if (!master.ok) return { kind: 'unsent', why: master.error.message };
  if (master.value !== null && master.value !== '')
    return { kind: 'none', why: 'was a replica when it was last asked', isLasting: false };
  return { kind: 'leased', mode: mode.value === 'block-write' ? 'block-write' : 'other' };
}
