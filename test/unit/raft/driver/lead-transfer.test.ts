// Giving the lead away: what waits meanwhile, who is told what, and the hand-over before an orderly end.

import { describe, expect, it } from 'vitest';

import { memberId } from '../../../../src/raft/core/types.ts';
import { change, NOT_LEADER, others, propose, read, transfer, withdraw, write } from './actions.ts';
import { World, type Member } from './world.ts';

/** A leader, one follower that has everything, and the other one. */
function group(): {
  readonly world: World;
  readonly leader: Member;
  readonly target: Member;
  readonly third: Member;
} {
  const world = new World(3);
  write(world, 3);
  world.loop.run(200);
  const leader = world.elect();
  const [target, third] = others(world, leader.id);
  return { world, leader, target: target!, third: third! };
}

describe('a transfer', () => {
  it('S64: to a member that has everything is done at once, inside the lease, and answered with the new leader', () => {
    const { world, leader, target } = group();
    const outcome = transfer(leader, target.id);
    const startMs = world.loop.nowMs;
    world.loop.run(5000, () => outcome.length > 0);
    expect(outcome).toEqual([{ ok: true, value: target.id }]);
    expect(world.loop.nowMs - startMs).toBeLessThan(20);
    expect(leader.driver.role).toMatchObject({ role: 'follower', leader: target.id });
    expect(world.elect(leader.id).id).toBe(target.id);
  });

  it('fails no command that was placed before it, and refuses those that came meanwhile only once the successor is known', () => {
    const { world, leader } = group();
    const placed = [propose(leader, 'a'), propose(leader, 'b')];
    world.loop.run(0.5);
    const outcome = transfer(leader, null);
    world.loop.run(0.5);
    const meanwhile = propose(leader, 'c');
    const reading = read(leader);
    world.loop.run(5000, () => meanwhile.length + reading.length > 0);
    // Whoever is refused can be sent to the new leader.
    expect(leader.driver.role.leader).not.toBeNull();
    world.loop.run(100);
    expect(outcome).toMatchObject([{ ok: true }]);
    expect(placed.map(([first]) => first?.ok)).toEqual([true, true]);
    expect(meanwhile).toEqual([NOT_LEADER]);
    expect(reading).toEqual([NOT_LEADER]);
    for (const state of world.settle()) expect(state).toEqual(['line0', 'line1', 'line2', 'a', 'b']);
  });

  it('S65: to a member that does not answer is aborted within an election timeout; what waited goes on', () => {
    const { world, leader, target } = group();
    world.hanging.add(target.id);
    const outcome = transfer(leader, target.id);
    world.loop.run(1);
    const waiting = [propose(leader, 'a'), propose(leader, 'b')];
    const reading = read(leader);
    const late = propose(leader, 'too late', { deadlineMs: 100 });
    world.loop.run(300);
    expect(leader.driver.status().transfer).toMatchObject({ to: target.id });
    expect([outcome, waiting.flat(), reading]).toEqual([[], [], []]);
    expect(late).toMatchObject([{ ok: false, error: { kind: 'unknown' } }]);
    world.loop.run(300);
    expect(outcome).toEqual([{ ok: false, error: { kind: 'aborted' } }]);
    expect(waiting.map(([first]) => first?.ok)).toEqual([true, true]);
    expect(reading).toMatchObject([{ ok: true }]);
    expect(leader.driver.role).toMatchObject({ role: 'leader', established: true });
    expect(leader.driver.status().transfer).toBeNull();
    // The request to campaign that it may still have somewhere is inert: the log went on.
    world.hanging.clear();
    const before = leader.driver.role.term;
    world.loop.run(2000);
    expect(leader.driver.role).toMatchObject({ role: 'leader', term: before });
    expect(leader.machine.lines).not.toContain('too late');
  });

  it('holds no more than the limits allow', () => {
    const world = new World(3, { proposalsMax: 2 });
    write(world, 1);
    const leader = world.elect();
    const [target] = others(world, leader.id);
    world.hanging.add(target!.id);
    transfer(leader, target!.id);
    world.loop.run(1);
    const held = [propose(leader, 'a'), propose(leader, 'b')];
    expect(propose(leader, 'c')).toEqual([
      { ok: false, error: { kind: 'overloaded', reason: 'tooMuchWaiting' } },
    ]);
    world.loop.run(2000);
    expect(held.map(([first]) => first?.ok)).toEqual([true, true]);
  });

  it('S66: to itself, a learner, a stranger, or while another runs is refused; a follower refuses all', () => {
    const { world, leader, target } = group();
    const refusal = (reason: string): unknown => [{ ok: false, error: { kind: 'refused', reason } }];
    change(leader, { kind: 'addLearner', member: memberId(4), address: '127.0.0.4:1', incarnation: null });
    world.loop.run(100);
    const refused = [leader.id, memberId(4), memberId(9)].map((to) => {
      const outcome = transfer(leader, to);
      world.loop.run(1);
      return outcome;
    });
    expect(refused).toEqual([refusal('isSelf'), refusal('notVoter'), refusal('notVoter')]);
    world.hanging.add(target.id);
    transfer(leader, target.id);
    expect(transfer(leader, null)).toEqual(refusal('transferring'));
    expect(transfer(target, null)).toEqual([NOT_LEADER]);
    expect(leader.driver.role.role).toBe('leader');
  });

  it('whose successor is never heard ends as unknown, and what waited as refused', () => {
    const { world, leader, target, third } = group();
    // Only the target gets the last command, so that it is not committed when the lead is lost.
    world.fault(leader.id).latencyMs = 100;
    world.cut.add(`${leader.id}>${third.id}`);
    const placed = propose(leader, 'placed', { deadlineMs: 60_000 });
    world.loop.run(1);
    const outcome = transfer(leader, target.id);
    // The vote reaches the new leader; what the new leader says to the old one is lost.
    world.loop.run(5000, () => leader.driver.role.role !== 'leader');
    world.cut.add(`${target.id}>${leader.id}`);
    world.cut.add(`${third.id}>${leader.id}`);
    const waiting = propose(leader, 'a');
    world.loop.run(400);
    expect([outcome, waiting, placed]).toEqual([[], [], []]);
    world.loop.run(300);
    expect(placed).toMatchObject([{ ok: false, error: { kind: 'unknown' } }]);
    expect(outcome).toMatchObject([{ ok: false, error: { kind: 'unknown' } }]);
    expect(waiting).toEqual([NOT_LEADER]);
  });

  it('is given up with everything else at the end', () => {
    const { world, leader, target } = group();
    world.hanging.add(target.id);
    const outcome = transfer(leader, target.id);
    world.loop.run(1);
    leader.driver.stop(() => undefined);
    expect(outcome).toMatchObject([{ ok: false, error: { kind: 'unknown' } }]);
  });
});

describe('a hand-over', () => {
  it('ends when another member leads and everything placed here has its outcome', () => {
    const { world, leader } = group();
    const placed = Array.from({ length: 20 }, (_, at) => propose(leader, `p${at}`));
    world.loop.run(0.5);
    const outcome = withdraw(leader);
    world.loop.run(3000, () => outcome.length > 0);
    expect(outcome).toEqual(['handedOver']);
    expect(placed.every(([first]) => first?.ok === true)).toBe(true);
    expect(leader.driver.role.role).toBe('follower');
    leader.driver.stop(() => undefined);
  });

  it('asks again when a transfer is refused for now or aborted', () => {
    const { world, leader, target, third } = group();
    change(leader, { kind: 'remove', member: third.id });
    const outcome = withdraw(leader);
    world.hanging.add(target.id);
    world.loop.run(400);
    expect(outcome).toEqual([]);
    world.hanging.clear();
    world.loop.run(2500, () => outcome.length > 0);
    expect(outcome).toEqual(['handedOver']);
    expect(world.elect(leader.id).id).toBe(target.id);
  });

  it('is done at once by a follower, and by a leader that nobody could follow', () => {
    const { world, leader, target, third } = group();
    expect(withdraw(target)).toEqual(['notLeading']);
    world.crash(target.id);
    world.crash(third.id);
    const outcome = withdraw(leader, 60_000);
    world.loop.run(1100);
    expect(outcome).toEqual(['nobodyElse']);
    const alone = new World(1);
    expect(withdraw(alone.elect())).toEqual(['nobodyElse']);
  });

  it('takes no longer than its deadline', () => {
    const { world, leader, target, third } = group();
    // Heard, so that a transfer is tried again and again, and never able to lead.
    world.fault(target.id).latencyMs = 100_000;
    world.fault(third.id).latencyMs = 100_000;
    const outcome = withdraw(leader, 400);
    world.loop.run(430);
    expect(outcome).toEqual(['deadline']);
  });
});

it('S65, S66: a rolling restart under load fails no command that is sent on or tried once more', () => {
  const world = new World(3);
  write(world, 1);
  const lines = new Set(['line0']);
  let failures = 0;
  /** As a client of the API: redirected when another leader is known, one more try when none is. */
  const send = (text: string, tries: number): void => {
    const known = [...world.members.values()].find(({ driver }) => driver.role.role === 'leader');
    const again = (): void => {
      if (tries === 0) failures += 1;
      else world.loop.after(100, () => send(text, tries - 1));
    };
    if (known === undefined) {
      again();
      return;
    }
    known.driver.submit(Buffer.from(text), { deadlineMs: 3000 }, (outcome) => {
      if (outcome.ok) lines.add(text);
      else if (outcome.error.kind === 'notLeader') world.loop.after(1, () => send(text, tries - 1));
      else failures += 1;
    });
  };
  let count = 0;
  const load = (): void => {
    if (count === 600) return;
    count += 1;
    send(`w${count}`, 2);
    world.loop.after(5, load);
  };
  load();
  for (const id of [1, 2, 3].map((each) => memberId(each))) {
    const member = world.member(id);
    const outcome = withdraw(member);
    world.loop.run(3000, () => outcome.length > 0);
    member.driver.stop(() => undefined);
    world.loop.run(50);
    world.crash(id);
    world.loop.run(300);
    world.boot(id);
    world.loop.run(600);
  }
  world.loop.run(5000);
  expect({ failures, lines: lines.size }).toEqual({ failures: 0, lines: 601 });
  for (const state of world.settle()) expect(new Set(state)).toEqual(lines);
});
