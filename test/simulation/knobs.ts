// What kind of run a seed is: sizes and times driven to their extremes, and the fault classes that are on (swarm testing).

import type { Random } from '../../src/base/random.ts';
import type { DriverOptions } from '../../src/raft/driver-options.ts';
import { between, chance, childRandom, pick } from './prng.ts';

/** Everything that can go wrong; a seed enables a random part of it. */
export const FAULTS = [
  'loss',
  'duplication',
  'reordering',
  'slowLinks',
  'partition',
  'clientLoss',
  'crash',
  'powerLoss',
  'crashAtOperation',
  'pause',
  'clockRate',
  'syncFailure',
  'writeFailure',
  'hang',
  'diskFull',
  'copyFailure',
  'copyDamage',
  'bitRot',
  'wipe',
  'membership',
  'transfer',
] as const;

export type Fault = (typeof FAULTS)[number];

/** The fixed properties of one run. Times in milliseconds of virtual time. */
export interface Knobs {
  readonly faults: ReadonlySet<Fault>;
  /** How long faults go on before everything is healed. */
  readonly faultyMs: number;
  /** Mean time between two disturbances. */
  readonly nemesisMs: number;
  readonly driver: Omit<DriverOptions, 'self' | 'incarnation'>;
  readonly segmentBytes: number;
  /** Mean durations. */
  readonly syncMs: number;
  readonly copySyncMs: number;
  readonly linkMs: number;
  /** Shares of batches of messages. */
  readonly lossShare: number;
  readonly duplicationShare: number;
  readonly reordering: boolean;
  readonly clientLossShare: number;
  readonly clients: number;
  readonly keys: number;
  /** Mean pause of a client between two operations. */
  readonly thinkMs: number;
  /** Largest value in bytes. */
  readonly valueBytesMax: number;
}

/** The knobs of `seed`. */
export function knobsOf(seed: number): Knobs {
  const random = childRandom(seed, 'knobs');
  const faults = chosenFaults(random);
  const has = (fault: Fault): boolean => faults.has(fault);
  const electionTimeoutMs = pick(random, [300, 500, 1000]);
  return {
    faults,
    faultyMs: between(random, 4, 12) * electionTimeoutMs,
    nemesisMs: between(random, 0.4, 2) * electionTimeoutMs,
    driver: driverKnobs(random, electionTimeoutMs),
    segmentBytes: pick(random, [4096, 4096, 8192, 32_768]),
    syncMs: pick(random, [0.2, 1, 5, 20]),
    copySyncMs: pick(random, [0.5, 10]),
    linkMs: pick(random, [0.2, 1, 5, 15]),
    lossShare: has('loss') ? between(random, 0.01, 0.3) : 0,
    duplicationShare: has('duplication') ? between(random, 0.01, 0.5) : 0,
    reordering: has('reordering'),
    clientLossShare: has('clientLoss') ? between(random, 0.02, 0.3) : 0,
    clients: pick(random, [2, 3, 5]),
    keys: pick(random, [1, 3, 8]),
    thinkMs: pick(random, [5, 20, 60, 150]),
    valueBytesMax: pick(random, [30, 30, 300, 3000]),
  };
}

function driverKnobs(random: Random, electionTimeoutMs: number): Knobs['driver'] {
  const uncommittedBytesMax = pick(random, [8000, 1_000_000]);
  return {
    electionTimeoutMs,
    heartbeatIntervalMs: electionTimeoutMs / pick(random, [4, 6, 10]),
    appendEntriesMax: pick(random, [1, 2, 16, 512]),
    appendBytesMax: pick(random, [200, 100_000]),
    inflightMax: pick(random, [1, 2, 8]),
    uncommittedBytesMax,
    entryBytesMax: uncommittedBytesMax,
    proposalsMax: pick(random, [4, 4096]),
    proposalBytesMax: pick(random, [uncommittedBytesMax, 10_000_000]),
    readsMax: pick(random, [2, 4096]),
    inboxMessagesMax: pick(random, [16, 4096, 4096]),
    turnInputsMax: pick(random, [1, 8, 256]),
    turnProposalsMax: pick(random, [1, 8, 512]),
    applyEntriesMax: pick(random, [1, 3, 256]),
    applyBytesMax: pick(random, [100, 250_000]),
    closeDeadlineMs: 5000,
    snapshotEntries: pick(random, [5, 20, 20, 100, 10_000]),
    snapshotBytes: pick(random, [20_000, 10_000_000]),
    trailingEntries: pick(random, [0, 0, 3, 30]),
  };
}

/** Mostly a random half; sometimes nothing, one alone, or everything. */
function chosenFaults(random: Random): ReadonlySet<Fault> {
  if (chance(random, 1 / 20)) return new Set();
  if (chance(random, 1 / 10)) return new Set([pick(random, FAULTS)]);
  if (chance(random, 1 / 20)) return new Set(FAULTS);
  const share = between(random, 0.1, 0.7);
  return new Set(FAULTS.filter(() => chance(random, share)));
}
