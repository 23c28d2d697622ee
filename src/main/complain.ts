// What a process that does not start, or gives up, says to people: one printable line, whatever the reason quotes.

import { printable } from '../base/printable.ts';

export function complain(problem: string): void {
  process.stderr.write(`kvrocks-controller: ${printable(problem)}\n`);
}

export function refuseToStart(problem: string): never {
  complain(problem);
  process.exit(1);
}
