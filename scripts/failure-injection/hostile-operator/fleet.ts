// The nodes of the cluster as processes: simulated, or real servers where KVROCKS_BIN names one.

import { type KvrocksNode, startKvrocksNode } from '../../../test/support/kvrocks-node.ts';
import { NetworkNamespaces, type Seat } from '../../lib/network-namespaces.ts';

/** All nodes that were ever started. */
export class Fleet {
  readonly #nodes = new Map<string, KvrocksNode>();
  /** Where real nodes live, so that packets between them can be dropped; simulated ones do it themselves. */
  readonly #network: NetworkNamespaces | null;

  private constructor(network: NetworkNamespaces | null) {
    this.#network = network;
  }

  /** Nodes in seats of the caller, which ends their network. */
  static withoutNetwork(): Fleet {
    return new Fleet(null);
  }

  static async open(): Promise<Fleet> {
    const isSimulated = (process.env['KVROCKS_BIN'] ?? '') === '';
    const hasNetwork = !isSimulated && (await NetworkNamespaces.missing()) === null;
    return new Fleet(hasNetwork ? await NetworkNamespaces.open() : null);
  }

  /** Packets between two nodes can be dropped. */
  get canCut(): boolean {
    return this.#network !== null || (process.env['KVROCKS_BIN'] ?? '') === '';
  }

  get addresses(): readonly string[] {
    return [...this.#nodes.keys()];
  }

  /** A node on a new data directory; its address. */
  async start(place?: Seat): Promise<string> {
    const seat = place ?? (await this.#network?.add());
    const node = await startKvrocksNode(seat === undefined ? {} : { seat });
    this.#nodes.set(node.address, node);
    return node.address;
  }

  at(address: string): KvrocksNode {
    const node = this.#nodes.get(address);
    if (node === undefined) throw new Error(`no node at ${address}`);
    return node;
  }

  /** The same address with nothing that was there before. */
  async startOnNewDisk(address: string): Promise<void> {
    await this.at(address).restart({ wipeNodesConf: true, wipeData: true });
  }

  /** From the node at `address` to all others and back; controllers and clients reach every node. */
  async cut(address: string): Promise<void> {
    if (this.#network === null) {
      await this.at(address).command('SIMULATOR', 'CUT', 'yes');
      return;
    }
    const { host } = this.at(address);
    for (const { host: other } of this.#nodes.values()) {
      if (other === host) continue;
      await this.#network.drop({ from: host, to: other });
      await this.#network.drop({ from: other, to: host });
    }
  }

  /** Undoes `cut`. */
  async mend(address: string): Promise<void> {
    if (this.#network === null) await this.at(address).command('SIMULATOR', 'CUT', 'no');
    else await this.#network.heal();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#nodes.values()].map(async (node) => node.dispose()));
    await this.#network?.close();
  }
}
