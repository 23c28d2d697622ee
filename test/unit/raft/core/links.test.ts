import { describe, expect, test } from 'vitest';
import { createSeededRandom } from '../../../../src/base/random.ts';
import type { Message } from '../../../../src/raft/core/messages.ts';
import { logIndex, memberId } from '../../../../src/raft/core/types.ts';
import { OPTIONS, incarnationOf, message, restored } from '../../../support/raft-core/builders.ts';
import { DurableMember } from '../../../support/raft-core/durable-member.ts';
import type { MemberListener } from '../../../support/raft-core/durable-member.ts';

const LINKS = [
  [1, 2],
  [1, 3],
  [2, 1],
  [2, 3],
  [3, 1],
  [3, 2],
] as const;

type Link = (typeof LINKS)[number];

/** Three members with instant disks over the directed links that are up. */
class Triangle implements MemberListener {
  readonly members: readonly DurableMember[];
  readonly #links: ReadonlySet<string>;
  readonly #random = createSeededRandom(7);
  readonly #messages: Message[] = [];
  leaderChanges = 0;

  constructor(links: readonly Link[]) {
    this.#links = new Set(links.map(([from, to]) => `${from}>${to}`));
    const initial = restored({ voters: [1, 2, 3] });
    this.members = [1, 2, 3].map(
      (id) =>
        new DurableMember({ ...OPTIONS, self: memberId(id), incarnation: incarnationOf(id) }, initial, this),
    );
  }

  onMessages(_: DurableMember, messages: readonly Message[]): void {
    this.#messages.push(...messages.filter(({ from, to }) => this.#links.has(`${from}>${to}`)));
  }

  onStep(...[, , effects]: Parameters<MemberListener['onStep']>): void {
    if (effects.role?.role === 'leader' && !effects.role.established) this.leaderChanges += 1;
  }

  onSendSnapshot(): void {}

  run(ticks: number): void {
    for (let tick = 0; tick < ticks; tick += 1) {
      for (const member of this.members) member.step({ kind: 'tick', entropy: this.#random.uint32() });
      this.#settle();
    }
  }

  #settle(): void {
    for (let guard = 0; guard < 10_000; guard += 1) {
      const moved = this.members.some((member) => member.completeOldest());
      const next = this.#messages.shift();
      if (next !== undefined) this.members[next.to - 1]?.step({ kind: 'message', message: next });
      else if (!moved) return;
    }
    expect.unreachable('the exchange comes to rest');
  }
}

function twoWay(links: readonly Link[], left: number, right: number): boolean {
  const up = (from: number, to: number): boolean => links.some((link) => link[0] === from && link[1] === to);
  return up(left, right) && up(right, left);
}

describe('S18: partial and one-way links', () => {
  test('for each of the 64 link masks a two-way pair means one stable leader that commits', () => {
    for (let mask = 0; mask < 64; mask += 1) {
      const links = LINKS.filter((_, bit) => (mask & (1 << bit)) !== 0);
      const triangle = new Triangle(links);
      triangle.run(100);
      const possible = twoWay(links, 1, 2) || twoWay(links, 1, 3) || twoWay(links, 2, 3);
      const leader = triangle.members.find((member) => member.core.role.established);
      expect(leader !== undefined, `mask ${mask}`).toBe(possible);
      if (leader === undefined) continue;
      const { term: ledTerm } = leader.core.role;
      triangle.leaderChanges = 0;
      triangle.run(200);
      expect(leader.core.role, `mask ${mask}`).toMatchObject({ term: ledTerm, established: true });
      expect(triangle.leaderChanges, `mask ${mask}`).toBe(0);
      leader.step({ kind: 'propose', proposals: [{ id: 1, data: new Uint8Array(1) }] });
      triangle.run(1);
      expect(leader.core.commitIndex, `mask ${mask}`).toBe(leader.core.lastIndex);
    }
  });

  test('S15: a member stuck in a higher term with a shorter log is freed by one election', () => {
    const triangle = new Triangle(LINKS);
    triangle.run(40);
    const leader = triangle.members.find((member) => member.core.role.established);
    const stuck = triangle.members.find((member) => member !== leader);
    if (leader === undefined || stuck === undefined) return expect.unreachable('a leader was elected');
    stuck.crash(0);
    for (let count = 0; count < 3; count += 1)
      leader.step({ kind: 'propose', proposals: [{ id: 1, data: new Uint8Array(1) }] });
    triangle.members.filter((member) => member.running).forEach((member) => member.completeOldest());
    stuck.restart();
    stuck.step({
      kind: 'message',
      message: message(leader.id, stuck.id, 9, { kind: 'voteReply', granted: false }),
    });
    triangle.leaderChanges = 0;
    triangle.run(60);
    expect(triangle.leaderChanges).toBeLessThanOrEqual(2);
    const established = triangle.members.filter((member) => member.core.role.established);
    expect(established).toHaveLength(1);
    expect(established[0]?.core.role.term).toBeGreaterThan(9);
    expect(new Set(triangle.members.map((member) => member.core.commitIndex)).size).toBe(1);
    expect(stuck.core.lastIndex).toBeGreaterThan(logIndex(3));
  });
});
