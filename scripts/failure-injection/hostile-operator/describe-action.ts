// What is about to be done, in words for people. Pure.

import type { MoveAction } from './plan-moves.ts';
import type { Action } from './plan.ts';

/** Begins with the kind. */
export function describeAction(action: Action): string {
  switch (action.kind) {
    case 'kill-master':
    case 'wipe-master': {
      const until = action.awaitsFailover ? 'until another is master' : `for ${action.downMs} ms`;
      const disk = action.kind === 'wipe-master' ? ', back on an empty disk' : '';
      return `${action.kind}: ${action.address}, master of shard ${action.shard}, down ${until}${disk}`;
    }
    case 'kill-replica':
    case 'wipe-replica':
      return `${action.kind}: ${action.address}, down for ${action.downMs} ms`;
    case 'kill-successor':
      return `kill-successor: ${action.address}, master of shard ${action.shard}, and ${action.afterMs} ms after its replacement that one`;
    case 'power-cut': {
      const turn = action.isFirst ? 'before the other nodes' : 'after the others';
      const end = action.isWiped ? `is back on an empty disk ${turn}` : 'stays away until another is master';
      return `power-cut: everything; ${action.address}, master of shard ${action.shard}, ${end}`;
    }
    case 'hang-master':
    case 'hang-replica':
      return `${action.kind}: ${action.address}, SIGSTOP for ${action.hangMs} ms`;
    case 'failover':
      return `failover: shard ${action.shard}, master ${action.address}, to whichever is best`;
    case 'failover-preferred':
      return `failover-preferred: shard ${action.shard}, master ${action.address}, to ${action.preferred.address}`;
    case 'migrate': {
      const speed = action.keysPerSecond === null ? '' : ` at ${action.keysPerSecond} keys/s`;
      const ranges = action.ranges.map(({ start, stop }) => `${start}-${stop}`).join(' ');
      return `migrate: ${ranges} to shard ${action.to}${speed}${describeMove(action)}`;
    }
    case 'rebalance':
      return `rebalance: weights ${JSON.stringify(action.weights)}${describeMove(action)}`;
    case 'scale-out':
      return `scale-out: a shard of ${action.nodeCount} nodes, ${action.spares.length} of which were removed before${describeMove(action)}`;
    case 'scale-in':
      return `scale-in: shard ${action.shard}${describeMove(action)}`;
    case 'move-replica':
      return `move-replica: ${action.replica.address} from shard ${action.from} to ${action.to}`;
    case 'add-shard':
      return `add-shard: ${action.spare === null ? 'a new node' : `${action.spare}, which was removed before`}`;
    case 'remove-shard':
      return `remove-shard: ${action.shard}, its ${action.ranges.length} ranges to shard ${action.to}`;
    case 'cut': {
      const ending = action.ending === 'nothing' ? '' : `, then ${action.ending}`;
      return `cut: ${action.replica.address} from its master ${action.master} for ${action.cutMs} ms${ending}`;
    }
    case 'leader-kill':
      return `leader-kill: the leading controller, down for ${action.downMs} ms`;
    case 'leader-transfer':
      return 'leader-transfer: the lead of the controllers to whoever is furthest';
    case 'outage':
      return `outage: all controllers for ${action.downMs} ms, ${action.address}, master of shard ${action.shard}, dies meanwhile`;
  }
}

function describeMove({ batch, meanwhile, afterMs }: MoveAction): string {
  const whom = 'address' in meanwhile ? ` of ${meanwhile.address}` : '';
  const shard = 'shard' in meanwhile ? ` (shard ${meanwhile.shard})` : '';
  const then = meanwhile.kind === 'nothing' ? '' : `, ${meanwhile.kind}${whom}${shard} after ${afterMs} ms`;
  return ` in jobs of ${batch} slots${then}`;
}
