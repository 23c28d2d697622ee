// The nodes of the cluster as processes: simulated, or real servers where KVROCKS_BIN names one.

import { type KvrocksNode, startKvrocksNode } from '../../../test/support/kvrocks-node.ts';

/** All nodes that were ever started. */
export class Fleet {
  readonly #nodes = new Map<string, KvrocksNode>();

  /** Packets between two nodes can be dropped: simulated nodes do it to themselves. */
  readonly canCut = (process.env['KVROCKS_BIN'] ?? '') === '';

  get addresses(): readonly string[] {
    return [...this.#nodes.keys()];
  }

  /** A node on a new data directory; its address. */
  async start(): Promise<string> {
    const node = await startKvrocksNode();
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

  async setCut(address: string, isCut: boolean): Promise<void> {
    await this.at(address).command('SIMULATOR', 'CUT', isCut ? 'yes' : 'no');
  }

  async close(): Promise<void> {
    await Promise.all([...this.#nodes.values()].map(async (node) => node.dispose()));
  }
}
