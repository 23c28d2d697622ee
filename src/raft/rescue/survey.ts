// What one member's data directory knows, all of it: snapshot and whole log, with nothing changed on the disk.

import { join } from 'node:path';

import type { Logger } from '../../base/logger.ts';
import { type Task, outcome } from '../../base/task.ts';
import { membershipOf } from '../core/config-list.ts';
import {
  type LogIndex,
  type LogPosition,
  type MemberId,
  type Membership,
  type RestoredState,
  type Term,
  logIndex,
} from '../core/types.ts';
import type { StateMachine } from '../ports.ts';
import {
  type RecoveredState,
  type RecoveryParts,
  RecoveryRefused,
  lastPosition,
  recover,
  termAt,
} from '../recovery.ts';
import { type SnapshotDirectory, openSnapshotsTask } from '../snapshot/directory.ts';
import type { FileSystem } from '../wal/file-system.ts';
import type { Identity } from '../wal/identity.ts';
import { readWalTask } from '../wal/read.ts';
import type { Cut } from '../wal/scan.ts';

/** The folder of the snapshots in a data directory. */
export const SNAPSHOT_FOLDER = 'snapshots';

export interface SurveyOptions {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  /** Whose directory it has to be; null for who only looks. */
  readonly memberId: MemberId | null;
  /** Empty; holds what the directory knows afterwards, up to the end of its log. */
  readonly stateMachine: StateMachine;
  /** How far the state's own copy is, which holds committed entries alone; null where that cannot be read. */
  readonly copy: LogPosition | null;
  readonly logger: Logger;
}

export interface MemberSurvey {
  readonly identity: Identity;
  /** The newest one, whether it was committed or not. */
  readonly membership: Membership;
  readonly term: Term;
  /** The member of a group where this is highest, term first, knows most; of a majority of them it knows everything that was acknowledged. */
  readonly last: LogPosition;
  /** Everything up to here is known to be committed; later entries may be, or may have been given up by the group. */
  readonly committed: LogIndex;
  /** The entry that the newest usable snapshot ends with; null when there is none. */
  readonly snapshot: LogIndex | null;
  /** Torn writes, which are not counted: they were never acknowledged. */
  readonly cuts: readonly Cut[];
}

/**
 * Reads everything and checks it as a start does. Throws what a start would refuse with: `IdentityRefused`, `WalDamaged`,
 * `WalUnsupported` or `RecoveryRefused`.
 */
export function* surveyTask(options: SurveyOptions): Task<MemberSurvey> {
  const { fileSystem, directory, stateMachine, copy, logger } = options;
  const { identity, restored: found, cuts } = yield* readWalTask(fileSystem, directory, options.memberId);
  const { snapshots } = yield* openSnapshotsTask({
    fileSystem,
    directory: join(directory, SNAPSHOT_FOLDER),
  });
  const looked = new LookedAtSnapshots(snapshots);
  const parts = { log: unwrittenLog(fileSystem), snapshots: looked, stateMachine, logger };
  const { restored, applied } = yield* outcome<RecoveredState>((done) => recover(parts, found, done));
  const last = lastPosition(restored);
  expectWhole(restored, copy);
  stateMachine.apply(restored.entries.filter(({ index }) => index > applied.index));
  const snapshot = looked.newest()?.meta.index ?? null;
  return {
    identity,
    membership: newestMembership(restored),
    term: restored.hardState.term,
    last,
    committed: logIndex(Math.max(restored.base.index, snapshot ?? 0, copy?.index ?? 0)),
    snapshot,
    cuts,
  };
}

/** What the state has taken in was committed: a log without it has lost its end. */
function expectWhole(restored: RestoredState, copy: LogPosition | null): void {
  if (copy === null) return;
  const last = lastPosition(restored);
  if (copy.index > last.index)
    throw new RecoveryRefused(
      `the state contains entry ${copy.index}, and the log ends at entry ${last.index}`,
    );
  if (copy.index >= restored.base.index && termAt(restored, copy.index) !== copy.term)
    throw new RecoveryRefused(`the state contains entry ${copy.index} of another term than the log`);
}

function newestMembership({ base, entries }: RestoredState): Membership {
  const last = entries.findLast(({ kind }) => kind === 'config');
  return (last === undefined ? null : membershipOf(last)) ?? base.membership;
}

/** What a start would write into the log stays in memory: `recover` returns it. */
function unwrittenLog(disk: FileSystem): RecoveryParts['log'] {
  return {
    write: (_group, done) => disk.defer(() => done(null)),
    reset: (_base, done) => disk.defer(() => done(null)),
  };
}

/** The snapshots of the directory; one that is discarded is passed over and stays where it is. */
class LookedAtSnapshots implements Pick<SnapshotDirectory, 'newest' | 'load' | 'older' | 'discard'> {
  readonly #snapshots: SnapshotDirectory;
  #newest: ReturnType<SnapshotDirectory['newest']>;
  readonly load: SnapshotDirectory['load'];

  constructor(snapshots: SnapshotDirectory) {
    this.#snapshots = snapshots;
    this.#newest = snapshots.newest();
    this.load = snapshots.load.bind(snapshots);
  }

  newest(): ReturnType<SnapshotDirectory['newest']> {
    return this.#newest;
  }

  older(...given: Parameters<SnapshotDirectory['older']>): void {
    this.#snapshots.older(...given);
  }

  discard(...[file, done]: Parameters<SnapshotDirectory['discard']>): void {
    this.#snapshots.older(file, (older) => {
      if (!(older instanceof Error)) this.#newest = older;
      done(older instanceof Error ? older : null);
    });
  }
}
