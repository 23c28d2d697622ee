// What a failed command means: error texts of nodes and errors of sockets, sorted into the kinds `control` judges by.

import type { NodeError, NodeErrorKind } from '../control/observation.ts';

/**
 * The node's own words, first match wins. Servers send some texts with an `ERR ` prefix in one release and without in
 * another, so prefixes are cut first. Anchored, because errors of a migration quote what the target said. Sources: facts sections 0, 1, 2.2, 4, 5.1 and 8.
 */
const TEXTS: readonly { readonly pattern: RegExp; readonly kind: NodeErrorKind }[] = [
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
 * The socket failed before anything was written (`wasConnected` false): certainly not executed. After that the
 * outcome of whatever was under way is unknown.
 */
export function connectionFailed(error: Error | null, wasConnected: boolean): NodeError {
  const message = error === null ? 'connection closed by the node' : systemMessage(error);
  return { kind: wasConnected ? 'connectionLost' : 'unreachable', message };
}

/** The deadline passed: while connecting nothing was sent, after that the command may still take effect (facts section 8). */
export function deadlinePassed(deadlineMs: number, wasConnected: boolean): NodeError {
  return wasConnected
    ? { kind: 'timedOut', message: `no complete reply within ${deadlineMs} ms` }
    : { kind: 'unreachable', message: `no connection within ${deadlineMs} ms` };
}

/** A host name with several addresses fails with an aggregate whose own message is empty. */
function systemMessage(error: Error): string {
  if (error instanceof AggregateError) return error.errors.map(String).join('; ');
  return error.message === '' ? error.name : error.message;
}
