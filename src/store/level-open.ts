// Opening the LevelDB copy: verified as a whole, or set aside and started afresh.

import { rename, rm } from 'node:fs/promises';

import { Level } from 'level';

import type { Logger } from '../base/logger.ts';
import { type Result, err, ok } from '../base/result.ts';
import { LevelCopy } from './level-copy.ts';
import { type LevelRecord, type LoadedState, verifyRecords } from './level-records.ts';
import { LOG_START } from './log-entry.ts';
import { EMPTY_CONTENTS, KeyValueState } from './state/key-value-state.ts';

export interface OpenCopyOptions {
  /** The directory of the database; made when it is missing. */
  readonly directory: string;
  readonly logger: Logger;
  /** Called at most once, with the first failed write. The process has to stop claiming anything after it. */
  readonly onFault: (error: Error) => void;
}

/** Why there is no copy. `dataDirectoryInUse`: another process holds the lock. Nothing was changed on the disk then. */
export type CopyOpenError =
  | { readonly kind: 'dataDirectoryInUse'; readonly directory: string }
  | { readonly kind: 'cannotOpen'; readonly directory: string; readonly cause: Error };

/** What was found. After `unusable` the copy is empty at position 0, to be rebuilt from snapshot and log. */
export type CopyVerdict =
  | { readonly kind: 'new' }
  | { readonly kind: 'verified' }
  | { readonly kind: 'unusable'; readonly reason: string };

export interface OpenedCopy extends LoadedState {
  readonly copy: LevelCopy;
  readonly verdict: CopyVerdict;
}

type Database = Level<string, Uint8Array>;
type Attempt =
  | { readonly kind: 'loaded'; readonly database: Database; readonly loaded: LoadedState | null }
  | Refusal;
type Refusal = { readonly kind: 'inUse' } | { readonly kind: 'unusable'; readonly cause: Error };

/**
 * One output file up to 64 MiB: with smaller ones LevelDB 1.20 was seen to bring overwritten values back after compaction.
 * No compression: the copy is a few MB and what lies on the disk should be what was hashed.
 */
const LEVEL_OPTIONS = {
  keyEncoding: 'utf8',
  valueEncoding: 'view',
  maxFileSize: 64 * 1024 * 1024,
  compression: false,
} as const;

const SCAN_RECORDS = 1000;

/**
 * Opens the copy in `directory`, scans it once and verifies it. A copy that cannot be read or does not verify is renamed to
 * `<directory>.unusable` (replacing an earlier one, so that at most one is kept for study) and an empty one is opened: this
 * is always safe, as the copy holds nothing that snapshot and log do not.
 */
export async function openLevelCopy(options: OpenCopyOptions): Promise<Result<OpenedCopy, CopyOpenError>> {
  const { directory, logger, onFault } = options;
  const first = await tryOpen(directory);
  if (first.kind === 'inUse') return err({ kind: 'dataDirectoryInUse', directory });
  if (first.kind === 'loaded') {
    const verdict: CopyVerdict = { kind: first.loaded === null ? 'new' : 'verified' };
    return ok(opened(first.database, first.loaded, { verdict, onFault }));
  }
  const reason = reasonOf(first.cause);
  const setAside = `${directory}.unusable`;
  logger.warn('store.copy.unusable', {
    directory,
    reason,
    setAside,
    remedy: 'the state is rebuilt from snapshot and log',
  });
  try {
    await rm(setAside, { recursive: true, force: true });
    await rename(directory, setAside);
  } catch (cause) {
    return err({
      kind: 'cannotOpen',
      directory,
      cause: new Error(`unusable (${reason}) and not to be moved away`, { cause }),
    });
  }
  const second = await tryOpen(directory);
  if (second.kind === 'inUse') return err({ kind: 'dataDirectoryInUse', directory });
  if (second.kind === 'unusable') return err({ kind: 'cannotOpen', directory, cause: second.cause });
  return ok(opened(second.database, second.loaded, { verdict: { kind: 'unusable', reason }, onFault }));
}

function opened(
  database: Database,
  loaded: LoadedState | null,
  rest: { readonly verdict: CopyVerdict; readonly onFault: (error: Error) => void },
): OpenedCopy {
  const { position, state } = loaded ?? { position: LOG_START, state: new KeyValueState(EMPTY_CONTENTS) };
  const summary = loaded === null ? null : { position, hash: state.hash };
  return { copy: new LevelCopy(database, summary, rest.onFault), position, state, verdict: rest.verdict };
}

async function tryOpen(directory: string): Promise<Attempt> {
  const database: Database = new Level(directory, LEVEL_OPTIONS);
  try {
    await database.open();
  } catch (cause) {
    if (isLocked(cause)) return { kind: 'inUse' };
    return { kind: 'unusable', cause: asError(cause) };
  }
  const verified = await scan(database);
  if (verified.ok) return { kind: 'loaded', database, loaded: verified.value };
  await database.close();
  return { kind: 'unusable', cause: new Error(verified.error) };
}

/** Reads everything before the first write; the only iterator this database ever sees. */
async function scan(database: Database): Promise<Result<LoadedState | null, string>> {
  const records: LevelRecord[] = [];
  const iterator = database.iterator();
  try {
    for (;;) {
      const batch = await iterator.nextv(SCAN_RECORDS);
      if (batch.length === 0) break;
      records.push(...batch);
    }
  } catch (cause) {
    return err(`the records cannot be read: ${reasonOf(asError(cause))}`);
  } finally {
    await iterator.close();
  }
  return verifyRecords(records);
}

/** LevelDB's error codes arrive as `code` of the cause. */
function isLocked(error: unknown): boolean {
  const cause: unknown = error instanceof Error ? error.cause : null;
  return cause instanceof Error && 'code' in cause && cause.code === 'LEVEL_LOCKED';
}

function reasonOf(error: Error): string {
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

function asError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error('the database failed without an error', { cause });
}
