// The adversary: one disturbance after another, of the kinds this seed allows, each undone after a while.

import type { Random } from '../../src/base/random.ts';
import { randomBelow } from '../../src/base/random.ts';
import type { Fault, Knobs } from './knobs.ts';
import type { Marks } from './marks.ts';
import type { Member } from './member.ts';
import type { Network } from './network.ts';
import { between, chance, childRandom, exponential, integerBetween, pick, shuffled } from './prng.ts';
import type { Operator } from './operator.ts';
import type { Trace } from './trace.ts';
import type { VirtualTime } from './virtual-time.ts';

export interface NemesisParts {
  readonly seed: number;
  readonly time: VirtualTime;
  readonly trace: Trace;
  readonly marks: Marks;
  readonly network: Network;
  readonly knobs: Knobs;
  readonly members: readonly Member[];
  /** The group's first entry is committed: until then it needs every member it is founded with. */
  readonly isFounded: () => boolean;
  readonly operator: Operator;
}

/** Classes that act by themselves all the time; the others are acts of the nemesis. */
type Act = Exclude<Fault, 'loss' | 'duplication' | 'reordering' | 'clientLoss' | 'copyDamage'>;

const PARTITIONS = [
  'isolate',
  'split',
  'leaderAlone',
  'leaderAlone',
  'deafLeader',
  'muteLeader',
  'ring',
  'mask',
] as const;

export class Nemesis {
  readonly #parts: NemesisParts;
  readonly #random: Random;
  readonly #acts: readonly Act[];
  #over = false;

  constructor(parts: NemesisParts) {
    this.#parts = parts;
    this.#random = childRandom(parts.seed, 'nemesis');
    this.#acts = actsOf(parts.knobs.faults);
  }

  start(): void {
    if (this.#acts.length > 0) this.#later();
  }

  /** Undoes everything and disturbs no more. */
  heal(): void {
    this.#over = true;
    this.#parts.network.heal();
    for (const member of this.#parts.members) {
      member.rate = 1;
      member.database.failNext = false;
      member.database.losesRecords = false;
      member.disk.heal();
      member.process?.setRate(1);
      member.process?.resume();
      // What is damaged is found out at the next start; until then it could stand in the way of others.
      if (member.rotten && !member.refused) member.crash();
      member.boot();
    }
  }

  #later(): void {
    const waitUs = exponential(this.#random, this.#parts.knobs.nemesisMs * 1000);
    this.#parts.time.after(waitUs, 'nemesis', 0, () => {
      if (this.#over) return;
      this.#act(pick(this.#random, this.#acts));
      this.#later();
    });
  }

  #act(act: Act): void {
    const { trace } = this.#parts;
    const leader = this.#leader();
    const member =
      leader !== null && chance(this.#random, 0.35) ? leader : pick(this.#random, this.#parts.members);
    trace.event(act, member.id);
    trace.say(0, () => `nemesis: ${act}, member ${member.id}`);
    switch (act) {
      case 'partition':
        return this.#partition();
      case 'slowLinks':
        return this.#slowLinks(member);
      case 'crash':
        return member.crash();
      case 'powerLoss':
        return this.#powerLoss(member);
      case 'crashAtOperation':
        return member.disk.armCrash(integerBetween(this.#random, 1, 40));
      case 'pause':
        return this.#pause(member);
      case 'clockRate':
        return this.#clockRate(member);
      case 'syncFailure':
        member.disk.failNext = pick(this.#random, ['datasync', 'datasync', 'syncDirectory'] as const);
        return;
      case 'writeFailure':
        member.disk.failNext = pick(this.#random, ['write', 'write', 'create', 'rename', 'remove'] as const);
        return;
      case 'hang':
        return this.#hang(member);
      case 'diskFull':
        return this.#fill(member);
      case 'copyFailure':
        member.database.failNext = true;
        return;
      case 'bitRot':
        return this.#rot(member);
      case 'wipe':
        if (this.#mayLose(member)) member.wipe();
        return;
      case 'membership':
        return this.#parts.operator.change();
      case 'transfer':
        return this.#parts.operator.transfer();
    }
  }

  #leader(): Member | null {
    return this.#parts.members.find(({ running }) => running?.driver.role.role === 'leader') ?? null;
  }

  #partition(): void {
    const { network, marks, members } = this.#parts;
    marks.hit('partition');
    const ids = shuffled(
      this.#random,
      members.map(({ id }) => Number(id)),
    );
    const leader = this.#leader()?.id ?? ids[0] ?? 1;
    const shape = pick(this.#random, PARTITIONS);
    const half = integerBetween(this.#random, 1, Math.max(1, ids.length - 1));
    const isCut = (from: number, to: number): boolean => {
      switch (shape) {
        case 'isolate':
          return from === ids[0] || to === ids[0];
        case 'split':
          return ids.indexOf(from) < half !== ids.indexOf(to) < half;
        case 'leaderAlone':
          return from === leader || to === leader;
        case 'deafLeader':
          return to === leader;
        case 'muteLeader':
          return from === leader;
        case 'ring':
          return (ids.indexOf(from) + 1) % ids.length !== ids.indexOf(to);
        case 'mask':
          return chance(this.#random, 0.4);
      }
    };
    for (const from of ids) {
      for (const to of ids) if (from !== to && isCut(from, to)) network.cut(from, to);
    }
    this.#undo('reconnect', between(this.#random, 0.5, 5), () => network.reconnect());
  }

  #slowLinks(member: Member): void {
    const { network, members } = this.#parts;
    const factor = integerBetween(this.#random, 5, 300);
    const both = chance(this.#random, 0.5);
    for (const { id } of members) {
      if (id === member.id) continue;
      network.slow(member.id, id, factor);
      if (both) network.slow(id, member.id, factor);
    }
    this.#undo('reconnect', between(this.#random, 0.5, 4), () => network.reconnect());
  }

  /** One machine, or the whole data centre. */
  #powerLoss(member: Member): void {
    const all = chance(this.#random, 0.15);
    for (const each of this.#parts.members) if (all || each === member) each.losePower();
  }

  #pause(member: Member): void {
    const { process } = member;
    if (process === null || process.paused) return;
    this.#parts.marks.hit('pause');
    process.pause();
    this.#undo('resume', between(this.#random, 0.1, 3.5), () => process.resume());
  }

  #clockRate(member: Member): void {
    member.rate = between(this.#random, 0.5, 2);
    member.process?.setRate(member.rate);
  }

  #hang(member: Member): void {
    const elections = between(this.#random, 0.1, 4);
    if (elections > 0.5) this.#parts.marks.hit('diskHung');
    member.disk.hang();
    this.#undo('unhang', elections, () => member.disk.unhang());
  }

  #fill(member: Member): void {
    member.disk.capacityBytes = member.disk.image.usedBytes + randomBelow(this.#random, 12_000);
    this.#undo('space', between(this.#random, 0.5, 6), () => {
      member.disk.capacityBytes = Number.POSITIVE_INFINITY;
    });
  }

  /** Only as many members are damaged as the group survives: the others must hold everything. */
  #rot(member: Member): void {
    const { marks } = this.#parts;
    if (!this.#mayLose(member)) return;
    if (member.disk.rot() === null) return;
    member.rotten = true;
    marks.hit('bitRot');
    if (chance(this.#random, 0.7)) member.crash();
  }

  /** A group is founded by all its members, and lives as long as a majority of every voter set is intact. */
  #mayLose(member: Member): boolean {
    const { isFounded, operator } = this.#parts;
    return isFounded() && !member.refused && operator.mayLose(member);
  }

  /** Ends a disturbance after `elections` election timeouts, unless everything was healed before. */
  #undo(name: string, elections: number, run: () => void): void {
    const { time, knobs } = this.#parts;
    time.after(elections * knobs.driver.electionTimeoutMs * 1000, name, 0, () => {
      if (!this.#over) run();
    });
  }
}

function actsOf(faults: ReadonlySet<Fault>): readonly Act[] {
  const acts: Act[] = [];
  for (const fault of faults) {
    if (fault === 'loss' || fault === 'duplication' || fault === 'reordering' || fault === 'clientLoss')
      continue;
    // Records only disappear from the copy when the power does.
    acts.push(fault === 'copyDamage' ? 'powerLoss' : fault);
  }
  return acts;
}
