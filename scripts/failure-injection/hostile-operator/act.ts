// Does one action of the plan to the processes or through the API, and notes what may be lost by it.

import {
  cutPower,
  endMaster,
  endReplica,
  hang,
  killLeader,
  killMaster,
  killSuccessor,
  outage,
  startAgain,
} from './deaths.ts';
import { moveSlots } from './move-slots.ts';
import type { Action } from './plan.ts';
import { addShard, failOver, moveReplica, removeShard } from './requests.ts';
import { type Surroundings, tell } from './surroundings.ts';

/** Long enough for a failover that must not be: the only replica is behind. */
const REFUSED_FAILOVER_MS = 6000;

/** Resolves when the action itself is over: null, or why the cluster cannot settle any more. */
export async function act(action: Action, around: Surroundings): Promise<string | null> {
  switch (action.kind) {
    case 'kill-master':
    case 'wipe-master':
      return endMaster(action, around);
    case 'kill-replica':
    case 'wipe-replica':
      return endReplica(action, around);
    case 'kill-successor':
      return killSuccessor(action, around);
    case 'power-cut':
      return cutPower(action, around);
    case 'hang-master':
    case 'hang-replica':
      return hang(action, around);
    case 'failover':
      return failOver(action.shard, null, around);
    case 'failover-preferred':
      return failOver(action.shard, action.preferred.id, around);
    case 'migrate':
    case 'rebalance':
    case 'scale-out':
    case 'scale-in':
      return moveSlots(action, around);
    case 'move-replica':
      return moveReplica(action, around);
    case 'add-shard':
      return addShard(action.spare, around);
    case 'remove-shard':
      return removeShard(action, around);
    case 'cut':
      return cut(action, around);
    case 'leader-kill':
      return killLeader(action.downMs, around);
    case 'leader-transfer':
      tell('the lead is handed over', await around.api.transferLead(), around);
      return null;
    case 'outage':
      return outage(action, around);
  }
}

async function cut(
  action: Extract<Action, { readonly kind: 'cut' }>,
  around: Surroundings,
): Promise<string | null> {
  const { shard, master, replica, cutMs } = action;
  await around.fleet.cut(replica.address);
  await around.wait(cutMs);
  if (action.ending === 'failover') await failOver(shard, replica.id, around);
  if (action.ending === 'kill-master') {
    await killMaster(master, 'death', around);
    await around.wait(REFUSED_FAILOVER_MS);
    await startAgain(master, false, around);
  }
  await around.fleet.mend(replica.address);
  around.note(`${replica.address} hears its master again`);
  return null;
}
