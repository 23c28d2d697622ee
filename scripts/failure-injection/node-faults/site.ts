// Hosts of controllers and nodes: namespaces of the kernel where they can be had, this machine where not.

import { NetworkNamespaces, type Seat } from '../../lib/network-namespaces.ts';
import { MEMBER_COUNT, type Place } from '../group.ts';
import { localPlaces } from '../places.ts';

const CONTROLLER_PORT = 9379;

/** One network, or none. Whatever is cut here, clients reach every node that is not unplugged. */
export class Site {
  readonly places: readonly Place[];
  readonly #network: NetworkNamespaces | null;
  readonly #controllers: readonly string[];
  readonly #seats = new Map<number, Seat>();
  readonly #unplugged = new Set<string>();
  readonly #slow = new Set<string>();

  private constructor(
    network: NetworkNamespaces | null,
    places: readonly Place[],
    controllers: readonly string[],
  ) {
    this.#network = network;
    this.places = places;
    this.#controllers = controllers;
  }

  static async open(): Promise<Site> {
    if ((await NetworkNamespaces.missing()) !== null) return new Site(null, await localPlaces(), []);
    const network = await NetworkNamespaces.open();
    try {
      const seats: Seat[] = [];
      while (seats.length < MEMBER_COUNT) seats.push(await network.add());
      const places = seats.map(({ host, launcher }, index) => ({
        id: index + 1,
        address: `${host}:${CONTROLLER_PORT}`,
        launcher: () => launcher,
      }));
      return new Site(
        network,
        places,
        seats.map(({ host }) => host),
      );
    } catch (error) {
      await network.close();
      throw error;
    }
  }

  /** Links can be cut. */
  get hasNetwork(): boolean {
    return this.#network !== null;
  }

  /** Where a controller runs, by its id. */
  controller(id: number): string {
    const host = this.#controllers[id - 1];
    if (host === undefined) throw new Error(`no host of controller ${id}`);
    return host;
  }

  get controllers(): readonly string[] {
    return this.#controllers;
  }

  /** The host of this number, made when it is first asked for; undefined without a network. */
  async seat(number: number): Promise<Seat | undefined> {
    const known = this.#seats.get(number);
    if (known !== undefined || this.#network === null) return known;
    const seat = await this.#network.add();
    this.#seats.set(number, seat);
    return seat;
  }

  /** Packets between `host` and each of `others` vanish, both ways. */
  async cut(host: string, others: readonly string[]): Promise<void> {
    const network = this.#network;
    if (network === null) return;
    const ways = others.flatMap((other) => [
      { from: host, to: other },
      { from: other, to: host },
    ]);
    await Promise.all(ways.map(async (way) => network.drop(way)));
  }

  /** Why the link of `host` cannot be made slow; null when it is. */
  async slow(host: string, kilobytesPerSecond: number): Promise<string | null> {
    if (this.#network === null) return 'network namespaces need root';
    this.#slow.add(host);
    return this.#network.slow(host, kilobytesPerSecond);
  }

  /** Nobody reaches `host`, clients included. */
  async unplug(host: string): Promise<void> {
    this.#unplugged.add(host);
    await this.#network?.unplug(host);
  }

  /** Undoes everything. */
  async heal(): Promise<void> {
    await this.#network?.heal();
    for (const host of this.#unplugged) await this.#network?.plug(host);
    for (const host of this.#slow) await this.#network?.hasten(host);
    this.#unplugged.clear();
    this.#slow.clear();
  }

  async close(): Promise<void> {
    await this.#network?.close();
  }
}
