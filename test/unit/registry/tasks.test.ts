// Moves of slots as records: whoever begins jobs, cancels tasks or deletes their cluster at the same time learns of the others.

import { describe, expect, it } from 'vitest';

import { taskKey } from '../../../src/registry/keys.ts';
import { withTaskCancelled, withTaskRetried } from '../../../src/topology/change-tasks.ts';
import { clusterWithVersion } from '../../../src/topology/cluster.ts';
import type { ClusterRecord } from '../../../src/topology/record.ts';
import { slotRange, slotSetOf } from '../../../src/topology/slot.ts';
import { addTask, type TaskBook } from '../../../src/topology/task.ts';
import type { ShardId } from '../../../src/topology/types.ts';
import { cluster, name, scene, valueOf } from './support.ts';

const DONE = { ok: true, value: undefined };
const CONFLICT = { ok: false, error: { kind: 'conflict' } };
const ns = name('ns');
const PLACE = { namespace: ns, cluster: name('c') };
const NOW_SECONDS = 1_700_000_000;

type Made = ReturnType<typeof scene>;

/** A cluster with `count` open tasks. Nobody looks here at what they move. */
async function withTasks(count: number): Promise<Made> {
  const made = scene();
  await made.registry.createNamespace(ns);
  await made.registry.createCluster(ns, cluster('c', [7001, 7002]));
  for (let index = 0; index < count; index += 1) expect(await change(made, withOneMore)).toEqual(DONE);
  return made;
}

function recordOf({ registry }: Made): ClusterRecord {
  const record = registry.getCluster(ns, name('c'));
  if (record === null) throw new Error('no cluster');
  return record;
}

function withOneMore(book: TaskBook): TaskBook {
  const slot = book.length;
  const moves = [{ source: 1 as ShardId, target: 2 as ShardId, slots: slotSetOf([slotRange(slot, slot)]) }];
  return addTask(book, { kind: 'migrate', actor: 'api', moves, batch: 1, nowSeconds: NOW_SECONDS }).book;
}

/** What a route does: the tasks change, the cluster stays. */
function change(
  made: Made,
  next: (book: TaskBook) => TaskBook,
): ReturnType<Made['registry']['replaceCluster']> {
  const record = recordOf(made);
  const before = made.registry.tasks.ofCluster(PLACE);
  return made.registry.replaceCluster(record, record.cluster, { tasks: { before, after: next(before) } });
}

function cancelled(made: Made): (book: TaskBook) => TaskBook {
  return (book) => {
    const [task] = book;
    if (task === undefined) throw new Error('no task');
    return valueOf(withTaskCancelled({ cluster: recordOf(made).cluster, tasks: book }, task, NOW_SECONDS))
      .tasks;
  };
}

describe('a job that begins', () => {
  it('needs every open task as it was read: one of them may have been cancelled meanwhile', async () => {
    const made = await withTasks(2);
    const record = recordOf(made);
    const before = made.registry.tasks.ofCluster(PLACE);
    const next = valueOf(clusterWithVersion(record.cluster, 2));
    made.group.hold();
    const cancel = change(made, cancelled(made));
    const begin = made.registry.replaceCluster(record, next, { tasks: { before, after: before } });
    made.group.release();
    expect(await cancel).toEqual(DONE);
    expect(await begin).toEqual(CONFLICT);
    expect(recordOf(made).cluster.version).toBe(1);
  });

  it('is in nobody’s way while they are as they were', async () => {
    const made = await withTasks(2);
    const record = recordOf(made);
    const before = made.registry.tasks.ofCluster(PLACE);
    const next = valueOf(clusterWithVersion(record.cluster, 2));
    expect(await made.registry.replaceCluster(record, next, { tasks: { before, after: before } })).toEqual(
      DONE,
    );
    expect(made.registry.tasks.ofCluster(PLACE)).toBe(before);
  });
});

describe('a task that is new, or open again', () => {
  it.each([
    ['new', async (made: Made) => change(made, withOneMore)],
    [
      'open again',
      async (made: Made) => {
        const again = (book: TaskBook): TaskBook =>
          valueOf(withTaskRetried({ cluster: recordOf(made).cluster, tasks: book }, book[0]!)).tasks;
        return change(made, again);
      },
    ],
  ])('%s: is not left behind by whoever deletes the cluster at the same time', async (_, open) => {
    const made = await withTasks(1);
    expect(await change(made, cancelled(made))).toEqual(DONE);
    made.group.hold();
    const opened = open(made);
    const deleted = made.registry.deleteCluster(recordOf(made));
    made.group.release();
    expect(await opened).toEqual(DONE);
    expect(await deleted).toEqual(CONFLICT);
    expect(await made.registry.deleteCluster(recordOf(made))).toEqual(DONE);
    for (const id of [1, 2]) expect(made.store.get(taskKey(PLACE, id))).toBeNull();
  });
});

it('a task that ends changes nothing of its cluster', async () => {
  const made = await withTasks(1);
  const { revision } = recordOf(made);
  expect(await change(made, cancelled(made))).toEqual(DONE);
  expect(recordOf(made).revision).toBe(revision);
});
