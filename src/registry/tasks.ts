// Moves of slots as records of the store, one a task: read locally as one book, written with the cluster that they change.

import { err, ok, type Result } from '../base/result.ts';
import type { Key, Store, StoredValue } from '../store/types.ts';
import type { ChangeError, ClusterPlace } from '../topology/record.ts';
import { NO_TASKS, type MigrationTask, openTasks, type TaskBook } from '../topology/task.ts';
import type { TransactionPlan } from './committer.ts';
import { TASK_LEVEL } from './feature-level.ts';
import { taskKey, tasksPrefix } from './keys.ts';
import { decodeTask, encodeTask } from './task-codec.ts';

export interface TaskRecordsParts {
  readonly store: Store;
  /** See `RegistryOptions`. */
  readonly featureLevel: () => number;
}

/** A book, and what it was read from. */
interface Read {
  readonly stored: readonly StoredValue[];
  readonly book: TaskBook;
}

export class TaskRecords {
  readonly #parts: TaskRecordsParts;
  /** A stored value never changes, so it is decoded once. */
  readonly #decoded = new WeakMap<StoredValue, MigrationTask>();
  /** The books read last: as long as nothing changes the same object is given. */
  readonly #read = new Map<string, Read>();

  constructor(parts: TaskRecordsParts) {
    this.#parts = parts;
  }

  /** Local, as all reads are; the same object while nothing has changed. */
  ofCluster(place: ClusterPlace): TaskBook {
    const prefix = tasksPrefix(place);
    const stored = this.#parts.store.list(prefix);
    if (stored.length === 0) {
      this.#read.delete(prefix);
      return NO_TASKS;
    }
    const known = this.#read.get(prefix);
    const isKnown =
      known?.stored.length === stored.length && stored.every((value, index) => value === known.stored[index]);
    if (isKnown) return known.book;
    const book = stored.map((value) => this.#task(value));
    this.#read.set(prefix, { stored, book });
    return book;
  }

  /** Why no task can be recorded at the level of the group; null when one can. */
  get refusal(): ChangeError | null {
    const current = this.#parts.featureLevel();
    return current < TASK_LEVEL ? { kind: 'featureLevel', needed: TASK_LEVEL, current } : null;
  }

  /** The keys of all tasks of a cluster, which go with it. */
  keysOf(place: ClusterPlace): readonly Key[] {
    return this.#parts.store.list(tasksPrefix(place)).map(({ key }) => key);
  }

  /**
   * What a transaction has to hold to put `after` in the place of `before`, which has to be the book as of now: `conflict` otherwise. All open tasks are
   * compared, also where none changes: whoever begins a job must not do so for one that was just cancelled. A task that is new, or open again, is not
   * seen by those who read the book before: it comes with a new revision of the cluster (`ClusterPlans.replace`).
   */
  part(
    place: ClusterPlace,
    { before, after }: { readonly before: TaskBook; readonly after: TaskBook },
  ): Result<TransactionPlan, ChangeError> {
    if (this.ofCluster(place) !== before) return err({ kind: 'conflict' });
    const { refusal } = this;
    if (refusal !== null) return err(refusal);
    const was = new Map(before.map((task) => [task.id, task]));
    const changed = after.filter((task) => was.get(task.id) !== task);
    const staying = new Set(after.map(({ id }) => id));
    const removed = before.filter(({ id }) => !staying.has(id)).map(({ id }) => taskKey(place, id));
    const revisionAt = (key: Key): number => this.#parts.store.get(key)?.revision ?? 0;
    const ids = new Set([...openTasks(before), ...changed].map(({ id }) => id));
    const compared = new Set([...[...ids].map((id) => taskKey(place, id)), ...removed]);
    return ok({
      compare: [...compared].map((key) => ({ key, revision: revisionAt(key) })),
      put: changed.map((task) => ({ key: taskKey(place, task.id), value: encodeTask(task) })),
      remove: removed,
    });
  }

  #task(stored: StoredValue): MigrationTask {
    const known = this.#decoded.get(stored);
    if (known !== undefined) return known;
    const task = decodeTask(stored);
    this.#decoded.set(stored, task);
    return task;
  }
}
