// The driver over the real core, with modelled disks and links on virtual time.

import { describe, expect, it } from 'vitest';

import { logIndex, memberId, term } from '../../../../src/raft/core/types.ts';
import { RecoveryRefused } from '../../../../src/raft/recovery.ts';
import { others, propose, read, write } from './actions.ts';
import { World } from './world.ts';

const ONE = memberId(1);

describe('a single member', () => {
  it('elects itself, applies what is proposed and answers with the result of apply', () => {
    const world = new World(1);
    const leader = world.elect();
    const first = propose(leader, 'a');
    const second = propose(leader, 'b');
    world.loop.run(100);
    expect(first).toEqual([{ ok: true, value: 1 }]);
    expect(second).toEqual([{ ok: true, value: 2 }]);
    expect(leader.machine.lines).toEqual(['a', 'b']);
  });

  it('writes all proposals of one turn and all of one disk operation as one group', () => {
    const world = new World(1);
    const leader = world.elect();
    world.loop.run(100);
    const before = world.fault(ONE).writes;
    world.fault(ONE).latencyMs = 10;
    const outcomes = [propose(leader, 'a'), propose(leader, 'b')];
    world.loop.run(2);
    for (let count = 0; count < 50; count += 1) {
      world.loop.run(0.1);
      outcomes.push(propose(leader, `c${count}`));
    }
    world.loop.run(100);
    expect(outcomes.every((outcome) => outcome[0]?.ok === true)).toBe(true);
    expect(world.fault(ONE).writes - before).toBe(2);
  });

  it('continues after a crash with everything acknowledged', () => {
    const world = new World(1);
    const lines = write(world, 20);
    world.crash(ONE);
    world.boot(ONE);
    const leader = world.elect();
    expect(leader.machine.lines).toEqual(lines);
    expect(leader.driver.role.term).toBe(2);
  });

  it('answers a linearizable read', () => {
    const world = new World(1);
    const leader = world.elect();
    const outcome = read(leader);
    world.loop.run(100);
    expect(outcome).toEqual([{ ok: true, value: undefined }]);
  });
});

describe('three members', () => {
  it('elect one leader and apply the same entries everywhere', () => {
    const world = new World(3);
    const lines = write(world, 100);
    expect(world.settle()).toEqual([lines, lines, lines]);
    expect([...world.members.values()].filter((member) => member.driver.role.role === 'leader')).toHaveLength(
      1,
    );
  });

  it('fail over to another leader that has everything acknowledged', () => {
    const world = new World(3);
    const lines = write(world, 10);
    const old = world.elect();
    world.crash(old.id);
    const next = world.elect(old.id);
    expect(next.machine.lines).toEqual(lines);
    const more = write(world, 10, 'more');
    world.boot(old.id);
    for (const state of world.settle(2000)) expect(state).toEqual([...lines, ...more]);
  });

  it('publish established only after the first entry of the term is applied', () => {
    const world = new World(3);
    for (const member of world.members.values()) {
      member.driver.onRole((view) => {
        if (!view.established) return;
        const status = member.driver.status();
        expect(status.applied).toBeGreaterThanOrEqual(1);
        expect(member.machine.applied).toBe(status.applied);
      });
    }
    const seen: string[] = [];
    for (const member of world.members.values()) {
      member.driver.onRole((view) => void seen.push(`${view.role} ${view.established}`));
    }
    world.elect();
    expect(seen).toContain('leader false');
    expect(seen.at(-1)).toBe('leader true');
  });

  it('resolve every proposal exactly once when the leader is cut off, as unknown', () => {
    const world = new World(3);
    const old = world.elect();
    world.isolate(old.id);
    const lost = [propose(old, 'a'), propose(old, 'b')];
    const fenced = propose(old, 'c', { term: old.driver.role.term });
    const next = world.elect(old.id);
    const kept = propose(next, 'kept');
    world.loop.run(2000);
    world.heal();
    world.loop.run(3000);
    for (const outcome of [...lost, fenced]) {
      expect(outcome).toHaveLength(1);
      expect(outcome[0]).toMatchObject({ ok: false, error: { kind: 'unknown' } });
    }
    expect(kept).toEqual([{ ok: true, value: 1 }]);
    for (const state of world.settle()) expect(state).toEqual(['kept']);
    expect(propose(old, 'd')).toEqual([{ ok: false, error: { kind: 'notLeader' } }]);
  });

  it('refuse a proposal fenced by a term that is not led', () => {
    const world = new World(3);
    const leader = world.elect();
    const stale = propose(leader, 'a', { term: leader.driver.role.term - 1 });
    const good = propose(leader, 'b', { term: leader.driver.role.term });
    world.loop.run(100);
    expect(stale).toEqual([{ ok: false, error: { kind: 'notLeader' } }]);
    expect(good).toEqual([{ ok: true, value: 1 }]);
  });

  it('report a proposal as unknown at its deadline and nothing after it', () => {
    const world = new World(3);
    const leader = world.elect();
    for (const member of others(world, leader.id)) world.fault(member.id).latencyMs = 200;
    const outcome = propose(leader, 'slow', { deadlineMs: 60 });
    world.loop.run(150);
    expect(outcome).toEqual([{ ok: false, error: { kind: 'unknown', reason: 'deadline passed' } }]);
    world.loop.run(2000);
    expect(outcome).toHaveLength(1);
    expect(leader.machine.lines).toEqual(['slow']);
  });

  it('refuse what passes the limits, certainly', () => {
    const world = new World(3, { proposalsMax: 2, entryBytesMax: 8 });
    const leader = world.elect();
    expect(propose(leader, 'too long for it')).toEqual([
      { ok: false, error: { kind: 'overloaded', reason: 'tooLarge' } },
    ]);
    const taken = [propose(leader, 'a'), propose(leader, 'b')];
    expect(propose(leader, 'c')).toEqual([
      { ok: false, error: { kind: 'overloaded', reason: 'tooMuchWaiting' } },
    ]);
    world.loop.run(100);
    expect(taken.map((outcome) => outcome[0]?.ok)).toEqual([true, true]);
  });

  it('refuse reads of a deposed leader', () => {
    const world = new World(3);
    const old = world.elect();
    world.isolate(old.id);
    const outcome = read(old, 30_000);
    world.elect(old.id);
    world.loop.run(2000);
    expect(outcome).toEqual([{ ok: false, error: { kind: 'notLeader' } }]);
  });

  it('send one heartbeat round for all reads of one turn', () => {
    const world = new World(3);
    const leader = world.elect();
    world.loop.run(60);
    const before = world.sent.filter((message) => message.kind === 'heartbeat').length;
    const outcomes = Array.from({ length: 100 }, () => read(leader));
    world.loop.run(5);
    expect(outcomes.every((outcome) => outcome[0]?.ok === true)).toBe(true);
    expect(world.sent.filter((message) => message.kind === 'heartbeat').length - before).toBeLessThanOrEqual(
      4,
    );
  });
});

describe('snapshots', () => {
  const POLICY = { snapshotEntries: 50, trailingEntries: 10 };

  it('cut the log behind the snapshot and keep the trailing window', () => {
    const world = new World(1, POLICY);
    write(world, 120);
    world.loop.run(1000);
    const status = world.member(1).driver.status();
    expect(status.snapshot).toBeGreaterThanOrEqual(100);
    expect(status.base).toBe(status.snapshot - 10);
    expect(world.image(ONE).base.index).toBe(status.base);
    expect(world.image(ONE).snapshots).toHaveLength(1);
  });

  it('keep no more payload bytes in the trailing window than a snapshot is worth', () => {
    const world = new World(1, { snapshotEntries: 1_000_000, snapshotBytes: 1000, trailingEntries: 1000 });
    for (let count = 0; count < 30; count += 1) write(world, 1, 'x'.repeat(99));
    world.loop.run(1000);
    const status = world.member(1).driver.status();
    expect(status.snapshot - status.base).toBeLessThanOrEqual(10);
    expect(status.base).toBeGreaterThan(0);
  });

  it('bring a follower back that was away longer than the log reaches', () => {
    const world = new World(3, POLICY);
    write(world, 5);
    const away = others(world, world.elect().id)[0]!.id;
    world.crash(away);
    write(world, 200, 'while-away');
    world.loop.run(1000);
    expect(world.elect().driver.status().base).toBeGreaterThan(100);
    world.boot(away);
    const states = world.settle(5000);
    expect(states[0]).toHaveLength(205);
    expect(new Set(states.map((state) => state.join())).size).toBe(1);
    expect(world.snapshotsSent).toBe(1);
    expect(world.member(away).driver.status().base).toBeGreaterThan(100);
  });

  it('are not needed by a follower within the trailing window', () => {
    const world = new World(3, POLICY);
    write(world, 48);
    world.loop.run(500);
    const away = others(world, world.elect().id)[0]!.id;
    world.crash(away);
    write(world, 6, 'while-away');
    world.loop.run(500);
    expect(world.elect().driver.status().snapshot).toBeGreaterThan(0);
    world.boot(away);
    world.loop.run(3000);
    expect(world.snapshotsSent).toBe(0);
    expect(world.member(away).machine.lines).toHaveLength(54);
  });

  it('may be interrupted by a crash after every disk operation of the installation', () => {
    for (let crashAfterMs = 0; crashAfterMs < 60; crashAfterMs += 1) {
      const world = new World(3, POLICY);
      write(world, 5);
      const away = others(world, world.elect().id)[0]!.id;
      world.crash(away);
      write(world, 120, 'while-away');
      world.loop.run(1000);
      world.fault(away).latencyMs = 7;
      world.boot(away);
      world.loop.run(5000, () => world.image(away).snapshots.length > 0);
      world.loop.run(crashAfterMs);
      world.crash(away);
      world.boot(away);
      world.loop.run(5000);
      expect(world.member(away).machine.lines).toHaveLength(125);
      expect(world.member(away).fatal).toEqual([]);
    }
  });
});

describe('recovery', () => {
  it('rebuilds a state that was lost from the snapshot and the log', () => {
    const world = new World(1, { snapshotEntries: 50, trailingEntries: 10 });
    const lines = write(world, 120);
    world.loop.run(1000);
    world.crash(ONE);
    world.image(ONE).state = { applied: logIndex(0), appliedTerm: term(0), lines: [] };
    world.boot(ONE);
    expect(world.elect().machine.lines).toEqual(lines);
  });

  it('refuses a state ahead of the log', () => {
    const world = new World(1);
    write(world, 10);
    world.crash(ONE);
    world.image(ONE).state = { applied: logIndex(99), appliedTerm: term(1), lines: [] };
    expect(() => world.boot(ONE)).toThrow(RecoveryRefused);
  });

  it('refuses a compacted log without its snapshot', () => {
    const world = new World(1, { snapshotEntries: 50, trailingEntries: 10 });
    write(world, 120);
    world.loop.run(1000);
    world.crash(ONE);
    world.image(ONE).snapshots = [];
    expect(() => world.boot(ONE)).toThrow(/there is no snapshot/);
  });

  it('refuses a new log next to an old snapshot: the vote was in the old log', () => {
    const world = new World(1, { snapshotEntries: 50, trailingEntries: 10 });
    write(world, 120);
    world.loop.run(1000);
    world.crash(ONE);
    const image = world.image(ONE);
    const { membership } = image.base;
    image.hardState = { term: term(0), votedFor: null };
    image.base = { index: logIndex(0), term: term(0), membership };
    image.entries = [];
    image.state = { applied: logIndex(0), appliedTerm: term(0), lines: [] };
    expect(() => world.boot(ONE)).toThrow(/the log is new/);
  });

  it('refuses a snapshot of another history', () => {
    const world = new World(1, { snapshotEntries: 50, trailingEntries: 10 });
    write(world, 120);
    world.loop.run(1000);
    world.crash(ONE);
    const image = world.image(ONE);
    const { meta, chunks } = image.snapshots[0]!;
    image.snapshots = [{ meta: { ...meta, term: term(7) }, chunks }];
    expect(() => world.boot(ONE)).toThrow(RecoveryRefused);
  });
});

describe('faults', () => {
  it('of the log end every claim: the lead is given up, waiters are unknown, one report', () => {
    const world = new World(3);
    const leader = world.elect();
    world.fault(leader.id).failNext = 'write';
    const outcome = propose(leader, 'a');
    world.loop.run(5);
    expect(leader.fatal.map((error) => error.message)).toEqual(['EIO']);
    expect(outcome).toMatchObject([{ ok: false, error: { kind: 'unknown' } }]);
    expect(leader.driver.role).toMatchObject({ role: 'follower', established: false, leader: null });
    const sentBefore = world.sent.length;
    world.elect(leader.id);
    expect(world.sent.slice(sentBefore).filter((message) => message.from === leader.id)).toEqual([]);
    expect(propose(leader, 'b')).toEqual([{ ok: false, error: { kind: 'notLeader' } }]);
    expect(leader.driver.status().fault).toBe('EIO');
  });

  it.each(['save', 'flush'] as const)('of a snapshot (%s) are fatal too', (operation) => {
    const world = new World(1, { snapshotEntries: 20, trailingEntries: 5 });
    world.elect();
    world.fault(ONE).failNext = operation;
    write(world, 19);
    propose(world.member(1), 'last');
    world.loop.run(1000);
    expect(world.member(1).fatal).toHaveLength(1);
  });

  it('a leader whose disk hangs is replaced, and does not disturb its successor afterwards', () => {
    const world = new World(3);
    const old = world.elect();
    world.fault(old.id).latencyMs = 30_000;
    const outcome = propose(old, 'stuck', { deadlineMs: 3000 });
    const next = world.elect(old.id);
    world.loop.run(5000);
    expect(outcome).toMatchObject([{ ok: false, error: { kind: 'unknown' } }]);
    expect(world.elect(old.id).id).toBe(next.id);
    world.fault(old.id).latencyMs = 1;
    world.loop.run(40_000);
    expect(old.driver.role).toMatchObject({ role: 'follower', leader: next.id });
    expect(next.driver.role.established).toBe(true);
  });

  it('members frozen for three election timeouts do not campaign for the time they slept', () => {
    const world = new World(3);
    const leader = world.elect();
    world.loop.run(300);
    const before = leader.driver.role.term;
    // All timers are late by three election timeouts at once, and messages wait behind them.
    world.loop.nowMs += 1500;
    world.loop.run(3000);
    expect(world.elect().driver.role.term).toBe(before);
  });
});

describe('close', () => {
  it('answers every waiter, awaits the disk and closes the log', async () => {
    const world = new World(3);
    const leader = world.elect();
    world.fault(leader.id).latencyMs = 50;
    const inLog = propose(leader, 'a');
    const reading = read(leader);
    world.loop.run(2);
    const queued = propose(leader, 'b');
    const closed = leader.driver.close();
    expect(inLog).toMatchObject([{ ok: false, error: { kind: 'unknown' } }]);
    expect(queued).toEqual([{ ok: false, error: { kind: 'notLeader' } }]);
    expect(reading).toHaveLength(1);
    expect(leader.driver.role.role).toBe('follower');
    expect(leader.log.closed).toBe(false);
    world.loop.run(200);
    await closed;
    expect(leader.log.closed).toBe(true);
    expect(propose(leader, 'c')).toEqual([{ ok: false, error: { kind: 'notLeader' } }]);
  });
});
