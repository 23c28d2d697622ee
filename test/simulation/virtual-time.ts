// Virtual time: a heap of events in order of (microsecond, sequence). Nothing else decides what happens next.

import type { Trace } from './trace.ts';

/** An event that has not run; `cancelled` ones are skipped without a trace. */
export interface Scheduled {
  readonly atUs: number;
  readonly sequence: number;
  readonly name: string;
  /** The member it happens to; 0 for the world. */
  readonly who: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** Callers see microseconds since the start of the run; events of one microsecond run in the order of their scheduling. */
export class VirtualTime {
  readonly #heap: Scheduled[] = [];
  readonly #trace: Trace;
  #nowUs = 0;
  #sequence = 0;
  #count = 0;

  constructor(trace: Trace) {
    this.#trace = trace;
  }

  get nowUs(): number {
    return this.#nowUs;
  }

  /** Events run so far. */
  get count(): number {
    return this.#count;
  }

  /** Runs `run` after `delayUs` (>= 0, rounded up to whole microseconds). */
  after(delayUs: number, name: string, who: number, run: () => void): Scheduled {
    const atUs = this.#nowUs + Math.max(0, Math.ceil(delayUs));
    const event = { atUs, sequence: this.#sequence, name, who, run, cancelled: false };
    this.#sequence += 1;
    this.#push(event);
    return event;
  }

  /** Runs the next event unless it lies beyond `untilUs`; false, with the clock there, when there is none. */
  step(untilUs: number): boolean {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.atUs > untilUs) {
        this.#nowUs = Math.max(this.#nowUs, untilUs);
        return false;
      }
      this.#pop();
      if (next.cancelled) continue;
      this.#nowUs = next.atUs;
      this.#count += 1;
      this.#trace.at(next.atUs);
      this.#trace.event(next.name, next.who);
      next.run();
      return true;
    }
  }

  #push(event: Scheduled): void {
    const heap = this.#heap;
    let place = heap.length;
    heap.push(event);
    while (place > 0) {
      const parentPlace = (place - 1) >> 1;
      const parent = heap[parentPlace];
      if (parent === undefined || !before(event, parent)) break;
      heap[place] = parent;
      place = parentPlace;
    }
    heap[place] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let place = 0;
    for (;;) {
      const leftPlace = 2 * place + 1;
      const left = heap[leftPlace];
      if (left === undefined) break;
      const right = heap[leftPlace + 1];
      const [child, childPlace] =
        right !== undefined && before(right, left) ? [right, leftPlace + 1] : [left, leftPlace];
      if (!before(child, last)) break;
      heap[place] = child;
      place = childPlace;
    }
    heap[place] = last;
  }
}

function before(left: Scheduled, right: Scheduled): boolean {
  return left.atUs < right.atUs || (left.atUs === right.atUs && left.sequence < right.sequence);
}
