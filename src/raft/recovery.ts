// Start-up: brings log, snapshot and state to one consistent place, or says why that is impossible.

import type { Logger } from '../base/logger.ts';
import { type Task, completion, outcome, runTask } from '../base/task.ts';
import type { HardState, LogPosition, RestoredState, SnapshotMeta, Term } from './core/types.ts';
import type { DurableLog, SnapshotFile, SnapshotStore, StateMachine, StateRestore } from './ports.ts';
import { buildState, swapState } from './restore.ts';

/** Of log and snapshots what a start may have to change or to read. */
export interface RecoveryParts {
  readonly log: Pick<DurableLog, 'write' | 'reset'>;
  readonly snapshots: Pick<SnapshotStore, 'newest' | 'load' | 'older' | 'discard'>;
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
        'Do not delete or edit files by hand; see docs/operations.md, "A lost or damaged disk".',
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
 * snapshot holds only committed state, so what the log has beside it is either in it or was never committed. Nothing is
 * reset before the snapshot has proved to be a state; one that is none is passed over when an older one, or log and state
 * alone, will do. Calls `done` once, with an error that says what to do.
 */
export function recover(
  parts: RecoveryParts,
  restored: RestoredState,
  done: (result: RecoveredState | Error) => void,
): void {
  runTask(recoverTask(parts, restored), done);
}

/** The end of a restored log. */
export function lastPosition(restored: RestoredState): LogPosition {
  const { index, term } = restored.entries.at(-1) ?? restored.base;
  return { index, term };
}

function* recoverTask(parts: RecoveryParts, restored: RestoredState): Task<RecoveredState> {
  const { snapshots, stateMachine, logger } = parts;
  for (let file = snapshots.newest(); ; file = snapshots.newest()) {
    const problem = contradiction(restored, stateMachine, file);
    if (problem !== null) throw new RecoveryRefused(problem);
    const need = file === null ? null : snapshotNeed(restored, stateMachine, file);
    if (file === null || need === null) return { restored, applied: appliedPosition(stateMachine) };
    const last = lastPosition(restored).index;
    const { applied } = stateMachine;
    logger.warn(`raft.recovery.${need}`, {
      snapshot: file.meta.index,
      applied,
      base: restored.base.index,
      last,
    });
    const built = yield* buildState(parts, file);
    if (!built.ok) {
      yield* passOver(parts, { restored, file, reason: built.error });
      continue;
    }
    const state = need === 'snapshot_not_in_log' ? yield* resetLog(parts, restored, file.meta) : restored;
    return yield* adopt(parts, { restored: state, restore: built.value, meta: file.meta });
  }
}

/** Why the state has to be taken from `file`; null when log and state are as far without it. */
function snapshotNeed(
  restored: RestoredState,
  stateMachine: StateMachine,
  file: SnapshotFile,
): 'snapshot_not_in_log' | 'state_behind_log' | null {
  if (!holds(restored, file.meta)) return 'snapshot_not_in_log';
  return stateMachine.applied < restored.base.index ? 'state_behind_log' : null;
}

function* adopt(
  parts: RecoveryParts,
  found: { readonly restored: RestoredState; readonly restore: StateRestore; readonly meta: SnapshotMeta },
): Task<RecoveredState> {
  const { restored, restore, meta } = found;
  yield* swapState(parts.stateMachine, { restore, position: meta });
  return { restored, applied: { index: meta.index, term: meta.term } };
}

/**
 * A file that is no state here, although it is whole: of a newer release, or of a leader that was broken. Set aside only when
 * this member can start without it; otherwise it stays where it is, and the release that can read it must be started.
 */
function* passOver(
  parts: RecoveryParts,
  found: { readonly restored: RestoredState; readonly file: SnapshotFile; readonly reason: string },
): Task<void> {
  const { snapshots, stateMachine, logger } = parts;
  const { restored, file, reason } = found;
  const older = yield* outcome<SnapshotFile | null>((done) => snapshots.older(file, done));
  const without = contradiction(restored, stateMachine, older);
  if (without !== null) throw new RecoveryRefused(`${reason}, and without it ${without}`);
  logger.warn('raft.snapshot.refused', { index: file.meta.index, reason });
  yield* completion((done) => snapshots.discard(file, done));
}

/** Why the three cannot belong together; null when they can. */
function contradiction(
  restored: RestoredState,
  stateMachine: StateMachine,
  file: SnapshotFile | null,
): string | null {
  const { base } = restored;
  const last = lastPosition(restored);
  const { applied, appliedTerm } = stateMachine;
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
  if (applied > last.index) {
    return `the state contains entry ${applied}, and the log ends at entry ${last.index}`;
  }
  if (applied >= base.index && termAt(restored, applied) !== appliedTerm) {
    return `the state contains entry ${applied} of term ${appliedTerm}, the log has it of term ${termAt(restored, applied)}`;
  }
  // Where log and snapshot differ, the log was never committed; what the base or the state stands for was.
  const committed = Math.max(base.index, applied);
  if (file !== null && file.meta.index <= committed && !holds(restored, file.meta)) {
    return `the snapshot at entry ${file.meta.index} is of term ${file.meta.term}, the log is not`;
  }
  return null;
}

/** The log becomes empty behind the snapshot: first the term, so that the log is never of a future term. */
function* resetLog(parts: RecoveryParts, restored: RestoredState, meta: SnapshotMeta): Task<RestoredState> {
  const hardState = atLeast(restored.hardState, meta.term);
  if (hardState !== restored.hardState) {
    yield* completion((done) => parts.log.write({ hardState, truncateFrom: null, append: [] }, done));
  }
  yield* completion((done) => parts.log.reset(meta, done));
  return { hardState, base: meta, entries: [] };
}

function atLeast(hardState: HardState, term: Term): HardState {
  return hardState.term >= term ? hardState : { term, votedFor: null };
}

function appliedPosition({ applied, appliedTerm }: StateMachine): LogPosition {
  return { index: applied, term: appliedTerm };
}

function holds(restored: RestoredState, position: LogPosition): boolean {
  return termAt(restored, position.index) === position.term;
}

/** The term of an entry the log holds or of its base; null for any other index. */
export function termAt(restored: RestoredState, index: SnapshotMeta['index']): Term | null {
  if (index === restored.base.index) return restored.base.term;
  return restored.entries[index - restored.base.index - 1]?.term ?? null;
}
