// One test's own namespace, Kvrocks nodes and clusters, all gone when the test ends.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { NetworkNamespaces, Way } from '../../scripts/lib/network-namespaces.ts';
import { SmallDisk } from '../../scripts/lib/small-disk.ts';
import type { ApiClient, Answer } from './api-client.ts';
import {
  type KvrocksNode,
  type KvrocksNodeOptions,
  type KvrocksReply,
  startKvrocksNode,
} from './kvrocks-node.ts';
import { ask, askAll, askCluster, type Command, fieldsOf, type NodeState, stateOf } from './node-commands.ts';
import { notYet, waitUntil } from './wait-until.ts';

export interface NodeView {
  readonly id: string;
  readonly addr: string;
  readonly role: 'master' | 'slave';
}

export interface ShardView {
  readonly nodes: readonly NodeView[];
  readonly slot_ranges: readonly string[] | null;
  readonly migrating_slot: number | string;
  readonly import_slot: number | string;
  readonly target_shard_index: number;
}

export interface ClusterView {
  readonly name: string;
  readonly version: number;
  readonly shards: readonly ShardView[];
}

export interface SceneOptions {
  readonly password?: string;
  /** Where the nodes live, each in a namespace of its own; all on the loopback interface when left out. */
  readonly network?: NetworkNamespaces | null;
  /** Real nodes on file systems of their own, which `fillDisk` fills; without, only simulated ones can be filled. */
  readonly hasSmallDisks?: boolean;
  /** Further lines of every node's kvrocks.conf. */
  readonly conf?: NonNullable<KvrocksNodeOptions['conf']>;
  /** Where a further node lives and what it is called. */
  readonly place?: () => Pick<KvrocksNodeOptions, 'name' | 'seat'>;
}

/** The two ends of a link. */
export interface Link {
  readonly master: NodeView;
  readonly replica: NodeView;
}

/** Of a real node's link that is slow: a few hundred small writes a second get through. */
const SLOW_KILOBYTES = 50;
/** Of a simulated one. */
const SLOW_WRITES = 50;

let scenes = 0;

/** Tests get theirs from `useScenes`. Call `end` when done. */
export class Scene {
  readonly namespace: string;
  readonly api: ApiClient;
  readonly #nodes: KvrocksNode[] = [];
  /** By address. */
  readonly #disks = new Map<string, SmallDisk>();
  readonly #hasSmallDisks: boolean;
  readonly #password: string;
  readonly #network: NetworkNamespaces | null;
  readonly #place: NonNullable<SceneOptions['place']>;
  readonly #conf: NonNullable<SceneOptions['conf']>;

  constructor(api: ApiClient, options: SceneOptions = {}) {
    scenes += 1;
    this.namespace = `scene-${scenes}`;
    this.api = api;
    this.#password = options.password ?? '';
    this.#network = options.network ?? null;
    this.#hasSmallDisks = options.hasSmallDisks ?? false;
    this.#place = options.place ?? (() => ({}));
    this.#conf = options.conf ?? {};
  }

  /** Starts nodes on ports of their own, which they keep when restarted. */
  async nodes(count: number): Promise<readonly KvrocksNode[]> {
    const password = this.#password === '' ? {} : { password: this.#password };
    const nodes = await Promise.all(
      Array.from({ length: count }, async () => {
        const seat = await this.#network?.add();
        const disk = this.#hasSmallDisks ? await SmallDisk.mount(temporaryFolder()) : null;
        const node = await startKvrocksNode({
          ...password,
          ...this.#place(),
          conf: this.#conf,
          ...(seat === undefined ? {} : { seat }),
          ...(disk === null ? {} : { dir: disk.folder }),
        });
        if (disk !== null) this.#disks.set(node.address, disk);
        return node;
      }),
    );
    this.#nodes.push(...nodes);
    return nodes;
  }

  /** From now on the replica gets less than its master is written to, over a link that stays up. */
  async slowDown(link: Link): Promise<void> {
    if (this.#network === null) await this.ask(link.replica.addr, 'SIMULATOR', 'DISK', String(SLOW_WRITES));
    else await this.#network.thin(this.#wayOf(link), SLOW_KILOBYTES);
  }

  /** Undoes `slowDown`. */
  async speedUp(link: Link): Promise<void> {
    if (this.#network === null) await this.ask(link.replica.addr, 'SIMULATOR', 'DISK', 'ok');
    else await this.#network.widen(this.#wayOf(link));
  }

  /** The disk of the node at `address` takes no more writes. */
  async fillDisk(address: string): Promise<void> {
    const disk = this.#disks.get(address);
    if (disk === undefined) await this.ask(address, 'SIMULATOR', 'DISK', 'stuck');
    else disk.fill();
  }

  /** Undoes `fillDisk`, as an operator does: a real node is given space and started again. */
  async emptyDisk(address: string): Promise<void> {
    const disk = this.#disks.get(address);
    if (disk === undefined) {
      await this.ask(address, 'SIMULATOR', 'DISK', 'ok');
      return;
    }
    disk.empty();
    await this.nodeAt(address).restart();
  }

  /** Drops every packet between the two from now on; where the scene has no network, a simulated replica drops them. */
  async cut(link: Link): Promise<void> {
    if (this.#network === null) await this.ask(link.replica.addr, 'SIMULATOR', 'CUT', 'yes');
    else for (const way of this.#ways(link)) await this.#network.drop(way);
  }

  /** Undoes `cut`. */
  async mend(link: Link): Promise<void> {
    if (this.#network === null) await this.ask(link.replica.addr, 'SIMULATOR', 'CUT', 'no');
    else for (const way of this.#ways(link)) await this.#network.mend(way);
  }

  #ways(link: Link): readonly Way[] {
    const way = this.#wayOf(link);
    return [way, { from: way.to, to: way.from }];
  }

  #wayOf({ master, replica }: Link): Way {
    return { from: this.nodeAt(master.addr).host, to: this.nodeAt(replica.addr).host };
  }

  nodeAt(address: string): KvrocksNode {
    const node = this.#nodes.find((candidate) => candidate.address === address);
    if (node === undefined) throw new Error(`no node at ${address}`);
    return node;
  }

  path(cluster: string, rest = ''): string {
    return `/api/v1/namespaces/${this.namespace}/clusters/${cluster}${rest}`;
  }

  /** Creates the namespace, unless it exists, and a cluster of `nodes`; waits until every node has its place. */
  async cluster(
    name: string,
    nodes: readonly Pick<KvrocksNode, 'address'>[],
    options: { readonly replicas?: number } = {},
  ): Promise<ClusterView> {
    await this.makeNamespace();
    const answer = await this.api.post(`/api/v1/namespaces/${this.namespace}/clusters`, {
      name,
      nodes: nodes.map((node) => node.address),
      replicas: options.replicas ?? 1,
      password: this.#password,
    });
    expectStatus(answer, 201);
    return this.converged(name);
  }

  async makeNamespace(): Promise<void> {
    const answer = await this.api.post('/api/v1/namespaces', { namespace: this.namespace });
    if (answer.status !== 409) expectStatus(answer, 201);
  }

  /** The cluster as the API shows it now. */
  async view(cluster: string): Promise<ClusterView> {
    const answer = await this.api.get(this.path(cluster));
    expectStatus(answer, 200);
    return answer.body.data.cluster as ClusterView;
  }

  /** Waits until the API shows a cluster for which `condition` holds, and returns it. */
  async viewWhere(
    cluster: string,
    what: string,
    condition: (view: ClusterView) => boolean,
  ): Promise<ClusterView> {
    return waitUntil(`the cluster to show: ${what}`, async () => {
      const view = await this.view(cluster);
      return condition(view) ? view : notYet(view);
    });
  }

  /**
   * Waits until every node but those at the addresses of `except` has the API's version, its id and its role, and every replica
   * follows its shard's master over a working link. Returns the cluster it has converged to.
   */
  async converged(cluster: string, except: readonly string[] = []): Promise<ClusterView> {
    return waitUntil(`all nodes of ${cluster} to converge`, async () => {
      const view = await this.view(cluster);
      for (const shard of view.shards) {
        const master = masterOf(shard);
        for (const node of shard.nodes) {
          if (except.includes(node.addr)) continue;
          const state = await stateOf(node.addr, this.#password);
          const isRight =
            state.id === node.id &&
            state.version === view.version &&
            state.role === node.role &&
            (node.role === 'master' || (state.master === master.addr && state.linkUp));
          if (!isRight) return notYet({ wanted: node, version: view.version, master: master.addr, state });
        }
      }
      return view;
    });
  }

  /** One command to one node. */
  async ask(address: string, ...command: Command): Promise<KvrocksReply> {
    return ask(address, command, this.#password);
  }

  /** What the node at `address` says about itself and its place. */
  async state(address: string): Promise<NodeState> {
    return stateOf(address, this.#password);
  }

  async askAll(address: string, commands: readonly Command[]): Promise<readonly KvrocksReply[]> {
    return askAll(address, commands, this.#password);
  }

  /** One command about a key, as a cluster client sends it: redirected by MOVED, starting at `address`. */
  async askCluster(address: string, ...command: Command): Promise<KvrocksReply> {
    return askCluster(address, command, this.#password);
  }

  /** The sequence number at which the data of the node at `address` stands. */
  async position(address: string): Promise<number> {
    const fields = fieldsOf(String(await this.ask(address, 'INFO', 'replication')));
    return Number(fields.get('master_repl_offset'));
  }

  /** Waits until the replica has everything the master has. Nothing may write meanwhile. */
  async inSync(master: string, replica: string): Promise<void> {
    await waitUntil(`${replica} to be in sync with ${master}`, async () => {
      const both = [await this.position(master), await this.position(replica)];
      return both[0] === both[1] ? true : notYet(both);
    });
  }

  /** Waits until the node at `address` itself takes a write, and returns how long that took, milliseconds. */
  async untilWritable(address: string, key: string, value: string): Promise<number> {
    const startMs = performance.now();
    await waitUntil(`a write of ${key} at ${address}`, () => this.ask(address, 'SET', key, value), {
      intervalMs: 5,
    });
    return performance.now() - startMs;
  }

  /** Kills the nodes and deletes what the API holds of this scene. */
  async end(): Promise<void> {
    try {
      const clusters = await this.api.get(`/api/v1/namespaces/${this.namespace}/clusters`);
      for (const name of clusters.status === 200 ? (clusters.body.data.clusters as string[]) : [])
        await this.api.delete(this.path(name));
    } finally {
      await Promise.all(this.#nodes.map((node) => node.kill()));
      for (const disk of this.#disks.values()) {
        await disk.unmount();
        rmSync(disk.folder, { recursive: true, force: true });
      }
    }
  }
}

function temporaryFolder(): string {
  return mkdtempSync(join(tmpdir(), 'kvrocks-disk-'));
}

/** The master of a shard; the API never shows a shard without one. */
export function masterOf(shard: ShardView): NodeView {
  const master = shard.nodes.find((node) => node.role === 'master');
  if (master === undefined) throw new Error(`no master in ${JSON.stringify(shard)}`);
  return master;
}

export function replicasOf(shard: ShardView): readonly NodeView[] {
  return shard.nodes.filter((node) => node.role === 'slave');
}

/** Throws with the whole answer unless it has `status`. */
export function expectStatus(answer: Answer, status: number): void {
  if (answer.status !== status) throw new Error(`expected ${status}, got ${answer.status}: ${answer.text}`);
}
