// The addresses of names, kept on disk for a process that starts while no name service answers.

import { rename, writeFile } from 'node:fs';

import type { Clock, Timer } from '../base/clock.ts';
import { parseHosts } from './hosts.ts';
import { readFirstLines } from './watched-file.ts';

/** Milliseconds from a change until it is written: many come together. */
const GATHER_MS = 1000;
/** Milliseconds between two writes of names that were known before: some have another address at every answer. */
const INTERVAL_MS = 10_000;

export type NamedAddresses = readonly [name: string, addresses: readonly string[]];

/**
 * A file in the form of a hosts file. It is a hint and not a record: one that cannot be read counts as empty, and a write that fails is tried
 * again with the next change; a bad disk is told of by the log that lives on it.
 */
export class KeptNames {
  readonly #path: string;
  readonly #clock: Clock;
  /** What an earlier process has left, the name used last first. */
  readonly initial: ReadonlyMap<string, readonly string[]>;
  #source: (() => Iterable<NamedAddresses>) | null = null;
  #timer: Timer | null = null;
  #nextWriteAtMs = -Infinity;
  #isWriting = false;
  #isClosed = false;

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
    this.initial = parseHosts(readFirstLines(path));
  }

  /** What `source` gives, the names used last first, is written soon: within a second when there is a name that was not known before. */
  save(source: () => Iterable<NamedAddresses>, what: 'new' | 'changed'): void {
    this.#source = source;
    if (what === 'new' && this.#nextWriteAtMs !== -Infinity) {
      this.#nextWriteAtMs = -Infinity;
      this.#timer?.cancel();
      this.#timer = null;
    }
    this.#arrange();
  }

  /** What is not written by now stays unwritten. */
  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }

  #arrange(): void {
    if (this.#source === null || this.#timer !== null || this.#isWriting || this.#isClosed) return;
    const waitMs = Math.max(GATHER_MS, this.#nextWriteAtMs - this.#clock.monotonicMs());
    this.#timer = this.#clock.setTimer(waitMs, () => {
      this.#timer = null;
      this.#write();
    });
  }

  #write(): void {
    const source = this.#source;
    if (source === null) return;
    this.#source = null;
    this.#isWriting = true;
    this.#nextWriteAtMs = this.#clock.monotonicMs() + INTERVAL_MS;
    const temporary = `${this.#path}.tmp`;
    const written = (): void => {
      this.#isWriting = false;
      this.#arrange();
    };
    writeFile(temporary, printHosts(source()), (error) => {
      if (error === null) rename(temporary, this.#path, written);
      else written();
    });
  }
}

function printHosts(all: Iterable<NamedAddresses>): string {
  let text =
    '# Written by the controller: the addresses that names had. Used while no name service answers.\n';
  for (const [name, addresses] of all) {
    for (const address of addresses) text += `${address} ${name}\n`;
  }
  return text;
}
