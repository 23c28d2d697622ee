import { expect, it } from 'vitest';

import { countsOf, createTransportCounters } from '../../../../src/raft/transport/counters.ts';

it('what is counted of peers is bounded, however many numbers strangers give', () => {
  const counters = createTransportCounters();
  for (let peer = 1; peer <= 1000; peer += 1) countsOf(counters, peer).sent += 1;
  expect(counters.peers.size).toBe(256);
  countsOf(counters, 1000).sent += 1;
  expect(countsOf(counters, 1000).sent).toBe(2);
});
