// The way of one process to the nodes: commands as parcels, connections that end with the node's process, deadlines by the process's own clock.

import { type Result, err, ok } from '../../../src/base/result.ts';
import type { SlotService } from '../../../src/control/imported-hand-over.ts';
import type { LeaseAnswer } from '../../../src/control/lease-memory.ts';
import type {
  LeaseRenewal,
  NodeEndpoint,
  ResetOutcome,
  TopologyPush,
} from '../../../src/control/node-commands.ts';
import type { NodeError, NodeErrorKind, ProbeResult } from '../../../src/control/observation.ts';
import type { SpareReport } from '../../../src/control/spare-memory.ts';
import type { NodeClient, ProcessGroups } from '../../../src/leader/ports.ts';
import type { NodeTuning } from '../../../src/topology/tuning.ts';
import type { NodeAddress, NodeId, Slot, SlotRange } from '../../../src/topology/types.ts';
import type { Network } from '../network.ts';
import type { Process } from '../process.ts';
import type { Fleet } from './fleet.ts';
import type { Connection, FleetNode } from './fleet-node.ts';

/** Longer than any deadline: a parcel that is not cut arrives. */
const PARCEL_US = 60_000_000;

export interface NodeClientParts {
  readonly fleet: Fleet;
  readonly network: Network;
  readonly process: Process;
  /** A look has ended. Times in virtual microseconds. */
  readonly onLook: (
    node: FleetNode,
    result: ProbeResult,
    look: { readonly startedUs: number; readonly isDuringPush: boolean },
  ) => void;
  /** Something is about to be sent. */
  readonly onPush: (node: FleetNode, push: TopologyPush) => void;
  readonly onOutrun: (node: FleetNode) => void;
  readonly nowUs: () => number;
}

/** What became of a command, as told to whoever waits for it. */
type Settle = (outcome: Result<unknown, NodeError>) => void;

interface Open extends Connection {
  readonly life: number;
}

export class SimulatedNodeClient implements NodeClient {
  readonly #parts: NodeClientParts;
  readonly #open = new Map<FleetNode, Open>();
  readonly #underWay = new Map<Settle, FleetNode>();
  /** To whom a topology is on its way. */
  readonly #pushes = new Set<FleetNode>();
  #onLost: (address: NodeAddress) => void = () => undefined;
  #isClosed = false;

  constructor(parts: NodeClientParts) {
    this.#parts = parts;
  }

  async probe({ address }: NodeEndpoint, deadlineMs: number): Promise<ProbeResult> {
    const { fleet, onLook, nowUs } = this.#parts;
    const node = fleet.at(address);
    const startedUs = nowUs();
    const outcome = await this.#command(node, deadlineMs, (): Result<ProbeResult, NodeError> =>
      ok(node.model.report(fleet.nowMs)),
    );
    const result: ProbeResult = outcome.ok ? outcome.value : { kind: 'failed', error: outcome.error };
    const isDuringPush = this.#pushes.has(node);
    if (!this.#isClosed) onLook(node, result, { startedUs, isDuringPush });
    return result;
  }

  async setTopology(
    { address }: NodeEndpoint,
    push: TopologyPush,
    deadlineMs: number,
  ): Promise<Result<void, NodeError>> {
    const { fleet, onPush } = this.#parts;
    const node = fleet.at(address);
    if (!this.#isClosed) onPush(node, push);
    this.#pushes.add(node);
    const told = await this.#command(node, deadlineMs, () => fleet.setNodes(node, push));
    this.#pushes.delete(node);
    return told;
  }

  endClients({ address }: NodeEndpoint, deadlineMs: number): Promise<Result<void, NodeError>> {
    const { fleet } = this.#parts;
    const node = fleet.at(address);
    return this.#command(node, deadlineMs, () => {
      fleet.jobs?.endClients(node);
      return ok(undefined);
    });
  }

  endImports({ address }: NodeEndpoint, deadlineMs: number): Promise<Result<void, NodeError>> {
    const { fleet } = this.#parts;
    const node = fleet.at(address);
    return this.#command(node, deadlineMs, () => {
      fleet.jobs?.endImports(node);
      const { targetJob } = node.model;
      return targetJob?.state === 'start' ? failure('refused', 'it imports') : ok(undefined);
    });
  }

  /** Asked first, as the real client does; the mode is the one that refuses writes. */
  async renewLease(
    { address }: NodeEndpoint,
    renewal: LeaseRenewal,
    deadlineMs: number,
  ): Promise<LeaseAnswer> {
    const { fleet, process } = this.#parts;
    const node = fleet.at(address);
    const untilMs = process.clock.monotonicMs() + deadlineMs;
    const asked = await this.#command(node, deadlineMs, () => ok(node.model.follows !== null));
    if (!asked.ok) return { kind: 'unsent', why: asked.error.message };
    if (asked.value) return { kind: 'none', why: 'was a replica when it was last asked', isLasting: false };
    if (!renewal.isStillWanted()) return { kind: 'unsent', why: 'it was not wanted any more' };
    const leftMs = Math.max(0, untilMs - process.clock.monotonicMs());
    const givenUpMs = fleet.nowMs + leftMs;
    const taken = await this.#command(node, leftMs, () => {
      const { model } = node;
      if (renewal.version < model.version) return failure('refused', 'election version mismatch');
      if (model.id === renewal.id && model.follows === null)
        node.lease.renew(fleet.nowMs + renewal.leaseMs, fleet.nowMs > givenUpMs);
      return ok(undefined);
    });
    if (taken.ok) return { kind: 'renewed', mode: 'block-write' };
    const { kind, message: why } = taken.error;
    return kind === 'timedOut' || kind === 'connectionLost'
      ? { kind: 'unanswered', mode: 'block-write', why }
      : { kind: 'refused', why };
  }

  migrate(
    { address }: NodeEndpoint,
    range: SlotRange,
    target: NodeId,
    deadlineMs: number,
  ): Promise<Result<void, NodeError>> {
    const { fleet } = this.#parts;
    const node = fleet.at(address);
    return this.#command(
      node,
      deadlineMs,
      () => fleet.jobs?.migrate(node, { range, target }) ?? failure('refused', 'nothing is moved here'),
    );
  }

  slotServices(
    { address }: NodeEndpoint,
    slots: readonly Slot[],
    deadlineMs: number,
  ): Promise<Result<readonly SlotService[], NodeError>> {
    const { fleet } = this.#parts;
    const node = fleet.at(address);
    return this.#command(node, deadlineMs, () => ok(slots.map((slot) => fleet.serviceOf(node, slot))));
  }

  readTuning(): Promise<Result<NodeTuning, NodeError>> {
    return Promise.resolve(failure('refused', 'nothing is moved here'));
  }

  setTuning(): Promise<Result<void, NodeError>> {
    return Promise.resolve(failure('refused', 'nothing is moved here'));
  }

  outrun({ address }: NodeEndpoint, count: number, deadlineMs: number): Promise<Result<void, NodeError>> {
    const { fleet, onOutrun } = this.#parts;
    const node = fleet.at(address);
    return this.#command(node, deadlineMs, () => {
      if (node.model.follows !== null) return failure('refused', 'READONLY');
      if (fleet.isClosed(node)) return failure('refused', 'ERR master lease expired');
      onOutrun(node);
      node.model.log.bump(count);
      return ok(undefined);
    });
  }

  fence({ address }: NodeEndpoint, deadlineMs: number): Promise<Result<void, NodeError>> {
    const node = this.#parts.fleet.at(address);
    return this.#command(node, deadlineMs, () => {
      node.model.isFenced = true;
      return ok(undefined);
    });
  }

  inspect({ address }: NodeEndpoint, deadlineMs: number): Promise<Result<SpareReport, NodeError>> {
    const { fleet } = this.#parts;
    const node = fleet.at(address);
    return this.#command(node, deadlineMs, (): Result<SpareReport, NodeError> => {
      const result = node.model.report(fleet.nowMs);
      return result.kind === 'answered' ? ok(result.report) : err(result.error);
    });
  }

  /** Nobody asks for a check here. */
  clusterNodes(): Promise<Result<string, NodeError>> {
    return Promise.resolve(failure('refused', 'not asked here'));
  }

  /** Every node has one address. */
  sameProcess(endpoints: readonly NodeEndpoint[]): Promise<ProcessGroups> {
    return Promise.resolve({ groups: endpoints.map(({ address }) => [address]), failures: new Map() });
  }

  /** Refused by the node while it has anything (facts section 7). */
  reset({ address }: NodeEndpoint, deadlineMs: number): Promise<Result<ResetOutcome, NodeError>> {
    const node = this.#parts.fleet.at(address);
    return this.#command(node, deadlineMs, (): Result<ResetOutcome, NodeError> => {
      if (node.model.log.sequence > 0) return ok('keepsData');
      node.model.forgetTopology();
      return ok('reset');
    });
  }

  watchLost(listener: (address: NodeAddress) => void): void {
    this.#onLost = listener;
  }

  release(address: NodeAddress): void {
    const node = this.#parts.fleet.at(address);
    const open = this.#open.get(node);
    if (open === undefined) return;
    this.#open.delete(node);
    node.connections.delete(open);
  }

  close(): void {
    this.#isClosed = true;
    for (const node of this.#open.keys()) this.release(node.address);
    for (const settle of this.#underWay.keys())
      settle(failure('connectionLost', 'closed by this controller'));
  }

  #command<T>(
    node: FleetNode,
    deadlineMs: number,
    run: () => Result<T, NodeError>,
  ): Promise<Result<T, NodeError>> {
    const { network, process, fleet } = this.#parts;
    const { who } = process;
    if (this.#isClosed) return Promise.resolve(failure('connectionLost', 'closed by this controller'));
    return new Promise((resolve) => {
      const settle = (outcome: Result<unknown, NodeError>): void => {
        if (!this.#underWay.delete(settle)) return;
        timer.cancel();
        resolve(outcome as Result<T, NodeError>);
      };
      const timer = process.clock.setTimer(deadlineMs, () => {
        const isOpen = this.#open.has(node);
        settle(isOpen ? failure('timedOut', 'no reply') : failure('unreachable', 'no connection'));
      });
      this.#underWay.set(settle, node);
      const open = this.#open.get(node) ?? null;
      const reply = (outcome: Result<T, NodeError>): void => {
        const arrive = (): void => process.deliver(() => settle(outcome));
        network.send(
          { from: node.number, to: who, lane: 'reply', arrive, failed: () => undefined },
          PARCEL_US,
        );
      };
      const arrive = (): void => {
        const refusal = this.#refusal(node, open);
        if (refusal !== null) {
          reply(refusal);
          return;
        }
        if (!this.#isClosed) this.#connect(node);
        fleet.receive(node, node.lives, () => this.#answer(node, run(), reply));
      };
      network.send(
        { from: who, to: node.number, lane: 'request', arrive, failed: () => undefined },
        PARCEL_US,
      );
    });
  }

  /** The node's host answers for a process that is not there, or not the one that was connected. */
  #refusal(node: FleetNode, open: Open | null): { readonly ok: false; readonly error: NodeError } | null {
    if (open !== null && open.life !== node.lives) return failure('connectionLost', 'read ECONNRESET');
    if (node.model.life !== 'dead') return null;
    return failure('connectionRefused', `connect ECONNREFUSED ${node.address}`);
  }

  /** The answer leaves when the work is done; a process that ends before that sends none. */
  #answer<T>(node: FleetNode, outcome: T, reply: (outcome: T) => void): void {
    this.#parts.fleet.afterwards(node, () => reply(outcome));
  }

  #connect(node: FleetNode): void {
    const known = this.#open.get(node);
    if (known?.life === node.lives) return;
    const open: Open = {
      who: this.#parts.process.who,
      life: node.lives,
      onEnd: () => this.#parts.process.deliver(() => this.#ended(node, open)),
    };
    this.#open.set(node, open);
    node.connections.add(open);
  }

  #ended(node: FleetNode, open: Open): void {
    if (this.#open.get(node) !== open) return;
    this.#open.delete(node);
    for (const [settle, to] of this.#underWay) {
      if (to === node) settle(failure('connectionLost', 'read ECONNRESET'));
    }
    this.#onLost(node.address);
  }
}

function failure(kind: NodeErrorKind, message: string): { readonly ok: false; readonly error: NodeError } {
  return err({ kind, message });
}
