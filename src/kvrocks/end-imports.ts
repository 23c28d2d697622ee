// Ends the import a node takes part in as the target of a migration: the only harmless way to cancel one (facts section 5.5).

import { ok, type Result } from '../base/result.ts';
import type { TargetJob } from '../control/observation.ts';
import { type ClientLine, clientList, killClient } from './commands/client-list.ts';
import { clusterInfo } from './commands/cluster-info.ts';
import type { Session } from './connection.ts';
import { ask } from './exchange.ts';
import type { LinkFailure } from './link.ts';
import { plainAddress } from './replica-proof.ts';

/** What became of it. */
export interface EndedImports {
  /** Connections that were closed. */
  readonly ended: number;
  /** Connections that may be the import's; none of them was touched, because clients use the same commands. */
  readonly doubtful: number;
  /** The node's own word afterwards: an import whose connection was closed is in state `error`. */
  readonly job: TargetJob | null;
}

/** Only a migration of type `raw-key-value` sends this command. */
const CERTAIN_COMMAND = 'applybatch';

/**
 * The last command an import's connection may show: its beginning, and everything that a source writes keys with, from the
 * first copy or from its own log.
 */
const IMPORT_COMMANDS: ReadonlySet<string> = new Set(
  (
    'auth cluster command set del pexpireat rpush lpush rpop lpop lset linsert ltrim lrem lmove hset hmset hdel ' +
    'sadd srem zadd zrem setbit bitop bitfield siadd sirem xadd xdel xsetid'
  ).split(' '),
);

/**
 * Closes the import's connection. A client list does not mark it, so it is looked for by what it cannot be: no replica,
 * no subscriber, no named connection, no namespace of a user, none from another host than the source's (`sourceHosts`;
 * empty is any), none whose last command no migration sends. What is left in two lists in a row is it, if it is one; of
 * several, none is touched.
 */
export async function endImports(
  session: Session,
  sourceHosts: readonly string[],
): Promise<Result<EndedImports, LinkFailure>> {
  const before = await ask(session, clusterInfo);
  if (!before.ok) return before;
  if (before.value.targetJob?.state !== 'start')
    return ok({ ended: 0, doubtful: 0, job: before.value.targetJob });
  const first = await ask(session, clientList);
  if (!first.ok) return first;
  const second = await ask(session, clientList);
  if (!second.ok) return second;
  const likely = importsAmong(first.value, sourceHosts);
  const lasting = importsAmong(second.value, sourceHosts).filter((line) =>
    likely.some(({ id }) => id === line.id),
  );
  const certain = lasting.filter(({ command }) => command === CERTAIN_COMMAND);
  const [victim, ...others] = certain.length > 0 ? certain : lasting;
  if (victim === undefined || others.length > 0) {
    return ok({ ended: 0, doubtful: lasting.length, job: before.value.targetJob });
  }
  const killed = await ask(session, killClient(victim.id));
  if (!killed.ok) return killed;
  const after = await ask(session, clusterInfo);
  if (!after.ok) return after;
  return ok({ ended: killed.value ? 1 : 0, doubtful: 0, job: after.value.targetJob });
}

/** The connections that may be an import's. */
export function importsAmong(
  lines: readonly ClientLine[],
  sourceHosts: readonly string[],
): readonly ClientLine[] {
  const hosts = new Set(sourceHosts.map(plainAddress));
  return lines.filter(
    ({ host, name, flags, namespace, command }) =>
      flags === 'N' &&
      name === '' &&
      (namespace === '__namespace' || namespace === '') &&
      (command === CERTAIN_COMMAND || IMPORT_COMMANDS.has(command)) &&
      (hosts.size === 0 || hosts.has(plainAddress(host))),
  );
}
