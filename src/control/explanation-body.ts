// An explanation as people read it.

import { printTime } from '../base/wall-time.ts';
import type { Explanation } from './explain.ts';

/** As the API shows it, and as the event of a decision keeps it. `wallMs`: when it was made, by the clock of who made it. */
export function explanationBody(explained: Explanation, wallMs: number): object {
  const { shardIndex, master, verdict, why, missedMs, next, gates, candidates, witnesses } = explained;
  const timeOf = (atMs: number): string => printTime(Math.floor(atMs / 1000));
  return {
    shard: shardIndex,
    master,
    verdict,
    why,
    missed_since: missedMs === null ? null : timeOf(wallMs - missedMs),
    next: next === null ? null : { ...next, at: timeOf(wallMs) },
    gates: gates.map(({ gate, verdict: passed, evidence, leftMs, remedy }) => ({
      gate,
      verdict: passed === 'notReached' ? 'not_reached' : passed,
      evidence,
      left_ms: leftMs === null ? null : Math.round(leftMs),
      until: leftMs === null ? null : timeOf(wallMs + leftMs),
      remedy,
    })),
    candidates: candidates.map(
      ({ node, address, behind, priority, zone, linkFault, verdict: fit, reason }) => ({
        node,
        addr: address,
        behind,
        priority,
        zone,
        link_fault: linkFault,
        verdict: fit,
        reason,
      }),
    ),
    witnesses: witnesses.map(({ by, saw, ageMs }) => ({ by, saw, age_ms: Math.round(ageMs) })),
  };
}
