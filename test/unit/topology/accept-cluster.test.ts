import { expect, test } from 'vitest';

import { acceptedCluster } from '../../../src/topology/accept-cluster.ts';
import { markMigrationStarted, startMigration } from '../../../src/topology/change-slots.ts';
import { withNewTask } from '../../../src/topology/change-tasks.ts';
import { initialFacts, withPromotion } from '../../../src/topology/facts.ts';
import { slotRange, slotSetOf } from '../../../src/topology/slot.ts';
import { NO_SETTINGS } from '../../../src/topology/tuning.ts';
import { openTasks } from '../../../src/topology/task.ts';
import { sampleCluster, valueOf } from './arbitrary.ts';

const NOW = 1_800_000_000;

test('a cluster whose nodes have heard of nothing newer keeps what is known of its copies, under the next version', () => {
  const cluster = sampleCluster(2, 2);
  const [from, to] = cluster.shards[0]!.nodes;
  const promotion = { version: cluster.version, sequence: 7, term: 1, atSeconds: NOW, isConfirmed: true };
  const known = withPromotion(initialFacts(cluster), cluster.shards[0]!.id, {
    ...promotion,
    from: from!.id,
    to: to!.id,
  });
  const facts = { ...known, contestedVersion: cluster.version, observedSinceSeconds: NOW };
  const accepted = valueOf(
    acceptedCluster({ cluster, tasks: [] }, facts, { highestVersion: cluster.version, nowSeconds: NOW }),
  );
  expect(accepted.cluster).toEqual({ ...cluster, version: cluster.version + 1 });
  expect(accepted.facts).toEqual({ ...known, contestedVersion: null, observedSinceSeconds: null });
});

test('where nodes have heard of versions that are not recorded, nothing older than these proves a copy', () => {
  const cluster = sampleCluster(2, 2);
  const facts = { ...initialFacts(cluster), observedSinceSeconds: NOW };
  const highestVersion = cluster.version + 9;
  const accepted = valueOf(
    acceptedCluster({ cluster, tasks: [] }, facts, { highestVersion, nowSeconds: NOW }),
  );
  expect(accepted.cluster.version).toBe(highestVersion + 1);
  expect([...accepted.facts.shards.values()]).toEqual(
    cluster.shards.map(() => ({ sinceVersion: highestVersion, promotions: [] })),
  );
});

test('moves of slots that were under way in the backup are given up, with their tasks and without', () => {
  const cluster = sampleCluster(3, 1);
  const [first, second] = cluster.shards;
  const range = slotRange(cluster.shards[2]!.slots[0]!.start, cluster.shards[2]!.slots[0]!.start);
  const planned = valueOf(startMigration(cluster, { targetIndex: 1, range, nowSeconds: NOW }));
  const started = valueOf(markMigrationStarted(planned, 2, false));
  const moved = slotRange(first!.slots[0]!.start, first!.slots[0]!.start);
  const moves = [{ source: first!.id, target: second!.id, slots: slotSetOf([moved]) }];
  const asked = {
    kind: 'migrate',
    actor: 'api',
    moves,
    batch: 16_384,
    settings: NO_SETTINGS,
    nowSeconds: NOW,
  } as const;
  const worked = valueOf(withNewTask({ cluster: started, tasks: [] }, asked));
  const facts = { ...initialFacts(cluster), observedSinceSeconds: NOW };
  const accepted = valueOf(acceptedCluster(worked, facts, { highestVersion: 0, nowSeconds: NOW }));
  expect(accepted.cluster.shards[2]?.migration?.isCancelled).toBe(true);
  expect(openTasks(accepted.tasks).every(({ wish }) => wish === 'cancel')).toBe(true);
  expect(accepted.cluster.version).toBeGreaterThan(worked.cluster.version);
});
