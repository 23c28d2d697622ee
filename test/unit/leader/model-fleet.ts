// A fleet of nodes as a model: what facts sections 2, 3, 5 and 8 say that matters to a supervisor, behind the NodeClient port.

import type { Clock } from '../../../src/base/clock.ts';
import { err, ok, type Result } from '../../../src/base/result.ts';
import type { Secret } from '../../../src/base/secret.ts';
import type { NodeError, NodeReport, ProbeResult } from '../../../src/control/observation.ts';
import type { LeaseAnswer, LeaseMode } from '../../../src/control/lease-memory.ts';
import type {
  LeaseRenewal,
  NodeEndpoint,
  ResetOutcome,
  TopologyPush,
} from '../../../src/control/node-commands.ts';
import type { SlotService } from '../../../src/control/imported-hand-over.ts';
import type { SpareReport } from '../../../src/control/spare-memory.ts';
import type { NodeClient, ProcessGroups } from '../../../src/leader/ports.ts';
import type { NodeTuning } from '../../../src/topology/tuning.ts';
import type { NodeAddress, NodeId, Slot, SlotRange } from '../../../src/topology/types.ts';

const LATENCY_MS = 1;

export class ModelNode {
  readonly address: NodeAddress;
  id: NodeId | null = null;
  version = -1;
  /** The last SETNODES text; empty on a fresh node. */
  text = '';
  /** 0 on a new data directory: only such a node is empty (facts section 14). */
  sequence = 0;
  isFenced = false;
  /** CLUSTER RESET is refused while there are any (facts section 7). */
  hasKeys = true;
  state: 'up' | 'dead' | 'hung' = 'up';
  link: 'up' | 'down' = 'up';
  /** Replies to every command with this error while set. */
  error: NodeError | null = null;
  /** How long SETNODES takes. */
  pushMs = LATENCY_MS;
  /** SETNODES is refused with this error while set. */
  pushError: NodeError | null = null;
  /** MIGRATE is refused with this error while set. */
  migrateError: NodeError | null = null;
  /** What it says to whoever wants connections to it ended. */
  endError: NodeError | null = null;
  sourceJob: NodeReport['sourceJob'] = null;
  targetJob: NodeReport['targetJob'] = null;
  /** How it treats clients of a slot that its own line does not tell. */
  services = new Map<Slot, SlotService>();
  readonly pushes: TopologyPush[] = [];
  /** Whose connections were to be ended, and what it had been told until then. */
  readonly ends: {
    readonly whose: 'clients' | 'imports';
    readonly version: number;
    readonly migrates: number;
  }[] = [];
  readonly migrates: { readonly range: SlotRange; readonly target: NodeId }[] = [];
  /** Null: a server that knows no leases. */
  leaseMode: LeaseMode | null = null;
  tuning: NodeTuning = { speed: 4096, type: 'redis-command' };
  /** CONFIG SET of them is refused with this error while set. */
  tuningError: NodeError | null = null;
  /** How often they were set. */
  tunings = 0;
  readonly renewals: { readonly version: number; readonly atMs: number }[] = [];
  /** Looks that were answered, and all of them. */
  probes = 0;
  looks = 0;
  /** What it says of itself to who asks more; nothing unless a test says so. */
  masterAuth: Secret | null = null;
  process: { readonly id: number; readonly startedAtMs: number } | null = null;

  constructor(address: NodeAddress) {
    this.address = address;
  }

  get #line(): readonly string[] | null {
    return (
      this.text
        .split('\n')
        .find((line) => line.startsWith(`${this.id} `))
        ?.split(' ') ?? null
    );
  }

  /** CLUSTER NODES (facts section 2.4); null without a topology. */
  get topology(): string | null {
    if (this.version < 0) return null;
    const lines = this.text.split('\n').map((line) => {
      const [id = '', host = '', port = '', role = '', master = '', ...slots] = line.split(' ');
      const flags = id === this.id ? `myself,${role}` : role;
      const address = `${host}:${port}@${Number(port) + 10_000}`;
      return [id, address, flags, master, '1', '2', this.version, 'connected', ...slots].join(' ');
    });
    return lines.join('\n');
  }

  get isMaster(): boolean {
    return this.#line?.[3] !== 'slave';
  }

  get masterAddress(): NodeAddress | null {
    const masterId = this.isMaster ? null : this.#line?.[4];
    const line = this.text
      .split('\n')
      .find((candidate) => candidate.startsWith(`${masterId} `))
      ?.split(' ');
    return line === undefined ? null : (`${line[1]}:${line[2]}` as NodeAddress);
  }

  report(): NodeReport {
    const master = this.masterAddress;
    return {
      id: this.id,
      version: this.version,
      role: this.isMaster ? 'master' : 'replica',
      master,
      link: this.isMaster ? null : this.link,
      lastIoSeconds: this.isMaster ? null : 0,
      syncInProgress: false,
      sequence: this.sequence,
      sourceJob: this.isMaster ? this.sourceJob : null,
      targetJob: this.isMaster ? this.targetJob : null,
      login: 'accepted',
      emptiesBeforeFullSync: false,
      isFenced: this.isFenced,
    };
  }

  end(whose: 'clients' | 'imports'): Result<void, NodeError> {
    this.ends.push({ whose, version: this.version, migrates: this.migrates.length });
    return this.endError === null ? ok(undefined) : err(this.endError);
  }

  apply(push: TopologyPush): Result<void, NodeError> {
    if (this.pushError !== null) return err(this.pushError);
    this.pushes.push(push);
    if (push.id !== null) this.id = push.id;
    if (push.version < this.version)
      return err({ kind: 'invalidVersion', message: 'ERR Invalid cluster version' });
    if (push.force || push.version > this.version) {
      const before = this.masterAddress;
      this.version = push.version;
      this.text = push.text;
      // A node with data takes its time to come to another master; a fresh one is there at once.
      if (this.masterAddress !== before && this.sequence > 0) this.link = 'down';
    }
    return ok(undefined);
  }
}

export class ModelFleet implements NodeClient {
  readonly nodes = new Map<NodeAddress, ModelNode>();
  readonly released: NodeAddress[] = [];
  readonly #clock: Clock;
  /** Since when a replica was first seen to hear no more of a master. */
  readonly #quietSinceMs = new Map<NodeAddress, number>();
  readonly #abort = new Set<(error: NodeError) => void>();
  /** Every push in the order in which they were sent. */
  readonly pushOrder: { readonly address: NodeAddress; readonly version: number }[] = [];
  /** Pushes sent before their topology was committed, as told by `isCommitted`. */
  earlyPushes = 0;
  isCommitted: (push: TopologyPush, address: NodeAddress) => boolean = () => true;
  isClosed = false;
  /** How often somebody asked for CLUSTER NODES. */
  topologiesAsked = 0;
  /** How often addresses were compared. */
  comparisons = 0;
  /** Second names, and the first one each. */
  readonly twins = new Map<NodeAddress, NodeAddress>();
  /** To be called when a process ends. */
  onLost: (address: NodeAddress) => void = () => undefined;

  constructor(clock: Clock, addresses: readonly NodeAddress[]) {
    this.#clock = clock;
    for (const address of addresses) this.add(address);
  }

  add(address: NodeAddress): void {
    this.nodes.set(address, new ModelNode(address));
  }

  /** Another client of the same nodes, for the next leader. */
  successor(): ModelFleet {
    const next = new ModelFleet(this.#clock, []);
    for (const [address, node] of this.nodes) next.nodes.set(address, node);
    next.isCommitted = this.isCommitted;
    return next;
  }

  node(address: NodeAddress): ModelNode {
    const node = this.nodes.get(address);
    if (node === undefined) throw new Error(`no node at ${address}`);
    return node;
  }

  async probe(endpoint: NodeEndpoint, deadlineMs: number): Promise<ProbeResult> {
    const asked = this.nodes.get(endpoint.address);
    if (asked !== undefined) asked.looks += 1;
    const outcome = await this.#command(endpoint, { deadlineMs, takesMs: LATENCY_MS }, (node) => {
      node.probes += 1;
      return ok(this.#reportOf(node));
    });
    return outcome.ok
      ? { kind: 'answered', report: outcome.value }
      : { kind: 'failed', error: outcome.error };
  }

  /** A replica loses its link to a master that died, and only hears no more of one that hangs (facts section 8). */
  #reportOf(node: ModelNode): NodeReport {
    const report = node.report();
    const master = report.master === null ? undefined : this.nodes.get(report.master);
    if (master === undefined || master.state === 'up') {
      if (master !== undefined) this.#quietSinceMs.delete(master.address);
      return report;
    }
    if (master.state === 'dead') return { ...report, link: 'down' };
    const nowMs = this.#clock.monotonicMs();
    const sinceMs = this.#quietSinceMs.get(master.address) ?? nowMs;
    this.#quietSinceMs.set(master.address, sinceMs);
    return { ...report, lastIoSeconds: Math.floor((nowMs - sinceMs) / 1000) + 1 };
  }

  setTopology(
    endpoint: NodeEndpoint,
    push: TopologyPush,
    deadlineMs: number,
  ): Promise<Result<void, NodeError>> {
    const takesMs = this.nodes.get(endpoint.address)?.pushMs ?? LATENCY_MS;
    this.pushOrder.push({ address: endpoint.address, version: push.version });
    if (!this.isCommitted(push, endpoint.address)) this.earlyPushes += 1;
    return this.#command(endpoint, { deadlineMs, takesMs }, (node) => node.apply(push));
  }

  /** It has no clients. */
  endClients(endpoint: NodeEndpoint, deadlineMs: number): Promise<Result<void, NodeError>> {
    return this.#command(endpoint, { deadlineMs, takesMs: LATENCY_MS }, (node) => node.end('clients'));
  }

  endImports(endpoint: NodeEndpoint, deadlineMs: number): Promise<Result<void, NodeError>> {
    return this.#command(endpoint, { deadlineMs, takesMs: LATENCY_MS }, (node) => node.end('imports'));
  }

  async renewLease(endpoint: NodeEndpoint, renewal: LeaseRenewal, deadlineMs: number): Promise<LeaseAnswer> {
    const asked = await this.#command(endpoint, { deadlineMs, takesMs: LATENCY_MS }, (node) => ok(node));
    if (!asked.ok) return { kind: 'unsent', why: asked.error.message };
    const { leaseMode: mode, isMaster } = asked.value;
    if (mode === null) return { kind: 'none', why: 'knows no leases', isLasting: true };
    if (!isMaster) return { kind: 'none', why: 'was a replica when it was last asked', isLasting: false };
    if (!renewal.isStillWanted()) return { kind: 'unsent', why: 'it was not wanted any more' };
    const taken = await this.#command(endpoint, { deadlineMs, takesMs: LATENCY_MS }, (node) => {
      node.renewals.push({ version: renewal.version, atMs: this.#clock.monotonicMs() });
      return ok(undefined);
    });
    return taken.ok ? { kind: 'renewed', mode } : { kind: 'unanswered', mode, why: taken.error.message };
  }

  migrate(
    endpoint: NodeEndpoint,
    range: SlotRange,
    target: NodeId,
    deadlineMs: number,
  ): Promise<Result<void, NodeError>> {
    return this.#command(endpoint, { deadlineMs, takesMs: LATENCY_MS }, (node) => {
      if (node.migrateError !== null) return err(node.migrateError);
      node.migrates.push({ range, target });
      node.sourceJob = { range, destination: target, state: 'start', isInEffect: null };
      for (const other of this.nodes.values()) {
        if (other.id === target) other.targetJob = { range, state: 'start' };
      }
      return ok(undefined);
    });
  }

  outrun(endpoint: NodeEndpoint, count: number, deadlineMs: number): Promise<Result<void, NodeError>> {
    return this.#command(endpoint, { deadlineMs, takesMs: LATENCY_MS }, (node) => {
      node.sequence += count;
      return ok(undefined);
    });
  }

  fence(endpoint: NodeEndpoint, deadlineMs: number): Promise<Result<void, NodeError>> {
    return this.#command(endpoint, { deadlineMs, takesMs: LATENCY_MS }, (node) => {
      node.isFenced = true;
      return ok(undefined);
    });
  }

  readTuning(
    endpoint: NodeEndpoint,
    { speed, type }: NodeTuning,
    deadlineMs: number,
  ): Promise<Result<NodeTuning, NodeError>> {
    return this.#command(endpoint, { deadlineMs, takesMs: LATENCY_MS }, ({ tuning }) =>
      ok({ speed: speed === null ? null : tuning.speed, type: type === null ? null : tuning.type }),
    );
  }

  setTuning(
    endpoint: NodeEndpoint,
    { speed, type }: NodeTuning,
    deadlineMs: number,
  ): Promise<Result<void, NodeError>> {
    return this.#command(endpoint, { deadlineMs, takesMs: LATENCY_MS }, (node) => {
      if (node.tuningError !== null) return err(node.tuningError);
      node.tuning = { speed: speed ?? node.tuning.speed, type: type ?? node.tuning.type };
      node.tunings += 1;
      return ok(undefined);
    });
  }

  inspect(endpoint: NodeEndpoint, deadlineMs: number): Promise<Result<SpareReport, NodeError>> {
    return this.#command(endpoint, { deadlineMs, takesMs: LATENCY_MS }, (node) => {
      const { masterAuth } = node;
      if (node.process === null) return ok({ ...node.report(), masterAuth });
      const { id: processId, startedAtMs } = node.process;
      const uptimeSeconds = Math.floor((this.#clock.monotonicMs() - startedAtMs) / 1000);
      return ok({ ...node.report(), masterAuth, processId, uptimeSeconds });
    });
  }

  clusterNodes(endpoint: NodeEndpoint, deadlineMs: number): Promise<Result<string, NodeError>> {
    this.topologiesAsked += 1;
    return this.#command(endpoint, { deadlineMs, takesMs: LATENCY_MS }, (node) =>
      node.topology === null
        ? err({ kind: 'notInitialized', message: 'CLUSTERDOWN The cluster is not initialized' })
        : ok(node.topology),
    );
  }

  slotServices(
    endpoint: NodeEndpoint,
    slots: readonly Slot[],
    deadlineMs: number,
  ): Promise<Result<readonly SlotService[], NodeError>> {
    return this.#command(endpoint, { deadlineMs, takesMs: LATENCY_MS }, (node) =>
      ok(slots.map((slot) => node.services.get(slot) ?? { kind: 'moved', to: null })),
    );
  }

  /** Every address is a process of its own, but for `twins`. */
  sameProcess(endpoints: readonly NodeEndpoint[]): Promise<ProcessGroups> {
    this.comparisons += 1;
    const groups = Map.groupBy(endpoints, ({ address }) => this.twins.get(address) ?? address);
    return Promise.resolve({
      groups: [...groups.values()].map((group) => group.map(({ address }) => address)),
      failures: new Map(),
    });
  }

  reset(endpoint: NodeEndpoint, deadlineMs: number): Promise<Result<ResetOutcome, NodeError>> {
    return this.#command(endpoint, { deadlineMs, takesMs: LATENCY_MS }, (node) => {
      if (node.hasKeys) return ok('keepsData');
      node.id = null;
      node.version = -1;
      node.text = '';
      return ok('reset');
    });
  }

  watchLost(listener: (address: NodeAddress) => void): void {
    this.onLost = listener;
  }

  release(address: NodeAddress): void {
    this.released.push(address);
  }

  close(): void {
    this.isClosed = true;
    for (const abort of this.#abort) abort({ kind: 'connectionLost', message: 'closed by this controller' });
  }

  #command<T>(
    endpoint: NodeEndpoint,
    timing: { readonly deadlineMs: number; readonly takesMs: number },
    execute: (node: ModelNode) => Result<T, NodeError>,
  ): Promise<Result<T, NodeError>> {
    const node = this.nodes.get(endpoint.address);
    if (this.isClosed || node === undefined || node.state === 'dead') {
      return Promise.resolve(
        err({ kind: 'connectionRefused', message: `connect ECONNREFUSED ${endpoint.address}` }),
      );
    }
    return new Promise((resolve) => {
      const finish = (outcome: Result<T, NodeError>): void => {
        this.#abort.delete(abort);
        timer.cancel();
        resolve(outcome);
      };
      const abort = (error: NodeError): void => finish(err(error));
      const isLate = node.state === 'hung' || timing.takesMs > timing.deadlineMs;
      const timer = this.#clock.setTimer(isLate ? timing.deadlineMs : timing.takesMs, () => {
        // What is late is executed all the same when the node wakes up; the model lets a hung one sleep on.
        if (isLate && node.state !== 'hung') execute(node);
        if (isLate) finish(err({ kind: 'timedOut', message: 'no reply' }));
        else if (node.state === 'dead') finish(err({ kind: 'connectionLost', message: 'read ECONNRESET' }));
        else if (node.error === null) finish(execute(node));
        else finish(err(node.error));
      });
      this.#abort.add(abort);
    });
  }
}
