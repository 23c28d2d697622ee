// Start-up: brings log, snapshot and state to one consistent place, or says why that is impossible.

import type { Logger } from '../base/logger.ts';
import type { HardState, LogPosition, RestoredState, SnapshotMeta, Term } from './core/types.ts';
import type { DurableLog, SnapshotFile, SnapshotStore, StateMachine } from './ports.ts';
import { restoreState } from './restore.ts';

export interface RecoveryParts {
  readonly log: DurableLog;
  readonly snapshots: SnapshotStore;
  readonly stateMachine: StateMachine;
  readonly logger: Logger;
}

/** Log and state of this member contradict each other: files were lost, restored from a copy, or mixed. */
export class RecoveryRefused extends Error {
  override readonly name = 'RecoveryRefused';
  readonly code = 'raft_recovery_refused';

  constructor(reason: string) {
    super(
      `The Raft log, snapshot and state of this member do not fit together: ${reason}. ` +
        'This member will not start, because it may have acknowledged what is missing here. ' +
        'Do not delete or edit files by hand; see docs/operations.md, "A damaged data directory".',
    );
  }
}

/** The log to start from, and the place the state has reached in it. */
export interface RecoveredState {
  readonly restored: RestoredState;
  readonly applied: LogPosition;
}

/**
 * Redoes what a crash interrupted. The state is rebuilt from the newest snapshot when it is behind the log's base
 * (the crash came between the log's reset and the state's; or the state's own copy was lost), or when the log does not
 * hold the snapshot's entry (a received snapshot, and the crash came before the log's reset). The log is then reset: a
 * snapshot holds only committed state, so what the log has beside it is either in it or was never committed. Calls
 * `done` once, with an error that says what to do.
 */
export function recover(
  parts: RecoveryParts,
  restored: RestoredState,
  done: (result: RecoveredState | Error) => void,
): void {
  const file = parts.snapshots.newest();
  const problem = contradiction(restored, parts.stateMachine, file);
  if (problem !== null) {
    done(new RecoveryRefused(problem));
    return;
  }
  const { applied } = parts.stateMachine;
  if (file !== null && !holds(restored, file.meta)) {
    adoptSnapshot(parts, { restored, file }, done);
  } else if (file !== null && applied < restored.base.index) {
    parts.logger.warn('raft.recovery.state_behind_log', {
      applied,
      base: restored.base.index,
      snapshot: file.meta.index,
    });
    restoreState(parts, file, (error) => done(error ?? { restored, applied: file.meta }));
  } else {
    done({ restored, applied: { index: applied, term: termAt(restored, applied) ?? restored.base.term } });
  }
}

/** The end of a restored log. */
export function lastPosition(restored: RestoredState): LogPosition {
  const { index, term } = restored.entries.at(-1) ?? restored.base;
  return { index, term };
}

/** Why the three cannot belong together; null when they can. */
function contradiction(
  restored: RestoredState,
  stateMachine: StateMachine,
  file: SnapshotFile | null,
): string | null {
  const { base } = restored;
  const last = lastPosition(restored);
  // A snapshot is taken by a member that has led or followed, and sent only to one that has answered: both in a durable
  // term. So the log is new because the old one, with the vote in it, was deleted.
  if (file !== null && restored.hardState.term === 0) {
    return `the log is new, and there is a snapshot at entry ${file.meta.index}`;
  }
  if (base.index > 0 && file === null)
    return `the log starts after entry ${base.index}, and there is no snapshot`;
  if (file !== null && file.meta.index < base.index) {
    return `the log starts after entry ${base.index}, and the newest snapshot ends at entry ${file.meta.index}`;
  }
  if (stateMachine.applied > last.index) {
    return `the state contains entry ${stateMachine.applied}, and the log ends at entry ${last.index}`;
  }
  // Where log and snapshot differ, the log was never committed; what the base or the state stands for was.
  const committed = Math.max(base.index, stateMachine.applied);
  if (file !== null && file.meta.index <= committed && !holds(restored, file.meta)) {
    return `the snapshot at entry ${file.meta.index} is of term ${file.meta.term}, the log is not`;
  }
  return null;
}

/** The log becomes empty behind the snapshot: first the term, so that the log is never of a future term. */
function adoptSnapshot(
  parts: RecoveryParts,
  found: { readonly restored: RestoredState; readonly file: SnapshotFile },
  done: (result: RecoveredState | Error) => void,
): void {
  const { meta } = found.file;
  const hardState = atLeast(found.restored.hardState, meta.term);
  parts.logger.warn('raft.recovery.snapshot_not_in_log', {
    snapshot: meta.index,
    last: lastPosition(found.restored).index,
  });
  const finish = (error: Error | null): void =>
    done(error ?? { restored: { hardState, base: meta, entries: [] }, applied: meta });
  const reset = (writeError: Error | null): void => {
    if (writeError !== null) finish(writeError);
    else
      parts.log.reset(meta, (error) =>
        error === null ? restoreState(parts, found.file, finish) : finish(error),
      );
  };
  if (hardState === found.restored.hardState) reset(null);
  else parts.log.write({ hardState, truncateFrom: null, append: [] }, reset);
}

function atLeast(hardState: HardState, term: Term): HardState {
  return hardState.term >= term ? hardState : { term, votedFor: null };
}

function holds(restored: RestoredState, position: LogPosition): boolean {
  return termAt(restored, position.index) === position.term;
}

function termAt(restored: RestoredState, index: SnapshotMeta['index']): Term | null {
  if (index === restored.base.index) return restored.base.term;
  return restored.entries[index - restored.base.index - 1]?.term ?? null;
}
