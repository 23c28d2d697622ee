// What a member of the simulation is told of the world around it.

import type { Configurations } from './configurations.ts';
import type { Invariants } from './invariants.ts';
import type { Knobs } from './knobs.ts';
import type { Violate } from './ledger.ts';
import type { Marks } from './marks.ts';
import type { Peer, Running } from './peer.ts';
import type { Process } from './process.ts';
import type { Trace } from './trace.ts';
import type { TransportParts } from './transport.ts';
import type { VirtualTime } from './virtual-time.ts';

export interface Surroundings {
  readonly seed: number;
  readonly knobs: Knobs;
  readonly time: VirtualTime;
  readonly trace: Trace;
  readonly marks: Marks;
  readonly invariants: Invariants;
  readonly configurations: Configurations;
  readonly transport: TransportParts;
  readonly violate: Violate;
  /** The parts of a process are there and about to run: whatever is built upon them is made now, in that process. */
  readonly onStart: (member: Peer, process: Process, running: Running) => void;
  /** A member's process has ended; whoever looks after it may start it again. */
  readonly onDown: (member: Peer) => void;
}
