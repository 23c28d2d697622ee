// The controllers of one run: machines with their disks, Raft and its invariants, and the processes built upon them.

import type { MemberId } from '../../../src/raft/core/types.ts';
import type { Entry } from '../../../src/raft/core/types.ts';
import { Configurations } from '../configurations.ts';
import { Invariants } from '../invariants.ts';
import { Ledger, type Violate } from '../ledger.ts';
import { Marks } from '../marks.ts';
import { Member } from '../member.ts';
import { Nemesis } from '../nemesis.ts';
import { Network } from '../network.ts';
import { Operator } from '../operator.ts';
import { between, chance, childRandom, exponential } from '../prng.ts';
import { Process } from '../process.ts';
import { foundingBase, foundingMembers, listenToSteps, tickMs } from '../production.ts';
import type { Surroundings } from '../surroundings.ts';
import type { Trace } from '../trace.ts';
import type { VirtualTime } from '../virtual-time.ts';
import { Channel } from './channel.ts';
import { Controller, type ControllerParts } from './controller.ts';
import type { Knobs } from './knobs.ts';

export interface GroupParts {
  readonly seed: number;
  readonly knobs: Knobs;
  readonly time: VirtualTime;
  readonly trace: Trace;
  readonly violate: Violate;
  /** Every committed entry, once and in order. */
  readonly onCommitted: (entry: Entry) => void;
  /** What a process is given beside its Raft. */
  readonly controllers: Omit<ControllerParts, 'life' | 'channel'>;
}

export class Group {
  readonly channel: Channel;
  readonly members: readonly Member[];
  readonly #parts: GroupParts;
  readonly #marks = new Marks();
  readonly #network: Network;
  readonly #controllers = new Map<MemberId, Controller>();
  readonly #nemesis: Nemesis;
  readonly #random;
  #lives = 0;
  #isHealed = false;

  constructor(parts: GroupParts) {
    const { seed, knobs, time, trace, violate, onCommitted } = parts;
    this.#parts = parts;
    this.#random = childRandom(seed, 'restarts');
    this.#network = new Network({ time, seed, knobs: knobs.group });
    this.channel = new Channel({
      network: this.#network,
      answering: (id) => this.#controllerAt(id),
    });
    const members: Member[] = [];
    this.members = members;
    const base = foundingBase(foundingMembers(knobs.members));
    const configurations = new Configurations(base.membership, violate, this.#marks);
    const ledger = new Ledger(violate, (entry) => {
      configurations.onCommitted(entry);
      onCommitted(entry);
    });
    const invariants = new Invariants({
      members,
      ledger,
      configurations,
      marks: this.#marks,
      inflightMax: knobs.group.driver.inflightMax,
      tickMs: tickMs(knobs.group.driver),
      violate,
    });
    const surroundings = this.#surroundings(invariants, configurations);
    for (const id of foundingMembers(knobs.members)) members.push(new Member(surroundings, id, base));
    const shared = { seed, time, trace, marks: this.#marks, knobs: knobs.group, members };
    const provision = (): never => {
      throw new Error('nobody joins here');
    };
    const operator = new Operator({ ...shared, provision });
    this.#nemesis = new Nemesis({ ...shared, network: this.#network, isFounded: () => true, operator });
    listenToSteps((core, input, effects) => {
      const process = Process.current;
      const member = members.find((each) => each.process === process && process !== null);
      if (member === undefined || process?.alive !== true) return;
      member.noteCore(core);
      invariants.onStep(member, core, input, effects);
    });
  }

  boot(): void {
    for (const member of this.members) member.boot();
  }

  /** From now on things go wrong. */
  disturb(): void {
    this.#nemesis.start();
  }

  heal(): void {
    this.#isHealed = true;
    this.#nemesis.heal();
  }

  /** Who leads the highest term, as far as it knows; null when nobody does. */
  get leader(): Controller | null {
    let leader: Controller | null = null;
    for (const { id } of this.members) {
      const controller = this.#controllerAt(id);
      if (controller?.leads !== true) continue;
      if (leader === null || controller.driver.role.term > leader.driver.role.term) leader = controller;
    }
    return leader;
  }

  crash(id: MemberId): void {
    this.members.find((member) => member.id === id)?.crash();
  }

  /** Stops a process for a while. */
  freeze(id: MemberId): void {
    const { time, knobs } = this.#parts;
    const process = this.members.find((member) => member.id === id)?.process ?? null;
    if (process === null || process.paused) return;
    process.pause();
    const pauseMs = between(this.#random, 0.1, 4) * knobs.group.driver.electionTimeoutMs;
    time.after(pauseMs * 1000, 'resume', id, () => process.resume());
  }

  #controllerAt(id: MemberId): Controller | null {
    const controller = this.#controllers.get(id) ?? null;
    return controller?.process.alive === true ? controller : null;
  }

  #surroundings(invariants: Invariants, configurations: Configurations): Surroundings {
    const { seed, time, trace, violate, knobs, controllers } = this.#parts;
    const { electionTimeoutMs } = knobs.group.driver;
    return {
      seed,
      knobs: knobs.group,
      time,
      trace,
      marks: this.#marks,
      invariants,
      configurations,
      transport: {
        time,
        trace,
        network: this.#network,
        invariants,
        member: (id) => this.members.find((member) => member.id === id) ?? null,
        onSnapshotSent: () => this.#marks.hit('snapshotSent'),
        deadlineUs: electionTimeoutMs * 1000,
        idleUs: electionTimeoutMs * 1000 * 2,
      },
      violate,
      onStart: (machine, process, running) => {
        this.#lives += 1;
        const own = { ...controllers, life: this.#lives, channel: this.channel };
        this.#controllers.set(machine.id, new Controller(own, machine, { process, running }));
      },
      onDown: ({ id }) => this.#restartLater(id),
    };
  }

  /** Something looks after the processes and starts them again, sooner or later. */
  #restartLater(id: MemberId): void {
    const { time, knobs } = this.#parts;
    const isSlow = !this.#isHealed && chance(this.#random, 0.25);
    const meanMs = knobs.group.driver.electionTimeoutMs * (isSlow ? 6 : 0.7);
    time.after(exponential(this.#random, meanMs * 1000), 'restart', id, () => {
      this.members.find((member) => member.id === id)?.boot();
    });
  }
}
