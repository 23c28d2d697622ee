import { describe, expect, it } from 'vitest';

import { LeadershipTerms } from '../../../src/leader/terms.ts';
import { Scene } from './scene.ts';

describe('terms', () => {
  it('a leadership runs while the lead stands, and every term has its own', async () => {
    const scene = new Scene(1, 2);
    const begun: number[] = [];
    const terms = new LeadershipTerms((term) => {
      begun.push(term);
      return scene.lead(term, scene.fleet.successor());
    });
    terms.follow({ term: 1, established: false });
    expect(terms.statuses()).toEqual([]);
    const request = scene.failoverRequest();
    expect(await terms.failover(request)).toMatchObject({ error: { kind: 'notLeader' } });
    terms.follow({ term: 1, established: true });
    terms.follow({ term: 1, established: true });
    await scene.clock.until(() => terms.statuses()[0]?.isConverged === true, 3000);
    terms.follow({ term: 2, established: false });
    expect(terms.statuses()).toEqual([]);
    scene.currentTerm = 3;
    scene.records.term = 3;
    terms.follow({ term: 3, established: true });
    await scene.clock.until(() => terms.statuses()[0]?.isConverged === true, 3000);
    expect(begun).toEqual([1, 3]);
    await terms.close();
    expect(scene.clock.pendingCount).toBe(0);
    expect(scene.records.listenerCount).toBe(0);
  });
});
