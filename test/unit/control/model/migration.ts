// Slots on their way between two masters, with their data (facts section 5).

import { createSeededRandom, randomBelow } from '../../../../src/base/random.ts';
import { type Result, ok } from '../../../../src/base/result.ts';
import type { NodeError } from '../../../../src/control/observation.ts';
import { equalRanges } from '../../../../src/topology/slot.ts';
import type { NodeId, Slot, SlotRange } from '../../../../src/topology/types.ts';
import { writesOfSlot } from './log.ts';
import { type ModelNode, type TopologyCommand, failure } from './node.ts';
import type { Row } from './topology-text.ts';
import type { Job, World } from './world.ts';

/** Of the moves that succeed at their targets. */
const REPLY_LOST_PERCENT = 10;

/** What MIGRATE asks of a source. */
export interface MigrateRequest {
  readonly range: SlotRange;
  readonly target: NodeId;
}

/** CLUSTERX MIGRATE (facts section 5.1). */
export function migrate(world: World, source: ModelNode, request: MigrateRequest): Result<void, NodeError> {
  const { range, target: targetId } = request;
  const isRunning = world.jobs.some((job) => job.source === source && job.state === 'running');
  const row = targetOf(world, source, { ...request, isRunning });
  if (!row.ok) return row;
  const target = world.listenerAt(row.value.address);
  if (target === null || !takesImport(world, target, range)) {
    source.sourceJob = { range, destination: targetId, state: 'fail' };
    return ok(undefined);
  }
  begin(world, { source, target, targetId, range, state: 'running' });
  return ok(undefined);
}

/** Where the source would move the slots to; or what it says at once. `isRunning`: it has a job already. */
export function targetOf(
  world: World,
  source: ModelNode,
  { range, target, isRunning }: MigrateRequest & { readonly isRunning: boolean },
): Result<Row, NodeError> {
  const row = source.rows.get(target);
  if (source.id === null || source.role !== 'master' || row === undefined) return failure('refused');
  if (world.slotsIn(range).some((slot) => source.owners.get(slot) !== source.id)) return failure('refused');
  if (isRunning) return failure('migrationRunning');
  const { forbidden } = source;
  if (forbidden !== null && forbidden.start <= range.stop && range.start <= forbidden.stop) {
    return failure('alreadyMigrated');
  }
  return ok(row);
}

function takesImport(world: World, target: ModelNode, range: SlotRange): boolean {
  return (
    mayImport(world, target, range) &&
    !world.jobs.some((job) => job.target === target && job.state === 'running')
  );
}

/** Whether a target lets slots in, unless it has an import already. */
export function mayImport(world: World, target: ModelNode, range: SlotRange): boolean {
  if (target.life !== 'up' || target.role !== 'master' || target.version < 0) return false;
  if (target.isLoading(world.nowMs)) return false;
  return world.slotsIn(range).every((slot) => target.owners.get(slot) !== target.id);
}

/** The target first deletes what it has of the slots, unless it is at them already (slot_import.cc, Start). */
export function beginImport(world: World, target: ModelNode, range: SlotRange): void {
  const isAtIt = target.targetJob?.state === 'start' && equalRanges(target.targetJob.range, range);
  target.targetJob = { range, state: 'start' };
  // Exactly what it gave away comes back: writes are taken again, and the job is shown no more.
  if (target.forbidden !== null && equalRanges(target.forbidden, range)) {
    target.forbidden = null;
    target.sourceJob = null;
  }
  for (const slot of world.slotsIn(range)) {
    if (!isAtIt) target.log.clear(slot);
    // What it takes beside the copy from now on is in the way of it: it should have been told before.
    const earlier = target.imported.get(slot);
    if (earlier !== undefined) target.imported.set(slot, { ...earlier, isUnheard: false });
  }
}

/** The copy begins, and half of it is there in any case. */
function begin(world: World, job: Job): void {
  const { source, target, range } = job;
  world.jobs.push(job);
  source.sourceJob = { range, destination: job.targetId, state: 'start' };
  beginImport(world, target, range);
  for (const slot of world.slotsIn(range)) {
    const writes = [...writesOfSlot(source.log.view, slot)];
    for (const write of writes.slice(0, writes.length / 2)) target.log.put(write, slot);
  }
  world.note(() => `${source.name} begins to move ${range.start}-${range.stop} to ${target.name}`);
}

/** One round of all jobs. */
export function advanceJobs(world: World, failPercent: number): void {
  for (const job of world.jobs) {
    if (job.state !== 'running') continue;
    if (job.target.life === 'hung') fail(world, job);
    else if (job.source.life === 'up' && world.chance(15)) {
      if (world.chance(failPercent)) fail(world, job);
      else if (isReplyLost(world, job)) succeedUnheard(world, job);
      else succeed(world, job);
    }
  }
  if (world.jobs.length > 0 && world.jobs.every((job) => job.state !== 'running')) world.jobs.length = 0;
}

/** A chance of its own, so that those of the step stay what they are. */
function isReplyLost({ nowMs }: World, { source }: Job): boolean {
  return randomBelow(createSeededRandom(nowMs + source.log.sequence), 100) < REPLY_LOST_PERCENT;
}

/**
 * The target takes the slots over, and its reply is lost: the source gives the job up and says so to the target, which drops the data and serves
 * the slots all the same; or cannot say so.
 */
function succeedUnheard(world: World, job: Job): void {
  const { source, target, range } = job;
  const isTargetTold = (world.nowMs + source.log.sequence) % 2 === 0;
  job.state = 'failed';
  source.sourceJob = { range, destination: job.targetId, state: 'fail' };
  source.forbidden = null;
  target.targetJob = { range, state: isTargetTold ? 'error' : 'success' };
  for (const slot of world.slotsIn(range)) {
    target.imported.set(slot, { atMs: world.nowMs, source: source.address, isUnheard: true });
    if (isTargetTold) target.log.clear(slot);
    else copySlot(source, target, slot);
  }
  world.note(
    () => `${source.name} never hears that ${target.name} has taken over ${range.start}-${range.stop}`,
  );
}

/** Gives each write that the target lacked, with its sequence number there. */
function copySlot(
  source: ModelNode,
  target: ModelNode,
  slot: Slot,
): readonly { readonly write: number; readonly end: number }[] {
  const known = writesOfSlot(target.log.view, slot);
  const missing = [...writesOfSlot(source.log.view, slot)].filter((write) => !known.has(write));
  return missing.map((write) => ({ write, end: target.log.put(write, slot) }));
}

function succeed(world: World, job: Job): void {
  const { source, target, range } = job;
  for (const slot of world.slotsIn(range)) {
    for (const { write, end } of copySlot(source, target, slot))
      world.ledger.arrived(write, { target: job.targetId, atMs: world.nowMs, end });
    source.handedOver.add(slot);
    target.imported.set(slot, { atMs: world.nowMs, source: source.address, isUnheard: false });
  }
  world.ledger.handedOver({ source, target, slots: new Set(world.slotsIn(range)), atMs: world.nowMs });
  job.state = 'succeeded';
  source.forbidden = range;
  source.sourceJob = { range, destination: job.targetId, state: 'success' };
  target.targetJob = { range, state: 'success' };
  world.note(() => `${source.name} has moved ${range.start}-${range.stop} to ${target.name}`);
  world.onMoment('handOver', world.chance(50) ? source : target);
}

/** An end that is dead has forgotten the job, and keeps what it had of the copy (facts section 5.5). */
function fail(world: World, job: Job): void {
  const { source, target, range } = job;
  job.state = 'failed';
  if (source.life !== 'dead') {
    source.sourceJob = { range, destination: job.targetId, state: 'fail' };
    source.forbidden = null;
  }
  if (target.life !== 'dead') {
    target.targetJob = { range, state: 'error' };
    for (const slot of world.slotsIn(range)) target.log.clear(slot);
  }
  world.note(() => `the move of ${range.start}-${range.stop} from ${source.name} to ${target.name} fails`);
}

/** Ends the jobs in which a dead node took part. That one of its jobs failed while the target says success, nobody knows any more. */
export function failJobsOf(world: World, node: ModelNode): void {
  for (const job of world.jobs) {
    if (job.state === 'running' && (job.source === node || job.target === node)) fail(world, job);
  }
  for (const { imported, targetJob } of world.nodes) {
    if (targetJob?.state !== 'success') continue;
    for (const [slot, { atMs, source, isUnheard }] of imported)
      if (isUnheard && source === node.address) world.ledger.forgotFailure({ node, slot, atMs });
  }
}

/** SETNODES with what it does to jobs: a higher version ends an import, a change of the role ends the move (facts sections 5.4, 5.5). */
export function setNodes(world: World, node: ModelNode, command: TopologyCommand): Result<void, NodeError> {
  const { version, role } = node;
  const result = node.setNodes(command, world.nowMs);
  if (!result.ok || (node.version === version && !command.isForced)) return result;
  for (const job of world.jobs) {
    if (job.state !== 'running') continue;
    if (job.target === node || (job.source === node && node.role !== role)) fail(world, job);
  }
  return result;
}
