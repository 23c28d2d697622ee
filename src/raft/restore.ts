// A snapshot file becomes a state: built aside and checked to its last byte, then swapped in, or refused with the reason.

import { assert } from '../base/assert.ts';
import { type Result, err, ok } from '../base/result.ts';
import { type Task, completion } from '../base/task.ts';
import type { LogPosition } from './core/types.ts';
import type { SnapshotFile, SnapshotStore, StateMachine, StateRestore } from './ports.ts';
import { SnapshotDamaged, SnapshotUnsupported } from './snapshot/errors.ts';

export interface RestoreParts {
  readonly snapshots: Pick<SnapshotStore, 'load'>;
  readonly stateMachine: StateMachine;
}

/** The file was set aside or pruned before it was opened. */
function isGone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

/**
 * Builds the state of `file` beside the one in use, which stays as it is. An error value means that no release like this one
 * makes a state of the file (damaged, gone, of a newer format, not hashing to what it says); a failing disk is thrown.
 */
export function* buildState(parts: RestoreParts, file: SnapshotFile): Task<Result<StateRestore, string>> {
  const restore = parts.stateMachine.restore(file.meta);
  try {
    yield* completion((done) => parts.snapshots.load(file, (piece) => restore.chunk(piece), done));
  } catch (error) {
    restore.abort();
    if (error instanceof SnapshotDamaged || error instanceof SnapshotUnsupported) return err(error.message);
    if (isGone(error)) return err(`the snapshot of entry ${file.meta.index} is not here any more`);
    throw error;
  }
  const problem = restore.ready();
  if (problem === null) return ok(restore);
  restore.abort();
  return err(`the snapshot of entry ${file.meta.index} is no state this release can read: ${problem}`);
}

/** Puts a state that `buildState` returned in the place of the old one; durable when the task ends. */
export function* swapState(
  stateMachine: StateMachine,
  built: { readonly restore: StateRestore; readonly position: LogPosition },
): Task<void> {
  yield* completion((done) => built.restore.swap(done));
  assert(
    stateMachine.applied === built.position.index,
    'a restored state stands where its snapshot was taken',
  );
}
