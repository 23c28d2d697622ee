// Members restarted one after the other, and the lead handed over on purpose, while clients write.

import { describe, expect, test } from 'vitest';

import { Load } from '../support/load.ts';
import { useTrio } from '../support/use-trio.ts';

// A planned change of the lead does not wait for timeouts; long ones keep a busy machine from adding unplanned ones.
const trio = useTrio({ raft: { heartbeatIntervalMs: 100, electionTimeoutMs: 3000 } });
const TRANSFER = '/api/v1/controller/leader/transfer';

async function namespaces(): Promise<readonly string[]> {
  return (await trio().api.get('/api/v1/namespaces')).body.data.namespaces;
}

describe('a rolling restart', () => {
  test('fails no request that follows redirects and repeats once after a 503, and loses nothing', async () => {
    const load = new Load(trio(), 'rolling');
    // The leader goes first, so that the lead moves at least once, and perhaps to one that is restarted next.
    const leader = await trio().leader();
    const order = [leader, ...trio().members.filter((member) => member !== leader)];
    for (const member of order) {
      await load.progress(50);
      expect(await member.stop()).toEqual({ code: 0, signal: null });
      await load.progress(20);
      member.start();
      await trio().ready();
    }
    const { acknowledged, failures } = await load.stop();
    expect(failures).toEqual([]);
    expect(new Set(await namespaces())).toEqual(new Set(acknowledged));
    expect(trio().logged('controller.handed_over')).not.toHaveLength(0);
  });
});

describe('POST /api/v1/controller/leader/transfer', () => {
  test('gives the lead to the member named, and fails no write meanwhile', async () => {
    const load = new Load(trio(), 'transfer');
    for (let round = 0; round < 3; round += 1) {
      await load.progress(20);
      const leader = await trio().leader();
      const to = trio().members.find((member) => member !== leader);
      if (to === undefined) throw new Error('a trio has other members');
      const answer = await trio().api.sendTo(leader.url, 'POST', TRANSFER, { body: { to: to.id } });
      expect([answer.status, answer.body]).toEqual([
        200,
        { data: { leader: { id: to.id, addr: to.address }, term: expect.any(Number) } },
      ]);
      expect(await trio().leader()).toBe(to);
    }
    expect((await load.stop()).failures).toEqual([]);
  });

  test('without a name it picks one; a follower sends the request on', async () => {
    const before = await trio().leader();
    const [follower] = await trio().followers();
    if (follower === undefined) throw new Error('two members follow');
    const answer = await trio().api.sendTo(follower.url, 'POST', TRANSFER);
    expect(answer.status).toBe(200);
    expect(answer.body.data.leader.id).not.toBe(before.id);
    expect((await trio().leader()).id).toBe(answer.body.data.leader.id);
  });

  test('refuses the leader itself and members that are none, with the reason', async () => {
    const leader = await trio().leader();
    const self = await trio().api.sendTo(leader.url, 'POST', TRANSFER, { body: { to: leader.id } });
    expect([self.status, self.body.error.message]).toEqual([400, `to: member ${leader.id} leads already`]);
    const unknown = await trio().api.sendTo(leader.url, 'POST', TRANSFER, { body: { to: 9 } });
    expect([unknown.status, unknown.body.error.message]).toEqual([400, 'to: there is no member 9']);
    expect(await trio().leader()).toBe(leader);
  });

  test('to a member that hangs is given up after an election timeout, and the leader stays', async () => {
    const leader = await trio().leader();
    const [hung] = await trio().followers();
    if (hung === undefined) throw new Error('two members follow');
    hung.pause();
    try {
      const answer = await trio().api.sendTo(leader.url, 'POST', TRANSFER, { body: { to: hung.id } });
      expect(answer.status).toBe(503);
      expect(answer.body.error.message).toContain(`member ${hung.id} did not take over`);
      // Not through any member: the paused one would take the request and never answer.
      const created = await trio().api.sendTo(leader.url, 'POST', '/api/v1/namespaces', {
        body: { namespace: 'still-led' },
      });
      expect(created.status).toBe(201);
      expect(await trio().leader([hung])).toBe(leader);
    } finally {
      hung.resume();
    }
    await trio().leader();
  });
});
