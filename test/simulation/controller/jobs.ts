// MIGRATE in virtual time: data goes over for a while, then writes are refused, then the target takes the slots over and the source hears of it;
// and what becomes of that when an end dies, hangs, is cut off or is told something else (facts sections 5.1 to 5.5, 11).

import type { Random } from '../../../src/base/random.ts';
import { type Result, ok } from '../../../src/base/result.ts';
import type { NodeError } from '../../../src/control/observation.ts';
import { equalRanges, printSlotRange } from '../../../src/topology/slot.ts';
import type { NodeAddress, NodeId, NodeRole, Slot, SlotRange } from '../../../src/topology/types.ts';
import { writesOfSlot } from '../../unit/control/model/log.ts';
import { type MigrateRequest, beginImport, mayImport, targetOf } from '../../unit/control/model/migration.ts';
import type { World } from '../../unit/control/model/world.ts';
import { between, chance, childRandom, pick } from '../prng.ts';
import type { FleetNode } from './fleet-node.ts';

/** Without a reply for so long a source gives its job up (facts section 5.5). */
const SILENCE_MS = 2070;
/** How long writes are refused, at least. */
const CLOSED_MS_MAX = 700;
/** How much later than the end of a cut the end of a connection comes through, at most: it is sent again at growing intervals (RFC 6298, section 5). */
const LATE_END_MS_MAX = 3000;
/** How long a connection is tried to be made without an answer (six repetitions, tcp(7), tcp_syn_retries). */
const CONNECT_MS_MAX = 127_000;

/** A write as it came to the target. */
export interface Copied {
  readonly write: number;
  readonly slot: Slot;
  /** The target's sequence number after it. */
  readonly end: number;
}

/** One connection from a source to a target. Times in virtual milliseconds. */
export interface Job {
  readonly source: FleetNode;
  readonly target: FleetNode;
  readonly targetId: NodeId;
  readonly range: SlotRange;
  /** The processes that have it. */
  readonly sourceLife: number;
  readonly targetLife: number;
  /** As the source sees it: `asking` is the hand-over itself. */
  phase: 'connecting' | 'copying' | 'closing' | 'asking' | 'succeeded' | 'failed';
  /** The present phase ends no sooner. */
  untilMs: number;
  /** When the source last had a reply. */
  heardMs: number;
  /** The target has let it in. */
  isBegun: boolean;
  /** A target that hung was sent the last word of it: it is done when that goes on. */
  isAsked: boolean;
  /** The target has come to its success. */
  isTaken: boolean;
  /** The target was told something else: it turns away whatever comes. */
  isRefused: boolean;
  /** What the source says when it gives up reaches the target, too. */
  readonly isFailureSent: boolean;
  /** The target hears of the end no sooner. */
  endsMs: number;
  /** The target has ended the connection itself. */
  isEnded: boolean;
  readonly copied: Copied[];
  /** What is still to be copied, and up to where the source's log was looked through. */
  readonly left: { readonly write: number; readonly slot: Slot }[];
  position: number;
}

/** Of a fleet. */
export interface JobNodes {
  readonly world: World;
  readonly nowMs: number;
  at(address: NodeAddress): FleetNode;
  isBusy(node: FleetNode): boolean;
}

export interface JobsParts {
  readonly seed: number;
  readonly fleet: JobNodes;
  /** How long the data goes over, at least: up to this, milliseconds. */
  readonly copyMsMax: number;
  readonly isOpen: (one: FleetNode, other: FleetNode) => boolean;
  /** Slots are now served by the target. */
  readonly onTaken: (job: Job) => void;
  /** The source has heard of the success, or has given the job up. */
  readonly onEnded: (job: Job, outcome: 'success' | 'fail') => void;
  /** A phase begins. */
  readonly onPhase: (job: Job) => void;
  /** A node was told another version while it is an end of a job of which no end is known. */
  readonly onTold: (job: Job, node: FleetNode) => void;
}

export class Jobs {
  readonly #parts: JobsParts;
  readonly #random: Random;
  readonly #ends: Random;
  readonly #writesATick: number;
  #jobs: Job[] = [];

  constructor(parts: JobsParts) {
    this.#parts = parts;
    this.#random = childRandom(parts.seed, 'jobs');
    this.#ends = childRandom(parts.seed, 'ends');
    this.#writesATick = pick(this.#random, [3, 10, 30]);
  }

  /** CLUSTERX MIGRATE: queued, nothing was asked at the target yet (facts section 5.1). */
  migrate(node: FleetNode, request: MigrateRequest): Result<void, NodeError> {
    const { fleet } = this.#parts;
    const isRunning = this.#jobs.some(
      ({ source, sourceLife, phase }) => source === node && sourceLife === node.lives && !isOver(phase),
    );
    const row = targetOf(fleet.world, node.model, { ...request, isRunning });
    if (!row.ok) return row;
    const target = fleet.at(row.value.address);
    const { range, target: targetId } = request;
    node.model.sourceJob = { range, destination: targetId, state: 'start' };
    const job: Job = {
      source: node,
      target,
      targetId,
      range,
      sourceLife: node.lives,
      targetLife: target.lives,
      phase: 'connecting',
      untilMs: 0,
      heardMs: fleet.nowMs,
      isBegun: false,
      isAsked: false,
      isTaken: false,
      isRefused: false,
      isFailureSent: chance(this.#random, 0.5),
      endsMs: -Infinity,
      isEnded: false,
      copied: [],
      left: [],
      position: 0,
    };
    this.#jobs.push(job);
    this.#say(job, 'begins');
    return ok(undefined);
  }

  /** One round of all jobs. */
  advance(): void {
    if (this.#jobs.length === 0) return;
    void this.#parts.fleet.nowMs;
    this.#jobs = this.#jobs.filter((job) => this.#step(job));
  }

  /** A node has another version: an import ends when it next hears of it, a source that is no master any more gives its job up (facts section 5.5). */
  told(node: FleetNode, before: { readonly role: NodeRole }): void {
    for (const job of this.#jobs) {
      // Also what its source has given up, and left on its way: it is turned away once the target was told.
      if (job.target === node && !job.isTaken) job.isRefused = true;
      if (isOver(job.phase) || (job.source !== node && job.target !== node)) continue;
      // Of a source that ended nothing more can come of it.
      if (job.source.lives === job.sourceLife) this.#parts.onTold(job, node);
      // One that is still to reach its target hears of nothing else before it does.
      const isConnecting = job.phase === 'connecting' && job.untilMs === Infinity;
      const isOther = node.model.role !== before.role && job.sourceLife === node.lives;
      if (job.source === node && isOther && !isConnecting) this.#giveUp(job);
    }
  }

  /** CLIENT KILL of all connections that came to a node. */
  endClients(node: FleetNode): void {
    for (const job of this.#jobs) if (isOpenAt(node, job)) this.#kill(job);
  }

  /** CLIENT KILL of those whose last word is that of an import that is over. */
  endImports(node: FleetNode): void {
    for (const job of this.#jobs) if (isOpenAt(node, job) && job.isTaken) this.#kill(job);
  }

  /** What is sent over it comes to nothing; a reply that is on its way arrives. */
  #kill(job: Job): void {
    this.#end(job);
    job.isEnded = true;
    if (!job.isTaken) job.isRefused = true;
  }

  /** False when nobody has anything to do with it any more. */
  #step(job: Job): boolean {
    const { fleet, isOpen } = this.#parts;
    const { source, target } = job;
    const { nowMs } = fleet;
    if (isOver(job.phase) || source.lives !== job.sourceLife) return this.#abandon(job);
    if (source.model.life === 'hung' || fleet.isBusy(source)) {
      job.heardMs = nowMs;
      return true;
    }
    const isReached = isOpen(source, target);
    if (isReached && (target.lives !== job.targetLife || target.model.life === 'dead')) {
      this.#giveUp(job);
      return true;
    }
    if (!isReached || target.model.life !== 'up' || fleet.isBusy(target)) {
      const isReady = job.phase === 'closing' && job.left.length === 0 && nowMs >= job.untilMs;
      if (isReady && isReached && target.model.life === 'hung') job.isAsked = true;
      if (job.phase === 'connecting' && !isReached) {
        job.untilMs = Infinity;
        if (nowMs - job.heardMs > CONNECT_MS_MAX) this.#giveUp(job);
        return true;
      }
      if (nowMs - job.heardMs > SILENCE_MS) this.#giveUp(job);
      return true;
    }
    // As the end of one, the beginning of a connection is sent again at growing intervals.
    if (job.untilMs === Infinity) job.untilMs = nowMs + between(this.#ends, 0, LATE_END_MS_MAX);
    if (job.phase === 'connecting' && nowMs < job.untilMs) return true;
    job.heardMs = nowMs;
    if (job.isRefused) this.#giveUp(job);
    else this.#progress(job);
    return true;
  }

  #progress(job: Job): void {
    const { fleet, onEnded } = this.#parts;
    const { source, target, range, phase } = job;
    switch (phase) {
      case 'connecting':
        if (isImportingOther(target, range) || !mayImport(fleet.world, target.model, range)) {
          this.#giveUp(job);
          return;
        }
        job.isBegun = true;
        beginImport(fleet.world, target.model, range);
        if (source.model.role !== 'master') {
          this.#fail(job);
          this.#giveUp(job);
          return;
        }
        this.#readSource(job);
        this.#enter(job, 'copying', this.#parts.copyMsMax);
        return;
      case 'copying':
        this.#copy(job);
        if (fleet.nowMs < job.untilMs || job.left.length > this.#writesATick) return;
        source.model.forbidden = range;
        this.#enter(job, 'closing', CLOSED_MS_MAX);
        return;
      case 'closing':
        this.#copy(job);
        if (fleet.nowMs < job.untilMs || job.left.length > 0) return;
        this.#enter(job, 'asking', 0);
        this.#take(job);
        return;
      case 'asking':
        for (const slot of fleet.world.slotsIn(range)) source.model.handedOver.add(slot);
        source.model.sourceJob = { range, destination: job.targetId, state: 'success' };
        this.#say(job, 'succeeds');
        job.phase = 'succeeded';
        onEnded(job, 'success');
        return;
      default:
    }
  }

  #enter(job: Job, phase: Job['phase'], atMostMs: number): void {
    job.phase = phase;
    job.untilMs = this.#parts.fleet.nowMs + between(this.#random, 0, atMostMs);
    this.#say(job, `is ${phase}`);
    this.#parts.onPhase(job);
  }

  #readSource(job: Job): void {
    const { view } = job.source.model.log;
    for (const slot of this.#parts.fleet.world.slotsIn(job.range)) {
      for (const write of writesOfSlot(view, slot)) job.left.push({ write, slot });
    }
    job.position = view.length;
  }

  #copy(job: Job): void {
    const { source, target, range, left, copied } = job;
    const { view } = source.model.log;
    for (; job.position < view.length; job.position += 1) {
      const entry = view.entries[job.position];
      if (entry?.kind === 'put' && entry.slot >= range.start && entry.slot <= range.stop) left.push(entry);
    }
    for (const { write, slot } of left.splice(0, this.#writesATick))
      copied.push({ write, slot, end: target.model.log.put(write, slot) });
  }

  /** The target takes the slots over: it serves them, though its topology gives them to somebody else (facts section 5.3). */
  #take(job: Job): void {
    const { fleet, onTaken } = this.#parts;
    const { source, target, range } = job;
    const arrival = { atMs: fleet.nowMs, source: source.address, isUnheard: false };
    for (const slot of fleet.world.slotsIn(range)) target.model.imported.set(slot, arrival);
    target.model.targetJob = { range, state: 'success' };
    job.isTaken = true;
    this.#say(job, 'is taken over');
    onTaken(job);
  }

  #giveUp(job: Job): void {
    const { source, range, targetId } = job;
    source.model.forbidden = null;
    source.model.sourceJob = { range, destination: targetId, state: 'fail' };
    job.phase = 'failed';
    this.#say(job, 'fails');
    this.#parts.onEnded(job, 'fail');
  }

  /** The source has nothing to do with it any more: the target hears that when it can. False when it has, or has to hear nothing. */
  #abandon(job: Job): boolean {
    const { fleet, isOpen } = this.#parts;
    const { source, target, phase, isFailureSent } = job;
    if (!job.isBegun || job.isEnded || target.lives !== job.targetLife || target.model.life === 'dead')
      return false;
    if (!isOpen(source, target)) {
      job.endsMs = Infinity;
      return true;
    }
    if (job.endsMs === Infinity) job.endsMs = fleet.nowMs + between(this.#ends, 0, LATE_END_MS_MAX);
    if (fleet.nowMs < job.endsMs || target.model.life === 'hung' || fleet.isBusy(target)) return true;
    if (job.isAsked && !job.isTaken && !job.isRefused) this.#take(job);
    if (phase === 'failed' && isFailureSent) this.#fail(job);
    this.#end(job);
    return false;
  }

  /** The source's word that it failed. What is its own by what it was told, a target lets nobody import, nor fail to (facts section 5.1). */
  #fail(job: Job): void {
    const { fleet } = this.#parts;
    const { range, target } = job;
    const { model } = target;
    const isOfIt = model.targetJob !== null && equalRanges(model.targetJob.range, range);
    if (isOfIt && mayImport(fleet.world, model, range)) this.#drop(job, range);
  }

  /** The end of a connection ends what is being imported, also over another one (slot_import.cc, StopForLinkError). */
  #end(job: Job): void {
    const { targetJob } = job.target.model;
    if (targetJob?.state === 'start') this.#drop(job, targetJob.range);
  }

  #drop(job: Job, range: SlotRange): void {
    const { model } = job.target;
    model.targetJob = { range, state: 'error' };
    if (model.role === 'master')
      for (const slot of this.#parts.fleet.world.slotsIn(range)) model.log.clear(slot);
    this.#say(job, `has ${printSlotRange(range)} dropped`);
  }

  #say({ source, target, range }: Job, what: string): void {
    const { world } = this.#parts.fleet;
    world.note(() => `the move of ${printSlotRange(range)} from ${source.name} to ${target.name} ${what}`);
  }
}

/** One import at a time; the same slots are let in once more (slot_import.cc, Start). */
function isImportingOther({ model: { targetJob } }: FleetNode, range: SlotRange): boolean {
  return targetJob?.state === 'start' && !equalRanges(targetJob.range, range);
}

function isOpenAt(node: FleetNode, job: Job): boolean {
  return job.target === node && job.targetLife === node.lives && job.isBegun && !job.isEnded;
}

function isOver(phase: Job['phase']): boolean {
  return phase === 'succeeded' || phase === 'failed';
}
