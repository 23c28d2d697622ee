// Has the metrics read one member: its Raft, its store, and what its supervisors see.

import type { LeadershipTerms } from '../leader/terms.ts';
import { memberId } from '../raft/core/types.ts';
import type { Registry } from '../registry/registry.ts';
import { systemClock } from '../system/clock.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { AppliedLevel } from './feature-level/applied-level.ts';
import type { PeerAnswers } from './peer-answers.ts';
import type { Raft } from './raft.ts';
import { countElections, sampleCluster, sampleRaft } from './samples.ts';
import type { Storage } from './storage.ts';

export interface Watched {
  readonly metrics: Metrics;
  readonly storage: Storage;
  readonly raft: Raft;
  readonly level: AppliedLevel;
  readonly answers: PeerAnswers;
  readonly terms: LeadershipTerms;
  readonly registry: Registry;
  /** Milliseconds after which a member that was heard counts as away. */
  readonly awayMs: number;
}

/** To be called before anybody else listens to the role: what is counted of a lead begins with it, and nothing outlives it. */
export function watchMember(watched: Watched): void {
  const { metrics, storage, raft, level, answers, terms, registry, awayMs } = watched;
  const { driver, counters } = raft;
  metrics.watchRaft(() =>
    sampleRaft(driver.status(), {
      clock: systemClock,
      counters,
      walBytes: raft.walBytes(),
      snapshotAtSeconds: storage.snapshotTimes.newestAtSeconds,
      clockAheadSeconds: (member) => answers.aheadSeconds(member),
      store: { ...storage.machine.size, featureLevel: level.recorded.level },
      awayMs,
    }),
  );
  metrics.watchClusters(function* samples() {
    for (const seen of terms.lastSights()) yield sampleCluster(seen, registry, systemClock);
  });
  driver.onRole(({ established }) => {
    if (!established) answers.forget();
    metrics.followLead(established);
  });
  driver.onRole(countElections(metrics.raft));
  driver.onMembership(({ addresses }) => {
    for (const peer of counters.peers.keys()) {
      if (addresses.has(memberId(peer))) continue;
      counters.peers.delete(peer);
      metrics.raft.forgetPeer(peer);
    }
  });
}
