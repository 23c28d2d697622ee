// The data on disk: an append-only file, written before a write is acknowledged, so that kill -9 loses nothing (facts section 8).

import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';

/** One line each; the first of a file is a header. */
export class Journal {
  readonly #path: string;
  #descriptor: number;
  #pending: string[] = [];

  /** Opens or creates the file, cuts off a torn last line, and hands every whole line to `onLine`. */
  constructor(path: string, onLine: (line: string) => void) {
    this.#path = path;
    mkdirSync(dirname(path), { recursive: true });
    const text = existsSync(path) ? readFileSync(path, 'latin1') : '';
    const whole = text.lastIndexOf('\n') + 1;
    for (const line of text.slice(0, whole).split('\n')) if (line !== '') onLine(line);
    this.#descriptor = openSync(path, 'a');
    if (whole < text.length) ftruncateSync(this.#descriptor, whole);
  }

  append(line: string): void {
    this.#pending.push(line);
  }

  /** Hands what was appended to the operating system; the writes may be acknowledged afterwards. */
  flush(): void {
    if (this.#pending.length === 0) return;
    writeAll(this.#descriptor, `${this.#pending.join('\n')}\n`);
    this.#pending = [];
  }

  /** Replaces the whole content, atomically. */
  replace(lines: readonly string[]): void {
    this.#pending = [];
    const descriptor = openSync(`${this.#path}.tmp`, 'w');
    writeAll(descriptor, `${lines.join('\n')}\n`);
    closeSync(descriptor);
    renameSync(`${this.#path}.tmp`, this.#path);
    closeSync(this.#descriptor);
    this.#descriptor = openSync(this.#path, 'a');
  }
}

function writeAll(descriptor: number, text: string): void {
  const bytes = Buffer.from(text, 'latin1');
  let written = 0;
  while (written < bytes.length) written += writeSync(descriptor, bytes, written);
}
