// Times and sizes of the driver with their defaults, and what they mean to the core in ticks.

import { assert } from '../base/assert.ts';
import type { CoreOptions } from './core/step.ts';
import type { Incarnation, MemberId } from './core/types.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** What the driver is told. Everything but the first four has a default that suits a group on one network. */
export interface DriverOptions {
  readonly self: MemberId;
  /** Of this member's data directory. */
  readonly incarnation: Incarnation;
  /** Milliseconds between heartbeats of a leader. */
  readonly heartbeatIntervalMs: number;
  /** Milliseconds without a leader before a member campaigns; randomised between once and twice this. */
  readonly electionTimeoutMs: number;
  readonly appendEntriesMax: number;
  readonly appendBytesMax: number;
  readonly inflightMax: number;
  /** Payload bytes in the log that are not committed yet; beyond it proposals are refused as overloaded. */
  readonly uncommittedBytesMax: number;
  /** Bytes of one proposal, at most. Must fit one frame of the transport. */
  readonly entryBytesMax: number;
  /** Proposals, and their payload bytes, without an outcome. */
  readonly proposalsMax: number;
  readonly proposalBytesMax: number;
  /** Callers of `read` without an outcome. */
  readonly readsMax: number;
  /** Messages from peers waiting for their step; more are dropped, as any network may. */
  readonly inboxMessagesMax: number;
  /** Inputs, and proposals, stepped in one turn; the event loop runs between two turns. */
  readonly turnInputsMax: number;
  readonly turnProposalsMax: number;
  /** Entries given to the state machine in one turn, and their payload bytes; one larger entry goes alone. */
  readonly applyEntriesMax: number;
  readonly applyBytesMax: number;
  /** A snapshot is taken after this many applied entries, or payload bytes, since the last one. */
  readonly snapshotEntries: number;
  readonly snapshotBytes: number;
  /** Entries kept in the log before the newest snapshot, so that a follower slightly behind needs no snapshot. */
  readonly trailingEntries: number;
  /** Milliseconds an orderly end waits for a disk that does not answer. */
  readonly closeDeadlineMs: number;
}

/** What has no default. */
type Required = 'self' | 'incarnation' | 'heartbeatIntervalMs' | 'electionTimeoutMs';

const DEFAULTS: Omit<DriverOptions, Required> = {
  appendEntriesMax: 512,
  appendBytesMax: MIB,
  inflightMax: 8,
  uncommittedBytesMax: 64 * MIB,
  entryBytesMax: 4 * MIB,
  proposalsMax: 4096,
  proposalBytesMax: 64 * MIB,
  readsMax: 4096,
  inboxMessagesMax: 4096,
  turnInputsMax: 256,
  turnProposalsMax: 512,
  applyEntriesMax: 128,
  applyBytesMax: MIB / 4,
  snapshotEntries: 10_000,
  snapshotBytes: 16 * MIB,
  trailingEntries: 1000,
  closeDeadlineMs: 5000,
};

/** Fills in the defaults and asserts that the whole makes sense (configuration is checked before it gets here). */
export function driverOptions(
  options: Pick<DriverOptions, Required> & Partial<DriverOptions>,
): DriverOptions {
  const whole = { ...DEFAULTS, ...options };
  assert(whole.heartbeatIntervalMs >= 2, 'a heartbeat interval is at least 2 ms');
  assert(
    whole.electionTimeoutMs >= 3 * whole.heartbeatIntervalMs,
    'an election timeout is at least three heartbeats',
  );
  assert(
    whole.entryBytesMax <= whole.uncommittedBytesMax,
    'one entry fits into the uncommitted part of the log',
  );
  assert(whole.snapshotEntries > 0 && whole.snapshotBytes > 0, 'snapshots are some entries apart');
  assert(whole.trailingEntries >= 0, 'the trailing window is not negative');
  assert(whole.turnInputsMax >= 1 && whole.turnProposalsMax >= 1, 'a turn takes something');
  assert(whole.applyEntriesMax >= 1 && whole.applyBytesMax >= 1, 'a turn applies something');
  return whole;
}

/** Ticks between two heartbeats. */
const HEARTBEAT_TICKS = 2;

/**
 * Milliseconds between two ticks: half a heartbeat. Coarser would send heartbeats late after a late tick; finer buys
 * only more distinct election timeouts, of which there are enough (electionTimeout / tick, 20 by default, in
 * processes whose ticks have random phases), and costs idle wake-ups, of which half a heartbeat means 40 a second.
 */
export function tickMs({ heartbeatIntervalMs }: Pick<DriverOptions, 'heartbeatIntervalMs'>): number {
  return heartbeatIntervalMs / HEARTBEAT_TICKS;
}

/** The core's view of the options. */
export function coreOptions(options: DriverOptions): CoreOptions {
  return {
    self: options.self,
    incarnation: options.incarnation,
    heartbeatTicks: HEARTBEAT_TICKS,
    electionTicks: Math.ceil(options.electionTimeoutMs / tickMs(options)),
    appendEntriesMax: options.appendEntriesMax,
    appendBytesMax: options.appendBytesMax,
    inflightMax: options.inflightMax,
    uncommittedBytesMax: options.uncommittedBytesMax,
    readsMax: options.readsMax,
  };
}
