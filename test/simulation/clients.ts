// Clients: they read, put, remove, compare-and-set and append over a bad network, and repeat what they got no answer to.

import type { Random } from '../../src/base/random.ts';
import { randomBelow, randomHex } from '../../src/base/random.ts';
import type { Transaction } from '../../src/store/types.ts';
import type { KeyInput, KeyOperation, KeyOutput } from './history.ts';
import type { Knobs } from './knobs.ts';
import type { Marks } from './marks.ts';
import type { Network } from './network.ts';
import type { CalledAt, Oracle } from './oracle.ts';
import type { Peer } from './peer.ts';
import { chance, childRandom, exponential, integerBetween, pick } from './prng.ts';
import { encodeTransaction } from './production.ts';
import type { Trace } from './trace.ts';
import type { VirtualTime } from './virtual-time.ts';

/** The first of the addresses clients have in the network. */
const FIRST_ADDRESS = 100;
const ATTEMPTS_MAX = 12;

export interface ClientParts {
  readonly seed: number;
  readonly time: VirtualTime;
  readonly trace: Trace;
  readonly marks: Marks;
  readonly network: Network;
  readonly oracle: Oracle;
  readonly knobs: Knobs;
  readonly members: readonly Peer[];
  /** Filled with everything that may have had an effect, or was answered. */
  readonly history: KeyOperation[];
}

/** One operation between its call and its end. */
interface Ongoing {
  readonly key: string;
  readonly input: KeyInput;
  readonly requestId: string;
  /** The command; null for a read. */
  readonly data: Uint8Array | null;
  readonly call: number;
  readonly called: CalledAt;
  /** Some attempt may have had an effect, or may still. */
  maybe: boolean;
  attempts: number;
}

/** What came back from one attempt. */
type Answer =
  | { readonly kind: 'written'; readonly outcome: unknown }
  | {
      readonly kind: 'read';
      readonly revision: number;
      readonly text: string | null;
      readonly applied: number;
    }
  /** Certainly without an effect. `leader` is where to go, if known. */
  | { readonly kind: 'refused'; readonly leader: number | null; readonly overloaded: boolean }
  | { readonly kind: 'unknown' };

/** What a client last saw of a key. */
interface Seen {
  readonly revision: number;
  readonly text: string | null;
}

export class Client {
  readonly #parts: ClientParts;
  readonly #address: number;
  readonly #random: Random;
  readonly #seen = new Map<string, Seen>();
  #target: number;
  #count = 0;
  #stopped = false;
  #busy = false;
  /** Operations answered, and those answered since the last call of `resetCounts`. */
  writes = 0;
  reads = 0;

  constructor(parts: ClientParts, number: number) {
    this.#parts = parts;
    this.#address = FIRST_ADDRESS + number;
    this.#random = childRandom(parts.seed, 'client', number);
    this.#target = randomBelow(this.#random, parts.members.length);
  }

  /** An operation is under way. */
  get busy(): boolean {
    return this.#busy;
  }

  /** Begins, after a while, one operation after another. */
  start(): void {
    const { time, knobs } = this.#parts;
    const waitUs = exponential(this.#random, knobs.thinkMs * 1000);
    time.after(waitUs, 'think', this.#address, () => this.#begin());
  }

  /** Begins nothing more; what is under way goes on to its end. */
  stop(): void {
    this.#stopped = true;
  }

  #begin(): void {
    if (this.#stopped) return;
    this.#busy = true;
    this.#attempt(this.#nextOperation());
  }

  #nextOperation(): Ongoing {
    const { knobs, time, oracle } = this.#parts;
    this.#count += 1;
    const key = `key-${randomBelow(this.#random, knobs.keys)}`;
    const name = `${this.#address}.${this.#count}`;
    const kind = pick(this.#random, ['read', 'read', 'write', 'cas', 'append', 'remove'] as const);
    const requestId = randomHex(this.#random, 32);
    const rest = { key, requestId, call: time.nowUs, called: oracle.call(), maybe: false, attempts: 0 };
    if (kind === 'read') return { ...rest, input: { kind }, data: null };
    const seen = this.#seen.get(key) ?? { revision: 0, text: null };
    const compares = kind === 'cas' || kind === 'append';
    const value = kind === 'append' ? `${name},${(seen.text ?? '').slice(0, 60)}` : this.#value(name);
    const transaction: Transaction = {
      requestId,
      compare: compares ? [{ key, revision: seen.revision }] : [],
      put: kind === 'remove' ? [] : [{ key, value: Buffer.from(value) }],
      remove: kind === 'remove' ? [key] : [],
    };
    const input: KeyInput =
      kind === 'remove'
        ? { kind }
        : compares
          ? { kind: 'cas', expected: nameOf(seen.text), value: name }
          : { kind: 'write', value: name };
    return { ...rest, input, data: encodeTransaction(transaction) };
  }

  #value(name: string): string {
    const bytes = integerBetween(this.#random, 0, this.#parts.knobs.valueBytesMax);
    return `${name},${'x'.repeat(chance(this.#random, 0.2) ? bytes : Math.min(bytes, 20))}`;
  }

  #attempt(ongoing: Ongoing): void {
    const { time, members, network, knobs } = this.#parts;
    ongoing.attempts += 1;
    const target = members[this.#target % members.length];
    if (target === undefined) return;
    const deadlineUs = knobs.driver.electionTimeoutMs * 1000 * 2;
    let settled = false;
    const settle = (answer: Answer): void => {
      if (settled) return;
      settled = true;
      timer.cancelled = true;
      this.#answered(ongoing, answer);
    };
    const timer = time.after(deadlineUs, 'client.deadline', this.#address, () => settle({ kind: 'unknown' }));
    let ran = false;
    const arrive = (): void => {
      // A server reads a request from its connection once.
      if (ran) return;
      ran = true;
      this.#serve(target, ongoing, (answer) => this.#return(target.id, () => settle(answer)));
    };
    if (this.#isLost()) return;
    const lane = `client-${this.#count}-${ongoing.attempts}`;
    network.send({ from: this.#address, to: target.id, lane, arrive, failed: () => undefined }, deadlineUs);
  }

  #isLost(): boolean {
    const { network, knobs } = this.#parts;
    return !network.healed && chance(this.#random, knobs.clientLossShare);
  }

  /** Brings an answer back to the client, or loses it. */
  #return(from: number, arrive: () => void): void {
    const { network, knobs } = this.#parts;
    if (this.#isLost()) return;
    const lane = `client-${this.#count}`;
    const deadlineUs = knobs.driver.electionTimeoutMs * 1000 * 2;
    network.send({ from, to: this.#address, lane, arrive, failed: () => undefined }, deadlineUs);
  }

  /** Runs the operation at a member, in its process. */
  #serve(target: Peer, ongoing: Ongoing, answer: (answer: Answer) => void): void {
    const { process, running } = target;
    if (process === null || running === null) {
      answer({ kind: 'refused', leader: null, overloaded: false });
      return;
    }
    const deadlineMs = this.#parts.knobs.driver.electionTimeoutMs;
    const refuse = (kind: string): void => {
      if (kind === 'unknown') answer({ kind });
      else answer({ kind: 'refused', leader: running.driver.role.leader, overloaded: kind === 'overloaded' });
    };
    process.deliver(() => {
      if (ongoing.data === null) {
        running.driver.confirm(deadlineMs, (outcome) => {
          if (!outcome.ok) return refuse(outcome.error.kind);
          const found = running.machine.get(ongoing.key);
          const text = found === null ? null : Buffer.from(found.value).toString('latin1');
          return answer({
            kind: 'read',
            revision: found?.revision ?? 0,
            text,
            applied: running.machine.applied,
          });
        });
        return;
      }
      running.driver.submit(ongoing.data, { deadlineMs }, (outcome) => {
        if (outcome.ok) answer({ kind: 'written', outcome: outcome.value });
        else refuse(outcome.error.kind);
      });
    });
  }

  #answered(ongoing: Ongoing, answer: Answer): void {
    const { trace, marks } = this.#parts;
    trace.event(answer.kind, this.#address, ongoing.attempts);
    trace.say(
      this.#address,
      () => `${ongoing.key} ${JSON.stringify(ongoing.input)} -> ${JSON.stringify(answer)}`,
    );
    switch (answer.kind) {
      case 'written':
        return this.#written(ongoing, answer.outcome);
      case 'read':
        return this.#wasRead(ongoing, answer);
      case 'refused':
        if (answer.overloaded) marks.hit('overloaded');
        this.#retarget(answer.leader);
        return this.#again(ongoing);
      case 'unknown':
        marks.hit('proposalUnknown');
        ongoing.maybe = true;
        this.#retarget(null);
        return this.#again(ongoing);
    }
  }

  #written(ongoing: Ongoing, outcome: unknown): void {
    const { oracle } = this.#parts;
    oracle.onWritten(ongoing.requestId, outcome, ongoing.called);
    const committed = isCommitted(outcome);
    this.#seen.delete(ongoing.key);
    this.writes += 1;
    this.#record(ongoing, { kind: committed ? 'done' : 'conflict' });
  }

  #wasRead(ongoing: Ongoing, answer: Answer & { readonly kind: 'read' }): void {
    const { revision, text, applied } = answer;
    const { oracle } = this.#parts;
    oracle.onRead(ongoing.key, { revision, value: text }, { applied, called: ongoing.called });
    this.#seen.set(ongoing.key, { revision, text });
    this.reads += 1;
    this.#record(ongoing, { kind: 'value', value: nameOf(text) });
  }

  /** The same request again, now and then; or its end without an answer. */
  #again(ongoing: Ongoing): void {
    const { time, knobs, oracle } = this.#parts;
    if (ongoing.attempts < ATTEMPTS_MAX && chance(this.#random, 0.9)) {
      const waitUs = exponential(this.#random, (knobs.driver.electionTimeoutMs * 1000) / 10);
      time.after(waitUs, 'client.again', this.#address, () => this.#attempt(ongoing));
      return;
    }
    if (ongoing.maybe) this.#record(ongoing, 'unknown');
    else {
      if (ongoing.data !== null) oracle.onRefused(ongoing.requestId);
      this.#finish();
    }
  }

  #record(ongoing: Ongoing, output: KeyOutput | 'unknown'): void {
    const { history, time } = this.#parts;
    const { key, input, call } = ongoing;
    if (output !== 'unknown' || input.kind !== 'read') {
      const end = output === 'unknown' ? null : time.nowUs;
      history.push({ client: this.#address, key, call, return: end, input, output });
    }
    this.#finish();
  }

  #finish(): void {
    this.#busy = false;
    this.start();
  }

  #retarget(leader: number | null): void {
    const { members } = this.#parts;
    const known = leader !== null && chance(this.#random, 0.9) ? leader - 1 : null;
    this.#target = known ?? randomBelow(this.#random, members.length);
  }
}

/** The name of the write that made `text`; null for nothing. */
function nameOf(text: string | null): string | null {
  return text === null ? null : text.slice(0, Math.max(0, text.indexOf(',')));
}

function isCommitted(outcome: unknown): boolean {
  return typeof outcome === 'object' && outcome !== null && 'kind' in outcome && outcome.kind === 'committed';
}
