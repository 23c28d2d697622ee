// How a node is inspected: identity and settings first, its data only when that is safe.

import { ok, type Result } from '../base/result.ts';
import { infoReplication } from './commands/info-replication.ts';
import { INSPECT_WORDS, type Inspection, parseInspection } from './commands/inspect.ts';
import type { Session } from './connection.ts';
import { ask, final, send } from './exchange.ts';
import type { LinkFailure } from './link.ts';
import type { ProofOfReplica } from './look.ts';

/** The node as it is; a password it does not have is an error. */
export async function inspect(
  session: Session,
  isListedBy: ProofOfReplica,
): Promise<Result<Inspection, LinkFailure>> {
  const outcome = await send(session, { commands: INSPECT_WORDS });
  if (!outcome.ok) return outcome;
  if (session.link.login === 'needless') {
    return final({ kind: 'passwordNotSet', message: 'a password was given but the node has none set' });
  }
  const inspection = parseInspection(outcome.value);
  if (!inspection.ok) return final(inspection.error);
  const { settings, master } = inspection.value;
  const mayBeClosed = settings.emptiesBeforeFullSync === true && master !== null;
  if (mayBeClosed && !(await isListedBy(master, session))) return ok(inspection.value);
  const position = await ask(session, infoReplication);
  if (!position.ok) return position;
  const { role, master: followedNow, sequence } = position.value;
  return ok({ ...inspection.value, role, master: followedNow, sequence });
}
