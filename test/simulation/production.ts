// The one place where the simulator takes in the code under test: whoever plants a bug there changes what is imported here.

import { foundingMembership } from '../../src/raft/core/membership.ts';
import { RaftCore } from '../../src/raft/core/raft-core.ts';
import type { Effects, Input } from '../../src/raft/core/step.ts';
import { logIndex, memberId, term, type MemberId, type SnapshotMeta } from '../../src/raft/core/types.ts';

export { RaftCore } from '../../src/raft/core/raft-core.ts';
export { decodeMembership, sameMembership } from '../../src/raft/core/membership-codec.ts';
export { RaftDriver } from '../../src/raft/driver.ts';
export { driverOptions, tickMs } from '../../src/raft/driver-options.ts';
export { recover } from '../../src/raft/recovery.ts';
export { openSnapshotsTask, type SnapshotDirectory } from '../../src/raft/snapshot/directory.ts';
export { SnapshotFileReader } from '../../src/raft/snapshot/file-reader.ts';
export { openWalTask } from '../../src/raft/wal/open.ts';
export { outcome, runTask, type Task } from '../../src/base/task.ts';
export { openedCopy, readCopy } from '../../src/store/level-open.ts';
export { StoreStateMachine } from '../../src/store/state-machine.ts';
export { decodeTransaction, encodeTransaction } from '../../src/store/codec.ts';

/** Called after every step of every core. */
export type StepListener = (core: RaftCore, input: Input, effects: Effects) => void;

let stepListener: StepListener | null = null;

// The driver owns its core and shows it to nobody; watching the class is how the simulator sees every step.
// oxlint-disable-next-line typescript/unbound-method -- it is only called with its core, below
const { step } = RaftCore.prototype;
RaftCore.prototype.step = function watchedStep(this: RaftCore, input: Input): Effects {
  const effects = step.call(this, input);
  stepListener?.(this, input, effects);
  return effects;
};

/** Sets the one listener to the steps of all cores in this process; null for none. */
export function listenToSteps(listener: StepListener | null): void {
  stepListener = listener;
}

/** Where the simulated members would be. */
export function addressOf(member: MemberId): string {
  return `10.0.0.${member}:9379`;
}

/** What the log of a founding member starts from: everybody votes, nobody is bound to a data directory yet. */
export function foundingBase(members: readonly MemberId[]): SnapshotMeta {
  const addresses = new Map(members.map((member) => [member, addressOf(member)]));
  return { index: logIndex(0), term: term(0), membership: foundingMembership(addresses) };
}

/** What the log of a member that will join starts from: it knows nobody and campaigns never. */
export const JOINING_BASE: SnapshotMeta = {
  index: logIndex(0),
  term: term(0),
  membership: foundingMembership(new Map()),
};

/** The ids of a group of `count`. */
export function foundingMembers(count: number): readonly MemberId[] {
  return Array.from({ length: count }, (_, place) => memberId(place + 1));
}
