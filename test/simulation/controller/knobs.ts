// What kind of run a seed is: times, sizes and the faults that are on (swarm testing).

import type { Random } from '../../../src/base/random.ts';
import type { ControlSettings } from '../../../src/control/settings.ts';
import type { Fault as GroupFault, Knobs as GroupKnobs } from '../knobs.ts';
import { between, chance, childRandom, integerBetween, pick } from '../prng.ts';

/** What can go wrong with the controllers: of the faults of a group those that leave its disks and clocks alone. */
const GROUP_FAULTS = [
  'loss',
  'duplication',
  'reordering',
  'slowLinks',
  'partition',
  'crash',
  'powerLoss',
  'crashAtOperation',
  'pause',
  'hang',
  'copyFailure',
  'transfer',
] as const satisfies readonly GroupFault[];

/** What can go wrong with nodes and the links to them, and what people ask for. */
export const FLEET_FAULTS = [
  'kill',
  'killShard',
  'hang',
  'stuck',
  'slowNode',
  'cutLeader',
  'cutLeaderFromAll',
  'cutController',
  'cutFromControllers',
  'isolateNode',
  'cutNodes',
  'cutClients',
  'failover',
  'forcedFailover',
  'addReplica',
  'removeReplica',
  'automation',
  'maintenance',
  'priority',
  'ambush',
] as const;

export type FleetFault = (typeof FLEET_FAULTS)[number];

/** The fixed properties of one run. Times in milliseconds of virtual time. */
export interface Knobs {
  readonly members: number;
  readonly group: GroupKnobs;
  readonly settings: ControlSettings;
  readonly shards: number;
  /** Nodes a shard, its master included. */
  readonly nodes: number;
  readonly faults: ReadonlySet<FleetFault>;
  /** Mean time between two disturbances of the fleet. */
  readonly nemesisMs: number;
  /** Mean delay on a link to a node. */
  readonly linkMs: number;
  readonly clients: number;
  /** Mean pause of a client between two writes. */
  readonly thinkMs: number;
  /** The longest full synchronisation. */
  readonly syncMsMax: number;
  /** Nodes in reserve, and seconds after which one takes the place of a replica that is missed; none in most runs. */
  readonly spares: number;
  readonly replaceAfterSeconds: number;
  /** How long a pause of the automation lasts in which a master dies and stays away; null where the two come as they come. */
  readonly wishMs: number | null;
  /** Slots move between shards, and shards are added: how; null where nothing moves. */
  readonly moving: Moving | null;
}

/** What people do with slots. Times in milliseconds. */
export interface Moving {
  /** Mean time between two requests. */
  readonly meanMs: number;
  readonly cancelShare: number;
  readonly addShardShare: number;
  /** Of the stages of a move that something strikes. */
  readonly ambushShare: number;
  /** The longest that the data of a job goes over. */
  readonly copyMsMax: number;
  /** Slots move by tasks; null where each move is asked for alone. */
  readonly tasks: Tasking | null;
}

/** What people ask for with tasks. */
export interface Tasking {
  /** Of the requests that pause, resume, cancel or retry a task. */
  readonly wishShare: number;
  /** Of the others that add shards, or empty and remove them. */
  readonly scaleShare: number;
  /** Slots of one job at most. */
  readonly batch: number;
}

/** From this seed on masters have leases: those below do what they did before there were any. */
export const LEASED_FROM = 1_000_000;

/** From this seed on no master has a lease, and masters die while people hold failovers back, for longer than anything announced may take. */
export const WISHFUL_FROM = 2_000_000;

/** From this seed on slots move, in every run, with all other faults as usual, and some masters have leases. */
export const MIGRATING_FROM = 3_000_000;

/** From this seed on slots move by tasks: many at once, evened out, to new shards and out of old ones. */
export const TASKS_FROM = 4_000_000;

/** How long such a wish lasts, and its dead master stays away: most of a run that is long enough for it. */
const WISH_MS = 30_000;

/** The knobs of `seed`. */
export function knobsOf(seed: number): Knobs {
  const random = childRandom(seed, 'controller knobs');
  const isMigrating = seed >= MIGRATING_FROM;
  const isWishful = seed >= WISHFUL_FROM && !isMigrating;
  const isLeased = isMigrating ? seed % 4 === 3 : seed >= LEASED_FROM && !isWishful;
  return {
    members: pick(random, [3, 3, 3, 5]),
    group: groupKnobs(random, isWishful ? WISH_MS : 0),
    settings: {
      pingIntervalMs: pick(random, [300, 500, 1000]),
      maxPingCount: pick(random, [2, 3, 4, 6]),
      restartGraceMs: pick(random, [0, 300, 800, 3000]),
      lagMax: pick(random, [5, 50, 10_000]),
      switchoverTimeoutMs: pick(random, [500, 2000]),
      coolDownMs: pick(random, [0, 5000]),
      aliveSizeMin: 4,
      failureRatioMax: pick(random, [0.6, 1]),
      leaseMs: isLeased ? pick(random, [2000, 4000, 10_000]) : 0,
    },
    shards: isMigrating ? pick(random, [2, 2, 3]) : pick(random, [1, 2, 2, 3]),
    nodes: pick(random, [2, 3, 3]),
    faults: fleetFaults(random, isWishful ? ['automation'] : []),
    nemesisMs: between(random, 800, 4000),
    linkMs: pick(random, [0.2, 1, 5]),
    clients: integerBetween(random, 2, 5),
    thinkMs: pick(random, [20, 40, 80, 200]),
    syncMsMax: pick(random, [300, 300, 3000]),
    spares: seed % 3 === 1 ? pick(random, [1, 2, 3]) : 0,
    replaceAfterSeconds: pick(random, [1, 2, 5]),
    wishMs: isWishful ? WISH_MS : null,
    moving: isMigrating ? movingKnobs(childRandom(seed, 'moving knobs'), seed >= TASKS_FROM) : null,
  };
}

/** What strikes in the midst of a change is mostly there: it needs other faults to have an occasion. */
function fleetFaults(random: Random, always: readonly FleetFault[]): ReadonlySet<FleetFault> {
  const faults = new Set([...chosen(random, FLEET_FAULTS), ...always]);
  if (faults.size > 0 && chance(random, 0.5)) faults.add('ambush');
  return faults;
}

function movingKnobs(random: Random, isTasked: boolean): Moving {
  return {
    meanMs: pick(random, [800, 1500, 3000]),
    cancelShare: pick(random, [0, 0.1, 0.3]),
    addShardShare: pick(random, [0, 0.05, 0.15]),
    ambushShare: pick(random, [0, 0.1, 0.3]),
    copyMsMax: isTasked ? pick(random, [200, 1000, 4000]) : 4000,
    tasks: isTasked ? taskingKnobs(random) : null,
  };
}

function taskingKnobs(random: Random): Tasking {
  return {
    wishShare: pick(random, [0, 0.2, 0.5]),
    scaleShare: pick(random, [0.1, 0.3, 0.6]),
    batch: pick(random, [1, 3, 300, 16_384]),
  };
}

function groupKnobs(random: Random, longerMs: number): GroupKnobs {
  const faults = new Set<GroupFault>(chosen(random, GROUP_FAULTS));
  const electionTimeoutMs = pick(random, [600, 1000]);
  return {
    faults,
    faultyMs: between(random, 8000, 30_000) + longerMs,
    nemesisMs: between(random, 2000, 9000),
    driver: driverKnobs(random, electionTimeoutMs),
    segmentBytes: pick(random, [32_768, 131_072]),
    syncMs: pick(random, [0.5, 2, 10]),
    copySyncMs: pick(random, [0.5, 10]),
    linkMs: pick(random, [0.2, 1, 5]),
    lossShare: faults.has('loss') ? between(random, 0.01, 0.15) : 0,
    duplicationShare: faults.has('duplication') ? between(random, 0.01, 0.3) : 0,
    reordering: faults.has('reordering'),
    clientLossShare: 0,
    clients: 0,
    keys: 1,
    thinkMs: 1000,
    valueBytesMax: 1,
  };
}

function driverKnobs(random: Random, electionTimeoutMs: number): GroupKnobs['driver'] {
  return {
    electionTimeoutMs,
    heartbeatIntervalMs: electionTimeoutMs / 5,
    appendEntriesMax: pick(random, [1, 16, 512]),
    appendBytesMax: pick(random, [200, 1_000_000]),
    inflightMax: pick(random, [1, 8]),
    uncommittedBytesMax: 1_000_000,
    entryBytesMax: 1_000_000,
    proposalsMax: 4096,
    proposalBytesMax: 10_000_000,
    readsMax: 4096,
    inboxMessagesMax: 4096,
    turnInputsMax: pick(random, [1, 256]),
    turnProposalsMax: pick(random, [1, 512]),
    applyEntriesMax: pick(random, [1, 128]),
    applyBytesMax: 250_000,
    closeDeadlineMs: 5000,
    snapshotEntries: pick(random, [10, 40, 10_000]),
    snapshotBytes: 10_000_000,
    trailingEntries: pick(random, [0, 5, 1000]),
  };
}

/** Mostly a random part; sometimes nothing, or everything. */
function chosen<T>(random: Random, all: readonly T[]): readonly T[] {
  if (chance(random, 1 / 15)) return [];
  if (chance(random, 1 / 20)) return all;
  const share = between(random, 0.1, 0.6);
  return all.filter(() => chance(random, share));
}
