// Spares as the documented JSON: what is wanted, and what is known now. Passwords never get out.

import { printTime } from '../base/wall-time.ts';
import type { SparesStatus } from '../control/spares-status.ts';
import type { SparesPolicy } from '../topology/spares.ts';

/** `seen` may be null, and may know nothing of a spare yet. */
export function renderSpares(
  { nodes, copies, replaceAfterSeconds }: SparesPolicy,
  seen: SparesStatus | null,
  nowMs: number,
): object {
  const known = new Map((seen?.nodes ?? []).map((node) => [node.address, node]));
  const timeIn = (ms: number): string => printTime(Math.round((nowMs + ms) / 1000));
  return {
    copies,
    replace_after_seconds: replaceAfterSeconds,
    nodes: nodes.map(({ address, zone, lost }) => {
      const { state = 'unknown', why = 'it was not looked at yet', ageMs = null } = known.get(address) ?? {};
      return {
        addr: address,
        zone,
        lost,
        state,
        reason: why,
        looked_at: ageMs === null ? null : timeIn(-ageMs),
      };
    }),
    shards: (seen?.shards ?? []).map(({ shardIndex, there, wanted, forMs, leftMs, plan }) => ({
      shard: shardIndex,
      there,
      wanted,
      since: timeIn(-forMs),
      until: timeIn(leftMs),
      plan,
    })),
  };
}
