// What members know of each other: enough to deliver something to the process that is running there, if any.

import type { Incarnation, MemberId } from '../../src/raft/core/types.ts';
import type { SimulatedDisk } from './disk.ts';
import type { Observed } from './invariants.ts';
import type { Process } from './process.ts';
import type { RaftDriver, SnapshotDirectory, StoreStateMachine } from './production.ts';

/** The parts of a process that has started. */
export interface Running {
  readonly driver: RaftDriver;
  readonly machine: StoreStateMachine;
  readonly snapshots: SnapshotDirectory;
}

export interface Peer extends Observed {
  readonly id: MemberId;
  readonly disk: SimulatedDisk;
  /** Of the data directory of the running process; null when none has got that far. */
  readonly incarnation: Incarnation | null;
  readonly process: Process | null;
  readonly running: Running | null;
  /** Members whose snapshots are being received; a second transfer of one is refused. */
  readonly receivingFrom: Set<MemberId>;
  /** The running parts, if `process` is still the one that runs. */
  runningIn(process: Process): Running | null;
}
