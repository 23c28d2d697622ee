// A snapshot on its way from one member to another: read, sent and written chunk by chunk, one answer a chunk.

import type { Incarnation, SnapshotMeta, Term } from '../../src/raft/core/types.ts';
import type { SnapshotFile } from '../../src/raft/ports.ts';
import type { IncomingSnapshot } from '../../src/raft/snapshot/incoming.ts';
import type { Peer } from './peer.ts';
import type { Network } from './network.ts';
import type { Process } from './process.ts';
import { SnapshotFileReader, outcome, runTask, type Task } from './production.ts';
import type { VirtualTime } from './virtual-time.ts';

export interface TransferParts {
  readonly time: VirtualTime;
  readonly network: Network;
  /** A chunk without an answer for this long ends the transfer, on both sides. */
  readonly idleUs: number;
}

type Part =
  | { readonly kind: 'head'; readonly meta: SnapshotMeta }
  | { readonly kind: 'chunk'; readonly bytes: Buffer }
  | { readonly kind: 'end' };

/** Both ends of one transfer, each tied to one life of its member. */
export class SnapshotTransfer {
  readonly #parts: TransferParts;
  readonly #from: Peer;
  readonly #sender: Process;
  readonly #to: Peer;
  readonly #term: Term;
  readonly #incarnation: Incarnation;
  #receiver: Process | null = null;
  #incoming: IncomingSnapshot | null = null;
  #sent = 0;
  #received = 0;

  constructor(
    parts: TransferParts,
    ends: { readonly from: Peer; readonly sender: Process; readonly to: Peer },
    leader: { readonly term: Term; readonly incarnation: Incarnation },
  ) {
    this.#parts = parts;
    this.#from = ends.from;
    this.#sender = ends.sender;
    this.#to = ends.to;
    this.#term = leader.term;
    this.#incarnation = leader.incarnation;
  }

  /** Calls `done` once, in the sender's process, unless that dies. */
  run(file: SnapshotFile, done: (delivered: boolean) => void): void {
    runTask(this.#send(file), (result) => {
      // A damaged or unreadable file ends the transfer like a broken connection.
      done(result === true);
    });
  }

  *#send(file: SnapshotFile): Task<boolean> {
    const fileSystem = this.#from.disk.attach(this.#sender);
    const reader = yield* SnapshotFileReader.open(fileSystem, file.path);
    try {
      if (!(yield* this.#post({ kind: 'head', meta: file.meta }))) return false;
      for (let chunk = yield* reader.next(); chunk !== null; chunk = yield* reader.next()) {
        if (!(yield* this.#post({ kind: 'chunk', bytes: chunk }))) return false;
      }
      return yield* this.#post({ kind: 'end' });
    } finally {
      yield* reader.close();
    }
  }

  *#post(part: Part): Task<boolean> {
    return yield* outcome<boolean>((done) => this.#ask(part, done));
  }

  /** One request and its answer; silence counts as a failure. */
  #ask(part: Part, done: (taken: boolean) => void): void {
    const { time, network, idleUs } = this.#parts;
    const number = this.#sent;
    this.#sent += 1;
    let settled = false;
    const settle = (taken: boolean): void => {
      if (settled) return;
      settled = true;
      this.#sender.deliver(() => done(taken));
    };
    const timer = time.after(idleUs, 'snapshot.idle', this.#from.id, () => settle(false));
    const ends = { from: this.#from.id, to: this.#to.id, lane: 'snapshot' };
    const answer = (taken: boolean): void => {
      timer.cancelled = true;
      const back = { from: ends.to, to: ends.from, lane: 'snapshot' };
      network.send({ ...back, arrive: () => settle(taken), failed: () => settle(false) }, idleUs);
    };
    const arrive = (): void => this.#arrive(number, part, answer);
    network.send({ ...ends, arrive, failed: () => settle(false) }, idleUs);
  }

  #arrive(number: number, part: Part, answer: (taken: boolean) => void): void {
    const process = this.#to.process;
    if (process === null || this.#to.running === null) {
      answer(false);
      return;
    }
    process.deliver(() => {
      // A repetition of what was read from the connection already.
      if (number !== this.#received) return;
      this.#received += 1;
      if (part.kind === 'head') this.#begin(process, part.meta, answer);
      else if (process !== this.#receiver || this.#incoming === null) answer(false);
      else if (part.kind === 'chunk') this.#write(this.#incoming, part.bytes, answer);
      else this.#finish(this.#incoming, answer);
    });
  }

  #begin(process: Process, meta: SnapshotMeta, answer: (taken: boolean) => void): void {
    const { running } = this.#to;
    const admitted = running?.driver.admits(this.#from.id, this.#incarnation) === 'yes';
    if (running === null || !admitted || this.#to.receivingFrom.has(this.#from.id)) {
      answer(false);
      return;
    }
    this.#to.receivingFrom.add(this.#from.id);
    this.#receiver = process;
    this.#incoming = running.snapshots.receive(meta);
    this.#watch();
    answer(true);
  }

  #write(incoming: IncomingSnapshot, bytes: Buffer, answer: (taken: boolean) => void): void {
    incoming.write(bytes, (error) => {
      if (error !== null) this.#giveUp();
      answer(error === null);
    });
  }

  #finish(incoming: IncomingSnapshot, answer: (taken: boolean) => void): void {
    this.#incoming = null;
    incoming.finish((result) => {
      this.#to.receivingFrom.delete(this.#from.id);
      if (!(result instanceof Error)) this.#to.running?.driver.onSnapshot(this.#from.id, this.#term, result);
      answer(!(result instanceof Error));
    });
  }

  /** Gives the reception up when nothing came for a while. */
  #watch(): void {
    const { time, idleUs } = this.#parts;
    const seen = this.#received;
    time.after(idleUs * 2, 'snapshot.idle', this.#to.id, () => {
      if (this.#incoming === null) return;
      if (this.#received > seen) this.#watch();
      else this.#receiver?.deliver(() => this.#giveUp());
    });
  }

  #giveUp(): void {
    const incoming = this.#incoming;
    this.#incoming = null;
    if (incoming === null) return;
    incoming.abort();
    this.#to.receivingFrom.delete(this.#from.id);
  }
}
