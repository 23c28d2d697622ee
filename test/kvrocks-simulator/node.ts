// One simulated server: its parts put together, and the changes that touch several of them.

import { join } from 'node:path';

import { err, ok, type Result } from '../../src/base/result.ts';
import type { Config } from './config.ts';
import { Faults } from './faults.ts';
import { ExclusiveGate } from './gate.ts';
import { SlotImport } from './import.ts';
import { Keyspace } from './keyspace.ts';
import { MasterLease } from './lease.ts';
import { SlotMigration } from './migration.ts';
import { loadNodesFile, removeNodesFile, saveNodesFile } from './nodes-file.ts';
import { ReplicaLink, type MasterAddress } from './replication.ts';
import { ReplicationFeeds } from './replication-feed.ts';
import type { Session } from './session.ts';
import type { SlotRange } from './slots.ts';
import { TopologyState } from './topology-state.ts';

type Step = Result<null, string>;

export interface CommandCount {
  calls: number;
  microseconds: number;
}

export class SimulatedNode {
  readonly config: Config;
  readonly keyspace: Keyspace;
  readonly topology: TopologyState;
  readonly feeds: ReplicationFeeds;
  readonly migration: SlotMigration;
  readonly slotImport: SlotImport;
  readonly gate = new ExclusiveGate();
  readonly lease = new MasterLease();
  readonly sessions = new Set<Session>();
  readonly commandCounts = new Map<string, CommandCount>();
  readonly faults = new Faults();
  readonly startedAtMs = performance.now();
  readonly startedAtSeconds = Math.floor(Date.now() / 1000);
  connectionsReceived = 0;
  /** The result of the last DBSIZE SCAN; null before the first (facts section 9). */
  scannedKeys: { readonly count: number; readonly atMs: number } | null = null;
  #link: ReplicaLink | null = null;
  #restoring = false;
  #hasDatabase = true;

  constructor(config: Config) {
    this.config = config;
    this.keyspace = new Keyspace(config.text('dir'));
    this.topology = new TopologyState({ binds: config.binds(), port: config.count('port') });
    this.feeds = new ReplicationFeeds(this.keyspace);
    const { keyspace, topology } = this;
    this.migration = new SlotMigration({ config, keyspace, topology }, (line) => this.log(line));
    this.slotImport = new SlotImport(keyspace, topology, {
      isReplica: () => this.isReplica,
      onStart: (range) => this.migration.release(range),
    });
  }

  get clusterEnabled(): boolean {
    return this.config.flag('cluster-enabled');
  }

  /** Replicas are not counted: their connections leave the worker that took them. */
  get clientCount(): number {
    return [...this.sessions].filter((session) => !session.replica).length;
  }

  get isReplica(): boolean {
    return this.#link !== null;
  }

  get link(): ReplicaLink | null {
    return this.#link;
  }

  get isLoading(): boolean {
    return this.#restoring || performance.now() < this.faults.loadingUntilMs;
  }

  log(line: string): void {
    console.log(`${new Date().toISOString()} ${process.pid} ${line}`);
  }

  /** Reads nodes.conf and takes the role it gives. The error ends the start (facts section 7). */
  async load(): Promise<Step> {
    if (!this.clusterEnabled || !this.config.flag('persist-cluster-nodes-enabled')) return ok(null);
    const loaded = loadNodesFile(this.#nodesFile(), this.topology);
    if (!loaded.ok) return err(`failed to load cluster nodes info: ${loaded.error}`);
    await this.#takeRole();
    return ok(null);
  }

  /** CLUSTERX SETNODES. The new topology is active even when nodes.conf cannot be written (facts section 2.2). */
  async setNodes(text: string, version: bigint, force: boolean): Promise<Step> {
    const outcome = this.topology.setNodes(text, version, force);
    if (!outcome.ok) return outcome;
    if (outcome.value.kind === 'ignored') return ok(null);
    await this.#takeRole();
    this.#deleteSlots(outcome.value.abandoned);
    return this.saveNodes();
  }

  async setNodeId(id: string): Promise<Step> {
    this.topology.setMyId(id);
    await this.#takeRole();
    return this.saveNodes();
  }

  setSlots(ranges: readonly SlotRange[], id: string, version: bigint): Step {
    const abandoned = this.topology.setSlots(ranges, id, version);
    if (!abandoned.ok) return abandoned;
    if (this.topology.poisoned) this.crash('SETSLOT wrote nodes.conf with an unknown node');
    this.#deleteSlots(abandoned.value);
    return this.saveNodes();
  }

  /** CLUSTER RESET; needs an empty database. */
  async reset(): Promise<Step> {
    if (this.migration.running !== null) return err("Can't reset cluster while migrating slot");
    if (this.slotImport.state === 'start') return err("Can't reset cluster while importing slot");
    if (this.keyspace.keyCount > 0) return err("Can't reset cluster while database is not empty");
    this.topology.reset();
    await this.follow(null);
    removeNodesFile(this.#nodesFile());
    return ok(null);
  }

  /** Writes nodes.conf, or removes it when it is not wanted. */
  saveNodes(): Step {
    if (this.config.flag('persist-cluster-nodes-enabled'))
      return saveNodesFile(this.#nodesFile(), this.topology);
    removeNodesFile(this.#nodesFile());
    return ok(null);
  }

  /** Becomes a replica of `master`, or a master; the same address again changes nothing (facts section 3.2). */
  async follow(master: MasterAddress | null): Promise<void> {
    const current = this.#link;
    if (current !== null && current.master.host === master?.host && current.master.port === master.port)
      return;
    if (current !== null) await current.stop();
    this.#link = master === null ? null : new ReplicaLink(master, this);
    if (master !== null) this.lease.drop();
  }

  /** Full sync: no commands, no replicas, no migration while `work` replaces the data. */
  async restore(work: () => Promise<void>): Promise<void> {
    this.#beginRestore();
    await work();
    this.#restoring = false;
  }

  /** With `slave-empty-db-before-fullsync yes` the old data goes before the new is fetched (facts section 3.4). */
  emptyBeforeSync(): void {
    this.#beginRestore();
    this.keyspace.destroy();
    this.scannedKeys = null;
  }

  /** The full sync failed after the old data had gone: nothing is left that could be asked, until a restart (facts section 3.4). */
  loseDatabase(): void {
    this.#restoring = false;
    this.#hasDatabase = false;
  }

  /** Where the server reads its database without asking whether there is one. */
  needDatabase(what: string): void {
    if (!this.#hasDatabase) this.crash(`${what} after a full sync that failed on an emptied database`);
  }

  /** Packets of replication are dropped in both directions, without anybody noticing (facts section 8). */
  setCut(cut: boolean): void {
    this.faults.network.set(cut);
    this.feeds.setCut(cut);
    this.#link?.setCut(cut);
  }

  /** True while a full sync puts the new data in place: ROLE crashes the server then (facts section 3.4). */
  get isRestoring(): boolean {
    return this.#restoring;
  }

  /** Orderly end: joins the replication thread, writes what is pending. */
  async stop(): Promise<void> {
    if (this.#link !== null) await this.#link.stop();
    this.keyspace.flush();
  }

  /** Dies as the server does on a null pointer: signal 11. */
  crash(reason: string): never {
    this.keyspace.flush();
    this.log(`Ooops! got signal: Segmentation fault (11): ${reason}`);
    process.kill(process.pid, 'SIGSEGV');
    process.abort();
  }

  /** The role that the topology gives `myself`; not in the text, or a master that is not: left as it is (facts section 2.4). */
  async #takeRole(): Promise<void> {
    const { myself, nodes } = this.topology;
    if (myself === null) return;
    if (myself.role === 'master') {
      await this.follow(null);
      return;
    }
    const master = nodes.get(myself.masterId);
    if (master) await this.follow({ host: master.host, port: master.port });
  }

  #beginRestore(): void {
    this.#restoring = true;
    this.feeds.disconnectAll();
    this.migration.cancel();
  }

  #deleteSlots(slots: readonly number[]): void {
    for (const slot of slots) this.keyspace.deleteSlots({ start: slot, end: slot });
  }

  #nodesFile(): string {
    return join(this.config.text('dir'), 'nodes.conf');
  }
}
