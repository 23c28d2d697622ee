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

function connectFailure(error: Error): NodeErrorKind {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (code === 'ECONNREFUSED') return 'connectionRefused';
  return OWN_FAULTS.has(code) ? 'ownFault' : 'unreachable';
}

/** The deadline passed: while connecting nothing was sent, after that the command may still take effect (facts section 8). */
export function deadlinePassed(deadlineMs: number, wasConnected: boolean): NodeError {
  return wasConnected
    ? { kind: 'timedOut', message: `no complete reply within ${deadlineMs} ms` }
    : { kind: 'unreachable', message: `no connection within ${deadlineMs} ms` };
}

function systemMessage(error: Error): string {
  return error.message === '' ? error.name : error.message;
}
