// What the last decision about a cluster was made from and what it found, for metrics: read, and never looked at anew.

import type { Problem } from '../control/problems.ts';
import type { Situation } from '../control/situation.ts';
import type { DepartureStatus } from '../control/status.ts';
import type { ClusterPlace } from '../topology/record.ts';

export interface LastSight {
  readonly place: ClusterPlace;
  readonly situation: Situation;
  readonly problems: readonly Problem[];
  /** Nodes that have left and were not told yet. */
  readonly departedUntold: number;
  /** When an open migration last came on, monotonic milliseconds; null without one. */
  readonly progressAtMs: number | null;
}

export function lastSight(
  place: ClusterPlace,
  situation: Situation,
  found: Pick<LastSight, 'problems' | 'progressAtMs'> & { readonly departed: readonly DepartureStatus[] },
): LastSight {
  const { problems, progressAtMs, departed } = found;
  const departedUntold = departed.filter(({ state }) => state === 'untold').length;
  return { place, situation, problems, departedUntold, progressAtMs };
}
