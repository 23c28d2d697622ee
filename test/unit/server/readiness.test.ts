// Whether a member can answer for its group, and which check says that it cannot.

import { expect, test } from 'vitest';

import { foundingMembership } from '../../../src/raft/core/membership.ts';
import type { RoleView } from '../../../src/raft/core/step.ts';
import { logIndex, term, type Membership } from '../../../src/raft/core/types.ts';
import type { DriverStatus } from '../../../src/raft/status.ts';
import { Readiness } from '../../../src/server/readiness.ts';
import { toleranceOf } from '../../../src/server/tolerance.ts';
import type { NodeAddress } from '../../../src/topology/types.ts';
import { FOUNDERS, ONE, peer, READY, THREE, TWO } from './status-of-one.ts';

/** A member that began when its status was `first`; `become` changes it and tells of it. */
function member(first: Partial<DriverStatus> = {}) {
  let status: DriverStatus = { ...READY, ...first };
  let membership: Membership = FOUNDERS;
  let trouble: string | null = null;
  const listeners: ((view: RoleView) => void)[] = [];
  const readiness = new Readiness(
    {
      get role() {
        return status;
      },
      get membership() {
        return membership;
      },
      get committedMembership() {
        return membership;
      },
      status: () => status,
      onRole: (listener) => {
        listeners.push(listener);
        return () => undefined;
      },
    },
    { self: ONE, advertiseAddress: 'a:1' as NodeAddress, awayMs: 1000, foundingTrouble: () => trouble },
  );
  return {
    become(more: Partial<DriverStatus>) {
      status = { ...status, ...more };
      for (const listener of listeners) listener(status);
    },
    in(other: Membership) {
      membership = other;
    },
    hears(problem: string) {
      trouble = problem;
    },
    failing(mustLead = false) {
      const failing = readiness.checks(mustLead).filter(({ problem }) => problem !== null);
      return Object.fromEntries(failing.map(({ name, problem }) => [name, problem]));
    },
    readiness,
  };
}

test('a member that follows and has applied what was committed when it began is ready; only the leader is for who wants the leader', () => {
  const one = member();
  expect(one.failing()).toEqual({});
  expect(one.readiness.log.problem).toBeNull();
  expect(Object.keys(one.failing(true))).toEqual(['role']);
  one.become({ role: 'leader', leader: ONE, established: true });
  expect(one.failing(true)).toEqual({});
});

test.each<[string, Partial<DriverStatus>, string, string]>([
  ['no leader', { leader: null }, 'leader', 'no leader is known'],
  ['a snapshot being installed', { installing: true }, 'recovery', 'snapshot'],
  ['a fault', { fault: 'disk on fire' }, 'log', 'disk on fire'],
])('%s is told by its check alone', (_what, change, name, reason) => {
  const one = member();
  one.become(change);
  expect(one.failing()).toEqual({ [name]: expect.stringContaining(reason) });
});

test('the goal is what was committed at the start: a busy log and later leaders do not move it', () => {
  const one = member({ leader: null, term: term(2), appliedTerm: term(2) });
  expect(Object.keys(one.failing())).toEqual(['leader', 'applied']);
  one.become({ leader: TWO, term: term(3) });
  expect(one.failing()).toEqual({ applied: expect.stringContaining('has to come to one of term 3') });
  one.become({ applied: logIndex(11), appliedTerm: term(3), commit: logIndex(900) });
  expect(one.failing()).toEqual({});
  one.become({ leader: THREE, term: term(4), commit: logIndex(1000) });
  expect(one.failing()).toEqual({});
  one.become({ leader: null, term: term(5) });
  expect(Object.keys(one.failing())).toEqual(['leader']);
});

test('a member nobody has taken in yet says how that is done', () => {
  const one = member();
  one.in(foundingMembership(new Map()));
  expect(one.failing()['configuration']).toContain(
    'POST /api/v1/raft/peers {"id":1,"peer":"a:1","operation":"add"}',
  );
});

test('a group that was never founded names who is missing, and who will never come', () => {
  const empty = {
    leader: null,
    last: { index: logIndex(0), term: term(0) },
    peers: [peer(TWO), peer(THREE, { lastContactMs: null })],
  };
  const one = member(empty);
  expect(one.failing()['leader']).toMatch(/not heard: member 3 \(c:1\)$/);
  one.hears('member 3 has another list');
  expect(one.failing()['leader']).toMatch(/\(member 3 has another list\)$/);
  one.become({ peers: [peer(TWO, { lastContactMs: 1001 }), peer(THREE)] });
  expect(one.failing()['leader']).toContain('member 2 (b:1)');
  one.become({ peers: [peer(TWO), peer(THREE)] });
  expect(one.failing()['leader']).toContain('no leader');
});

test('a leader counts the voters that it hears beyond a majority, of the set that has the fewest', () => {
  const leading = { ...READY, role: 'leader' } as const;
  expect(toleranceOf(READY, 1000)).toBeNull();
  expect(toleranceOf(leading, 1000)).toBe(1);
  const peers = [peer(TWO), peer(THREE, { lastContactMs: 1000 })];
  expect(toleranceOf({ ...leading, peers }, 1000)).toBe(0);
  const joint = { voters: [ONE, TWO, THREE], outgoing: [ONE, TWO], learners: [] };
  expect(toleranceOf({ ...leading, membership: joint }, 1000)).toBe(0);
});
