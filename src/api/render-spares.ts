// Spares as the documented JSON: what is wanted, and what is known now. Passwords never get out.

import { printTime } from '../base/wall-time.ts';
import type { ShortageStatus, SparesStatus } from '../control/spares-status.ts';
import type { SparesPolicy } from '../topology/spares.ts';

/** `seen` may be null, and may know nothing of a spare yet. */
export function renderSpares(
  { nodes, copies, replaceAfterSeconds }: SparesPolicy,
  seen: SparesStatus | null,
  nowMs: number,
): object {
  const known = new Map((seen?.nodes ?? []).map((node) => [node.address, node]));
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
        looked_at: ageMs === null ? null : timeText(nowMs - ageMs),
      };
    }),
    shards: (seen?.shards ?? []).map((shortage) => renderShortage(shortage, nowMs)),
  };
}

/** A shard that is below its copies: since when, when a spare is due, and what is going to happen. */
export function renderShortage(
  { shardIndex, there, wanted, forMs, leftMs, plan }: ShortageStatus,
  nowMs: number,
): object {
  return {
    shard: shardIndex,
    there,
    wanted,
    since: timeText(nowMs - forMs),
    until: timeText(nowMs + leftMs),
    plan,
  };
}

function timeText(ms: number): string {
  return printTime(Math.round(ms / 1000));
}
