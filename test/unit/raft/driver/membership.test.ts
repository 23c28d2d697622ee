// Changes of members through the driver: who waits for what, what the leader does by itself, who is told to go.

import { describe, expect, it } from 'vitest';

import { memberId } from '../../../../src/raft/core/types.ts';
import { incarnationOf, membership, unbound } from '../../../support/raft-core/builders.ts';
import { change, NOT_LEADER, others, propose, read, write } from './actions.ts';
import { World, type Member } from './world.ts';

const ONE = memberId(1);
const THREE = memberId(3);
const FOUR = memberId(4);
const DONE = { ok: true, value: undefined };

function addLearner(leader: Member, id: number): ReturnType<typeof change> {
  return change(leader, {
    kind: 'addLearner',
    member: memberId(id),
    address: `127.0.0.${id}:1`,
    incarnation: null,
  });
}

/** Runs until the effective membership of the leader has exactly these voters and nothing is under way. */
function settled(world: World, voters: readonly number[]): boolean {
  return world.loop.run(20_000, () => {
    const status = world.leader()?.driver.status();
    if (status === undefined || status.membership.outgoing !== null) return false;
    return status.membership.voters.join() === voters.join() && status.membership.learners.length === 0;
  });
}

describe('a change of members', () => {
  it('S47: a new member is a learner, is bound to what it speaks as, and becomes a voter once it caught up', () => {
    const world = new World(3);
    const lines = write(world, 150);
    const leader = world.elect();
    const added = addLearner(leader, 4);
    world.loop.run(200);
    expect(added).toEqual([DONE]);
    // Nobody has heard of member 4 yet: it stays an unbound learner, however long that takes.
    world.loop.run(2000);
    expect(leader.driver.status().membership).toEqual({ voters: [1, 2, 3], outgoing: null, learners: [4] });
    expect(leader.driver.status().peers.at(-1)).toMatchObject({ id: 4, role: 'learner', incarnation: null });
    world.join(FOUR);
    expect(settled(world, [1, 2, 3, 4])).toBe(true);
    world.loop.run(200);
    expect(world.member(4).machine.lines).toEqual(lines);
    expect(world.member(4).driver.membership.incarnations.get(FOUR)).toBe(incarnationOf(4));
    for (const { driver } of world.members.values()) {
      expect(driver.status().membership.voters).toEqual([1, 2, 3, 4]);
    }
  });

  it('is done when its leave entry is applied, not when the joint one is', () => {
    const world = new World(3);
    write(world, 1);
    const leader = world.elect();
    const [left] = others(world, leader.id);
    const seen: string[] = [];
    leader.driver.onMembership((view) => void seen.push(JSON.stringify(view.voterSets)));
    const removed = change(leader, { kind: 'remove', member: left!.id });
    world.loop.run(5000, () => removed.length > 0);
    const rest = [1, 2, 3].filter((id) => id !== left!.id);
    expect(removed).toEqual([DONE]);
    expect(seen).toEqual([JSON.stringify([rest, [1, 2, 3]]), JSON.stringify([rest])]);
    expect(leader.driver.status().membership).toEqual({ voters: rest, outgoing: null, learners: [] });
  });

  it('S49: that comes while another is pending is refused, and the first goes on', () => {
    const world = new World(3);
    write(world, 1);
    const leader = world.elect();
    const first = addLearner(leader, 4);
    const second = addLearner(leader, 5);
    world.loop.run(100);
    expect(first).toEqual([DONE]);
    expect(second).toEqual([{ ok: false, error: { kind: 'refused', reason: 'changePending' } }]);
  });

  it('S48: before the own term has committed is refused', () => {
    const world = new World(3);
    world.loop.run(10_000, () =>
      [...world.members.values()].some(({ driver }) => driver.role.role === 'leader'),
    );
    const leader = [...world.members.values()].find(({ driver }) => driver.role.role === 'leader')!;
    expect(leader.driver.role.established).toBe(false);
    const early = addLearner(leader, 4);
    world.loop.run(0);
    expect(early).toEqual([{ ok: false, error: { kind: 'refused', reason: 'notEstablished' } }]);
  });

  it('that makes no sense is refused with the reason; a follower refuses all', () => {
    const world = new World(3);
    write(world, 1);
    const leader = world.elect();
    const stranger = change(leader, { kind: 'remove', member: memberId(9) });
    world.loop.run(1);
    const known = change(leader, { kind: 'bind', member: ONE, incarnation: incarnationOf(1, 7) });
    world.loop.run(1);
    expect(stranger).toEqual([{ ok: false, error: { kind: 'refused', reason: 'notMember' } }]);
    expect(known).toEqual([{ ok: false, error: { kind: 'refused', reason: 'alreadyBound' } }]);
    expect(addLearner(others(world, leader.id)[0]!, 4)).toEqual([NOT_LEADER]);
  });

  it('without a quorum ends as unknown at its deadline', () => {
    const world = new World(3);
    write(world, 1);
    const leader = world.elect();
    for (const { id } of others(world, leader.id)) world.crash(id);
    const outcome = change(leader, { kind: 'remove', member: leader.id }, 200);
    world.loop.run(300);
    expect(outcome).toEqual([{ ok: false, error: { kind: 'unknown', reason: 'deadline passed' } }]);
  });

  it('S51: whose leader dies while it is joint is left exactly once by the next leader, and its waiter learns it', () => {
    const world = new World(5);
    write(world, 1);
    const old = world.elect();
    const [left] = others(world, old.id);
    const outcome = change(old, { kind: 'remove', member: left!.id }, 20_000);
    world.loop.run(5000, () => old.driver.status().membership.outgoing !== null);
    world.loop.run(3);
    world.isolate(old.id);
    const next = world.elect(old.id);
    world.loop.run(3000);
    world.heal();
    expect(
      settled(
        world,
        [1, 2, 3, 4, 5].filter((id) => id !== left!.id),
      ),
    ).toBe(true);
    world.loop.run(3000);
    expect(outcome).toEqual([DONE]);
    const configs = world.image(next.id).entries.filter((entry) => entry.kind === 'config');
    expect(configs).toHaveLength(2);
  });

  it('S35: a peer that hangs for a minute holds up nobody, and can be removed', () => {
    const world = new World(3);
    const lines = write(world, 5);
    const leader = world.elect();
    const [stuck, well] = others(world, leader.id);
    world.hanging.add(stuck!.id);
    for (let second = 0; second < 60; second += 1) {
      lines.push(...write(world, 1, `second${second}-`));
      world.loop.run(1000);
    }
    expect(world.elect().id).toBe(leader.id);
    const outcome = change(leader, { kind: 'remove', member: stuck!.id });
    world.loop.run(1000);
    expect(outcome).toEqual([DONE]);
    lines.push(...write(world, 1, 'after'));
    world.loop.run(200);
    expect(well!.machine.lines).toEqual(lines);
  });
});

describe('a learner or follower', () => {
  it('S63: answers no read from its own state: it refuses and names the leader, whose answer is linearizable', () => {
    const world = new World(3);
    write(world, 5);
    const leader = world.elect();
    addLearner(leader, 4);
    const learner = world.join(FOUR);
    // Too far behind to be promoted, it stays a learner that hears the leader.
    world.fault(FOUR).latencyMs = 240;
    const lines = [...leader.machine.lines, ...write(world, 300, 'more')];
    expect(leader.driver.status().membership.learners).toEqual([4]);
    for (const member of [learner, ...others(world, leader.id)]) {
      expect(read(member)).toEqual([NOT_LEADER]);
      expect(member.driver.role.leader).toBe(leader.id);
    }
    const confirmed = read(leader);
    world.loop.run(20);
    expect(confirmed).toMatchObject([{ ok: true }]);
    expect(leader.machine.lines).toEqual(lines);
  });
});

describe('a leader that removes itself', () => {
  it('S52: sees the change through, answers it, hands over at once and stops', () => {
    const world = new World(3);
    const lines = write(world, 10);
    const leader = world.elect();
    const pending = propose(leader, 'before');
    const outcome = change(leader, { kind: 'remove', member: leader.id });
    const startMs = world.loop.nowMs;
    const next = world.elect(leader.id);
    // No election timeout passes: the best follower is told to campaign.
    expect(world.loop.nowMs - startMs).toBeLessThan(200);
    world.loop.run(100);
    expect(outcome).toEqual([DONE]);
    expect(pending[0]?.ok).toBe(true);
    expect(leader.expelled).toEqual(['removed']);
    expect(leader.driver.role).toMatchObject({ role: 'follower', established: false });
    expect(propose(leader, 'no more')).toEqual([NOT_LEADER]);
    const more = write(world, 3, 'more');
    world.loop.run(5000);
    expect(next.machine.lines).toEqual([...lines, 'before', ...more]);
    expect(next.driver.role).toMatchObject({ established: true });
  });
});

describe('who may speak', () => {
  it('S53: a removed member that missed its removal is told so and raises no term', () => {
    const world = new World(3);
    write(world, 1);
    const leader = world.elect();
    const gone = others(world, leader.id)[0]!;
    world.isolate(gone.id);
    const outcome = change(leader, { kind: 'remove', member: gone.id });
    world.loop.run(3000);
    expect(outcome).toEqual([DONE]);
    const before = leader.driver.role.term;
    world.heal();
    world.loop.run(5000);
    expect(gone.expelled).toEqual(['removed']);
    expect(leader.driver.role).toMatchObject({ term: before, established: true });
  });

  it('S58: a wiped disk under an old id is refused by everybody and told so once; the group goes on', () => {
    const world = new World(3);
    const lines = write(world, 20);
    const leader = world.elect();
    const wiped = world.wipe(others(world, leader.id)[0]!.id, membership([1, 2, 3]));
    world.loop.run(5000);
    expect(wiped.expelled).toEqual(['otherIncarnation']);
    expect(wiped.machine.lines).toEqual([]);
    lines.push(...write(world, 5, 'more'));
    expect(world.elect().id).toBe(leader.id);
    // Under a new id the same machine is welcome.
    addLearner(leader, 4);
    world.loop.run(100);
    world.join(FOUR);
    expect(settled(world, [1, 2, 3, 4])).toBe(true);
    world.loop.run(200);
    expect(world.member(4).machine.lines).toEqual(lines);
  });

  it('a group is founded only by all of its members, which are bound by its first entry', () => {
    const world = new World(3, { founders: unbound(membership([1, 2, 3])) });
    world.crash(THREE);
    world.loop.run(10_000);
    expect(world.leader()).toBeNull();
    world.boot(THREE);
    const leader = world.elect();
    expect([...leader.driver.membership.incarnations.keys()]).toEqual([1, 2, 3]);
  });

  it('members without a binding in a log that is in use are bound by the leader as they speak', () => {
    const world = new World(3, { founders: unbound(membership([1, 2, 3])) });
    write(world, 3);
    for (const image of world.images.values()) {
      const [first, ...rest] = image.entries;
      image.entries = [{ ...first!, kind: 'noop', data: new Uint8Array(0) }, ...rest];
    }
    for (const id of [1, 2, 3]) world.crash(memberId(id));
    for (const id of [1, 2, 3]) world.boot(memberId(id));
    const leader = world.elect();
    expect(world.loop.run(5000, () => leader.driver.membership.incarnations.size === 3)).toBe(true);
  });
});
