// Tells people what happens, with the time since the beginning, and counts what was verified.

/** Writes lines such as ` 3.2s  text` to standard output. */
export class Narrator {
  readonly #startMs = performance.now();
  #verifiedCount = 0;

  get verifiedCount(): number {
    return this.#verifiedCount;
  }

  get elapsedSeconds(): number {
    return (performance.now() - this.#startMs) / 1000;
  }

  /** The title of a step. */
  step(title: string): void {
    process.stdout.write(`\n${title}\n`);
  }

  say(text: string): void {
    process.stdout.write(`${this.elapsedSeconds.toFixed(1).padStart(6)}s  ${text}\n`);
  }

  /** Says `text` as a fact when `isTrue`, else ends the story. */
  verify(isTrue: boolean, text: string): void {
    if (!isTrue) throw new Error(`not so: ${text}`);
    this.#verifiedCount += 1;
    this.say(`${text}  [verified]`);
  }
}

/** `1.23 s` from one second on, else `456 ms`. */
export function formatMs(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`;
}
