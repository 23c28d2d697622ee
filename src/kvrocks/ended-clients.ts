// Connections of others to a node are ended, and that is waited for: what their end sets off must not come later.

import type { Clock } from '../base/clock.ts';
import { ok, type Result } from '../base/result.ts';
import type { NodeError } from '../control/observation.ts';
import { printSlotRange } from '../topology/slot.ts';
import { type ClientLine, clientList } from './commands/client-list.ts';
import type { NodeCommand } from './commands/command.ts';
import { killClient, killClients } from './commands/client-kill.ts';
import { clusterInfo } from './commands/cluster-info.ts';
import type { Session } from './connection.ts';
import { ask, final, replyAt, send } from './exchange.ts';
import type { LinkFailure } from './link.ts';

/** The last commands of a connection over which slots came in, once they do not come any more (slot_migrate.cc). */
const IMPORT_COMMANDS: ReadonlySet<string> = new Set(['cluster', 'applybatch']);

/**
 * Connections that wait for data in one of these stay for as long as they wait, whoever ends them (blocking_commander.h, OnWrite takes the event that
 * would close them). No slots come over such a one.
 */
const BLOCKING_COMMANDS: ReadonlySet<string> = new Set([
  'blmove',
  'blmpop',
  'blpop',
  'brpop',
  'brpoplpush',
  'bzmpop',
  'bzpopmax',
  'bzpopmin',
]);

/** Between two looks at what is left. */
const PAUSE_MS = 5;

/** Ends the connections of all clients but this one; `timedOut` when the node still has some of them at the deadline. */
export async function endClients(session: Session): Promise<Result<void, LinkFailure>> {
  const ended = await askAlone(session, killClients);
  return ended.ok ? untilEnded(session, isEnding) : ended;
}

/** Ends the connections over which slots came in before; `refused` when some are coming in now. */
export async function endImports(session: Session): Promise<Result<void, LinkFailure>> {
  const lines = await askAlone(session, clientList);
  if (!lines.ok) return lines;
  const imports = lines.value.filter(({ command }) => IMPORT_COMMANDS.has(command));
  if (imports.length > 0) {
    const ended = await endEach(session, imports);
    if (!ended.ok) return ended;
  }
  const info = await ask(session, clusterInfo);
  if (!info.ok) return info;
  const job = info.value.targetJob;
  return job?.state === 'start' ? final(importing(printSlotRange(job.range))) : ok(undefined);
}

function importing(slots: string): NodeError {
  return { kind: 'refused', message: `it takes in slots ${slots} from somewhere else` };
}

async function endEach(session: Session, clients: readonly ClientLine[]): Promise<Result<void, LinkFailure>> {
  const commands = clients.map(({ id }) => killClient(id));
  const outcome = await send(session, { commands: commands.map(({ words }) => words) });
  if (!outcome.ok) return outcome;
  for (const [index, command] of commands.entries()) {
    const killed = command.parse(replyAt(outcome.value, index));
    if (!killed.ok) return final(killed.error);
  }
  const ids = new Set(clients.map(({ id }) => id));
  return untilEnded(session, (client) => ids.has(client.id) && isEnding(client));
}

/** Until the node shows none that is awaited. */
async function untilEnded(
  session: Session,
  isAwaited: (client: ClientLine) => boolean,
): Promise<Result<void, LinkFailure>> {
  for (;;) {
    const lines = await askAlone(session, clientList);
    if (!lines.ok) return lines;
    if (!lines.value.some(isAwaited)) return ok(undefined);
    if (session.leftMs() === 0)
      return final({ kind: 'timedOut', message: 'its connections to clients did not end' });
    await pause(session.clock);
  }
}

/** Each waits for a worker of its node. One whose other end takes no replies stays for ever, and is none that slots come over. */
function isEnding({ flags, unsentBytes, command }: ClientLine): boolean {
  return flags.includes('c') && unsentBytes === 0 && !BLOCKING_COMMANDS.has(command);
}

/** The node may take longer for it than a look has: no look may be under way meanwhile, whose deadline would break the link. */
function askAlone<T>(session: Session, command: NodeCommand<T>): Promise<Result<T, LinkFailure>> {
  return ask(session, command, { isAlone: true });
}

function pause(clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    clock.setTimer(PAUSE_MS, resolve);
  });
}
