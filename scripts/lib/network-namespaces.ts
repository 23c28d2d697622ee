// A network of the kernel's own: one namespace a process, joined by a bridge, in which packets between two of them vanish.

import { setTimeout as sleep } from 'node:timers/promises';

import { command, commandAtExit, complaintOf, isRoot } from './commands.ts';

/** For tests of network devices (RFC 2544): nobody's real addresses. */
const SUBNETS: readonly string[] = ['198.18', '198.19'].flatMap((prefix) =>
  Array.from({ length: 256 }, (_, third) => `${prefix}.${third}`),
);
const BRIDGE_HOST = 254;
const SEATS_MAX = BRIDGE_HOST - 1;
const INTERFACE = 'eth0';
/** The table of packet filters of a thin way. */
const THIN = 'thin';
/** A locally administered hardware address that no interface has: the bridge finds nobody who takes such a frame. */
const NOBODY = '02:00:00:00:00:01';
/** What gets through a thin way at once before its rate counts: a connection's first words, and a few full packets. */
const THIN_BURST_KILOBYTES = 16;
/** What may wait before a slow cable: the longest delay of a packet. */
const SLOW_DELAY_MS = 500;
const SLOW_BURST_BYTES = 3000;
const LINK_UP_ATTEMPTS = 100;
const LINK_UP_POLL_MS = 50;

/** Where one process runs. This machine reaches it at `host`, whatever is dropped. */
export interface Seat {
  readonly host: string;
  /** Replaces itself by the command that follows; see `ControllerChildOptions.launcher`. */
  readonly launcher: readonly string[];
}

/** An ordered pair of hosts. */
export interface Way {
  readonly from: string;
  readonly to: string;
}

interface Names {
  readonly namespace: string;
  /** The bridge's end of the seat's cable; names of interfaces have at most 15 characters. */
  readonly cable: string;
}

let networks = 0;

/** Everything is named after this process, so that two runs do not meet, and removed by `close`, at the latest at exit. */
export class NetworkNamespaces {
  readonly #subnet: string;
  readonly #prefix: string;
  readonly #seats = new Map<string, Names>();
  readonly #removeAtExit = (): void => {
    for (const args of this.#removals()) commandAtExit('ip', ...args);
  };

  private constructor(subnet: string) {
    networks += 1;
    this.#subnet = subnet;
    this.#prefix = `kc${process.pid}-${networks}`;
  }

  /** Null where namespaces, cables and bridges can be made, else what is missing. */
  static async missing(): Promise<string | null> {
    if (!isRoot()) return 'network namespaces need root';
    try {
      const network = await NetworkNamespaces.open();
      try {
        await network.add();
        return null;
      } finally {
        await network.close();
      }
    } catch (error) {
      return `no network namespaces here: ${error instanceof Error ? error.message : String(error)}`;
    }
  }

  /** Makes the bridge, in a subnet that this machine does not use. */
  static async open(): Promise<NetworkNamespaces> {
    const used = await command('ip', '-oneline', 'address', 'show');
    // Whoever looks at the same time looks elsewhere first.
    const first = process.pid % SUBNETS.length;
    const subnets = [...SUBNETS.slice(first), ...SUBNETS.slice(0, first)];
    const subnet = subnets.find((candidate) => !used.includes(` ${candidate}.`));
    if (subnet === undefined) throw new Error('all subnets for tests are used');
    const network = new NetworkNamespaces(subnet);
    process.once('exit', network.#removeAtExit);
    try {
      await command('ip', 'link', 'add', network.#bridge, 'type', 'bridge');
      await command('ip', 'address', 'add', `${subnet}.${BRIDGE_HOST}/24`, 'dev', network.#bridge);
      await command('ip', 'link', 'set', network.#bridge, 'up');
      return network;
    } catch (error) {
      await network.close();
      throw error;
    }
  }

  /** A further namespace that everybody in the network reaches. */
  async add(): Promise<Seat> {
    const number = this.#seats.size + 1;
    if (number > SEATS_MAX) throw new Error(`a network has at most ${SEATS_MAX} seats`);
    const host = `${this.#subnet}.${number}`;
    const names = { namespace: `${this.#prefix}-${number}`, cable: `${this.#prefix}v${number}` };
    this.#seats.set(host, names);
    const { namespace, cable } = names;
    await command('ip', 'netns', 'add', namespace);
    const ends = ['type', 'veth', 'peer', 'name', INTERFACE, 'netns', namespace];
    await command('ip', 'link', 'add', cable, ...ends);
    await command('ip', 'link', 'set', cable, 'master', this.#bridge, 'up');
    await command('ip', '-n', namespace, 'address', 'add', `${host}/24`, 'dev', INTERFACE);
    await command('ip', '-n', namespace, 'link', 'set', INTERFACE, 'up');
    await command('ip', '-n', namespace, 'link', 'set', 'lo', 'up');
    await untilUp(cable);
    return { host, launcher: ['ip', 'netns', 'exec', namespace] };
  }

  /** Packets on this way vanish from now on: nobody is told, and connections hang. */
  async drop({ from, to }: Way): Promise<void> {
    await this.#neighbour(from, 'replace', to, 'lladdr', NOBODY, 'dev', INTERFACE, 'nud', 'permanent');
  }

  /** Undoes one `drop`. */
  async mend({ from, to }: Way): Promise<void> {
    await this.#neighbour(from, 'delete', to, 'dev', INTERFACE);
  }

  /** From now on no more than so much gets through on this way; what comes on others does as before. */
  async thin({ from, to }: Way, kilobytesPerSecond: number): Promise<void> {
    const rate = ['limit', 'rate', 'over', String(kilobytesPerSecond), 'kbytes/second'];
    const burst = ['burst', String(THIN_BURST_KILOBYTES), 'kbytes'];
    const filter = ['{', 'type', 'filter', 'hook', 'input', 'priority', '0', ';', '}'];
    await this.#filter(to, 'add', 'table', 'ip', THIN);
    await this.#filter(to, 'add', 'chain', 'ip', THIN, 'input', ...filter);
    await this.#filter(
      to,
      'add',
      'rule',
      'ip',
      THIN,
      'input',
      'ip',
      'saddr',
      from,
      ...rate,
      ...burst,
      'drop',
    );
  }

  /** Undoes `thin`. */
  async widen({ to }: Way): Promise<void> {
    await this.#filter(to, 'delete', 'table', 'ip', THIN);
  }

  /**
   * From now on no more than so much gets through to and from the seat at `host`; what has to wait longer than half a second is dropped.
   * Why that cannot be had here; null when it can.
   */
  async slow(host: string, kilobytesPerSecond: number): Promise<string | null> {
    const rate = ['rate', `${kilobytesPerSecond * 8}kbit`, 'burst', String(SLOW_BURST_BYTES)];
    return this.#shape(host, 'add', 'root', 'tbf', ...rate, 'latency', `${SLOW_DELAY_MS}ms`);
  }

  /** Undoes `slow`. */
  async hasten(host: string): Promise<void> {
    await this.#shape(host, 'delete', 'root');
  }

  /** Nobody reaches the seat at `host` any more, this machine included, and it reaches nobody. */
  async unplug(host: string): Promise<void> {
    await command('ip', 'link', 'set', this.#namesOf(host).cable, 'down');
  }

  /** Undoes `unplug`. */
  async plug(host: string): Promise<void> {
    await command('ip', 'link', 'set', this.#namesOf(host).cable, 'up');
  }

  /** Undoes every `drop`. */
  async heal(): Promise<void> {
    for (const host of this.#seats.keys())
      await this.#neighbour(host, 'flush', 'dev', INTERFACE, 'nud', 'permanent');
  }

  /** Removes all of it; what was not made is not missed. */
  async close(): Promise<void> {
    for (const args of this.#removals()) await complaintOf('ip', ...args);
    process.off('exit', this.#removeAtExit);
  }

  get #bridge(): string {
    return `${this.#prefix}b`;
  }

  async #neighbour(host: string, ...args: readonly string[]): Promise<void> {
    await command('ip', '-n', this.#namesOf(host).namespace, 'neighbour', ...args);
  }

  async #filter(host: string, ...args: readonly string[]): Promise<void> {
    await command('ip', 'netns', 'exec', this.#namesOf(host).namespace, 'nft', ...args);
  }

  /** A queue at both ends of the cable. */
  async #shape(host: string, verb: string, ...args: readonly string[]): Promise<string | null> {
    const { namespace, cable } = this.#namesOf(host);
    const here = await complaintOf('tc', 'qdisc', verb, 'dev', cable, ...args);
    const there = await complaintOf('tc', '-n', namespace, 'qdisc', verb, 'dev', INTERFACE, ...args);
    return here ?? there;
  }

  #namesOf(host: string): Names {
    const names = this.#seats.get(host);
    if (names === undefined) throw new Error(`${host} is not in this network`);
    return names;
  }

  /** Removing a namespace removes its end of the cable and with it the other. */
  #removals(): readonly (readonly string[])[] {
    const seats = [...this.#seats.values()];
    return [
      ...seats.map(({ namespace }) => ['netns', 'delete', namespace]),
      ...seats.map(({ cable }) => ['link', 'delete', cable]),
      ['link', 'delete', this.#bridge],
    ];
  }
}

/** A cable forwards a moment after it came up; processes that start before it only start slowly. */
async function untilUp(cable: string): Promise<void> {
  for (let attempt = 0; attempt < LINK_UP_ATTEMPTS; attempt += 1) {
    const line = await command('ip', '-oneline', 'link', 'show', 'dev', cable);
    if (line.includes('state UP')) return;
    await sleep(LINK_UP_POLL_MS);
  }
  throw new Error(`the cable ${cable} does not come up`);
}
