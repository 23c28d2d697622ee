// What the leader tells nodes that have left, step by step as the supervisor does: by the rules of control, over the same ways to the nodes.

import { type Result, ok } from '../../../../src/base/result.ts';
import { type FarewellStep, farewellStep } from '../../../../src/control/departure.ts';
import type { NodeError } from '../../../../src/control/observation.ts';
import { closed, type Departure, untold, withDeparture } from '../../../../src/topology/departure.ts';
import { departureText } from '../../../../src/topology/setnodes-text.ts';
import type { NodeAddress, NodeId } from '../../../../src/topology/types.ts';
import { NOW_SECONDS } from '../../topology/arbitrary.ts';
import type { Access } from './access.ts';
import { setNodes } from './migration.ts';
import type { Records } from './records.ts';
import type { World } from './world.ts';

const STEPS_MAX = 6;

export class Farewells {
  readonly #world: World;
  readonly #access: Access;
  readonly #records: Records;
  /** The version under which the present leader has told each. */
  readonly #told = new Map<NodeId, number>();

  constructor(world: World, access: Access, records: Records) {
    this.#world = world;
    this.#access = access;
    this.#records = records;
  }

  /** Another member leads now. */
  forget(): void {
    this.#told.clear();
  }

  /** Everybody who has left is looked at, and told what is due. */
  tell(): void {
    for (const { id } of untold(this.#records.departures))
      for (let step = 0; step < STEPS_MAX && this.#step(id); step += 1);
  }

  #step(id: NodeId): boolean {
    const departure = untold(this.#records.departures).find((each) => each.id === id);
    if (departure === undefined) return false;
    const { cluster, facts } = this.#records;
    const look = this.#access.look(departure.address);
    const owner = this.#records.placeAt(departure.address) === null ? null : 'this cluster';
    const toldVersion = this.#told.get(id) ?? null;
    return this.#carryOut(
      departure,
      farewellStep({ departure, look, cluster, facts, owner, toldVersion, keepsData: true }),
    );
  }

  #carryOut(departure: Departure, step: FarewellStep): boolean {
    switch (step.kind) {
      case 'wait':
        return false;
      case 'note':
        this.#change(departure, (known) => ({ ...known, cutOff: step.cutOff }));
        return true;
      case 'tell':
        return this.#tell(departure, step).ok;
      case 'detached':
        this.#world.note(() => `${departure.address} has left, is cut off and keeps its data`);
        this.#change(departure, (known) => closed(known, NOW_SECONDS));
        return false;
      default:
        this.#change(departure, () => null);
        return false;
    }
  }

  #change({ id }: Departure, change: (known: Departure) => Departure | null): void {
    this.#records.departures = withDeparture(this.#records.departures, id, change) ?? [];
  }

  #tell(
    departure: Departure,
    { text, version, isForced, isIdGiven }: Extract<FarewellStep, { readonly kind: 'tell' }>,
  ): Result<void, NodeError> {
    this.#check(departure.address, {
      version,
      text,
      expected: departureText(this.#records.cluster, departure),
    });
    this.#world.note(() => `${departure.address} is told v${version} that it has left`);
    const command = { id: isIdGiven ? departure.id : null, version, isForced };
    const told = this.#access.send(departure.address, (node) =>
      setNodes(this.#world, node, { ...command, text: this.#world.reader.read(text) }),
    );
    if (told.ok) this.#told.set(departure.id, version);
    return told.ok ? ok(undefined) : told;
  }

  #check(
    address: NodeAddress,
    {
      version,
      text,
      expected,
    }: { readonly version: number; readonly text: string; readonly expected: string },
  ): void {
    if (this.#records.placeAt(address) !== null) throw new Error('a member was told that it has left');
    if (!this.#records.committed.has(version) || text !== expected)
      throw new Error('a node that has left was told a topology that was not committed');
  }
}
