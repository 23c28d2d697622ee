// Clients of the fleet: each writes one thing at a time, where it believes the slot to be, and follows MOVED.

import type { Random } from '../../../src/base/random.ts';
import type { NodeAddress, Slot } from '../../../src/topology/types.ts';
import type { Network } from '../network.ts';
import { chance, childRandom, exponential, pick } from '../prng.ts';
import type { VirtualTime } from '../virtual-time.ts';
import type { Book } from './book.ts';
import type { Fleet } from './fleet.ts';
import type { FleetNode } from './fleet-node.ts';

/** Clients have the numbers from here on in the network. */
export const FIRST_CLIENT = 900;
const DEADLINE_MS = 800;

export interface ClientParts {
  readonly seed: number;
  readonly time: VirtualTime;
  readonly network: Network;
  readonly fleet: Fleet;
  readonly book: Book;
  readonly thinkMs: number;
}

/** What a node says to a write: taken under this id, or whom to ask instead. */
type Reply =
  | { readonly kind: 'ok'; readonly id: number }
  | { readonly kind: 'moved'; readonly to: NodeAddress | null };

export class Client {
  readonly #parts: ClientParts;
  readonly #who: number;
  readonly #random: Random;
  readonly #owners = new Map<Slot, NodeAddress>();
  #isStopped = false;

  constructor(parts: ClientParts, number: number) {
    this.#parts = parts;
    this.#who = FIRST_CLIENT + number;
    this.#random = childRandom(parts.seed, 'fleet client', number);
  }

  start(): void {
    this.#later();
  }

  stop(): void {
    this.#isStopped = true;
  }

  #later(): void {
    const waitUs = exponential(this.#random, this.#parts.thinkMs * 1000);
    this.#parts.time.after(waitUs, 'client', this.#who, () => {
      if (!this.#isStopped) this.#write(pick(this.#random, this.#parts.fleet.world.slots));
    });
  }

  #write(slot: Slot): void {
    const { time, network, fleet } = this.#parts;
    const known = this.#owners.get(slot);
    const node = known === undefined ? pick(this.#random, fleet.nodes) : fleet.at(known);
    let isOver = false;
    const finish = (reply: Reply | null): void => {
      if (isOver) return;
      isOver = true;
      this.#heard(slot, node, reply);
      this.#later();
    };
    const deadline = time.after(DEADLINE_MS * 1000, 'gives up', this.#who, () => finish(null));
    const reply = (what: Reply | null): void => {
      const arrive = (): void => {
        deadline.cancelled = true;
        finish(what);
      };
      network.send(
        { from: node.number, to: this.#who, lane: 'reply', arrive, failed: () => undefined },
        DEADLINE_MS * 1000,
      );
    };
    const arrive = (): void => {
      if (node.model.life === 'dead') reply(null);
      else fleet.receive(node, node.lives, () => reply(this.#take(node, slot)));
    };
    network.send(
      { from: this.#who, to: node.number, lane: 'write', arrive, failed: () => undefined },
      DEADLINE_MS * 1000,
    );
  }

  #take(node: FleetNode, slot: Slot): Reply {
    const { fleet, book } = this.#parts;
    const { model } = node;
    if (model.serves(slot, fleet.nowMs) && fleet.isClosed(node)) return { kind: 'moved', to: null };
    if (model.serves(slot, fleet.nowMs)) return { kind: 'ok', id: book.put(node, slot) };
    const service = fleet.serviceOf(node, slot);
    return { kind: 'moved', to: service.kind === 'moved' ? service.to : null };
  }

  #heard(slot: Slot, node: FleetNode, reply: Reply | null): void {
    if (reply?.kind === 'ok') {
      this.#owners.set(slot, node.address);
      this.#parts.book.acknowledged(reply.id);
    } else if (reply?.kind === 'moved' && reply.to !== null) this.#owners.set(slot, reply.to);
    // Half of them hold on to a node that does not answer.
    else if (chance(this.#random, 0.5)) this.#owners.delete(slot);
  }
}
