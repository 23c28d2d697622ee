// The driver's way to its peers over the simulated network, in the manner of HTTP posts: what waits for one peer goes as one
// batch, heartbeats and votes on a connection of their own, and a post that failed may have run all the same.

import type { Message } from '../../src/raft/core/messages.ts';
import type { Incarnation, MemberId, Term } from '../../src/raft/core/types.ts';
import type { SnapshotFile, Transport } from '../../src/raft/ports.ts';
import type { Invariants } from './invariants.ts';
import type { Peer, Running } from './peer.ts';
import type { Process } from './process.ts';
import type { Trace } from './trace.ts';
import { SnapshotTransfer, type TransferParts } from './transfer.ts';

export interface TransportParts extends TransferParts {
  readonly trace: Trace;
  readonly member: (id: MemberId) => Peer | null;
  readonly invariants: Invariants;
  readonly onSnapshotSent: () => void;
  /** Virtual microseconds after which an unanswered post has failed. */
  readonly deadlineUs: number;
}

/** The transport of one life of one member. */
export class SimulatedTransport implements Transport {
  readonly #parts: TransportParts;
  readonly #self: Peer;
  readonly #process: Process;
  readonly #incarnation: Incarnation;

  constructor(
    parts: TransportParts,
    self: Peer,
    life: { readonly process: Process; readonly incarnation: Incarnation },
  ) {
    this.#parts = parts;
    this.#self = self;
    this.#process = life.process;
    this.#incarnation = life.incarnation;
  }

  send(messages: readonly Message[]): void {
    if (!this.#process.alive) return;
    const batches = new Map<string, Message[]>();
    for (const message of messages) {
      this.#parts.invariants.onSend(this.#self, message);
      this.#note(message);
      const lane = message.kind === 'appendRequest' ? 'append' : 'control';
      const batch = batches.get(`${message.to}${lane}`);
      if (batch === undefined) batches.set(`${message.to}${lane}`, [message]);
      else batch.push(message);
    }
    for (const batch of batches.values()) this.#post(batch);
  }

  /** The network knows its members by id. */
  setAddresses(): void {}

  sendSnapshot(to: MemberId, term: Term, file: SnapshotFile, done: (delivered: boolean) => void): void {
    if (!this.#process.alive) return;
    const target = this.#parts.member(to);
    if (target === null) {
      this.#process.scheduler.afterPoll(() => done(false));
      return;
    }
    this.#parts.onSnapshotSent();
    const ends = { from: this.#self, sender: this.#process, to: target };
    new SnapshotTransfer(this.#parts, ends, { term, incarnation: this.#incarnation }).run(file, done);
  }

  #post(batch: readonly Message[]): void {
    const [first] = batch;
    if (first === undefined) return;
    const { to } = first;
    const lane = first.kind === 'appendRequest' ? 'append' : 'control';
    const failed = (): void =>
      this.#process.deliver(() => this.#self.runningIn(this.#process)?.driver.onUnreachable(to));
    const arrive = (): void => {
      const target = this.#parts.member(to);
      const process = target?.process ?? null;
      const running = target?.running ?? null;
      if (process === null || running === null) failed();
      else process.deliver(() => this.#admit(running, batch));
    };
    this.#parts.network.send({ from: this.#self.id, to, lane, arrive, failed }, this.#parts.deadlineUs);
  }

  /** At the receiver: as a server answers a request, the sender is let in or told why not. */
  #admit(target: Running, batch: readonly Message[]): void {
    const [first] = batch;
    if (first === undefined) return;
    const { from, to, incarnation } = first;
    const admission = target.driver.admits(from, incarnation);
    if (admission === 'yes') {
      for (const message of batch) target.driver.onMessage(message);
      return;
    }
    const arrive = (): void =>
      this.#process.deliver(() => this.#self.runningIn(this.#process)?.driver.onRefused(to, admission));
    const answer = { from: to, to: from, lane: 'control', arrive, failed: () => undefined };
    this.#parts.network.send(answer, this.#parts.deadlineUs);
  }

  #note(message: Message): void {
    const { trace } = this.#parts;
    trace.event(message.kind, message.from * 64 + message.to, message.term, detail(message));
    trace.say(message.from, () => `sends ${JSON.stringify(message, shorten)}`);
  }
}

/** A number that tells messages of one kind apart. */
function detail(message: Message): number {
  switch (message.kind) {
    case 'appendRequest':
      return message.previous.index * 1024 + message.entries.length;
    case 'appendAccepted':
      return message.matched;
    case 'appendRejected':
      return message.probed;
    case 'heartbeat':
    case 'heartbeatReply':
      return message.readRound;
    default:
      return 0;
  }
}

function shorten(key: string, value: unknown): unknown {
  if (key === 'entries' && Array.isArray(value)) return value.length;
  return value;
}
