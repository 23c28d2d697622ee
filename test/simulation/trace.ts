// What happened, as a hash of everything and, when asked for, as lines for people.

/** Takes one line of the event list. */
export type TraceWriter = (line: string) => void;

/**
 * A rolling hash over every event of a run: two runs of one seed that differ anywhere differ here. Lines are only made when
 * there is a writer, and never enter the hash.
 */
export class Trace {
  readonly #writer: TraceWriter | null;
  readonly #nameCodes = new Map<string, number>();
  #first = 0x243f6a88;
  #second = 0x13198a2e;
  #nowUs = 0;

  constructor(writer: TraceWriter | null) {
    this.#writer = writer;
  }

  get recording(): boolean {
    return this.#writer !== null;
  }

  /** 16 hexadecimal digits. */
  get hash(): string {
    const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');
    return hex(this.#first) + hex(this.#second);
  }

  /** The time of what follows, in virtual microseconds. */
  at(nowUs: number): void {
    this.#nowUs = nowUs;
    this.#word(nowUs >>> 0);
  }

  /** Takes an event of `who` (a member, or 0 for the world) with two numbers that tell it apart into the hash. */
  event(name: string, who: number, first = 0, second = 0): void {
    this.#word(this.#code(name) ^ (who << 16));
    this.#word(first);
    this.#word(second);
  }

  /** Writes a line; `text` is only called when lines are wanted. */
  say(who: number, text: () => string): void {
    if (this.#writer === null) return;
    const ms = (this.#nowUs / 1000).toFixed(3).padStart(12);
    this.#writer(`${ms}  ${who === 0 ? '-' : String(who)}  ${text()}`);
  }

  #code(name: string): number {
    const known = this.#nameCodes.get(name);
    if (known !== undefined) return known;
    let code = 0;
    for (const char of name) code = Math.imul(code, 31) + char.charCodeAt(0);
    this.#nameCodes.set(name, code);
    return code;
  }

  #word(word: number): void {
    const first = Math.imul(this.#first ^ word, 0x85ebca6b);
    this.#first = (first << 13) | (first >>> 19);
    const second = Math.imul(this.#second ^ word, 0xc2b2ae35);
    this.#second = ((second << 17) | (second >>> 15)) + 0x27d4eb2f;
  }
}
