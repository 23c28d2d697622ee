// Text for people: colours, tables, questions. What comes from a server cannot move the cursor.

import { createInterface } from 'node:readline/promises';

import { printable } from '../base/printable.ts';
import { EXIT, Failure } from './failure.ts';

export type Colour = 'red' | 'yellow' | 'green' | 'dim' | 'bold';

const CODES: Readonly<Record<Colour, number>> = { red: 31, yellow: 33, green: 32, dim: 2, bold: 1 };

export interface TerminalOptions {
  readonly isQuiet: boolean;
  /** False for `--no-color`; `NO_COLOR` and pipes have none anyway. */
  readonly isColourWanted: boolean;
  /** Whether destructive commands are confirmed already. */
  readonly isYes: boolean;
}

/** A piece of a table: what it says, and how it stands out. */
export type Cell = string | { readonly text: string; readonly colour: Colour };

/** Standard output is for data, standard error for talk. */
export class Terminal {
  readonly #options: TerminalOptions;

  constructor(options: TerminalOptions) {
    this.#options = options;
  }

  /** A line of data. */
  print(line: string): void {
    process.stdout.write(`${line}\n`);
  }

  /** What people want to know meanwhile; nothing with `--quiet`. */
  tell(line: string): void {
    if (!this.#options.isQuiet) process.stderr.write(`${printable(line)}\n`);
  }

  /** For data on standard output. */
  paint(text: string, colour: Colour): string {
    const isPainted =
      this.#options.isColourWanted && process.stdout.isTTY && (process.env['NO_COLOR'] ?? '') === '';
    return isPainted ? `\u001B[${CODES[colour]}m${text}\u001B[0m` : text;
  }

  /** Columns as wide as their widest cell; the last one is not filled up. */
  table(head: readonly string[], rows: readonly (readonly Cell[])[]): void {
    const plain = rows.map((row) =>
      row.map((cell) => printable(typeof cell === 'string' ? cell : cell.text)),
    );
    const widths = head.map((title, column) =>
      Math.max(title.length, ...plain.map((row) => row[column]?.length ?? 0)),
    );
    const isLast = (column: number): boolean => column === head.length - 1;
    const pad = (text: string, column: number): string =>
      isLast(column) ? text : text.padEnd((widths[column] ?? 0) + 2);
    this.print(this.paint(head.map(pad).join(''), 'bold').trimEnd());
    for (const [index, row] of rows.entries()) {
      const cells = row.map((cell, column) => {
        const text = pad(plain[index]?.[column] ?? '', column);
        return typeof cell === 'string' ? text : this.paint(text, cell.colour);
      });
      this.print(cells.join('').trimEnd());
    }
  }

  /** Asks for `name` before something that cannot be taken back. Throws `Failure` where it is not confirmed, or nobody can be asked. */
  async confirm(what: string, name: string): Promise<void> {
    if (this.#options.isYes) return;
    if (!process.stdin.isTTY || !process.stderr.isTTY)
      throw new Failure(EXIT.usage, `${what}: say --yes where nobody can be asked`);
    const asking = createInterface({ input: process.stdin, output: process.stderr });
    try {
      const said = await asking.question(`${printable(what)}\nType ${printable(name)} to go on: `);
      if (said.trim() !== name) throw new Failure(EXIT.failed, 'not confirmed, nothing was done');
    } finally {
      asking.close();
    }
  }
}
