// A long text put together in slices, between which everything else that is due in this process runs.

/** Milliseconds of one slice. Timers of Raft and of looks wait no longer than that, and the one step that goes beyond it. */
const SLICE_MS = 2;
/** Lines between two looks at the clock. */
const LINES_MAX = 64;

export class SlicedText {
  readonly #pieces: Buffer[] = [];
  readonly #nowMs: () => number;
  #text = '';
  #sliceEndMs: number;

  /** The first slice begins now. */
  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
    this.#sliceEndMs = nowMs() + SLICE_MS;
  }

  async add(lines: Iterable<string>): Promise<void> {
    let count = 0;
    for (const text of lines) {
      this.#text += text;
      count += 1;
      if (count % LINES_MAX === 0) await this.breathe();
    }
    await this.breathe();
  }

  /** Lets others run when this slice is over. */
  async breathe(): Promise<void> {
    if (this.#nowMs() < this.#sliceEndMs) return;
    this.#settle();
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
    this.#sliceEndMs = this.#nowMs() + SLICE_MS;
  }

  /** The text in pieces: to join megabytes would be one long slice. */
  take(): readonly Uint8Array[] {
    this.#settle();
    return this.#pieces;
  }

  /** Encoded as it grows: to encode all of it in the end would be one long slice. */
  #settle(): void {
    if (this.#text !== '') this.#pieces.push(Buffer.from(this.#text));
    this.#text = '';
  }
}
