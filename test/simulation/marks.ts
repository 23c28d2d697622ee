// Coverage marks: how often the rare paths were really taken. A long run in which one stays at zero proves less than it seems.

/** Every mark, with what it says happened. */
export const MARKS = {
  leaderElected: 'a member won an election',
  conflictTruncated: 'a follower cut entries that contradicted its leader',
  abaCompletion: 'a disk completion came for a log that had moved on',
  appendRejected: 'a leader was told that a log does not meet its own',
  staleReject: 'a rejection came that answered nothing outstanding',
  snapshotSent: 'a snapshot went over the network',
  snapshotInstalled: 'a snapshot replaced log and state',
  snapshotDuringAppend: 'a snapshot was taken while a group was on its way to the disk',
  snapshotUseless: 'a received snapshot brought nothing new',
  dedupHit: 'a request was committed twice and took effect once',
  readConfirmed: 'a linearizable read was answered',
  readRefused: 'a read was refused by a leader that could not confirm it',
  proposalUnknown: 'a proposal ended with an unknown outcome',
  overloaded: 'a proposal was refused as too much',
  crash: 'a process was killed',
  crashAtOperation: 'a process was killed at a chosen disk operation',
  powerLoss: 'a machine lost its power',
  pause: 'a process was frozen for a while',
  partition: 'links were cut',
  tornTailCut: 'a torn write was cut at start',
  firstBootInterrupted: 'a first boot was interrupted and started over',
  syncFailed: 'a sync failed',
  writeFailed: 'a write failed',
  diskFull: 'the disk was full',
  spaceLow: 'little space was free, or the next segment could not be prepared for want of it',
  diskHung: 'the disk hung for more than half an election timeout',
  copyLost: 'the durable copy of the state lost unsynced batches',
  copyUnusable: 'a damaged durable copy was found out and rebuilt',
  copyFailed: 'a write of the durable copy failed',
  stateRestored: 'a start rebuilt the state from a snapshot',
  snapshotNotInLog: 'a start reset the log to a received snapshot',
  learnerAdded: 'a learner was added',
  jointEntered: 'a joint membership was committed',
  jointLeft: 'a joint membership was left',
  jointLeftBySuccessor: 'a leader left a joint membership that another one had entered',
  configRolledBack: 'a membership that was not committed was taken back',
  memberRemoved: 'a member was removed',
  leaderRemoved: 'a leader removed itself',
  changeRefused: 'a change of members was refused',
  transferDone: 'the lead was handed over',
  transferAborted: 'handing the lead over was given up',
  lateTimeoutNow: 'a request to campaign came too late to count',
  wiped: 'a member came back without its disk',
  expelled: 'a member was told to stop for good',
  bitRot: 'a stored bit flipped',
  rotRefused: 'a member refused to start from a damaged disk',
  rotHarmless: 'a member started from a damaged disk without a loss',
} as const;

export type Mark = keyof typeof MARKS;

/** Counts of one run, or of many. */
export class Marks {
  readonly #counts = new Map<Mark, number>();

  hit(mark: Mark, count = 1): void {
    this.#counts.set(mark, (this.#counts.get(mark) ?? 0) + count);
  }

  count(mark: Mark): number {
    return this.#counts.get(mark) ?? 0;
  }

  /** Adds counts written by `toJSON`. */
  add(counts: Readonly<Record<string, number>>): void {
    for (const mark of markNames()) this.hit(mark, counts[mark] ?? 0);
  }

  /** Marks that never happened. */
  missing(): readonly Mark[] {
    return markNames().filter((mark) => this.count(mark) === 0);
  }

  toJSON(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
}

function markNames(): readonly Mark[] {
  return Object.keys(MARKS) as Mark[];
}
