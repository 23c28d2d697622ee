// The upgrade of the group, as the API tells of it and ends it.

import { describe, expect, test } from 'vitest';

import type { FinalizeRequest, GroupChangeError } from '../../../src/api/ports.ts';
import { err, ok } from '../../../src/base/result.ts';
import type { NodeAddress } from '../../../src/topology/types.ts';
import { failure, SELF, testApi, UPGRADED } from './support.ts';

const UPGRADE = '/api/v1/controller/upgrade';
const FINALIZE = `${UPGRADE}/finalize`;
const OTHER = '127.0.0.1:9380' as NodeAddress;

describe('GET /api/v1/controller/upgrade', () => {
  test('tells of every member, of what holds the group, what is next, what is off and the way back', async () => {
    const api = testApi();
    const [self] = UPGRADED.members;
    if (self === undefined) throw new Error('a group has a member');
    api.upgrades.status = () =>
      Promise.resolve({
        ...UPGRADED,
        highest: 3,
        members: [self, { id: 2, address: OTHER, release: null, level: null, fault: 'refused' }],
        heldBy: 'member 2',
        next: 'start it',
        off: [{ level: 3, brings: 'more' }],
      });
    expect((await api.call('GET', UPGRADE)).body).toEqual({
      data: {
        upgrade: {
          release: '1.2.3',
          level: 2,
          highest: 3,
          members: [
            { id: 1, addr: SELF, release: '1.2.3', level: 2, reached: true, error: null },
            { id: 2, addr: OTHER, release: null, level: null, reached: false, error: 'refused' },
          ],
          held_by: 'member 2',
          next: 'start it',
          off: [{ level: 3, brings: 'more' }],
          way_back: 'a backup',
        },
      },
    });
  });

  test('is answered by a member that does not lead, as one of an earlier release may', async () => {
    const api = testApi();
    api.status = { ...api.status, leader: { id: 2, address: OTHER } };
    expect((await api.call('GET', UPGRADE)).status).toBe(200);
    expect((await api.call('POST', FINALIZE)).status).toBe(307);
  });
});

describe('POST /api/v1/controller/upgrade/finalize', () => {
  test('passes on how far, and whether it is tried only; both can be left out', async () => {
    const api = testApi();
    const seen: FinalizeRequest[] = [];
    api.upgrades.finalize = (request) => {
      seen.push(request);
      return Promise.resolve(ok({ from: 2, to: 3 }));
    };
    expect((await api.call('POST', FINALIZE, { level: 3, dry_run: true })).body).toEqual({
      data: { from: 2, to: 3, dry_run: true },
    });
    expect((await api.call('POST', FINALIZE)).body).toEqual({ data: { from: 2, to: 3, dry_run: false } });
    expect(seen).toEqual([
      { level: 3, isDryRun: true },
      { level: null, isDryRun: false },
    ]);
  });

  test.each([0, 1.5, '3', -1])('refuses the level %j', async (level) => {
    expect(await testApi().call('POST', FINALIZE, { level })).toMatchObject({
      status: 400,
      body: failure('level: expected a feature level, a positive integer'),
    });
  });

  test.each<[GroupChangeError, number, string]>([
    [{ kind: 'conflict', reason: 'member 2 is older' }, 409, 'member 2 is older'],
    [{ kind: 'unavailable', reason: 'in a moment' }, 503, 'in a moment'],
    [{ kind: 'notLeader' }, 503, 'no leader now'],
    [{ kind: 'unknown', reason: 'no answer' }, 504, 'the outcome is not known (no answer)'],
  ])('answers %j as any change of the group', async (refusal, status, message) => {
    const api = testApi();
    api.upgrades.finalize = () => Promise.resolve(err(refusal));
    const answer = await api.call('POST', FINALIZE);
    expect(answer).toMatchObject({ status, body: failure(expect.stringContaining(message)) });
  });

  test('is refused by who does not lead where the leader is too old to know of it', async () => {
    const api = testApi();
    api.status = { ...api.status, leader: { id: 2, address: OTHER } };
    api.upgrades.olderLeader = () => Promise.resolve('member 2 is older');
    expect(await api.call('POST', FINALIZE)).toMatchObject({
      status: 409,
      body: failure('member 2 is older'),
    });
  });
});
