// What a failed command means: error texts of nodes and errors of sockets, sorted into the kinds `control` judges by.

import type { NodeError, NodeErrorKind } from '../control/observation.ts';

/**
 * The node's own words, first match wins. Servers send some texts with an `ERR ` prefix in one release and without in
 * another, so prefixes are cut first. Anchored, because errors of a migration quote what the target said. Sources: facts sections 0, 1, 2.2, 4, 5.1 and 8.
 */
const TEXTS: readonly { readonly pattern: RegExp; readonly kind: NodeErrorKind }[] = [
  { pattern: /^max number of clients reached/i, kind: 'tooManyClients' },
  { pattern: /^LOADING\b/i, kind: 'loading' },
  { pattern: /^MASTERDOWN\b/i, kind: 'masterDown' },
  { pattern: /^NOAUTH\b/i, kind: 'passwordRequired' },
  { pattern: /^WRONGPASS\b|^invalid password/i, kind: 'wrongPassword' },
  { pattern: /^client sent auth, but no password is set/i, kind: 'passwordNotSet' },
  { pattern: /^the cluster is not initialized/i, kind: 'notInitialized' },
  { pattern: /^cluster mode is not enabled/i, kind: 'clusterDisabled' },
  // Only Kvrocks has this command; its own answer to an unknown sub-command is another one (facts section 0).
  { pattern: /^unknown command\W+clusterx\b/i, kind: 'notKvrocks' },
  { pattern: /^invalid cluster version/i, kind: 'invalidVersion' },
  { pattern: /^there is already a migrating (?:job|slot)/i, kind: 'migrationRunning' },
  { pattern: /^can't migrate slot which has been migrated/i, kind: 'alreadyMigrated' },
];

/** Classifies the text of an error reply (without the leading `-`). What is not known is `refused`. */
export function classifyErrorReply(text: string): NodeError {
  const bare = text.replace(/^(?:ERR )?(?:CLUSTERDOWN )?/, '');
  const known = TEXTS.find((candidate) => candidate.pattern.test(bare));
  return { kind: known?.kind ?? 'refused', message: text };
}

/** A reply that cannot be what was asked for; `reply` is cut, it may be anything. */
export function malformedReply(what: string, reply: unknown): NodeError {
  const shown = typeof reply === 'string' ? JSON.stringify(reply.slice(0, 120)) : `a ${typeof reply}`;
  return { kind: 'malformedReply', message: `${what}: ${shown}` };
}

/**
 * What this host lacks when it cannot even try: descriptors, memory, ports, a route, a permission, an address family.
 * EHOSTUNREACH is not among them: it is how a network reports a host that is gone.
 */
const OWN_FAULTS: ReadonlySet<string> = new Set([
  'EMFILE',
  'ENFILE',
  'ENOMEM',
  'ENOBUFS',
  'EADDRNOTAVAIL',
  'EADDRINUSE',
  'ENETUNREACH',
  'ENETDOWN',
  'EAFNOSUPPORT',
  'EPERM',
  'EACCES',
  // No address is known for the host name.
  'ENOTFOUND',
]);

/**
 * The socket failed before anything was written (`wasConnected` false): certainly not executed, and whose fault it is
 * shows in the system's code. After that the outcome of whatever was under way is unknown.
 */
export function connectionFailed(error: Error | null, wasConnected: boolean): NodeError {
  if (error === null) {
    return {
      kind: wasConnected ? 'connectionLost' : 'unreachable',
      message: 'connection closed by the node',
    };
  }
  return { kind: wasConnected ? 'connectionLost' : connectFailure(error), message: systemMessage(error) };
}

/**
 * A name may have several addresses that fail in different ways. What this host could not try counts only when it could
 * try none, and a node listens nowhere only when every address that was tried says so.
 */
function connectFailure(error: Error): NodeErrorKind {
  const causes: readonly unknown[] = error instanceof AggregateError ? error.errors : [error];
  const tried = causes.map(codeOf).filter((code) => !OWN_FAULTS.has(code));
  if (tried.length === 0) return 'ownFault';
  return tried.every((code) => code === 'ECONNREFUSED') ? 'connectionRefused' : 'unreachable';
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
}

/**
 * The deadline passed. On an open connection the command may still take effect (facts section 8); before that nothing was
 * sent, and without an address nobody was even asked.
 */
export function deadlinePassed(deadlineMs: number, at: 'open' | { readonly hasAddress: boolean }): NodeError {
  if (at === 'open') return { kind: 'timedOut', message: `no complete reply within ${deadlineMs} ms` };
  return at.hasAddress
    ? { kind: 'unreachable', message: `no connection within ${deadlineMs} ms` }
    : { kind: 'ownFault', message: `no address for the host name within ${deadlineMs} ms` };
}

/** A host name with several addresses fails with an aggregate whose own message is empty. */
function systemMessage(error: Error): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ');
  return messageOf(error);
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.message === '' ? error.name : error.message;
}
