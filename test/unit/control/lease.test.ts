// Leases: who is waited for, and until when; and what is said of an old master.

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import type { Result } from '../../../src/base/result.ts';
import type { EvidenceKind } from '../../../src/control/evidence.ts';
import { explain, type Gate } from '../../../src/control/explain.ts';
import { type Choice, chooseByHand, floorOf } from '../../../src/control/failover-by-hand.ts';
import type { LeaseAnswer } from '../../../src/control/lease-memory.ts';
import { findNode } from '../../../src/topology/cluster.ts';
import { lookAt } from '../../../src/control/situation.ts';
import { INTERVAL_MS, Scene, actionsOf, only } from './scene.ts';

const LEASE_MS = 20_000;
/** A lease by the slowest clock, and what a leader that does not know yet that it is none may take for a renewal. */
const OVER_MS = 21_000;
const OTHER_MS = 1_000;
const RENEWED: LeaseAnswer = { kind: 'renewed', mode: 'block-write' };
const EXPOSED =
  /it is silent and has no lease.*: clients that still reach it may write to it until it is told; those writes are lost$/;

/** A shard of two, with leases, looked at twice by a leader that has led for long. */
function leased(leaseMs = LEASE_MS): Scene {
  const scene = new Scene(1, 2);
  scene.settings = { ...scene.settings, leaseMs };
  scene.leadSinceMs = scene.nowMs - 1_000_000;
  scene.rounds(2);
  expect(scene.decide().actions).toEqual([]);
  return scene;
}

function letGo(scene: Scene): void {
  const { address } = findNode(scene.cluster, scene.id(0, 0))!.node;
  scene.tell({ kind: 'leaseLetGo', node: scene.id(0, 0), address });
}

function answer(scene: Scene, answered: LeaseAnswer): void {
  const { address } = findNode(scene.cluster, scene.id(0, 0))!.node;
  scene.tell({
    kind: 'leaseAnswered',
    node: scene.id(0, 0),
    address,
    endedAtMs: scene.nowMs,
    answer: answered,
  });
}

function silence(scene: Scene): Scene {
  scene.fail(scene.id(0, 0), 'hang');
  scene.rounds(5);
  return scene;
}

function replaced(scene: Scene): boolean {
  scene.glance(scene.id(0, 0));
  return actionsOf(scene.decide(), 'commit').some(({ reasons }) =>
    reasons.some(({ kind }) => kind === 'failover'),
  );
}

/** What the commit that replaces it says of the old master. */
function saidOf(scene: Scene): string {
  scene.glance(scene.id(0, 0));
  const [reason] = only(scene.decide(), 'commit').reasons;
  if (reason?.kind !== 'failover') throw new Error('a failover is expected');
  return reason.text.replace(/^.*\. The old master: /, '');
}

function gate(scene: Scene): Gate | undefined {
  scene.glance(scene.id(0, 0));
  return explain(lookAt(scene), scene.cluster.shards[0]!).gates.find((each) => each.gate === 'lease');
}

function ask(scene: Scene, isForced: boolean): Result<Choice, string> {
  const askedAtMs = scene.nowMs;
  scene.round();
  const situation = lookAt(scene);
  const floor = floorOf(situation, scene.cluster.shards[0]!, askedAtMs);
  return chooseByHand(situation, {
    shardIndex: 0,
    preferred: null,
    isForced,
    askedAtMs,
    floor,
    canDrain: false,
  });
}

describe('a silent master that had a lease', () => {
  test('is waited for until that is over by the slowest clock, counted from the end of the last renewal; then it is said to take no writes', () => {
    const scene = leased();
    letGo(scene);
    scene.nowMs += 100;
    answer(scene, RENEWED);
    const overAtMs = scene.nowMs + OVER_MS;
    silence(scene);
    const waiting = scene.decide();
    expect(waiting.actions).toEqual([]);
    // The look that comes after that ends with it.
    expect(waiting.wakeAtMs).toBe(overAtMs - 550);
    scene.nowMs = overAtMs - 550;
    expect(scene.decide()).toMatchObject({ wakeAtMs: overAtMs, urgent: new Set([scene.id(0, 0)]) });
    expect(waiting.problems).toMatchObject([
      { kind: 'masterUnreachable', detail: expect.stringMatching(/Waiting: its lease may last still/) },
    ]);
    expect(gate(scene)).toMatchObject({ verdict: 'wait', leftMs: overAtMs - scene.nowMs });
    expect(explain(lookAt(scene), scene.cluster.shards[0]!)).toMatchObject({
      verdict: 'waiting',
      next: null,
    });
    scene.nowMs = overAtMs - 1;
    expect(replaced(scene)).toBe(false);
    scene.nowMs = overAtMs;
    expect(gate(scene)).toMatchObject({ verdict: 'pass' });
    expect(explain(lookAt(scene), scene.cluster.shards[0]!).why).toMatch(/so it takes no writes$/);
    expect(saidOf(scene)).toBe('it is silent and its lease is over, so it takes no writes');
  });

  test('is waited for while a renewal is under way, however long', () => {
    const scene = leased();
    answer(scene, RENEWED);
    letGo(scene);
    silence(scene);
    scene.nowMs += 10 * OVER_MS;
    expect(replaced(scene)).toBe(false);
    expect(gate(scene)).toMatchObject({ verdict: 'wait', leftMs: null });
    answer(scene, { kind: 'unsent', why: 'no link' });
    expect(replaced(scene)).toBe(true);
  });

  test('and whose last renewal had no reply is not said to be closed for certain', () => {
    const scene = leased();
    answer(scene, RENEWED);
    silence(scene);
    scene.nowMs += OVER_MS;
    answer(scene, { kind: 'unanswered', mode: 'block-write', why: 'no reply' });
    expect(replaced(scene)).toBe(false);
    scene.nowMs += OVER_MS;
    expect(saidOf(scene)).toMatch(/lease is over, but the last renewal had no reply; if that takes effect/);
  });

  test('and a process that may be another one since is waited for all the same, and not said to be closed', () => {
    const scene = leased();
    answer(scene, RENEWED);
    const overAtMs = scene.nowMs + OVER_MS;
    scene.fail(scene.id(0, 0), 'connectionLost');
    scene.round();
    silence(scene);
    expect(replaced(scene)).toBe(false);
    scene.nowMs = overAtMs;
    expect(saidOf(scene)).toMatch(/a lease that it may have had is over; if it had none, clients/);
  });

  test('does not hold back what follows: two shards go each in its time', () => {
    const scene = new Scene(2, 2);
    scene.settings = { ...scene.settings, leaseMs: LEASE_MS };
    scene.leadSinceMs = scene.nowMs - 1_000_000;
    scene.rounds(2);
    scene.decide();
    answer(scene, RENEWED);
    scene.fail(scene.id(1, 0), 'hang');
    silence(scene);
    const { reasons } = only(scene.decide(), 'commit');
    expect(reasons).toMatchObject([{ kind: 'failover', shardIndex: 1 }]);
  });
});

describe('a leader that does not know of a lease', () => {
  test('counts from its beginning, and what one before it may still have sent then', () => {
    const scene = leased();
    scene.changeLeader();
    const beganAtMs = scene.nowMs;
    silence(scene);
    scene.nowMs = beganAtMs + OTHER_MS + OVER_MS - 1;
    expect(replaced(scene)).toBe(false);
    expect(scene.decide().wakeAtMs).toBe(scene.nowMs + 1);
    scene.nowMs += 1;
    expect(saidOf(scene)).toMatch(/a lease that it may have had is over; if it had none/);
  });

  test('and has renewed it itself waits for the later of both', () => {
    const scene = leased();
    scene.changeLeader();
    const beganAtMs = scene.nowMs;
    scene.rounds(2);
    scene.decide();
    answer(scene, RENEWED);
    const renewedAtMs = scene.nowMs;
    silence(scene);
    scene.nowMs = Math.max(beganAtMs + OTHER_MS, renewedAtMs) + OVER_MS - 1;
    expect(replaced(scene)).toBe(false);
    scene.nowMs += 1;
    expect(replaced(scene)).toBe(true);
  });

  test('has nothing to wait for where leases are off', () => {
    const scene = leased(0);
    scene.changeLeader();
    silence(scene);
    expect(scene.nowMs - scene.leadSinceMs).toBeLessThan(OVER_MS);
    expect(saidOf(scene)).toMatch(EXPOSED);
  });
});

describe('not waited for', () => {
  test.each<[string, LeaseAnswer]>([
    ['a server that knows none', { kind: 'none', why: 'knows no leases', isLasting: true }],
    ['one that only logs', { kind: 'renewed', mode: 'other' }],
    ['one that only logs, without a reply', { kind: 'unanswered', mode: 'other', why: '' }],
    [
      'one that was a replica',
      { kind: 'none', why: 'was a replica when it was last asked', isLasting: false },
    ],
  ])('%s: who reaches it is said to write to it', (_, answered) => {
    const scene = leased();
    scene.changeLeader();
    scene.rounds(2);
    scene.decide();
    answer(scene, RENEWED);
    answer(scene, answered);
    silence(scene);
    const said = saidOf(scene);
    expect(said).toMatch(EXPOSED);
    expect(said).toContain('(it ');
  });

  test('a process that is gone, by the word of a majority', () => {
    const scene = leased();
    scene.panel = { self: 1, voters: [[1, 2, 3]] };
    answer(scene, RENEWED);
    scene.fail(scene.id(0, 0), 'connectionRefused');
    scene.set(scene.id(0, 1), { link: 'down' });
    const hear = (kind: EvidenceKind): void => {
      scene.round();
      const words = [{ observer: 2, kind, why: kind, askedAtMs: scene.nowMs }];
      const inquired = { endedAtMs: scene.nowMs, words: new Map([[scene.id(0, 0), words]]), isOver: true };
      scene.tell({ kind: 'inquired', ...inquired });
    };
    for (let round = 0; round < 4; round += 1) hear('silent');
    expect(replaced(scene)).toBe(false);
    hear('refused');
    expect(saidOf(scene)).toBe('its process is gone, so it takes no writes');
  });

  test('one that has lost its data, or answers at all', () => {
    const scene = leased();
    answer(scene, RENEWED);
    scene.set(scene.id(0, 0), { sequence: 40 });
    scene.rounds(2);
    expect(saidOf(scene)).toMatch(
      /^it answers and is told as soon as its successor is; what clients write to it until then is lost$/,
    );
  });
});

describe('a master that answers', () => {
  test('and whose lease is over is told, until it was renewed, or is not there any more', () => {
    const scene = leased();
    answer(scene, RENEWED);
    scene.nowMs += LEASE_MS - INTERVAL_MS;
    scene.probe(scene.id(0, 0));
    expect(scene.problems()).toEqual([]);
    scene.nowMs += INTERVAL_MS;
    scene.probe(scene.id(0, 0));
    expect(scene.decide().problems).toMatchObject([
      { kind: 'leaseExpired', detail: expect.stringMatching(/last renewed 20 s ago: it takes no writes$/) },
    ]);
    scene.fail(scene.id(0, 0), 'wrongPassword');
    scene.probe(scene.id(0, 0));
    expect(scene.problems()).toContain('leaseExpired');
    scene.fail(scene.id(0, 0), 'hang');
    scene.probe(scene.id(0, 0));
    expect(scene.problems()).not.toContain('leaseExpired');
    scene.answers.set(scene.id(0, 0), scene.converged(scene.id(0, 0)));
    scene.probe(scene.id(0, 0));
    answer(scene, RENEWED);
    expect(scene.problems()).toEqual([]);
  });
});

describe('by hand', () => {
  test('a master that does not answer is waited for, also by force, with the time that is left', () => {
    for (const isForced of [false, true]) {
      const scene = leased();
      answer(scene, RENEWED);
      const overAtMs = scene.nowMs + OVER_MS;
      silence(scene);
      const refused = ask(scene, isForced);
      const left = Math.ceil((overAtMs - scene.nowMs) / 1000);
      expect(refused).toMatchObject({
        ok: false,
        error: expect.stringMatching(new RegExp(`its lease may last still.*ask again in ${left} s$`)),
      });
      scene.nowMs = overAtMs;
      const done = ask(scene, isForced);
      expect(done.ok && done.value.action.reasons).toMatchObject([
        { text: expect.stringMatching(/The old master: it is silent and its lease is over, so it takes no/) },
      ]);
    }
  });

  test('one that answered the looks before, and not this one, is silent', () => {
    const scene = leased(0);
    scene.answers.delete(scene.id(0, 0));
    const done = ask(scene, true);
    expect(done.ok && done.value.action.reasons).toMatchObject([
      { text: expect.stringMatching(/The old master: it is silent and has no lease/) },
    ]);
  });

  test('one that lives is replaced by force at once, and it is said that it takes writes until it is told', () => {
    const scene = leased();
    answer(scene, RENEWED);
    const done = ask(scene, true);
    expect(done.ok && done.value.action.reasons).toMatchObject([
      { text: expect.stringMatching(/The old master: it answers and is told as soon as/) },
    ]);
  });
});

test('whatever comes in whatever order, no silent master is replaced before every renewal that was let go is over', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(OVER_MS) }),
    fc.record({ kind: fc.constant('renew' as const), tookMs: fc.nat(1000), isAnswered: fc.boolean() }),
    fc.constant({ kind: 'lost' as const }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 8 }), (steps) => {
      const scene = leased();
      let endMs = -Infinity;
      for (const each of steps) {
        if (each.kind === 'pass') scene.nowMs += each.ms;
        else if (each.kind === 'renew') {
          letGo(scene);
          scene.nowMs += each.tookMs;
          answer(scene, each.isAnswered ? RENEWED : { kind: 'unanswered', mode: 'block-write', why: '' });
          endMs = scene.nowMs + LEASE_MS;
        } else {
          scene.fail(scene.id(0, 0), 'connectionLost');
          scene.probe(scene.id(0, 0));
        }
      }
      silence(scene);
      for (let round = 0; round < 40 && !replaced(scene); round += 1) scene.nowMs += INTERVAL_MS / 2;
      expect(scene.nowMs).toBeGreaterThanOrEqual(endMs);
    }),
    { numRuns: 50 },
  );
});
