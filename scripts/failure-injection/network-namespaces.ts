// A network of the kernel's own: one namespace a member, joined by a bridge, and packets dropped by nftables.

import { setTimeout as sleep } from 'node:timers/promises';

import { command, commandAtExit, complaintOf, isRoot } from './commands.ts';
import { MEMBER_COUNT, type Place } from './group.ts';
import type { Pair } from './link-faults.ts';

/** For tests of network devices (RFC 2544): nobody's real addresses. The third part is ours to choose. */
const SUBNET_PREFIX = '198.18';
const BRIDGE_HOST = 254;
const PORT = 9379;
const TABLE = 'failure_injection';
const INTERFACE = 'eth0';

interface Names {
  readonly namespace: string;
  /** The bridge's end of the member's cable; names of interfaces have at most 15 characters. */
  readonly cable: string;
  readonly host: string;
}

/** Everything is named after this process, so that two runs do not meet, and removed by `close`, at the latest at exit. */
export class NetworkNamespaces {
  readonly places: readonly Place[];
  readonly #bridge: string;
  readonly #members: readonly Names[];
  readonly #removeAtExit = (): void => {
    for (const args of this.#removals()) commandAtExit('ip', ...args);
  };

  private constructor() {
    const subnet = `${SUBNET_PREFIX}.${process.pid % 256}`;
    this.#bridge = `kcfi${process.pid}b`;
    this.#members = Array.from({ length: MEMBER_COUNT }, (_, index) => ({
      namespace: `kcfi-${process.pid}-${index + 1}`,
      cable: `kcfi${process.pid}v${index + 1}`,
      host: `${subnet}.${index + 1}`,
    }));
    this.places = this.#members.map(({ namespace, host }, index) => ({
      id: index + 1,
      address: `${host}:${PORT}`,
      launcher: () => ['ip', 'netns', 'exec', namespace],
    }));
  }

  /** Null where namespaces, bridges and nftables can be used, else what is missing. */
  static async missing(): Promise<string | null> {
    if (!isRoot()) return 'network namespaces need root';
    const nft = await complaintOf('nft', '--version');
    if (nft !== null) return `${nft}: install nftables`;
    const name = `kcfi-${process.pid}-try`;
    const complaint = await complaintOf('ip', 'netns', 'add', name);
    if (complaint !== null) return `no network namespaces here: ${complaint}`;
    const table = await complaintOf('ip', 'netns', 'exec', name, 'nft', 'add', 'table', 'inet', TABLE);
    await command('ip', 'netns', 'delete', name);
    return table === null ? null : `no nftables here: ${table}`;
  }

  /** Makes bridge, namespaces, cables and the empty rule set. */
  static async open(): Promise<NetworkNamespaces> {
    const network = new NetworkNamespaces();
    process.once('exit', network.#removeAtExit);
    try {
      await network.#make();
      return network;
    } catch (error) {
      await network.close();
      throw error;
    }
  }

  /** Packets from the first of the pair to the second are dropped where they arrive. */
  async drop([from, to]: Pair): Promise<void> {
    const source = this.#members[from - 1];
    if (source !== undefined)
      await this.#nft(to, 'add', 'rule', 'inet', TABLE, 'arriving', 'ip', 'saddr', source.host, 'drop');
  }

  async heal(): Promise<void> {
    for (const { id } of this.places) await this.#nft(id, 'flush', 'chain', 'inet', TABLE, 'arriving');
  }

  /** Removes all of it; what was not made is not missed. */
  async close(): Promise<void> {
    for (const args of this.#removals()) await complaintOf('ip', ...args);
    process.off('exit', this.#removeAtExit);
  }

  async #make(): Promise<void> {
    const bridge = this.#bridge;
    const subnet = this.#members[0]?.host.replace(/\.\d+$/, '') ?? '';
    await command('ip', 'link', 'add', bridge, 'type', 'bridge');
    await command('ip', 'address', 'add', `${subnet}.${BRIDGE_HOST}/24`, 'dev', bridge);
    await command('ip', 'link', 'set', bridge, 'up');
    for (const [index, { namespace, cable, host }] of this.#members.entries()) {
      await command('ip', 'netns', 'add', namespace);
      await command(
        'ip',
        'link',
        'add',
        cable,
        'type',
        'veth',
        'peer',
        'name',
        INTERFACE,
        'netns',
        namespace,
      );
      await command('ip', 'link', 'set', cable, 'master', bridge, 'up');
      await command('ip', '-n', namespace, 'address', 'add', `${host}/24`, 'dev', INTERFACE);
      await command('ip', '-n', namespace, 'link', 'set', INTERFACE, 'up');
      await command('ip', '-n', namespace, 'link', 'set', 'lo', 'up');
      await this.#nft(index + 1, 'add', 'table', 'inet', TABLE);
      const hook = '{ type filter hook input priority 0; }';
      await this.#nft(index + 1, 'add', 'chain', 'inet', TABLE, 'arriving', hook);
    }
    await this.#waitForLinks();
  }

  /** A cable forwards a moment after it came up; members that start before it only start slowly. */
  async #waitForLinks(): Promise<void> {
    for (let attempt = 0; attempt < 50; attempt += 1) {
      const ports = await command('ip', '-oneline', 'link', 'show', 'master', this.#bridge);
      if (ports.split('\n').filter((line) => line.includes('state UP')).length === MEMBER_COUNT) return;
      await sleep(100);
    }
    throw new Error(`the links of ${this.#bridge} do not come up`);
  }

  async #nft(id: number, ...args: readonly string[]): Promise<void> {
    const { namespace } = this.#members[id - 1] ?? {};
    if (namespace !== undefined) await command('ip', 'netns', 'exec', namespace, 'nft', ...args);
  }

  /** Removing a namespace removes its end of the cable and with it the other. */
  #removals(): readonly (readonly string[])[] {
    return [
      ...this.#members.map(({ namespace }) => ['netns', 'delete', namespace]),
      ...this.#members.map(({ cable }) => ['link', 'delete', cable]),
      ['link', 'delete', this.#bridge],
    ];
  }
}
