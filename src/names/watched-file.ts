// A small file of the system that is read again when it has changed.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

import type { Clock } from '../base/clock.ts';

/** More of a file is not read. A hosts file of a megabyte names 30,000 hosts. */
const BYTES_MAX = 1024 * 1024;
/** Milliseconds between two looks at the file. */
const LOOK_INTERVAL_MS = 1000;

/**
 * The parsed content of one file. Read synchronously on purpose: asynchronous file calls wait for the threads that the
 * log writes with, and a local file of a page is read faster than such a call is arranged.
 */
export class WatchedFile<T> {
  readonly #path: string;
  readonly #parse: (text: string) => T;
  readonly #clock: Clock;
  #value: T;
  /** Identity, size and time of the content that was parsed; empty before the first. */
  #state = '';
  #nextLookAtMs = Number.NEGATIVE_INFINITY;

  constructor(path: string, parse: (text: string) => T, clock: Clock) {
    this.#path = path;
    this.#parse = parse;
    this.#clock = clock;
    this.#value = parse('');
  }

  /** The newest content, at most a second old. A file that cannot be read keeps its last content. */
  get value(): T {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs >= this.#nextLookAtMs) {
      this.#nextLookAtMs = nowMs + LOOK_INTERVAL_MS;
      this.#look();
    }
    return this.#value;
  }

  #look(): void {
    let file: number | null = null;
    try {
      file = openSync(this.#path, 'r');
      const { ino, size, mtimeMs } = fstatSync(file);
      const state = `${ino} ${size} ${mtimeMs}`;
      if (state === this.#state) return;
      this.#value = this.#parse(firstLines(file));
      this.#state = state;
    } catch {
      // Not there or not readable now: names that were known stay known.
    } finally {
      if (file !== null) closeSync(file);
    }
  }
}

/** The whole lines among the first megabyte of a file; nothing when it cannot be read. */
export function readFirstLines(path: string): string {
  let file: number | null = null;
  try {
    file = openSync(path, 'r');
    return firstLines(file);
  } catch {
    return '';
  } finally {
    if (file !== null) closeSync(file);
  }
}

/** The whole lines among the first `BYTES_MAX` bytes. */
function firstLines(file: number): string {
  const buffer = Buffer.alloc(BYTES_MAX);
  let bytes = 0;
  while (bytes < BYTES_MAX) {
    const read = readSync(file, buffer, bytes, BYTES_MAX - bytes, bytes);
    if (read === 0) return buffer.toString('utf8', 0, bytes);
    bytes += read;
  }
  return buffer.toString('utf8', 0, buffer.lastIndexOf('\n', bytes - 1) + 1);
}
