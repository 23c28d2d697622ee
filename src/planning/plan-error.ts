// Why no plan can be made, and the sentence people read about it.

import { unreachable } from '../base/assert.ts';

export type PlanError =
  /** `field`: which wish names it. */
  | { readonly kind: 'unknownShard'; readonly field: string; readonly shard: number }
  | { readonly kind: 'invalidWeight'; readonly shardIndex: number; readonly weight: number }
  /** Nobody may own the slots. */
  | { readonly kind: 'noTaker' }
  | { readonly kind: 'unknownZone'; readonly zone: string; readonly known: readonly string[] };

/** One sentence for people. */
export function describePlanError(error: PlanError): string {
  switch (error.kind) {
    case 'unknownShard':
      return `${error.field}: there is no shard with the id ${error.shard} in this cluster`;
    case 'invalidWeight':
      return `weights: ${error.weight} of shard ${error.shardIndex} is no weight, which is a finite number of at least 0`;
    case 'noTaker':
      return 'no shard is left to own the slots: leave at least one that is not to be emptied and has a weight above 0';
    case 'unknownZone': {
      const known = error.known.length === 0 ? 'no node has a zone' : `there are ${error.known.join(', ')}`;
      return `zone: no node of this cluster is in ${JSON.stringify(error.zone)}, ${known}`;
    }
    default:
      return unreachable(error);
  }
}
