// Planned failovers of living masters, one after the other.

import { untilConverged } from '../hostile-operator/looks.ts';
import type { Finding, NodeFault } from './node-fault.ts';
import { anyShard } from './parts.ts';

const SERIES = 10;
/** For the writers that were turned away to be answered again. */
const AFTERMATH_MS = 700;

export const switchover: NodeFault = {
  name: 'switchover',
  summary: 'ten planned failovers of one shard in a row under writes; the gap that clients see',
  expected: 'ten of ten, nothing lost (aim for the gap: 250 ms in the median)',
  needsNetwork: false,
  nodesPerShard: 3,
  failover: { pingIntervalSeconds: 0.5, maxPingCount: 8 },
  async round(around): Promise<Finding> {
    const { index } = await anyShard(around);
    const outcomes: string[] = [];
    const complaints: string[] = [];
    const times: { readonly of: string; readonly ms: number }[] = [];
    for (let count = 0; count < SERIES && !around.signal.aborted; count += 1) {
      const fromMs = around.now();
      const told = await around.api.failover(index, null);
      await around.wait(AFTERMATH_MS);
      if (told.ok) outcomes.push('done');
      else complaints.push(`failover ${count + 1} of shard ${index}: ${told.words}`);
      const ms = around.acknowledgements.longestGapMs({ fromMs, toMs: around.now() });
      times.push({ of: 'longest gap of a client', ms });
      const settled = await untilConverged(around.api, around.signal);
      if (settled.kind === 'unsettled') complaints.push(...settled.complaints);
    }
    return { outcomes, complaints: around.signal.aborted ? [] : complaints, faults: [], times };
  },
};
