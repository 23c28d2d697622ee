// What the driver works with, put together by whoever starts a member.

import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/logger.ts';
import type { Random } from '../base/random.ts';
import type { DurableLog, ExpulsionReason, SnapshotStore, StateMachine, Transport } from './ports.ts';
import type { Scheduler } from './scheduler.ts';

/** The driver is the only user of `log`, `snapshots` (but for reception) and `stateMachine.apply`. */
export interface DriverParts {
  readonly log: DurableLog;
  readonly snapshots: SnapshotStore;
  readonly stateMachine: StateMachine;
  readonly transport: Transport;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly logger: Logger;
  /** Called once, with the first fault. The process must end: nothing here is retried or repaired. */
  readonly onFatal: (error: Error) => void;
  /**
   * Called once, when this member may not take part any more: it was removed, or its id belongs to another data
   * directory. It disturbs nobody meanwhile; the process should end and say what to do.
   */
  readonly onExpelled: (reason: ExpulsionReason) => void;
}
