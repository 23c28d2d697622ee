// Moving slots between shards, and giving such a move up.

import { type Context, Hono } from 'hono';

import { cancelMigration, moveSlots, startMigration } from '../../topology/change-slots.ts';
import { type MigrationPlace, migrationsOf } from '../../topology/cluster.ts';
import { containsRange, parseSlot, parseSlotRange, printSlotRange, slotSetOf } from '../../topology/slot.ts';
import type { Cluster, SlotRange } from '../../topology/types.ts';
import { answerChange } from '../answers.ts';
import { readBody, readOptionalBody } from '../body.ts';
import { changeCluster, changed, changeRecord, readCluster } from '../change-cluster.ts';
import { type ApiDependencies, wallSeconds } from '../dependencies.ts';
import { ApiError, badRequest, TEXT_MISSING } from '../errors.ts';
import { checkMovable, checkRecordable } from '../movable-slots.ts';
import { valid } from '../parse.ts';
import { renderCluster } from '../render.ts';
import { cancelBody, migrateBody } from '../schemas/bodies.ts';
import { clusterPath } from './clusters.ts';

const MIGRATE = '/namespaces/:namespace/clusters/:cluster/migrate';

export function migrationRoutes(dependencies: ApiDependencies): Hono {
  return new Hono()
    .post(MIGRATE, (context) => migrate(dependencies, context))
    .post(`${MIGRATE}/cancel`, (context) => cancel(dependencies, context));
}

/** Answers when the intention is committed; the leader carries it to its end. `slot_only` moves ownership at once, without data. */
async function migrate(dependencies: ApiDependencies, context: Context): Promise<Response> {
  const { clusters, inspector } = dependencies;
  const body = await readBody(context, migrateBody);
  const range = slotsOf(body.slot);
  if (body.target < 0) throw badRequest('target: expected a shard index of 0 or more');
  const slotOnly = body.slot_only ?? body.slotOnly ?? false;
  const path = clusterPath(context);
  const nowSeconds = wallSeconds(dependencies);
  const move = { range, targetIndex: body.target };
  const wanted = (present: Cluster) =>
    slotOnly ? moveSlots(present, move) : startMigration(present, { ...move, nowSeconds });
  const { cluster } = await readCluster(clusters, path);
  // What the topology refuses is refused without asking anybody.
  changed(wanted(cluster));
  await (slotOnly ? checkRecordable(inspector, cluster, move) : checkMovable(inspector, cluster, range));
  const slots = printSlotRange(range);
  const next = await changeCluster(clusters, path, wanted, {
    kind: slotOnly ? 'slotsRecorded' : 'migrationRequested',
    text: slotOnly
      ? `slots ${slots} were given to shard ${body.target}, without their data`
      : `slots ${slots} are to be moved to shard ${body.target}`,
    shardIndex: body.target,
  });
  return answerChange(context, { word: 'ok', object: { cluster: renderCluster(next) }, status: 200 });
}

/** Gives up the running migrations that the body means: that of a slot, that out of a shard, or all for an empty body. */
async function cancel({ clusters }: ApiDependencies, context: Context): Promise<Response> {
  const body = await readOptionalBody(context, cancelBody);
  const range = body.slot === undefined ? null : slotsOf(body.slot);
  const { source = null } = body;
  const isMeant = ({ migration, sourceIndex }: MigrationPlace): boolean =>
    (range === null || containsRange(slotSetOf([migration.range]), range)) &&
    (source === null || sourceIndex === source);
  const next = await changeRecord(clusters, clusterPath(context), ({ cluster }) => {
    const meant = migrationsOf(cluster).filter(isMeant);
    if (meant.length === 0) throw new ApiError('missing', `${TEXT_MISSING}: no such migration is under way`);
    let left = cluster;
    for (const { sourceIndex } of meant) left = changed(cancelMigration(left, sourceIndex));
    const slots = meant.map(({ migration }) => printSlotRange(migration.range)).join(' ');
    const text = `the migration of slots ${slots} is to be given up`;
    return { cluster: left, event: { kind: 'migrationCancelled', text } };
  });
  return answerChange(context, { word: 'ok', object: { cluster: renderCluster(next) }, status: 200 });
}

function slotsOf(slot: number | string): SlotRange {
  if (typeof slot === 'string') return valid(parseSlotRange(slot, 'slot'));
  const single = valid(parseSlot(slot, 'slot'));
  return { start: single, stop: single };
}
