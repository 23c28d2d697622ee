// Spares as the documented JSON: what is wanted, and what is known now. Passwords never get out.

import { printTime } from '../base/wall-time.ts';
import type { ShortageStatus, SparesStatus } from '../control/spares-status.ts';
import { spareLogin, type SparesPolicy } from '../topology/spares.ts';
import type { Cluster } from '../topology/types.ts';

/** Of passwords it is told only whose one is used. `seen` may be null, and may know nothing of a spare yet. */
export function renderSpares(
  { nodes, copies, replaceAfterSeconds }: SparesPolicy,
  cluster: Cluster,
  { seen, nowMs }: { readonly seen: SparesStatus | null; readonly nowMs: number },
): object {
  const known = new Map((seen?.nodes ?? []).map((node) => [node.address, node]));
  return {
    copies,
    replace_after_seconds: replaceAfterSeconds,
    nodes: nodes.map((spare) => {
      const { address, zone, lost } = spare;
      const { state = 'unknown', why = 'it was not looked at yet', ageMs = null } = known.get(address) ?? {};
      return {
        addr: address,
        zone,
        login: spareLogin(cluster, spare),
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
    until: leftMs === Infinity ? null : timeText(nowMs + leftMs),
    plan,
  };
}

function timeText(ms: number): string {
  return printTime(Math.round(ms / 1000));
}
