// Crashes, partitions, freezes, slow disks, snapshots, transfers and changes of members at random: what was acknowledged
// stays, once, in one order, everywhere.

import * as fc from 'fast-check';
import { expect, it } from 'vitest';

import { createSeededRandom, randomBelow, type Random } from '../../../../src/base/random.ts';
import type { MembershipChange } from '../../../../src/raft/core/membership-change.ts';
import { memberId, type MemberId } from '../../../../src/raft/core/types.ts';
import type { ChangeOutcome, ProposalOutcome, TransferOutcome } from '../../../../src/raft/outcome.ts';
import { change, transfer } from './actions.ts';
import { World } from './world.ts';

/** `RAFT_CHAOS_RUNS=2000` for a long run. */
const RUNS = Number(process.env['RAFT_CHAOS_RUNS'] ?? 30);

/** True when every list is a beginning of the longest. */
function oneHistory(lists: readonly (readonly string[])[]): boolean {
  const longest = lists.reduce((best, list) => (list.length > best.length ? list : best), []);
  return lists.every((list) => list.every((line, at) => longest[at] === line));
}

function pick<T>(random: Random, values: readonly T[]): T {
  return values[randomBelow(random, values.length)]!;
}

/** What was asked of the members, and what they said. */
class Requests {
  readonly outcomes = new Map<string, ProposalOutcome[]>();
  readonly changes: ChangeOutcome[][] = [];
  readonly transfers: TransferOutcome[][] = [];

  propose(world: World, random: Random, round: number): void {
    for (const { driver, id } of world.members.values()) {
      for (let count = randomBelow(random, 8); count > 0; count -= 1) {
        const line = `${round}/${id}/${count}`;
        const mine: ProposalOutcome[] = [];
        this.outcomes.set(line, mine);
        driver.submit(Buffer.from(line), { deadlineMs: 2000 }, (outcome) => void mine.push(outcome));
      }
    }
  }

  /** Every request had at most one outcome, and each is true of the state that all came to. */
  check(final: readonly string[]): void {
    expect(new Set(final).size).toBe(final.length);
    const present = new Set(final);
    for (const [line, mine] of this.outcomes) {
      expect(mine.length).toBeLessThanOrEqual(1);
      if (mine[0]?.ok === true) expect(present.has(line)).toBe(true);
      if (mine[0]?.ok === false && mine[0].error.kind !== 'unknown') expect(present.has(line)).toBe(false);
    }
    for (const mine of [...this.changes, ...this.transfers]) expect(mine.length).toBeLessThanOrEqual(1);
  }
}

function disturb(world: World, random: Random, requests: Requests): void {
  const ids = [...world.images.keys()];
  const id = pick(random, ids);
  const running = world.members.get(id);
  switch (randomBelow(random, 13)) {
    case 0:
    case 1:
      if (running !== undefined) world.crash(id);
      break;
    case 2:
    case 3:
      if (running === undefined) world.boot(id);
      break;
    case 4:
      world.isolate(id);
      break;
    case 5:
      world.cut.add(`${id}>${pick(random, ids)}`);
      break;
    case 6:
    case 7:
      world.heal();
      world.hanging.clear();
      break;
    case 8:
      if (running !== undefined) world.freeze(id, randomBelow(random, 2000));
      break;
    case 9:
      world.hanging.add(id);
      break;
    case 10:
    case 11:
      for (const member of world.members.values())
        requests.transfers.push(transfer(member, pick(random, [null, id])));
      break;
    default:
      world.fault(id).latencyMs = pick(random, [0.5, 1, 20, 150, 400]);
      world.fault(id).spaceLow = randomBelow(random, 8) === 0;
  }
}

function calm(world: World): void {
  world.heal();
  world.hanging.clear();
  for (const id of world.images.keys()) {
    Object.assign(world.fault(id), { latencyMs: 1, spaceLow: false });
    if (!world.members.has(id)) world.boot(id);
  }
}

const SMALL = {
  snapshotEntries: 15,
  trailingEntries: 4,
  applyEntriesMax: 5,
  turnInputsMax: 7,
  turnProposalsMax: 6,
};

it('acknowledged commands survive anything short of a lost disk', { timeout: 3_600_000 }, () => {
  fc.assert(
    fc.property(fc.nat(), (seed) => {
      const random = createSeededRandom(seed);
      const world = new World(3, SMALL, seed);
      const requests = new Requests();
      for (let round = 0; round < 60; round += 1) {
        if (randomBelow(random, 3) === 0) disturb(world, random, requests);
        requests.propose(world, random, round);
        world.loop.run(randomBelow(random, 200));
        expect(oneHistory([...world.members.values()].map(({ machine }) => machine.lines))).toBe(true);
      }
      calm(world);
      world.loop.run(15_000);
      const lists = [...world.members.values()].map(({ machine }) => machine.lines);
      expect(new Set(lists.map((list) => list.join())).size).toBe(1);
      for (const { fatal, expelled } of world.members.values()) expect([fatal, expelled]).toEqual([[], []]);
      requests.check(lists[0] ?? []);
    }),
    { numRuns: RUNS },
  );
});

/** A change that somebody might want now: members come until there are six, and go until there is one. */
function wantedChange(world: World, random: Random, nextId: MemberId): MembershipChange {
  const members = [...world.members.keys()];
  if (randomBelow(random, 2) === 0 && members.length < 6) {
    return { kind: 'addLearner', member: nextId, address: `127.0.0.1:${nextId}`, incarnation: null };
  }
  return { kind: 'remove', member: pick(random, members) };
}

/** Whoever was told to go ends, for good. */
function buryExpelled(world: World): void {
  for (const member of world.members.values()) {
    if (member.expelled.length === 0) continue;
    expect(member.expelled).toEqual(['removed']);
    world.crash(member.id);
    world.images.delete(member.id);
  }
}

it(
  'members come and go under the same disturbances, and nothing acknowledged is lost',
  { timeout: 3_600_000 },
  () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const random = createSeededRandom(seed);
        const world = new World(3, SMALL, seed);
        const requests = new Requests();
        let lastId = 3;
        for (let round = 0; round < 80; round += 1) {
          if (randomBelow(random, 3) === 0) disturb(world, random, requests);
          if (randomBelow(random, 4) === 0) {
            const leader = world.leader();
            const wanted = wantedChange(world, random, memberId(lastId + 1));
            if (leader !== null) requests.changes.push(change(leader, wanted, 3000));
            if (leader !== null && wanted.kind === 'addLearner') {
              lastId += 1;
              world.join(wanted.member);
            }
          }
          requests.propose(world, random, round);
          world.loop.run(randomBelow(random, 300));
          buryExpelled(world);
          expect(oneHistory([...world.members.values()].map(({ machine }) => machine.lines))).toBe(true);
        }
        calm(world);
        // Whoever was removed is told, or hears nothing more; the rest agree.
        world.loop.run(20_000);
        buryExpelled(world);
        const leader = world.elect();
        const { voters, learners, outgoing } = leader.driver.status().membership;
        expect(outgoing).toBeNull();
        const lists = [...voters, ...learners].map((id) => world.members.get(id)?.machine.lines.join());
        expect(new Set(lists).size).toBe(1);
        for (const { fatal } of world.members.values()) expect(fatal).toEqual([]);
        requests.check(leader.machine.lines);
      }),
      { numRuns: RUNS },
    );
  },
);
