// Moving slots between shards.

import { Hono } from 'hono';

import { moveSlots, startMigration } from '../../topology/change-slots.ts';
import { parseSlot, parseSlotRange } from '../../topology/slot.ts';
import type { SlotRange } from '../../topology/types.ts';
import { answerChange } from '../answers.ts';
import { readBody } from '../body.ts';
import { changeCluster } from '../change-cluster.ts';
import type { ApiDependencies } from '../dependencies.ts';
import { badRequest } from '../errors.ts';
import { valid } from '../parse.ts';
import { renderCluster } from '../render.ts';
import { migrateBody } from '../schemas/bodies.ts';
import { clusterPath } from './clusters.ts';

/** Answers when the intention is committed; the leader carries it to its end. `slot_only` moves ownership at once, without data. */
export function migrationRoutes({ clusters, clock }: ApiDependencies): Hono {
  return new Hono().post('/namespaces/:namespace/clusters/:cluster/migrate', async (context) => {
    const body = await readBody(context, migrateBody);
    const range = slotsOf(body.slot);
    if (body.target < 0) throw badRequest('target: expected a shard index of 0 or more');
    const slotOnly = body.slot_only ?? body.slotOnly ?? false;
    const nowSeconds = Math.floor(clock.wallMs() / 1000);
    const move = { range, targetIndex: body.target };
    const next = await changeCluster(clusters, clusterPath(context), (cluster) =>
      slotOnly ? moveSlots(cluster, move) : startMigration(cluster, { ...move, nowSeconds }),
    );
    return answerChange(context, { word: 'ok', object: { cluster: renderCluster(next) }, status: 200 });
  });
}

function slotsOf(slot: number | string): SlotRange {
  if (typeof slot === 'string') return valid(parseSlotRange(slot, 'slot'));
  const single = valid(parseSlot(slot, 'slot'));
  return { start: single, stop: single };
}
