// The error of a stored record that this release cannot read.

import type { Result } from '../base/result.ts';
import type { Key } from '../store/types.ts';
import { type TopologyError, describe } from '../topology/errors.ts';

/**
 * A committed record is of a later version, or not what any release wrote. Thrown, not returned: a member that cannot
 * understand a cluster must not act on it, and going on with the others would hide it. Never names a record's content.
 */
export class UnreadableRecordError extends Error {
  override readonly name = 'UnreadableRecordError';

  constructor(key: Key, reason: string) {
    super(`the stored record ${key} cannot be read: ${reason}`);
  }
}

/** The parsed part of the record at `key`, or the throw. */
export function readable<T>(key: Key, parsed: Result<T, TopologyError>): T {
  if (!parsed.ok) throw new UnreadableRecordError(key, describe(parsed.error));
  return parsed.value;
}
