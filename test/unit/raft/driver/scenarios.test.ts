// Scenarios of disks and time that need the whole driver: late completions, slow disks, freezes, lost state.

import { describe, expect, it } from 'vitest';

import { logIndex, memberId, term } from '../../../../src/raft/core/types.ts';
import { others, propose, read, write } from './actions.ts';
import { World, type Member } from './world.ts';

const ONE = memberId(1);

describe('late completions', () => {
  it("S28: a deposed leader's own write and its followers' answers end late and commit nothing", () => {
    const world = new World(3);
    const lines = write(world, 3);
    world.loop.run(200);
    const old = world.elect();
    // Its appends reach nobody, its own disk takes its time; the group goes on without it.
    world.fault(old.id).latencyMs = 200;
    world.isolate(old.id);
    const lost = propose(old, 'lost');
    world.loop.run(10);
    const next = world.elect(old.id);
    lines.push(...write(world, 3, 'next'));
    const commit = old.driver.status().commit;
    world.loop.run(3000);
    expect(old.driver.status().commit).toBe(commit);
    expect(old.driver.status().last.index).toBeGreaterThan(commit);
    world.fault(old.id).latencyMs = 1;
    world.heal();
    world.loop.run(2000);
    expect(lost).toMatchObject([{ ok: false, error: { kind: 'unknown' } }]);
    expect(world.elect().id).toBe(next.id);
    for (const state of world.settle()) expect(state).toEqual(lines);
  });

  it('S30: an entry overwritten while its write is under way is acknowledged only as what it became', () => {
    const world = new World(5);
    write(world, 3);
    world.loop.run(200);
    const old = world.elect();
    const [slow, ...rest] = others(world, old.id);
    // The slow one alone gets an entry of the old leader, and is still writing it when others stand in its place.
    for (const { id } of rest) world.cut.add(`${old.id}>${id}`);
    world.fault(slow!.id).latencyMs = 3000;
    propose(old, 'overwritten');
    world.loop.run(2);
    const place = old.driver.status().last.index;
    world.isolate(old.id);
    const next = world.elect(old.id);
    const kept = propose(next, 'kept');
    world.loop.run(100);
    expect(kept).toMatchObject([{ ok: true }]);
    expect(slow!.driver.status().last).toEqual({ index: place, term: next.driver.role.term });
    const acknowledged = (): number[] =>
      world.sent.flatMap((sent) =>
        sent.kind === 'appendAccepted' && sent.from === slow!.id && sent.to === next.id ? [sent.matched] : [],
      );
    world.fault(slow!.id).latencyMs = 1000;
    // The first write ends: its entry is on the disk, and it is not the one that stands there by now.
    expect(world.loop.run(5000, () => world.image(slow!.id).lastIndex === place)).toBe(true);
    world.loop.run(1);
    expect(world.image(slow!.id).termAt(place)).toBeLessThan(next.driver.role.term);
    expect(acknowledged()).toEqual([]);
    world.heal();
    world.loop.run(5000);
    expect(acknowledged().at(-1)).toBe(next.driver.status().last.index);
    for (const state of world.settle()) expect(state).toEqual(['line0', 'line1', 'line2', 'kept']);
  });
});

describe('a leader whose disk is slow', () => {
  it('S29: commits on the disks of its followers, and its crash loses nothing of that', () => {
    const world = new World(3);
    const lines = write(world, 3);
    world.loop.run(200);
    const leader = world.elect();
    const before = leader.driver.status().commit;
    world.fault(leader.id).latencyMs = 200;
    const outcome = propose(leader, 'committed elsewhere');
    world.loop.run(50);
    expect(leader.driver.status().commit).toBe(before + 1);
    // Not applied, hence not answered: its own log could still lose it.
    expect(leader.driver.status().applied).toBe(before);
    expect(outcome).toEqual([]);
    world.crash(leader.id);
    expect(world.image(leader.id).lastIndex).toBe(before);
    const next = world.elect();
    expect(next.machine.lines).toEqual([...lines, 'committed elsewhere']);
    world.fault(leader.id).latencyMs = 1;
    world.boot(leader.id);
    for (const state of world.settle(2000)) expect(state).toEqual([...lines, 'committed elsewhere']);
  });
});

describe('a peer that was away', () => {
  it('S36: for long is brought up to date within two heartbeats of its return', () => {
    const world = new World(3);
    const lines = write(world, 3);
    const leader = world.elect();
    const [away] = others(world, leader.id);
    world.isolate(away!.id);
    lines.push(...write(world, 20, 'meanwhile'));
    world.loop.run(120_000);
    world.heal();
    // It asks for votes now and then, is not listened to, and hears the next heartbeat.
    world.loop.run(120);
    expect(away!.machine.lines).toEqual(lines);
    expect(world.elect().id).toBe(leader.id);
    const startMs = world.loop.nowMs;
    lines.push(...write(world, 1, 'now'));
    world.loop.run(20);
    expect(world.loop.nowMs - startMs).toBeLessThan(50);
    expect(away!.machine.lines).toEqual(lines);
  });
});

describe('snapshots', () => {
  it('S44: while one is written commands go on, it holds exactly its index, and the next is not forgotten', () => {
    const world = new World(1, { snapshotEntries: 50, trailingEntries: 5 });
    const lines = write(world, 45);
    world.fault(ONE).latencyMs = 20;
    // The snapshot takes two latencies; more than a second one's worth of entries is written meanwhile.
    lines.push(...write(world, 10, 'due'));
    const at = world.member(1).driver.status().applied;
    lines.push(...write(world, 120, 'meanwhile'));
    expect(world.member(1).driver.status().applied).toBe(at + 120);
    world.loop.run(2000);
    // What was due while the first one was written comes with the next entry.
    lines.push(...write(world, 1, 'next'));
    world.loop.run(2000);
    const snapshot = world.image(ONE).snapshots.at(-1);
    expect(snapshot?.meta.index).toBe(at + 121);
    expect(snapshot?.chunks.map((chunk) => Buffer.from(chunk).toString())).toEqual(lines);
    world.crash(ONE);
    world.image(ONE).state = { applied: logIndex(0), appliedTerm: term(0), lines: [] };
    world.boot(ONE);
    expect(world.elect().machine.lines).toEqual(lines);
  });
});

describe('a state whose own copy lost what was not flushed', () => {
  it('S73: is applied again from wherever it was, from the log or a snapshot, to the same state', () => {
    const world = new World(3, { snapshotEntries: 40, trailingEntries: 30 });
    const lines: string[] = [];
    const [victim] = others(world, world.elect().id);
    const id = victim!.id;
    const image = world.image(id);
    const earlier = new Set([image.state]);
    for (let round = 0; round < 20; round += 1) {
      lines.push(...write(world, 10, `round${round}-`));
      world.loop.run(50);
      earlier.add(image.state);
    }
    expect(earlier.size).toBeGreaterThan(3);
    for (const state of earlier) {
      world.crash(id);
      image.state = state;
      world.boot(id);
      world.loop.run(1000);
      expect(world.member(id).machine.lines).toEqual(lines);
      expect(world.member(id).fatal).toEqual([]);
    }
  });
});

describe('a deposed leader', () => {
  it('S75: answers every waiter exactly once, whatever they wait for', () => {
    const world = new World(3);
    write(world, 3);
    const old = world.elect();
    world.isolate(old.id);
    const waiting = [
      ...Array.from({ length: 10 }, (_, at) => propose(old, `p${at}`, { deadlineMs: 60_000 })),
      ...Array.from({ length: 10 }, () => read(old, 60_000)),
    ];
    world.loop.run(1);
    waiting.push(propose(old, 'fenced', { deadlineMs: 60_000, term: old.driver.role.term }));
    world.elect(old.id);
    world.loop.run(1000);
    expect(waiting.map((outcomes) => outcomes.length)).toEqual(waiting.map(() => 1));
    world.heal();
    world.loop.run(70_000);
    expect(waiting.map((outcomes) => outcomes.length)).toEqual(waiting.map(() => 1));
    expect(old.driver.status()).toMatchObject({ proposals: 0, reads: 0, changes: 0 });
  });
});

describe('a process that stands still for three election timeouts', () => {
  it('S76: as a follower does not campaign: what waited in its inbox is read before its timers count', () => {
    const world = new World(3);
    const lines = write(world, 3);
    const leader = world.elect();
    const before = leader.driver.role.term;
    const [frozen] = others(world, leader.id);
    world.freeze(frozen!.id, 1500);
    lines.push(...write(world, 50, 'meanwhile'));
    world.loop.run(1500);
    const sentBefore = world.sent.length;
    world.loop.run(1000);
    const asked = world.sent
      .slice(sentBefore)
      .filter(({ from, kind }) => from === frozen!.id && kind.endsWith('Request'));
    expect(asked).toEqual([]);
    expect(leader.driver.role).toMatchObject({ term: before, established: true });
    expect(frozen!.machine.lines).toEqual(lines);
  });

  it('S76: as a leader answers no read that its successor made stale', () => {
    for (let freezeMs = 300; freezeMs <= 3000; freezeMs += 300) {
      const world = new World(3);
      write(world, 3);
      world.loop.run(200);
      const old = world.elect();
      const inFlight = read(old);
      world.freeze(old.id, freezeMs);
      const seenAt = world.loop.nowMs + freezeMs;
      world.loop.run(freezeMs - 1);
      const next = freshLeader(world, old);
      if (next !== null) {
        const acknowledged = propose(next, 'newer');
        world.loop.run(100 - 1, () => acknowledged.length > 0);
      }
      world.loop.run(Math.max(0, seenAt - world.loop.nowMs));
      const reading: { lines: number; ok: boolean }[] = [];
      const newest = next?.machine.lines.length ?? old.machine.lines.length;
      old.driver.confirm(
        5000,
        (outcome) => void reading.push({ ok: outcome.ok, lines: old.machine.lines.length }),
      );
      world.loop.run(3000);
      expect(reading).toHaveLength(1);
      expect(inFlight).toHaveLength(1);
      if (reading[0]?.ok === true) expect(reading[0].lines).toBeGreaterThanOrEqual(newest);
    }
  });

  it('S76: with more messages than its inbox takes drops the rest and catches up', () => {
    const world = new World(3, { inboxMessagesMax: 20, turnInputsMax: 3 });
    const lines = write(world, 3);
    const leader = world.elect();
    const [frozen] = others(world, leader.id);
    world.freeze(frozen!.id, 1500);
    for (let round = 0; round < 50; round += 1) {
      lines.push(...write(world, 1, `round${round}-`));
      world.loop.run(20);
    }
    world.loop.run(1500);
    expect(frozen!.driver.status().messagesDropped).toBeGreaterThan(0);
    world.loop.run(1000);
    expect(frozen!.machine.lines).toEqual(lines);
    expect(world.elect().id).toBe(leader.id);
  });
});

/** A leader other than `old`, if there is one by now. */
function freshLeader(world: World, old: Member): Member | null {
  const leader = world.leader();
  return leader === null || leader.id === old.id ? null : leader;
}

describe('turns', () => {
  it('take bounded bites, and nothing is lost between two of them', () => {
    const world = new World(3, {
      turnInputsMax: 2,
      turnProposalsMax: 3,
      applyEntriesMax: 2,
      applyBytesMax: 10,
    });
    const lines = write(world, 200);
    const reading = read(world.elect());
    world.loop.run(500);
    expect(reading).toMatchObject([{ ok: true }]);
    expect(world.settle()).toEqual([lines, lines, lines]);
  });
});
