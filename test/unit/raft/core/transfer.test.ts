import { describe, expect, test } from 'vitest';
import type { RaftCore } from '../../../../src/raft/core/raft-core.ts';
import type { Effects } from '../../../../src/raft/core/step.ts';
import { memberId } from '../../../../src/raft/core/types.ts';
import {
  GRANT,
  accept,
  append,
  at,
  change,
  entriesOf,
  establish,
  hard,
  heartbeat,
  kinds,
  lead,
  makeCore,
  persist,
  propose,
  read,
  sentTo,
  snapshotAt,
  snapshotFrom,
  tell,
  ticks,
  transfer,
} from '../../../support/raft-core/builders.ts';
import type { Shape } from '../../../support/raft-core/builders.ts';

function leader(shape: Shape = {}): RaftCore {
  const core = makeCore(shape);
  establish(core);
  return core;
}

function hear(core: RaftCore, ...peers: readonly number[]): readonly Effects[] {
  const { term } = core.role;
  return peers.map((peer) => tell(core, peer, term, { kind: 'heartbeatReply', readRound: 0 }));
}

describe('a leader that hands over', () => {
  test('S64: tells an up-to-date target to campaign at once', () => {
    const core = leader();
    const effects = transfer(core, 3);
    expect(effects.transfer).toEqual({ kind: 'started', to: 3 });
    expect(effects.sendNow).toMatchObject([{ kind: 'timeoutNow', to: 3, term: 1, last: at(1, 1) }]);
    expect(core.transferTarget).toBe(3);
    const asked = tell(core, 3, 2, { kind: 'voteRequest', last: at(1, 1), transfer: true });
    expect(asked).toMatchObject({ role: { role: 'follower', term: 2 }, transfer: null });
    expect(asked.sendAfterPersist).toMatchObject([{ granted: true }]);
  });

  test('S64: picks the follower that has most of the log and was heard lately', () => {
    const core = leader({ voters: [1, 2, 3, 4, 5] });
    propose(core, 'a', 'b');
    tell(core, 4, 1, accept(3));
    tell(core, 3, 1, accept(2));
    expect(transfer(core, null).transfer).toEqual({ kind: 'started', to: 4 });
    const quiet = leader();
    propose(quiet, 'a');
    tell(quiet, 2, 1, accept(2));
    for (let round = 0; round < 10; round += 1) {
      ticks(quiet, 1);
      hear(quiet, 3);
    }
    expect(transfer(quiet, null).transfer, '2 has more but was silent').toEqual({ kind: 'started', to: 3 });
  });

  test('S65: brings a lagging target up to date first; nothing is proposed or changed meanwhile', () => {
    const core = leader();
    propose(core, 'a');
    expect(kinds(transfer(core, 3).sendNow)).toEqual([]);
    expect(propose(core, 'b').refused).toEqual([{ id: 0, reason: 'transferring' }]);
    const changed = change(core, { kind: 'remove', member: memberId(2) });
    expect(changed.refused).toEqual([{ id: 77, reason: 'transferring' }]);
    expect(kinds(sentTo(tell(core, 2, 1, accept(2)), 3))).not.toContain('timeoutNow');
    expect(sentTo(tell(core, 3, 1, accept(2)), 3)).toMatchObject([
      { kind: 'heartbeat' },
      { kind: 'timeoutNow', last: at(2, 1) },
    ]);
  });

  test('S65: asks again with each heartbeat, since the request may be lost', () => {
    const core = leader();
    transfer(core, 3);
    expect(ticks(core, 2).map((effects) => kinds(sentTo(effects, 3)))).toEqual([
      ['heartbeat', 'timeoutNow'],
      ['heartbeat', 'timeoutNow'],
    ]);
  });

  test('S65: gives up after one election timeout and leads on', () => {
    const core = leader();
    propose(core, 'a');
    transfer(core, 3);
    const events = Array.from({ length: 10 }, () => {
      hear(core, 2);
      return ticks(core, 1)[0]?.transfer ?? null;
    });
    expect(events.slice(0, 9)).toEqual(Array(9).fill(null));
    expect(events[9]).toEqual({ kind: 'aborted' });
    expect([core.role.role, core.transferTarget]).toEqual(['leader', null]);
    expect(propose(core, 'b').accepted).toHaveLength(1);
    expect(ticks(core, 1).flatMap((effects) => kinds(effects.sendNow))).not.toContain('timeoutNow');
  });

  test('S65: a target that needs a snapshot is not told to campaign', () => {
    const core = makeCore({ base: [5, 1], log: [1] });
    lead(core);
    persist(core);
    tell(core, 2, 2, accept(7));
    tell(core, 3, 2, { kind: 'appendRejected', probed: at(6, 1).index, hint: at(0, 0) });
    expect(core.peers()).toMatchObject([{}, { member: 3, state: 'snapshot' }]);
    expect(transfer(core, 3)).toMatchObject({ transfer: { kind: 'started' }, sendNow: [] });
  });

  test('S66: refuses itself, learners, strangers, the removed, the silent, and a second transfer', () => {
    const core = leader({ learners: [4] });
    const refused = (to: number | null): unknown => transfer(core, to).transfer;
    expect(refused(1)).toEqual({ kind: 'refused', reason: 'isSelf' });
    expect(refused(4)).toEqual({ kind: 'refused', reason: 'notVoter' });
    expect(refused(9)).toEqual({ kind: 'refused', reason: 'notVoter' });
    expect(refused(2)).toEqual({ kind: 'started', to: 2 });
    expect(refused(2)).toEqual({ kind: 'refused', reason: 'transferring' });
    expect(refused(null)).toEqual({ kind: 'refused', reason: 'transferring' });
    expect(core.transferTarget).toBe(2);

    const shrunk = leader();
    change(shrunk, { kind: 'remove', member: memberId(3) });
    expect(transfer(shrunk, 2).transfer).toEqual({ kind: 'refused', reason: 'changePending' });
    for (let entries = 2; entries <= 3; entries += 1) {
      persist(shrunk);
      tell(shrunk, 2, 1, accept(entries));
    }
    expect(transfer(shrunk, 3).transfer).toEqual({ kind: 'refused', reason: 'notVoter' });

    const alone = leader({ voters: [1] });
    expect(transfer(alone, null).transfer).toEqual({ kind: 'refused', reason: 'noTarget' });
    const silent = leader();
    for (let round = 0; round < 10; round += 1) {
      ticks(silent, 1);
      hear(silent, 2);
    }
    expect(transfer(silent, 3).transfer).toEqual({ kind: 'refused', reason: 'noTarget' });
  });

  test('S66: a follower, and a leader without a commit of its own, have nothing to hand over', () => {
    const core = makeCore();
    expect(transfer(core, null).transfer).toEqual({ kind: 'refused', reason: 'notLeader' });
    lead(core);
    expect(transfer(core, 2).transfer).toEqual({ kind: 'refused', reason: 'notEstablished' });
  });

  test('S62: reads under way are confirmed by a quorum of its term or refused, never by the transfer', () => {
    const core = leader();
    read(core, 1);
    transfer(core, 3);
    const lost = tell(core, 3, 2, { kind: 'voteRequest', last: at(1, 1), transfer: true });
    expect([lost.readsReady, lost.readsRefused]).toEqual([[], [1]]);
  });

  test('a lost quorum ends the lead and the transfer with it', () => {
    const core = leader();
    ticks(core, 9);
    transfer(core, 3);
    const [effects] = ticks(core, 1);
    expect(effects).toMatchObject({ role: { role: 'follower' }, transfer: null });
    expect(core.transferTarget).toBeNull();
  });
});

describe('a member told to campaign', () => {
  const told = { kind: 'timeoutNow', last: at(2, 1) } as const;

  function follower(shape: Shape = {}): RaftCore {
    const core = makeCore({ log: [1, 1], ...shape });
    tell(core, 2, 1, heartbeat(1), shape.id ?? 1);
    return core;
  }

  test('S64: does so without a pre-vote, inside the lease, and its requests pass leases', () => {
    const core = follower();
    const effects = tell(core, 2, 1, told);
    expect(effects).toMatchObject({
      role: { role: 'candidate', term: 2 },
      hardState: hard(2, 1),
      sendNow: [],
    });
    expect(effects.sendAfterPersist).toMatchObject([
      { kind: 'voteRequest', to: 2, transfer: true },
      { kind: 'voteRequest', to: 3, transfer: true },
    ]);
    persist(core);
    expect(tell(core, 2, 2, GRANT).role).toMatchObject({ role: 'leader', term: 2 });

    const other = follower({ id: 3 });
    const kept = tell(other, 1, 2, { kind: 'voteRequest', last: at(2, 1), transfer: false }, 3);
    expect(kept.sendAfterPersist).toEqual([]);
    const moved = tell(other, 1, 2, { kind: 'voteRequest', last: at(2, 1), transfer: true }, 3);
    expect(moved.sendAfterPersist).toMatchObject([{ kind: 'voteReply', granted: true, term: 2 }]);
  });

  test('S65: late, when its log has gone on or is another one, does nothing', () => {
    for (const last of [at(1, 1), at(3, 1)]) {
      const core = follower();
      const effects = tell(core, 2, 1, { kind: 'timeoutNow', last });
      expect([effects.role, effects.sendAfterPersist]).toEqual([null, []]);
    }
    const behind = follower();
    tell(behind, 2, 1, append(at(2, 1), entriesOf(3, [1])));
    expect(tell(behind, 2, 1, told).role).toBeNull();
  });

  test('S65: by a leader of the past, or by somebody who does not lead its term, does nothing', () => {
    const core = follower({ term: 1 });
    expect(tell(core, 3, 1, told).role).toBeNull();
    tell(core, 3, 4, heartbeat());
    expect(tell(core, 2, 1, told)).toMatchObject({ role: null, sendNow: [], sendAfterPersist: [] });
    const led = leader();
    expect(tell(led, 2, 1, { kind: 'timeoutNow', last: at(1, 1) }).role).toBeNull();
  });

  test('by a leader whose term it did not know yet follows it there and campaigns in the next', () => {
    const core = follower();
    const effects = tell(core, 3, 5, told);
    expect(effects).toMatchObject({ role: { role: 'candidate', term: 6 }, hardState: hard(6, 1) });
  });

  test('S66: as a learner, or while a snapshot is being installed, does nothing', () => {
    const learner = makeCore({ id: 4, learners: [4], log: [1, 1] });
    expect(tell(learner, 2, 1, told, 4).role).toMatchObject({ role: 'follower', leader: 2 });
    const installing = follower();
    installing.step(snapshotFrom(2, 1, snapshotAt(9, 1)));
    expect(tell(installing, 2, 1, told).role).toBeNull();
  });
});
