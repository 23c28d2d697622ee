// A follower of three that is well, for tests of what a member tells of itself.

import { foundingMembership } from '../../../src/raft/core/membership.ts';
import { incarnation, logIndex, memberId, term } from '../../../src/raft/core/types.ts';
import type { DriverStatus, PeerStatus } from '../../../src/raft/status.ts';

export const [ONE, TWO, THREE] = [memberId(1), memberId(2), memberId(3)];
export const FOUNDERS = foundingMembership(
  new Map([
    [ONE, 'a:1'],
    [TWO, 'b:1'],
    [THREE, 'c:1'],
  ]),
);

export function peer(id: PeerStatus['id'], more: Partial<PeerStatus> = {}): PeerStatus {
  return {
    id,
    role: 'voter',
    address: null,
    incarnation: null,
    state: null,
    match: null,
    lagEntries: null,
    lastContactMs: 5,
    ...more,
  };
}

export const READY: DriverStatus = {
  id: ONE,
  incarnation: incarnation('0'.repeat(32)),
  role: 'follower',
  term: term(3),
  leader: TWO,
  established: false,
  commit: logIndex(10),
  applied: logIndex(10),
  appliedTerm: term(3),
  last: { index: logIndex(10), term: term(3) },
  base: logIndex(0),
  snapshot: logIndex(0),
  membership: { voters: [ONE, TWO, THREE], outgoing: null, learners: [] },
  peers: [peer(TWO), peer(THREE)],
  disk: { pendingMs: 0, queuedBytes: 0, groups: 0 } as unknown as DriverStatus['disk'],
  diskCondition: 'well',
  spaceLow: false,
  transfer: null,
  proposals: 0,
  changes: 0,
  reads: 0,
  inbox: 0,
  messagesDropped: 0,
  installing: false,
  fault: null,
};
