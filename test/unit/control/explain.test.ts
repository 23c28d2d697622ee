// Why a master is replaced, or not: said by the functions that decide it.

import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import {
  type EvidenceKind,
  type ReplicasWord,
  type Testimony,
  isMajority,
  leftMs,
  presenceOf,
  validWords,
} from '../../../src/control/evidence.ts';
import { type Explanation, explain } from '../../../src/control/explain.ts';
import { lookAt } from '../../../src/control/situation.ts';
import { INTERVAL_MS, Scene } from './scene.ts';

function explained(scene: Scene, index = 0): Explanation {
  return explain(lookAt(scene), scene.cluster.shards[index]!);
}

function verdicts({ gates }: Explanation): Record<string, string> {
  return Object.fromEntries(gates.map(({ gate, verdict }) => [gate, verdict]));
}

/** A shard whose master is the first of three nodes, in a group of three controllers that see `kind` of it, if anything. */
function missed(kind: EvidenceKind | null, answer: 'hang' | 'connectionRefused' = 'hang'): Scene {
  const scene = new Scene(1, 3);
  scene.panel = { self: 1, voters: [[1, 2, 3]] };
  scene.rounds(2);
  scene.fail(scene.id(0, 0), answer);
  if (answer === 'connectionRefused')
    for (const index of [1, 2]) scene.set(scene.id(0, index), { link: 'down' });
  hear(scene, kind);
  return scene;
}

/** One more round, and then the word of controller 2. */
function hear(scene: Scene, kind: EvidenceKind | null): void {
  scene.round();
  const askedAtMs = scene.nowMs;
  const words = kind === null ? [] : [{ observer: 2, kind, why: kind, askedAtMs }];
  scene.tell({
    kind: 'inquired',
    endedAtMs: scene.nowMs,
    words: new Map([[scene.id(0, 0), words]]),
    isOver: true,
  });
}

test('a master that answers is healthy, and no gate behind that is reached', () => {
  const scene = new Scene(1, 2);
  scene.rounds(2);
  const { verdict, why, next, gates, witnesses } = explained(scene);
  expect({ verdict, why, next }).toEqual({ verdict: 'healthy', why: 'the master answers', next: null });
  expect(gates.map((gate) => gate.verdict)).toEqual([
    'block',
    ...Array.from({ length: 6 }, () => 'notReached'),
  ]);
  expect(witnesses).toEqual([{ by: 1, saw: 'answered', ageMs: 0 }]);
});

test('one that only this controller misses waits for the others, and is blocked by one that it answers', () => {
  expect(verdicts(explained(missed(null)))).toEqual({
    missed: 'pass',
    confirmed: 'wait',
    replicas: 'notReached',
    time: 'notReached',
    lease: 'notReached',
    candidate: 'notReached',
    restraint: 'notReached',
  });
  const seen = explained(missed('answered'));
  expect(verdicts(seen)).toMatchObject({ confirmed: 'block' });
  expect(seen).toMatchObject({ verdict: 'blocked', why: 'it answers controller 2' });
});

test('one that a majority misses waits for its time, of which the rest is told, and is replaced by whom it says', () => {
  const scene = missed('silent');
  const waiting = explained(scene);
  expect(waiting).toMatchObject({ verdict: 'waiting', next: null });
  expect(verdicts(waiting)).toMatchObject({ confirmed: 'pass', replicas: 'pass', time: 'wait' });
  expect(waiting.gates.find(({ gate }) => gate === 'time')?.leftMs).toBeGreaterThan(0);
  for (let round = 0; round < 2; round += 1) hear(scene, 'silent');
  const due = explained(scene);
  expect(due.verdict).toBe('due');
  expect(Object.values(verdicts(due)).every((verdict) => verdict === 'pass')).toBe(true);
  const [reason] = scene.commit().reasons;
  expect(reason).toMatchObject({ kind: 'failover', to: due.next?.node, text: due.why });
});

test('a process that is gone has its grace, and candidates their reasons', () => {
  const scene = missed('refused', 'connectionRefused');
  scene.set(scene.id(0, 2), { sequence: -1 });
  hear(scene, 'refused');
  const waiting = explained(scene);
  expect(waiting.gates.find(({ gate }) => gate === 'time')).toMatchObject({
    evidence: expect.stringMatching(/its process is gone: it has 600 s to be back/),
  });
  expect(waiting.candidates.map(({ verdict, reason }) => [verdict, reason])).toEqual([
    ['eligible', expect.stringMatching(/sequence 100/)],
    ['refused', 'its sequence is -1, which cannot be'],
  ]);
});

test('one without anybody to take over is blocked, with the reason that the problem tells', () => {
  const scene = missed('silent');
  for (const index of [1, 2]) scene.set(scene.id(0, index), { sequence: -1 });
  for (let round = 0; round < 3; round += 1) hear(scene, 'silent');
  const blocked = explained(scene);
  expect(blocked.verdict).toBe('blocked');
  expect(verdicts(blocked)).toMatchObject({ time: 'pass', candidate: 'block' });
  const told = scene.decide().problems.find(({ kind }) => kind === 'masterUnreachable');
  expect(blocked.why).toBe(told?.detail);
});

test('the gates are those of the verdict: a majority, no word of a replica, and time, or a stranger', () => {
  const kinds = fc.constantFrom<EvidenceKind>('answered', 'refused', 'silent', 'stranger', 'ownFault');
  const settings = {
    pingIntervalMs: INTERVAL_MS,
    maxPingCount: 3,
    restartGraceMs: 800,
    lagMax: 1000,
    switchoverTimeoutMs: 2000,
    coolDownMs: 0,
    aliveSizeMin: 10,
    failureRatioMax: 0.6,
    leaseMs: 0,
  };
  const testimonies: fc.Arbitrary<Testimony> = fc.record({
    own: fc.record({
      kind: fc.constantFrom<EvidenceKind>('refused', 'silent', 'stranger'),
      lastedMs: fc.nat(6000),
      ofKindMs: fc.nat(6000),
      looks: fc.integer({ min: 1, max: 9 }),
    }),
    words: fc.uniqueArray(
      fc.record({ observer: fc.integer({ min: 2, max: 5 }), kind: kinds, ageMs: fc.nat(6000) }),
      {
        selector: ({ observer }) => observer,
      },
    ),
    replicas: fc.constantFrom<ReplicasWord>('heard', 'linked', 'unasked', 'none'),
    panel: fc.constant({ self: 1, voters: [[1, 2, 3]] }),
  });
  fc.assert(
    fc.property(testimonies, (testimony) => {
      const presence = presenceOf(testimony, settings);
      const words = validWords(testimony, settings);
      const isConfirmed =
        isMajority(testimony.panel, words) && words.every(({ kind }) => kind !== 'answered');
      const isOver = testimony.replicas !== 'heard' && leftMs(testimony, settings) <= 0;
      expect(presence === 'silent' || presence === 'gone').toBe(
        isConfirmed && (isOver || presence === 'gone'),
      );
      if (presence === 'gone') expect(words.every(({ kind }) => kind === 'stranger')).toBe(true);
    }),
  );
});
