// The one predicate for a living link, which elections, problems, notes and failovers by hand share.

import { expect, test } from 'vitest';

import { isLivingLink, linkFault } from '../../../src/control/link.ts';
import type { NodeReport } from '../../../src/control/observation.ts';
import { Scene } from './scene.ts';

const SETTINGS = {
  pingIntervalMs: 1000,
  maxPingCount: 3,
  restartGraceMs: 800,
  lagMax: 1000,
  switchoverTimeoutMs: 2000,
  coolDownMs: 0,
  aliveSizeMin: 10,
  failureRatioMax: 0.6,
  leaseMs: 0,
};

function replica(change: Partial<NodeReport>): NodeReport {
  const scene = new Scene(1, 2);
  return { ...scene.converged(scene.id(0, 1)), ...change };
}

test.each<[Partial<NodeReport>, string | null]>([
  [{ link: 'up', lastIoSeconds: 0 }, null],
  [{ link: 'up', lastIoSeconds: 10 }, null],
  [{ link: 'up', lastIoSeconds: 11 }, 'its link says "up", but it last heard from its master 11 s ago'],
  [{ link: 'up', lastIoSeconds: null }, 'it has never heard from its master'],
  [{ link: 'down', lastIoSeconds: 0 }, 'its link to the master is down'],
  [{ link: 'up', syncInProgress: true }, 'a full synchronisation is going on'],
])('KB1: a link that says %j has the fault %j', (change, fault) => {
  const report = replica(change);
  expect(linkFault(report, SETTINGS)).toBe(fault);
  expect(isLivingLink(report, SETTINGS)).toBe(fault === null);
});

test('KB1: where probes are far apart it may be silent for three of their intervals', () => {
  const settings = { ...SETTINGS, pingIntervalMs: 20_000 };
  expect(isLivingLink(replica({ lastIoSeconds: 60 }), settings)).toBe(true);
  expect(isLivingLink(replica({ lastIoSeconds: 61 }), settings)).toBe(false);
});
