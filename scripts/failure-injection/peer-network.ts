// The network between the members in user space: a proxy stands at each member's address, and every direction between two of them can be cut or delayed.

import { connect, createServer, type Server, type Socket } from 'node:net';

import { type Random, randomUnit } from '../../src/base/random.ts';
import { freePort } from '../../test/support/free-port.ts';
import { type Group, MEMBER_COUNT, type Place } from './group.ts';
import { allPairs, type Pair } from './link-faults.ts';
import { type Link, Pump } from './pump.ts';
import { connectionOwner } from './socket-owner.ts';

/** Milliseconds a direction takes: at least `min`, at most `max`. */
export interface Delay {
  readonly min: number;
  readonly max: number;
}

const HOST = '127.0.0.1';
const NO_DELAY: Delay = { min: 0, max: 0 };

interface Direction extends Link {
  isCut: boolean;
  delay: Delay;
}

interface Connection {
  readonly sockets: readonly Socket[];
  /** Empty until both directions let the connection come to be. */
  readonly pumps: Pump[];
  readonly open: () => void;
}

/**
 * All members have the same list of peers, so the group is one to itself. Who connects is found by the owner of the socket;
 * clients are never cut off.
 */
export class PeerNetwork {
  readonly places: readonly Place[];
  readonly #random: Random;
  readonly #directions = new Map<string, Direction>();
  readonly #servers: readonly Server[];
  readonly #connections = new Set<Connection>();
  #group: Group | null = null;

  private constructor(places: readonly Place[], servers: readonly Server[], random: Random) {
    this.places = places;
    this.#servers = servers;
    this.#random = random;
    for (const pair of allPairs(MEMBER_COUNT)) this.#directions.set(keyOf(pair), this.#direction());
    for (const [position, server] of servers.entries())
      server.on('connection', (socket) => this.#accept(socket, position + 1));
  }

  /** Binds the proxies; the members listen behind them. */
  static async open(random: Random): Promise<PeerNetwork> {
    const places: Place[] = [];
    const servers: Server[] = [];
    while (places.length < MEMBER_COUNT) {
      const [front, back] = [await freePort(), await freePort()];
      const server = createServer({ allowHalfOpen: true, noDelay: true });
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject).listen(front, HOST, resolve);
      });
      servers.push(server);
      places.push({ id: places.length + 1, address: `${HOST}:${front}`, listen: `${HOST}:${back}` });
    }
    return new PeerNetwork(places, servers, random);
  }

  /** Nothing from `from` reaches `to` any more, not even answers; new connections between them need both directions. */
  cut([from, to]: Pair): void {
    const direction = this.#directions.get(keyOf([from, to]));
    if (direction !== undefined) direction.isCut = true;
  }

  setDelay([from, to]: Pair, delay: Delay): void {
    const direction = this.#directions.get(keyOf([from, to]));
    if (direction !== undefined) direction.delay = delay;
  }

  /** Mends every cut and ends every delay; what was held back arrives now. */
  heal(): void {
    for (const direction of this.#directions.values()) {
      direction.isCut = false;
      direction.delay = NO_DELAY;
    }
    for (const connection of this.#connections) {
      connection.open();
      for (const pump of connection.pumps) pump.deliver();
    }
  }

  /** Whose processes the connections belong to. To be called before the members start. */
  watch(group: Group): void {
    this.#group = group;
  }

  async close(): Promise<void> {
    for (const { sockets, pumps } of this.#connections) {
      for (const pump of pumps) pump.close();
      for (const socket of sockets) socket.destroy();
    }
    await Promise.all(
      this.#servers.map(
        async (server) =>
          new Promise<void>((resolve) => {
            server.close(() => resolve());
          }),
      ),
    );
  }

  #accept(socket: Socket, to: number): void {
    const from = this.#callerOf(socket);
    if (from === null) {
      socket.destroy();
      return;
    }
    const there = this.#directions.get(keyOf([from, to])) ?? this.#direction();
    const back = this.#directions.get(keyOf([to, from])) ?? this.#direction();
    const port = Number(this.places[to - 1]?.listen?.split(':')[1]);
    const sockets = [socket];
    const pumps: Pump[] = [];
    const open = (): void => {
      // As with a lost SYN or its lost answer: the caller waits.
      if (pumps.length > 0 || there.isCut || back.isCut) return;
      const onward = connect({ host: HOST, port, allowHalfOpen: true, noDelay: true });
      onward.on('error', () => onward.destroy());
      sockets.push(onward);
      pumps.push(new Pump(socket, onward, there), new Pump(onward, socket, back));
      onward.on('close', forgetIfDone);
    };
    const connection: Connection = { sockets, pumps, open };
    const forgetIfDone = (): void => {
      if (sockets.every(({ destroyed }) => destroyed)) this.#connections.delete(connection);
    };
    this.#connections.add(connection);
    socket.on('error', () => socket.destroy());
    socket.on('close', forgetIfDone);
    open();
  }

  /** Id of the member that connected, 0 for a client of this process, null when the connection has ended already. */
  #callerOf(socket: Socket): number | null {
    const { remotePort, localPort } = socket;
    if (remotePort === undefined || localPort === undefined) return null;
    const ids = new Map<number, number>([[process.pid, 0]]);
    for (const { id, pid } of this.#group?.members ?? []) if (pid !== null) ids.set(pid, id);
    const owner = connectionOwner({ clientPort: remotePort, serverPort: localPort }, [...ids.keys()]);
    return owner === null ? null : (ids.get(owner) ?? null);
  }

  #direction(): Direction {
    const random = this.#random;
    const direction: Direction = {
      isCut: false,
      delay: NO_DELAY,
      nextDelayMs: () =>
        direction.delay.min + randomUnit(random) * (direction.delay.max - direction.delay.min),
    };
    return direction;
  }
}

function keyOf([from, to]: Pair): string {
  return `${from}>${to}`;
}
