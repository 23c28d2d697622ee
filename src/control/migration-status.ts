// What both ends of a migration say about its job, and what may be concluded from it.

import { type MigrationPlace, replicasOf } from '../topology/cluster.ts';
import { type ClusterFacts, UNSEEN_NODE, withNodeFacts } from '../topology/facts.ts';
import { equalRanges, printSlotRange } from '../topology/slot.ts';
import type { Shard } from '../topology/types.ts';
import type { MigrationMemory } from './memory.ts';
import { isFresh } from './sight.ts';
import { type NodeView, type Situation, masterView, nodeName, viewOf } from './situation.ts';

/**
 * What a source's last report says of the job: `running`, `succeeded`, `failed` are of exactly these slots and this destination; `busy`: another
 * job runs; `idle`: none of these, as after a restart; `unknown`: no report.
 */
export type SourceState = 'unknown' | 'idle' | 'busy' | 'running' | 'succeeded' | 'failed';

/** The same for the target, which does not know the source. `succeeded` only where it cannot be of an earlier move. */
export type TargetState = 'unknown' | 'idle' | 'running' | 'succeeded' | 'failed';

export interface MigrationView {
  readonly place: MigrationPlace;
  readonly memory: MigrationMemory;
  readonly source: NodeView;
  readonly target: NodeView;
  readonly sourceState: SourceState;
  readonly targetState: TargetState;
  /** The source answered after the last MIGRATE ended, and none is on its way: what it says is of now. */
  readonly isSourceCurrent: boolean;
  /**
   * The source said that its job failed, and nothing was sent to it since: it never turned clients away and has the newest writes, also when it
   * was restarted or is away now and the target reports a success whose reply was lost.
   */
  readonly isKeptAtSource: boolean;
  /** The target answers and has nothing of what it imported: it lost its data, or is on a disk to which nothing was ever written. */
  readonly isTargetEmptied: boolean;
}

/** Tells a migration from an earlier one of the same shard. */
export function migrationKey({ migration }: MigrationPlace): string {
  return `${migration.range.start}-${migration.range.stop}/${migration.target}/${migration.startedAtSeconds}`;
}

export function newMigrationMemory(key: string): MigrationMemory {
  return {
    key,
    failures: 0,
    nextAtMs: -Infinity,
    request: null,
    failed: null,
    sawTargetUnmarked: false,
    targetSucceeded: null,
    runningSinceMs: null,
    succeededSinceMs: null,
    lastError: '',
  };
}

export function viewMigration(situation: Situation, place: MigrationPlace): MigrationView {
  const key = migrationKey(place);
  const known = situation.memory.migrations.get(place.source.id);
  const memory = known?.key === key ? known : newMigrationMemory(key);
  const source = masterView(situation, place.source);
  const target = masterView(situation, place.target);
  const requestEndMs = memory.request === null ? -Infinity : memory.request.endedAtMs;
  const told = sourceStateOf(source, target, place);
  // What it said once stays true, also when a restart has made it forget: the slots are with the target.
  const sourceState = told === 'idle' && memory.succeededSinceMs !== null ? 'succeeded' : told;
  return {
    place,
    memory,
    source,
    target,
    sourceState,
    targetState: targetStateOf(target, place, memory),
    isSourceCurrent: requestEndMs !== null && isFresh(source, requestEndMs),
    isKeptAtSource: memory.request === null && (sourceState === 'failed' || memory.failed !== null),
    isTargetEmptied: isEmptied(target),
  };
}

function sourceStateOf(source: NodeView, target: NodeView, { migration }: MigrationPlace): SourceState {
  const { report } = source;
  if (report === null) return 'unknown';
  const job = report.sourceJob;
  if (job === null) return 'idle';
  const isOurs = equalRanges(job.range, migration.range) && job.destination === target.node.id;
  if (!isOurs) return job.state === 'start' ? 'busy' : 'idle';
  switch (job.state) {
    case 'start':
      return 'running';
    case 'success':
      return 'succeeded';
    case 'fail':
      return 'failed';
    default:
      return 'idle';
  }
}

/**
 * Whether a master has nothing of what it had: it lost its data, or is a process that knows neither itself nor any write. That stays so until it
 * is told a topology, which is why that waits (`heldNodes`).
 */
export function isEmptied({ condition, report, loss }: NodeView): boolean {
  if (loss !== null) return true;
  return condition === 'answering' && report !== null && report.version < 0 && report.sequence === 0;
}

/**
 * Whether the target may serve the slots without owning them: its last report shows an import of exactly them, finished or not. It serves them
 * from its success on, also when the source never hears of that and has it drop the data again, until it is told a higher version.
 */
export function mayServeImport(target: NodeView, { migration }: MigrationPlace): boolean {
  const job = target.report?.targetJob ?? null;
  return job !== null && equalRanges(job.range, migration.range);
}

/**
 * A master that hung and was replaced, as far as anybody knows still with MIGRATE before it: whenever it goes on it carries that out before it hears of
 * anything (facts section 8), and a target that has just got the same slots from its successor, or gets them, deletes them for it. Null when there is none.
 */
export function lateMover(situation: Situation, shard: Shard): NodeView | null {
  return (
    replicasOf(shard)
      .map(({ id }) => viewOf(situation, id))
      .find(mayMoveLate) ?? null
  );
}

/**
 * Whether this is such a master; one that has gone on is at it for as long as it says so, and is not told to follow before that (`target.ts`). One whose
 * copy was condemned meanwhile has no mark of a master any more.
 */
export function mayMoveLate({ node, facts, report, memory: { absence, look } }: NodeView): boolean {
  if (absence === null && look !== null) return report?.sourceJob?.state === 'start';
  const isUnseen = absence === null || absence.kind === 'silent';
  return isUnseen && (facts.following === node.id || facts.remake !== null);
}

/** What is said of such a master where something waits for it. */
export function lateMoverText(late: NodeView): string {
  if (late.memory.absence === null && late.memory.look !== null)
    return `${nodeName(late)} was replaced while it did not answer, and is at a move still that it was asked for before: that ends by itself, within minutes`;
  return (
    `${nodeName(late)} was replaced while it did not answer, and may carry out a move that it was asked for whenever it goes on: ` +
    'start it again, or remove it if it is gone for good'
  );
}

/**
 * An import that a target holds open, as a sentence; null when there is none. Its source may have given it up long ago: the target learns of that with
 * the end of the connection, which comes through minutes after a cut, and then deletes the slots, also where a later move has brought them meanwhile
 * (slot_import.cc, StopForLinkError).
 */
export function openImportText(target: NodeView): string | null {
  const job = target.report?.targetJob ?? null;
  if (job === null || job.state !== 'start') return null;
  return (
    `${nodeName(target)} still takes in slots ${printSlotRange(job.range)} from a source that sends none any more: that ends with its connection, ` +
    'within minutes unless that source hangs; to have it sooner, restart that node'
  );
}

/** Whether the target's last report shows a finished import of exactly these slots, of whatever time. */
export function isTargetMarked(target: NodeView, { migration }: MigrationPlace): boolean {
  const job = target.report?.targetJob ?? null;
  return job !== null && job.state === 'success' && equalRanges(job.range, migration.range);
}

function targetStateOf(target: NodeView, place: MigrationPlace, memory: MigrationMemory): TargetState {
  const { stage, range } = place.migration;
  if (target.report === null) return 'unknown';
  const job = target.report.targetJob;
  if (job === null || !equalRanges(job.range, range)) {
    // As of a source: a restart makes it forget, and leaves the slots and what was written to them.
    return memory.targetSucceeded === target.node.id ? 'succeeded' : 'idle';
  }
  switch (job.state) {
    case 'start':
      return 'running';
    case 'success':
      return stage.kind === 'started' && (!stage.isTargetMarked || memory.sawTargetUnmarked)
        ? 'succeeded'
        : 'idle';
    case 'error':
      return 'failed';
    default:
      return 'idle';
  }
}

/**
 * Whether it is certain that no job runs and that no success waits to be recorded. Until then neither end may hear of a higher version:
 * it ends a job at the target and undoes a success at the source (facts sections 5.4, 11).
 */
export function isSettled(view: MigrationView): boolean {
  if (view.place.migration.stage.kind === 'planned') return true;
  if (!view.isSourceCurrent || view.targetState === 'succeeded') return false;
  return view.sourceState === 'idle' || view.sourceState === 'failed';
}

/**
 * Where a master stands that slots came to is written down with the move: what was known of its position before says nothing of them, and a
 * replica that reached that may have none of them.
 */
export function withArrival(
  facts: ClusterFacts,
  { node, condition, loss, report }: NodeView,
  nowSeconds: number,
): ClusterFacts {
  const known = facts.nodes.get(node.id) ?? UNSEEN_NODE;
  const sequence = report?.sequence ?? 0;
  const isSound = condition === 'answering' && loss === null && report?.role === 'master';
  if (!isSound || known.remake !== null || sequence <= (known.sequence ?? 0)) return facts;
  return withNodeFacts(facts, node.id, {
    sequence,
    following: node.id,
    seenAtSeconds: nowSeconds,
    remake: null,
  });
}
