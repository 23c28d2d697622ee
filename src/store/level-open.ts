// Opening the LevelDB copy: verified as a whole, or set aside and started afresh.

import { rename, rm } from 'node:fs/promises';

import { Level } from 'level';

import { unreachable } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import { type Result, err, ok } from '../base/result.ts';
import type { DurableCopy } from './durable-copy.ts';
import { LevelCopy, type LevelCopyParts } from './level-copy.ts';
import { LevelDatabase, type LevelHandle } from './level-database.ts';
import { CopyReader, type LoadedState } from './level-records.ts';
import { judgeRefusal } from './level-refusal.ts';
import { LOG_START, type LogPosition } from './log-entry.ts';
import type { RecordDatabase } from './record-database.ts';
import { KeyValueState } from './state/key-value-state.ts';

export interface OpenCopyOptions {
  /** The directory of the database; made when it is missing. */
  readonly directory: string;
  readonly logger: Logger;
  /** Called at most once, with the first failed write. The process has to stop claiming anything after it. */
  readonly onFault: (error: Error) => void;
  /** For the rests of the copy between its batches; none without it. */
  readonly clock?: Clock;
}

/**
 * Why there is no copy. `dataDirectoryInUse`: another process holds the lock. `cannotOpen`: the system would not let it be opened,
 * and the cause says what to mend. Nothing was changed on the disk then.
 */
export type CopyOpenError =
  | { readonly kind: 'dataDirectoryInUse'; readonly directory: string }
  | { readonly kind: 'cannotOpen'; readonly directory: string; readonly cause: Error };

/** What was found. After `unusable` the copy is empty at position 0, to be rebuilt from snapshot and log. */
export type CopyVerdict =
  | { readonly kind: 'new' }
  | { readonly kind: 'verified' }
  | { readonly kind: 'unusable'; readonly reason: string };

export interface OpenedCopy extends LoadedState {
  readonly copy: DurableCopy;
  readonly verdict: CopyVerdict;
}

type Attempt =
  | { readonly kind: 'loaded'; readonly database: RecordDatabase; readonly loaded: LoadedState | null }
  | Refusal;
type Refusal =
  | { readonly kind: 'inUse' }
  | { readonly kind: 'unusable' | 'unavailable'; readonly cause: Error };

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

/**
 * Opens the copy in `directory`, scans it once and verifies it. A copy that is damaged or does not verify is renamed to
 * `<directory>.unusable` (replacing an earlier one, so that at most one is kept for study) and an empty one is opened: this
 * is always safe, as the copy holds nothing that snapshot and log do not. Where the system would not let it be opened (no space,
 * too many open files, no permission) it stays as it is: it may be whole, and another one could not be opened either.
 */
export async function openLevelCopy(options: OpenCopyOptions): Promise<Result<OpenedCopy, CopyOpenError>> {
  const { directory, logger } = options;
  const first = await tryOpen(directory);
  if (first.kind === 'inUse') return err({ kind: 'dataDirectoryInUse', directory });
  if (first.kind === 'unavailable') return err({ kind: 'cannotOpen', directory, cause: first.cause });
  if (first.kind === 'loaded') {
    const verdict: CopyVerdict = { kind: first.loaded === null ? 'new' : 'verified' };
    return ok(opened(first, verdict, options));
  }
  const reason = first.cause.message;
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
  if (second.kind !== 'loaded') return err({ kind: 'cannotOpen', directory, cause: second.cause });
  return ok(opened(second, { kind: 'unusable', reason }, options));
}

/** A copy that nobody else can open until it is released. */
export interface HeldCopy {
  /** How far it is; null where it holds nothing, or nothing that can be used. */
  readonly position: LogPosition | null;
  release(): Promise<void>;
}

/**
 * Keeps other processes out of the copy in `directory` and tells how far it is. What is unusable stays as it is, and is nobody's: no process
 * that runs has such a copy.
 */
export async function holdCopy(directory: string): Promise<Result<HeldCopy, CopyOpenError>> {
  const attempt = await tryOpen(directory);
  switch (attempt.kind) {
    case 'inUse':
      return err({ kind: 'dataDirectoryInUse', directory });
    case 'unavailable':
      return err({ kind: 'cannotOpen', directory, cause: attempt.cause });
    case 'unusable':
      return ok({ position: null, release: () => Promise.resolve() });
    case 'loaded': {
      const { database, loaded } = attempt;
      const release = (): Promise<void> =>
        new Promise((resolve) => {
          database.close(() => resolve());
        });
      return ok({ position: loaded?.position ?? null, release });
    }
    default:
      return unreachable(attempt);
  }
}

/**
 * Reads and verifies everything a database holds, before the first write. The result is the state, null for a database
 * without any record, or the reason why the copy is unusable; its cause is the database's own error when that cannot be read.
 */
export function readCopy(
  database: RecordDatabase,
  done: (result: Result<LoadedState | null, Error>) => void,
): void {
  const reader = new CopyReader();
  database.scan(
    (records) => reader.add(records),
    (error) => {
      if (error !== null) {
        done(err(new Error('the records cannot be read', { cause: error })));
        return;
      }
      const read = reader.finish();
      done(read.ok ? read : err(new Error(read.error)));
    },
  );
}

/** The copy behind a database that was read; `loaded` is what it holds, null for an empty one. */
export function openedCopy(
  parts: LevelCopyParts,
  loaded: LoadedState | null,
): LoadedState & { readonly copy: DurableCopy } {
  const { position, state } = loaded ?? { position: LOG_START, state: new KeyValueState() };
  const summary = loaded === null ? null : { position, hash: state.hash };
  return { copy: new LevelCopy(parts, summary), position, state };
}

function opened(
  { database, loaded }: Extract<Attempt, { readonly kind: 'loaded' }>,
  verdict: CopyVerdict,
  { onFault, clock }: OpenCopyOptions,
): OpenedCopy {
  const parts = { database, yieldTurn: setImmediate, onFault, ...(clock === undefined ? {} : { clock }) };
  return { ...openedCopy(parts, loaded), verdict };
}

async function tryOpen(directory: string): Promise<Attempt> {
  const handle: LevelHandle = new Level(directory, LEVEL_OPTIONS);
  try {
    await handle.open();
  } catch (cause) {
    return refusal(asError(cause));
  }
  const database = new LevelDatabase(handle);
  const verified = await new Promise<Result<LoadedState | null, Error>>((resolve) => {
    readCopy(database, resolve);
  });
  if (verified.ok) return { kind: 'loaded', database, loaded: verified.value };
  await handle.close();
  return refusal(verified.error);
}

/** LevelDB's own message says no more than that it failed; what is wrong, such as a full disk, stands in the cause. */
function refusal(error: Error): Refusal {
  const verdict = judgeRefusal(error);
  if (verdict.kind === 'inUse') return verdict;
  const reason = reasonOf(error);
  if (verdict.kind === 'damaged') return { kind: 'unusable', cause: new Error(reason, { cause: error }) };
  const text = `${reason}; ${verdict.remedy}, then start again`;
  return { kind: 'unavailable', cause: new Error(text, { cause: error }) };
}

function reasonOf(error: Error): string {
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}

function asError(cause: unknown): Error {
  return cause instanceof Error ? cause : new Error('the database failed without an error', { cause });
}
