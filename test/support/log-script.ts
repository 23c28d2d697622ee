// Scripts of log operations with a model beside them: what the log must hold after each one.

import { type Random, createSeededRandom, randomBelow } from '../../src/base/random.ts';
import { foundingClusterId } from '../../src/raft/cluster-id.ts';
import {
  type Entry,
  type HardState,
  type RestoredState,
  type SnapshotMeta,
  logIndex,
  memberId,
  term,
} from '../../src/raft/core/types.ts';
import type { DurableLog, LogGroup } from '../../src/raft/ports.ts';
import { type OpenedWal, openWalTask } from '../../src/raft/wal/open.ts';
import { runTask } from '../../src/raft/wal/task.ts';
import { membership } from './raft-core/builders.ts';
import type { SimulatedDisk } from './simulated-disk.ts';

export const DATA_DIRECTORY = '/data';
export const SEGMENT_BYTES = 4096;
export const INITIAL_BASE: SnapshotMeta = {
  index: logIndex(0),
  term: term(0),
  membership: membership([1, 2, 3]),
};
export const INITIAL_STATE: RestoredState = {
  hardState: { term: term(0), votedFor: null },
  base: INITIAL_BASE,
  entries: [],
};

export type LogOperation =
  | { readonly kind: 'write'; readonly group: LogGroup }
  | { readonly kind: 'compact'; readonly base: SnapshotMeta }
  | { readonly kind: 'reset'; readonly base: SnapshotMeta };

/** What the log holds after `operation`. */
export function stateAfter(state: RestoredState, operation: LogOperation): RestoredState {
  switch (operation.kind) {
    case 'write': {
      const { hardState, truncateFrom, append } = operation.group;
      const kept = state.entries.filter((entry) => truncateFrom === null || entry.index < truncateFrom);
      return { ...state, hardState: hardState ?? state.hardState, entries: [...kept, ...append] };
    }
    case 'compact':
      return {
        ...state,
        base: operation.base,
        entries: state.entries.filter((entry) => entry.index > operation.base.index),
      };
    case 'reset':
      return { ...state, base: operation.base, entries: [] };
  }
}

/** A random operation that the protocol allows in `state`. */
export function randomOperation(random: Random, state: RestoredState): LogOperation {
  const last = state.entries.at(-1)?.index ?? state.base.index;
  const dice = randomBelow(random, 100);
  if (dice < 10 && state.entries.length > 0) {
    const { index, term: entryTerm } = pick(random, state.entries);
    return { kind: 'compact', base: { index, term: entryTerm, membership: INITIAL_BASE.membership } };
  }
  if (dice < 13) {
    const index = logIndex(state.base.index + randomBelow(random, 40));
    return {
      kind: 'reset',
      base: { index, term: state.hardState.term, membership: INITIAL_BASE.membership },
    };
  }
  const newTerm = randomBelow(random, 5) === 0;
  const hardState = newTerm ? nextHardState(random, state.hardState) : null;
  const truncates = hardState !== null && state.entries.length > 0 && randomBelow(random, 2) === 0;
  const truncateFrom = truncates ? pick(random, state.entries).index : null;
  const previous = truncateFrom === null ? last : truncateFrom - 1;
  const entryTerm = hardState?.term ?? state.hardState.term;
  const count = hardState === null ? 1 + randomBelow(random, 4) : randomBelow(random, 3);
  const append = Array.from({ length: count }, (_, place) =>
    randomEntry(random, previous + 1 + place, entryTerm),
  );
  return { kind: 'write', group: { hardState, truncateFrom, append } };
}

export interface Script {
  readonly operations: readonly LogOperation[];
  /** `states[n]` holds after n operations. */
  readonly states: readonly RestoredState[];
}

/** `count` operations after `from`, the same for the same seed; only those that are `wanted`. */
export function randomScript(
  seed: number,
  count: number,
  from: RestoredState = INITIAL_STATE,
  wanted: (operation: LogOperation) => boolean = () => true,
): Script {
  const random = createSeededRandom(seed);
  const operations: LogOperation[] = [];
  const states: RestoredState[] = [from];
  while (operations.length < count) {
    const state = states.at(-1)!;
    const operation = randomOperation(random, state);
    if (!wanted(operation)) continue;
    operations.push(operation);
    states.push(stateAfter(state, operation));
  }
  return { operations, states };
}

/** Opens the log on a simulated disk and lets everything settle; null when the disk crashed on the way. */
export function openOn(
  disk: SimulatedDisk,
  overrides: Partial<Parameters<typeof openWalTask>[0]> = {},
): OpenedWal | Error | null {
  const results: (OpenedWal | Error)[] = [];
  const options = {
    fileSystem: disk,
    directory: DATA_DIRECTORY,
    memberId: memberId(1),
    clusterId: foundingClusterId(['127.0.0.1:9379']),
    initialBase: INITIAL_BASE,
    clock: { monotonicMs: () => 0, wallMs: () => 0, setTimer: () => ({ cancel: () => undefined }) },
    random: createSeededRandom(7),
    segmentBytes: SEGMENT_BYTES,
    ...overrides,
  };
  runTask(openWalTask(options), (result) => results.push(result));
  disk.runUntilIdle();
  return results[0] ?? null;
}

/** As `openOn`, for a disk on which nothing goes wrong. */
export function mustOpen(disk: SimulatedDisk, overrides: Parameters<typeof openOn>[1] = {}): OpenedWal {
  const opened = openOn(disk, overrides);
  if (opened === null) throw new Error('the disk crashed');
  if (opened instanceof Error) throw opened;
  return opened;
}

/** Runs one operation and lets everything settle; undefined when it never completed. */
export function perform(
  disk: SimulatedDisk,
  log: DurableLog,
  operation: LogOperation,
): Error | null | undefined {
  const results: (Error | null)[] = [];
  const done = (error: Error | null): void => void results.push(error);
  if (operation.kind === 'write') log.write(operation.group, done);
  else log[operation.kind](operation.base, done);
  if (results.length > 0) throw new Error('completed inside the call');
  disk.runUntilIdle();
  if (results.length > 1) throw new Error('completed twice');
  return results[0];
}

/** Runs the operations in order until one does not succeed; returns how many were acknowledged. */
export function performAll(
  disk: SimulatedDisk,
  log: DurableLog,
  operations: readonly LogOperation[],
): number {
  const failed = operations.findIndex((operation) => perform(disk, log, operation) !== null);
  return failed === -1 ? operations.length : failed;
}

function nextHardState(random: Random, current: HardState): HardState {
  const vote = randomBelow(random, 3);
  return {
    term: term(current.term + 1 + randomBelow(random, 2)),
    votedFor: vote === 0 ? null : memberId(vote),
  };
}

/** Mostly small, sometimes most of a segment, rarely more than one. */
function randomEntry(random: Random, index: number, entryTerm: Entry['term']): Entry {
  const dice = randomBelow(random, 40);
  const bytes = dice === 0 ? 6000 : dice < 4 ? 2000 : randomBelow(random, 300);
  const data = Uint8Array.from({ length: bytes }, () => random.uint32() & 0xff);
  const kinds = ['command', 'noop', 'config'] as const;
  return { index: logIndex(index), term: entryTerm, kind: kinds[randomBelow(random, 3)]!, data };
}

function pick<T>(random: Random, items: readonly T[]): T {
  return items[randomBelow(random, items.length)]!;
}
