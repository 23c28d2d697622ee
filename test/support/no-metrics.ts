// Counts of a leadership that nobody reads.

import type { LeaderMetrics } from '../../src/leader/ports.ts';

export const NO_METRICS: LeaderMetrics = {
  begin: () => undefined,
  forget: () => undefined,
  probe: () => undefined,
  roundLate: () => undefined,
  failover: () => undefined,
  promoted: () => undefined,
  failoverBlocked: () => undefined,
  push: () => undefined,
  migrate: () => undefined,
  slots: () => undefined,
  commit: () => undefined,
};
