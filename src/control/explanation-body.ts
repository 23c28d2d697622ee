// An explanation as people read it.

import type { Explanation } from './explain.ts';

/** As the API shows it, and as the event of a decision keeps it. */
export function explanationBody(explained: Explanation): object {
  const { shardIndex, master, verdict, why, next, gates, candidates, witnesses } = explained;
  return {
    shard: shardIndex,
    master,
    verdict,
    why,
    next,
    gates: gates.map(({ gate, verdict: passed, evidence, leftMs }) => ({
      gate,
      verdict: passed === 'notReached' ? 'not_reached' : passed,
      evidence,
      left_ms: leftMs === null ? null : Math.round(leftMs),
    })),
    candidates: candidates.map(({ node, address, behind, linkFault, verdict: fit, reason }) => ({
      node,
      addr: address,
      behind,
      link_fault: linkFault,
      verdict: fit,
      reason,
    })),
    witnesses: witnesses.map(({ by, saw, ageMs }) => ({ by, saw, age_ms: Math.round(ageMs) })),
  };
}
