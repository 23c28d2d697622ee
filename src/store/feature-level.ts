// The level at which a group works, as a record of the store: the one record that every release, however old or new, can read.

import { FIRST_FEATURE_LEVEL } from '../base/feature-level.ts';
import { err, ok, type Result } from '../base/result.ts';
import type { Key, Revision, StoredValue } from './types.ts';

export const FEATURE_LEVEL_KEY: Key = 'group/feature-level';

/** Decimal digits and nothing else, for ever: whoever cannot read this record could not be told why it must stop. */
const LEVEL_PATTERN = /^[1-9][0-9]{0,8}$/;

export interface RecordedLevel {
  readonly level: number;
  /** Of the record, for the comparison of whoever raises it; 0 where there is none. */
  readonly revision: Revision;
}

/** The group's level as applied here, the first one where none was recorded yet. The error is what stands there instead. */
export function readFeatureLevel(local: {
  get(key: Key): StoredValue | null;
}): Result<RecordedLevel, string> {
  const stored = local.get(FEATURE_LEVEL_KEY);
  if (stored === null) return ok({ level: FIRST_FEATURE_LEVEL, revision: 0 });
  const text = Buffer.from(stored.value).toString('latin1');
  return LEVEL_PATTERN.test(text) ? ok({ level: Number(text), revision: stored.revision }) : err(text);
}

export function encodeFeatureLevel(level: number): Uint8Array {
  return Buffer.from(String(level), 'latin1');
}
