// One seed from its beginning to its verdict: faults for a while, then healing, then progress within bounds.

import { assert } from '../../src/base/assert.ts';
import { memberId, type MemberId } from '../../src/raft/core/types.ts';
import { checkLinearizable } from '../support/linearizability/check.ts';
import { Client } from './clients.ts';
import { Configurations } from './configurations.ts';
import { keyModel, type KeyOperation } from './history.ts';
import { Invariants } from './invariants.ts';
import { knobsOf, type Knobs } from './knobs.ts';
import { Ledger } from './ledger.ts';
import { Marks } from './marks.ts';
import { Member } from './member.ts';
import { Nemesis } from './nemesis.ts';
import { Network } from './network.ts';
import { Operator } from './operator.ts';
import { Oracle } from './oracle.ts';
import { childRandom, chance, exponential } from './prng.ts';
import { Process } from './process.ts';
import { JOINING_BASE, foundingBase, foundingMembers, listenToSteps, tickMs } from './production.ts';
import type { Surroundings } from './surroundings.ts';
import { Trace, type TraceWriter } from './trace.ts';
import type { TransportParts } from './transport.ts';
import { VirtualTime } from './virtual-time.ts';

/** More events than any sound run has: a livelock. */
const EVENTS_MAX = 3_000_000;
/** Model steps the linearizability checker may take for one run. */
const HISTORY_BUDGET = 3_000_000;

export interface RunOptions {
  readonly seed: number;
  /** Voters the group is founded with. */
  readonly members: number;
  /** Takes the event list; null for none. */
  readonly writer: TraceWriter | null;
}

/** What one run came to. Equal options give an equal verdict, hash and counts. */
export interface Verdict {
  readonly seed: number;
  readonly members: number;
  /** The first thing that was wrong; null for a clean run. */
  readonly violation: string | null;
  readonly hash: string;
  readonly events: number;
  /** Virtual milliseconds. */
  readonly virtualMs: number;
  readonly operations: number;
  readonly marks: Readonly<Record<string, number>>;
}

/** Runs a seed to its end. Never throws for what the code under test does. */
export function runSeed(options: RunOptions): Verdict {
  return new Run(options).run();
}

class Run {
  readonly #options: RunOptions;
  readonly #knobs: Knobs;
  readonly #trace: Trace;
  readonly #time: VirtualTime;
  readonly #marks = new Marks();
  readonly #network: Network;
  readonly #oracle: Oracle;
  readonly #members: readonly Member[];
  readonly #clients: readonly Client[];
  readonly #nemesis: Nemesis;
  readonly #ledger: Ledger;
  readonly #configurations: Configurations;
  readonly #history: KeyOperation[] = [];
  readonly #restarts;
  #healed = false;
  #violation: string | null = null;

  constructor(options: RunOptions) {
    const { seed } = options;
    this.#options = options;
    this.#knobs = knobsOf(seed);
    this.#trace = new Trace(options.writer);
    this.#time = new VirtualTime(this.#trace);
    this.#network = new Network({ time: this.#time, seed, knobs: this.#knobs });
    this.#restarts = childRandom(seed, 'restarts');
    const violate = (invariant: string, text: string): void => this.#violate(invariant, text);
    this.#oracle = new Oracle(violate, this.#marks);
    const ids = foundingMembers(options.members);
    const base = foundingBase(ids);
    this.#configurations = new Configurations(base.membership, violate, this.#marks);
    this.#ledger = new Ledger(violate, (entry) => {
      this.#configurations.onCommitted(entry);
      this.#oracle.onCommitted(entry);
    });
    const members: Member[] = [];
    const { inflightMax, heartbeatIntervalMs } = this.#knobs.driver;
    const invariants = new Invariants({
      members,
      ledger: this.#ledger,
      configurations: this.#configurations,
      marks: this.#marks,
      inflightMax,
      tickMs: tickMs({ heartbeatIntervalMs }),
      violate,
    });
    const surroundings = this.#surroundings(members, invariants);
    for (const id of ids) members.push(new Member(surroundings, id, base));
    this.#members = members;
    const shared = {
      seed,
      time: this.#time,
      trace: this.#trace,
      marks: this.#marks,
      network: this.#network,
      knobs: this.#knobs,
      members,
    };
    const provision = (): Member => {
      const member = new Member(surroundings, memberId(members.length + 1), JOINING_BASE);
      members.push(member);
      return member;
    };
    const operator = new Operator({ ...shared, provision });
    this.#nemesis = new Nemesis({ ...shared, isFounded: () => this.#ledger.max > 0, operator });
    const clientParts = { ...shared, oracle: this.#oracle, history: this.#history };
    this.#clients = Array.from(
      { length: this.#knobs.clients },
      (_, number) => new Client(clientParts, number),
    );
    listenToSteps((core, input, effects) => {
      const process = Process.current;
      const member = members.find((each) => each.process === process && process !== null);
      if (member === undefined || process?.alive !== true) return;
      member.noteCore(core);
      invariants.onStep(member, core, input, effects);
    });
  }

  run(): Verdict {
    const { faults, driver } = this.#knobs;
    this.#trace.say(0, () => `faults: ${[...faults].join(' ')}; driver: ${JSON.stringify(driver)}`);
    for (const member of this.#members) member.boot();
    for (const client of this.#clients) client.start();
    this.#nemesis.start();
    const endUs = this.#knobs.faultyMs * 1000;
    this.#runUntil(endUs, () => false);
    if (this.#violation === null) this.#recover();
    if (this.#violation === null) this.#checkHistory();
    listenToSteps(null);
    return {
      seed: this.#options.seed,
      members: this.#options.members,
      violation: this.#violation,
      hash: this.#trace.hash,
      events: this.#time.count,
      virtualMs: this.#time.nowUs / 1000,
      operations: this.#history.length,
      marks: this.#marks.toJSON(),
    };
  }

  /** Runs until `condition` holds or the time has come; false in the latter case, and after a violation. */
  #runUntil(endUs: number, condition: () => boolean): boolean {
    for (let count = 0; this.#violation === null; count += 1) {
      if (count % 16 === 0 && condition()) return true;
      if (!this.#time.step(endUs)) return condition();
      if (this.#time.count > EVENTS_MAX) this.#violate('progress', `${EVENTS_MAX} events and no end`);
    }
    return false;
  }

  /** After healing: a leader, a fresh write and read, then equal logs and states everywhere. */
  #recover(): void {
    this.#trace.say(0, () => 'heals');
    this.#healed = true;
    this.#nemesis.heal();
    const { syncMs, linkMs, driver } = this.#knobs;
    const { electionTimeoutMs } = driver;
    const roundMs = 4 * (syncMs + linkMs) + 1;
    const expect = (what: string, boundMs: number, condition: () => boolean): void => {
      if (this.#violation !== null) return;
      const held = this.#runUntil(this.#time.nowUs + boundMs * 1000, condition);
      if (!held) this.#violate('progress', `${what} within ${Math.round(boundMs)} ms of healing`);
    };
    expect('no leader', 20 * electionTimeoutMs + 20 * roundMs, () => this.#leader() !== null);
    const written = this.#count('writes');
    const read = this.#count('reads');
    expect('no fresh write and read', 40 * electionTimeoutMs + 100 * roundMs, () => {
      return this.#count('writes') > written && this.#count('reads') > read;
    });
    for (const client of this.#clients) client.stop();
    const entries = this.#ledger.max + 100;
    expect('no agreement', 60 * electionTimeoutMs + entries * roundMs, () => this.#agreed());
  }

  #leader(): Member | null {
    return this.#members.find(({ running }) => running?.driver.role.established === true) ?? null;
  }

  #count(what: 'writes' | 'reads'): number {
    return this.#clients.reduce((sum, client) => sum + client[what], 0);
  }

  /** Every member that still takes part has the same log and state, and nobody waits for anything. */
  #agreed(): boolean {
    if (this.#clients.some(({ busy }) => busy) || this.#leader() === null) return false;
    const last = this.#ledger.max;
    const digests = new Set<string>();
    const { voterSets, learners } = this.#configurations.newest;
    if (voterSets.length > 1) return false;
    const expected = new Set([...voterSets.flat(), ...learners]);
    for (const { id, running, core, refused } of this.#members) {
      if (refused || !expected.has(id)) continue;
      if (running === null || core === null) return false;
      if (core.lastIndex !== last || core.commitIndex !== last || running.machine.applied !== last)
        return false;
      const status = running.driver.status();
      if (status.proposals > 0 || status.reads > 0) return false;
      digests.add(running.machine.digest.hash);
    }
    if (digests.size > 1) this.#violate('state machine safety', `the states differ at ${last}`);
    return true;
  }

  #checkHistory(): void {
    const verdict = checkLinearizable(this.#history, keyModel, { budget: HISTORY_BUDGET });
    if (verdict.kind === 'budgetExceeded') {
      this.#violate('linearizable', `the checker gave up on ${verdict.key} after ${verdict.steps} steps`);
    } else if (verdict.kind === 'violation') {
      const { culprit, operations, states } = verdict.window;
      const lines = operations.map(
        (each) =>
          `  ${each.client} ${each.call}..${each.return ?? ''} ${keyModel.describe(each.input, each.output)}`,
      );
      const from = states.map((state) => keyModel.describeState(state)).join(' or ');
      const last = keyModel.describe(culprit.input, culprit.output);
      this.#violate('linearizable', `from ${from} no order explains ${last}:\n${lines.join('\n')}`);
    }
  }

  #surroundings(members: readonly Member[], invariants: Invariants): Surroundings {
    const { electionTimeoutMs } = this.#knobs.driver;
    const transport: TransportParts = {
      time: this.#time,
      trace: this.#trace,
      network: this.#network,
      invariants,
      member: (id: MemberId) => members.find((member) => member.id === id) ?? null,
      onSnapshotSent: () => this.#marks.hit('snapshotSent'),
      deadlineUs: electionTimeoutMs * 1000,
      idleUs: electionTimeoutMs * 1000 * 2,
    };
    return {
      seed: this.#options.seed,
      knobs: this.#knobs,
      time: this.#time,
      trace: this.#trace,
      marks: this.#marks,
      invariants,
      configurations: this.#configurations,
      transport,
      violate: (invariant, text) => this.#violate(invariant, text),
      onStart: () => undefined,
      onDown: (member) => {
        const up = members.find((each) => each.id === member.id);
        assert(up !== undefined, 'a member of this group went down');
        this.#restartLater(up);
      },
    };
  }

  /** Something looks after the processes and starts them again, sooner or later. */
  #restartLater(member: Member): void {
    const slow = !this.#healed && chance(this.#restarts, 0.15);
    const meanMs = this.#knobs.driver.electionTimeoutMs * (slow ? 5 : 0.5);
    this.#time.after(exponential(this.#restarts, meanMs * 1000), 'restart', member.id, () => member.boot());
  }

  #violate(invariant: string, text: string): void {
    this.#trace.say(0, () => `VIOLATION ${invariant}: ${text}`);
    this.#violation ??= `${invariant}: ${text}`;
  }
}
