// From a request to its reply: the checks in the server's order, transactions, then the command itself.

import { performance } from 'node:perf_hooks';

import { findCommand } from './commands/index.ts';
import { argument, type Command, type Invocation } from './command.ts';
import type { SimulatedNode } from './node.ts';
import { array, error, OK, simple, type Reply } from './resp.ts';
import type { Session } from './session.ts';
import { slotOfKey } from './slots.ts';

/** Runs one request. Replies that take time are promises; the connection's next request waits for them. */
export function dispatch(invocation: Invocation): Reply | Promise<Reply> {
  const { node, session, args } = invocation;
  const name = argument(args, 0).toLowerCase();
  const command = TRANSACTION_COMMANDS.get(name) ?? findCommand(name);
  const refused = command === undefined ? unknownCommand(args) : refusal(invocation, command);
  if (command === undefined || refused !== null) {
    if (session.transaction !== null) session.transaction.broken = true;
    return refused ?? unknownCommand(args);
  }
  if (session.transaction !== null && command.notQueued !== true) {
    session.transaction.queued.push(args);
    return simple('QUEUED');
  }
  return run(command, { node, session, args });
}

function run(command: Command, invocation: Invocation): Reply | Promise<Reply> {
  const { node, session } = invocation;
  session.lastCommand = command.name;
  session.lastCommandAtMs = Date.now();
  const startedAtMs = performance.now();
  const reply = command.run(invocation);
  if (command.name !== 'asking') session.asking = false;
  const count = node.commandCounts.get(command.name) ?? { calls: 0, microseconds: 0 };
  count.calls += 1;
  count.microseconds += (performance.now() - startedAtMs) * 1000;
  node.commandCounts.set(command.name, count);
  return reply;
}

const TRANSACTION_COMMANDS: ReadonlyMap<string, Command> = new Map(
  [
    { name: 'multi', arity: 1, notQueued: true, run: begin },
    { name: 'exec', arity: 1, notQueued: true, run: execute },
    { name: 'discard', arity: 1, notQueued: true, run: discard },
    { name: 'quit', arity: -1, notQueued: true, beforeAuth: true, whileLoading: true, run: quit },
  ].map((command) => [command.name, command]),
);

function begin({ session }: Invocation): Reply {
  if (session.transaction !== null) return error('ERR MULTI calls can not be nested');
  session.transaction = { queued: [], broken: false };
  return OK;
}

async function execute({ node, session }: Invocation): Promise<Reply> {
  const { transaction } = session;
  session.transaction = null;
  if (transaction === null) return error('ERR EXEC without MULTI');
  if (transaction.broken) return error('EXECABORT Transaction discarded');
  const replies: Reply[] = [];
  for (const args of transaction.queued) replies.push(await dispatch({ node, session, args }));
  return array(replies);
}

function discard({ session }: Invocation): Reply {
  if (session.transaction === null) return error('ERR DISCARD without MULTI');
  session.transaction = null;
  return OK;
}

function quit({ session }: Invocation): Reply {
  session.end();
  return OK;
}

function unknownCommand([name = '', ...args]: readonly string[]): Reply {
  const list = args.map((arg) => `\`${arg}\``).join(', ');
  return error(`ERR unknown command \`${name}\`, with args beginning with: ${list}`);
}

/** The reason not to run the command, or null. */
function refusal(invocation: Invocation, command: Command): Reply | null {
  const { node, session, args } = invocation;
  // Without a password every command logs in, which lasts when a password is set later (facts section 4).
  if (node.config.text('requirepass') === '') session.authenticated = true;
  if (!session.authenticated && command.beforeAuth !== true) return error('NOAUTH Authentication required.');
  if (node.isLoading && command.whileLoading !== true) {
    return error('LOADING kvrocks is restoring the db from backup');
  }
  if (command.arity < 0 ? args.length < -command.arity : args.length !== command.arity) {
    return error('ERR wrong number of arguments');
  }
  const keys = command.keys?.(args) ?? [];
  const misplaced = node.clusterEnabled && keys.length > 0 ? slotRefusal(invocation, command, keys) : null;
  if (misplaced !== null) return misplaced;
  if (command.write === true && node.isReplica && node.config.flag('slave-read-only')) {
    return error("READONLY You can't write against a read only slave.");
  }
  return (command.write === true ? leaseRefusal(node) : null) ?? staleRefusal(node, command);
}

/** What a master without a living lease does with writes, where the server knows leases at all. */
function leaseRefusal(node: SimulatedNode): Reply | null {
  const { leaseMode } = node.config;
  if (leaseMode === null || leaseMode === 'disabled' || node.isReplica || !node.lease.isExpired) return null;
  if (leaseMode === 'block-write') return error('ERR master lease expired');
  node.log('[cluster] master lease expired');
  return null;
}

/** With `slave-serve-stale-data no` a replica without its master answers nothing but INFO (facts section 8). */
function staleRefusal(node: SimulatedNode, command: Command): Reply | null {
  const stale = node.link !== null && node.link.state !== 'connected';
  if (!stale || node.config.flag('slave-serve-stale-data')) return null;
  if (command.name === 'info' || command.name === 'slaveof' || command.name === 'simulator') return null;
  return error("MASTERDOWN Link with MASTER is down and slave-serve-stale-data is set to 'no'.");
}

/** Facts sections 1, 3.7 and 5.3. */
function slotRefusal({ node, session }: Invocation, command: Command, keys: readonly string[]): Reply | null {
  const [slot = 0, ...others] = new Set(keys.map((key) => slotOfKey(key)));
  if (others.length > 0) {
    return error("CROSSSLOT Attempted to access keys that don't hash to the same slot");
  }
  const { topology } = node;
  const owner = topology.owners[slot] ?? null;
  if (owner === null) return error('CLUSTERDOWN Hash slot not served');
  if (owner === topology.myself) {
    const movedTo = topology.migrated.get(slot);
    if (movedTo !== undefined) return error(`MOVED ${slot} ${movedTo}`);
    const forbidden = command.write === true && node.migration.isWriteForbidden(slot);
    return forbidden
      ? error("TRYAGAIN Can't write to slot being migrated which is in write forbidden phase")
      : null;
  }
  const served =
    (topology.isImporting(slot) && (session.importing || session.asking)) ||
    (topology.myself !== null && topology.imported.has(slot)) ||
    isReadOnReplica({ node, session }, command, owner.id);
  return served ? null : error(`MOVED ${slot} ${owner.host}:${owner.port}`);
}

/** A read after READONLY, on a replica of the slot's owner. */
function isReadOnReplica(
  { node, session }: { readonly node: SimulatedNode; readonly session: Session },
  command: Command,
  ownerId: string,
): boolean {
  const { myself } = node.topology;
  return (
    session.readOnly && command.write !== true && myself?.role === 'slave' && myself.masterId === ownerId
  );
}
