// Disks that fail, hang, fill up: what a member still claims, and what survives.

import { describe, expect, it } from 'vitest';

import { memberId } from '../../../../src/raft/core/types.ts';
import type { LogGroup } from '../../../../src/raft/ports.ts';
import { change, NOT_LEADER, others, propose, read, transfer, write } from './actions.ts';
import { World } from './world.ts';

const ONE = memberId(1);

describe('a failed write', () => {
  it.each([
    ['of a vote', (group: LogGroup) => group.hardState !== null && group.append.length === 0],
    ['of an entry', (group: LogGroup) => group.append.some(({ kind }) => kind === 'command')],
    ['of a first entry of a term', (group: LogGroup) => group.append.some(({ kind }) => kind !== 'command')],
  ])('S70: %s ends every claim of the member, once, and acknowledges nothing', (_, fails) => {
    let failures = 0;
    for (const id of [1, 2, 3].map((each) => memberId(each))) {
      const world = new World(3);
      world.fault(id).failGroup = fails;
      const acknowledged: string[] = [];
      for (let round = 0; round < 10; round += 1) {
        const outcome = propose(world.elect(), `r${round}`);
        world.loop.run(500);
        if (outcome[0]?.ok === true) acknowledged.push(`r${round}`);
      }
      const failed = world.member(id);
      failures += failed.fatal.length;
      if (failed.fatal.length === 0) continue;
      expect(failed.fatal.map(({ message }) => message)).toEqual(['ENOSPC']);
      expect(failed.driver.role).toMatchObject({ role: 'follower', leader: null, established: false });
      expect(propose(failed, 'x')).toEqual([NOT_LEADER]);
      const before = world.sent.length;
      acknowledged.push(...write(world, 5, 'more'));
      world.loop.run(3000);
      expect(world.sent.slice(before).some(({ from }) => from === id)).toBe(false);
      for (const { machine } of others(world, id)) {
        expect(machine.lines.filter((line) => acknowledged.includes(line))).toEqual(acknowledged);
      }
    }
    expect(failures).toBeGreaterThan(0);
  });

  it('S70: that nobody waits for ends the claims as well: background work of the log fails while nothing is written', () => {
    const world = new World(3);
    write(world, 5);
    const leader = world.elect();
    world.loop.run(1000);
    world.fault(leader.id).background = new Error('EIO');
    world.loop.run(100);
    expect(leader.fatal.map(({ message }) => message)).toEqual(['EIO']);
    expect(propose(leader, 'x')).toEqual([NOT_LEADER]);
    expect(world.elect(leader.id).id).not.toBe(leader.id);
  });

  it('S71: once there is room again a restart goes on with everything acknowledged, short write or not', () => {
    const world = new World(3);
    const lines = write(world, 10);
    const leader = world.elect();
    world.fault(leader.id).failGroup = (group) => group.append.length > 0;
    const half = propose(leader, 'half written');
    world.loop.run(20);
    expect(half).toMatchObject([{ ok: false, error: { kind: 'unknown' } }]);
    world.crash(leader.id);
    lines.push(...write(world, 10, 'meanwhile'));
    world.boot(leader.id);
    lines.push(...write(world, 10, 'after'));
    for (const state of world.settle(2000)) {
      expect(state.filter((line) => line !== 'half written')).toEqual(lines);
      expect(state).toEqual(world.elect().machine.lines);
    }
  });
});

describe('a disk that hangs', () => {
  it('S72: costs a leader the lead within two election timeouts, and cannot win it back while it hangs', () => {
    const world = new World(3);
    write(world, 5);
    const old = world.elect();
    world.fault(old.id).latencyMs = 30_000;
    const outcome = propose(old, 'stuck', { deadlineMs: 3000 });
    const hungMs = world.loop.nowMs;
    const next = world.elect(old.id);
    expect(world.loop.nowMs - hungMs).toBeLessThan(1000);
    world.loop.run(200);
    expect(old.driver.role).toMatchObject({ role: 'follower', established: false });
    expect(propose(old, 'no')).toEqual([NOT_LEADER]);
    // Nobody else is left: the one whose disk hangs does not lead even then.
    world.crash(next.id);
    const campaigns = (): number =>
      world.sent.filter(({ kind, from }) => from === old.id && kind.endsWith('Request')).length;
    const before = campaigns();
    world.loop.run(15_000);
    expect(campaigns()).toBe(before);
    expect(world.leader()).toBeNull();
    expect(outcome).toHaveLength(1);
    world.fault(old.id).latencyMs = 1;
    world.loop.run(30_000);
    expect(world.leader()).not.toBeNull();
    expect(old.driver.status().diskCondition).toBe('well');
  });

  it('S72: hands the lead to a follower that has everything, before the others would have found out', () => {
    const world = new World(3);
    write(world, 5);
    const old = world.elect();
    world.fault(old.id).latencyMs = 30_000;
    propose(old, 'stuck');
    const hungMs = world.loop.nowMs;
    world.elect(old.id);
    expect(world.loop.nowMs - hungMs).toBeLessThan(650);
  });

  it('for less than an election timeout costs no lead, on one member or on all of them at once', () => {
    for (const count of [1, 3]) {
      const world = new World(3);
      write(world, 5);
      const old = world.elect();
      const { term } = old.driver.role;
      const stalled = count === 1 ? [old] : [old, ...others(world, old.id)];
      for (const { id } of stalled) world.fault(id).latencyMs = 400;
      const outcome = propose(old, 'late', { deadlineMs: 5000 });
      world.loop.run(20);
      for (const { id } of stalled) world.fault(id).latencyMs = 1;
      world.loop.run(2000);
      expect(outcome).toMatchObject([{ ok: true }]);
      expect(old.driver.role).toMatchObject({ role: 'leader', term });
    }
  });

  it('makes a member that has nobody to hand over to stop calling itself leader, until the disk answers', () => {
    const world = new World(1);
    write(world, 3);
    const sole = world.elect();
    world.fault(ONE).latencyMs = 5000;
    const stuck = propose(sole, 'stuck', { deadlineMs: 20_000 });
    const reading = read(sole, 20_000);
    world.loop.run(400);
    expect(propose(sole, 'refused')).toEqual([]);
    world.loop.run(200);
    expect(sole.driver.role).toMatchObject({ role: 'follower', leader: null, established: false });
    expect(sole.driver.status()).toMatchObject({ diskCondition: 'hung' });
    expect(propose(sole, 'no')).toEqual([NOT_LEADER]);
    world.fault(ONE).latencyMs = 1;
    world.loop.run(5000);
    expect(sole.driver.role).toMatchObject({ role: 'leader', established: true });
    expect(stuck).toMatchObject([{ ok: true }]);
    expect(reading).toHaveLength(1);
    expect(propose(sole, 'yes')).toEqual([]);
    world.loop.run(100);
    expect(sole.machine.lines.slice(-2)).toEqual(['stuck', 'yes']);
  });

  it('of a follower does not let it take part in elections, nor hold up the others', () => {
    const world = new World(3);
    const lines = write(world, 5);
    const leader = world.elect();
    const [slow] = others(world, leader.id);
    world.fault(slow!.id).latencyMs = 60_000;
    lines.push(...write(world, 20, 'more'));
    world.loop.run(5000);
    expect(world.elect().id).toBe(leader.id);
    world.crash(leader.id);
    world.loop.run(5000);
    // Two are left, and one cannot write its vote down.
    expect(world.leader()).toBeNull();
    world.fault(slow!.id).latencyMs = 1;
    world.loop.run(60_000);
    expect(world.elect().machine.lines).toEqual(lines);
  });

  it('does not hold up the end of the process for longer than the deadline', () => {
    const world = new World(1, { closeDeadlineMs: 2000 });
    const sole = world.elect();
    world.fault(ONE).latencyMs = 1_000_000;
    propose(sole, 'stuck');
    world.loop.run(10);
    const ends: (Error | null)[] = [];
    sole.driver.stop((error) => void ends.push(error));
    world.loop.run(1990);
    expect(ends).toEqual([]);
    world.loop.run(20);
    expect(ends).toHaveLength(1);
    expect(ends[0]?.message).toMatch(/did not answer within 2000 ms/u);
    world.loop.run(2_000_000);
    expect(ends).toHaveLength(1);
  });
});

describe('a disk that is nearly full', () => {
  it('refuses commands with its own reason, while votes, first entries and changes of members are written', () => {
    const world = new World(3);
    const lines = write(world, 5);
    for (const id of [1, 2, 3]) world.fault(memberId(id)).spaceLow = true;
    // Everybody has tried to give the lead to somebody with more room.
    world.loop.run(1000);
    const leader = world.elect();
    const noSpace = [{ ok: false, error: { kind: 'overloaded', reason: 'noSpace' } }];
    const refused = propose(leader, 'no room');
    const reading = read(leader);
    world.loop.run(50);
    expect(refused).toEqual(noSpace);
    expect(reading).toMatchObject([{ ok: true }]);
    expect(leader.driver.status().spaceLow).toBe(true);
    world.crash(leader.id);
    world.elect(leader.id);
    world.loop.run(1000);
    const next = world.elect(leader.id);
    const removed = change(next, { kind: 'remove', member: leader.id });
    world.loop.run(2000);
    expect(removed).toMatchObject([{ ok: true }]);
    for (const id of [1, 2, 3]) world.fault(memberId(id)).spaceLow = false;
    world.loop.run(50);
    lines.push(...write(world, 5, 'room'));
    expect(next.machine.lines).toEqual(lines);
  });

  it('S4: costs a leader the lead, so that the group goes on with the disks of the others', () => {
    const world = new World(3);
    const lines = write(world, 5);
    const old = world.elect();
    world.fault(old.id).spaceLow = true;
    const next = world.elect(old.id);
    expect(old.driver.status()).toMatchObject({ role: 'follower', spaceLow: true });
    lines.push(...write(world, 20, 'more'));
    expect(world.elect().id).toBe(next.id);
    world.loop.run(5000);
    expect(world.elect()).toMatchObject({ id: next.id });
    expect(old.machine.lines).toEqual(lines);
    expect(old.fatal).toEqual([]);
  });

  it('S4: also one that was elected while its disk was full already', () => {
    const world = new World(3);
    write(world, 5);
    const old = world.elect();
    const [low, roomy] = others(world, old.id);
    world.fault(low!.id).spaceLow = true;
    world.loop.run(50);
    expect(transfer(old, low!.id)).toEqual([]);
    world.loop.run(2000);
    expect([old.id, roomy!.id]).toContain(world.elect(low!.id).id);
    expect(low!.driver.role.role).toBe('follower');
  });

  it('S4: of everybody makes each of them ask once, and then the lead stays where it is', () => {
    const world = new World(3);
    write(world, 5);
    const before = world.elect().driver.role.term;
    for (const id of [1, 2, 3]) world.fault(memberId(id)).spaceLow = true;
    world.loop.run(3000);
    const settled = world.elect().driver.role;
    expect(settled.term - before).toBeLessThanOrEqual(3);
    world.loop.run(20_000);
    expect(world.elect().driver.role).toEqual(settled);
    // The next time the disk fills up is another matter.
    const leader = world.elect();
    world.fault(leader.id).spaceLow = false;
    world.loop.run(100);
    world.fault(leader.id).spaceLow = true;
    world.loop.run(1000);
    expect(world.elect(leader.id).id).not.toBe(leader.id);
  });

  it('S3: lets a follower take nothing in rather than fill its last segment, until there is room again', () => {
    const world = new World(3);
    const lines = write(world, 5);
    const leader = world.elect();
    const [full, roomy] = others(world, leader.id);
    world.loop.run(100);
    const { last, term: before } = full!.driver.status();
    Object.assign(world.fault(full!.id), { spaceLow: true, roomBytes: 0 });
    world.loop.run(50);
    lines.push(...write(world, 20, 'more'));
    world.loop.run(10_000);
    expect(full!.driver.status()).toMatchObject({ last, term: before, leader: leader.id });
    expect(full!.warnings).toEqual(['raft.disk.space_low', 'raft.disk.space_exhausted']);
    // The other one is full as well: nothing is committed any more, and nobody falls.
    Object.assign(world.fault(roomy!.id), { spaceLow: true, roomBytes: 0 });
    world.loop.run(50);
    const stuck = propose(leader, 'stuck', { deadlineMs: 60_000 });
    world.loop.run(10_000);
    expect(stuck).toEqual([]);
    expect(leader.driver.role).toMatchObject({ role: 'leader', term: before });
    for (const { id } of [full!, roomy!]) world.fault(id).spaceLow = false;
    world.loop.run(5000);
    expect(stuck).toMatchObject([{ ok: true }]);
    lines.push('stuck');
    for (const { machine, fatal } of world.members.values()) {
      expect(machine.lines).toEqual(lines);
      expect(fatal).toEqual([]);
    }
  });

  it('S3: counts what waits for the disk already, and lets votes and empty requests pass', () => {
    const world = new World(3);
    write(world, 5);
    const leader = world.elect();
    const [full, roomy] = others(world, leader.id);
    world.loop.run(100);
    const before = full!.driver.status().last.index;
    Object.assign(world.fault(full!.id), { spaceLow: true, roomBytes: 100, latencyMs: 100 });
    world.loop.run(50);
    for (let round = 0; round < 8; round += 1) {
      propose(leader, 'x'.repeat(40));
      world.loop.run(5);
    }
    // Two fit behind each other; that none of them is on the disk yet makes no more room.
    expect(full!.driver.status().last.index - before).toBe(2);
    world.fault(full!.id).roomBytes = 0;
    world.crash(leader.id);
    world.loop.run(5000);
    expect(roomy!.driver.role).toMatchObject({ role: 'leader', established: false });
    world.fault(full!.id).spaceLow = false;
    world.loop.run(2000);
    expect(roomy!.driver.role).toMatchObject({ role: 'leader', established: true });
  });
});
