// What a command shows people, before it is printed: lines, fields and tables, with nothing known of a terminal.

import { printable } from '../../base/printable.ts';
import type { Cell, Colour, Terminal } from '../terminal.ts';

export type Block =
  | { readonly kind: 'line'; readonly text: string; readonly colour: Colour | null }
  | { readonly kind: 'fields'; readonly fields: readonly (readonly [name: string, value: Cell])[] }
  | {
      readonly kind: 'table';
      readonly head: readonly string[];
      readonly rows: readonly (readonly Cell[])[];
    };

export function line(text: string, colour: Colour | null = null): Block {
  return { kind: 'line', text, colour };
}

/** Begins a part, with an empty line before it. */
export function heading(text: string): readonly Block[] {
  return [line(''), line(text, 'bold')];
}

export function table(head: readonly string[], rows: readonly (readonly Cell[])[]): Block {
  return { kind: 'table', head, rows };
}

export function fields(...pairs: readonly (readonly [name: string, value: Cell])[]): Block {
  return { kind: 'fields', fields: pairs };
}

/** A heading and a table, or nothing at all where the table has no rows. */
export function tableUnder(
  title: string,
  head: readonly string[],
  rows: readonly (readonly Cell[])[],
): readonly Block[] {
  return rows.length === 0 ? [] : [...heading(title), table(head, rows)];
}

/** Text of others cannot move the cursor. */
export function printBlocks(terminal: Terminal, blocks: readonly Block[]): void {
  for (const block of blocks) {
    switch (block.kind) {
      case 'line':
        terminal.print(painted(terminal, block.text, block.colour));
        break;
      case 'fields':
        printFields(terminal, block.fields);
        break;
      case 'table':
        terminal.table(block.head, block.rows);
        break;
    }
  }
}

function printFields(terminal: Terminal, pairs: readonly (readonly [name: string, value: Cell])[]): void {
  const width = Math.max(...pairs.map(([name]) => name.length)) + 2;
  for (const [name, value] of pairs) {
    const { text, colour } = typeof value === 'string' ? { text: value, colour: null } : value;
    terminal.print(`${name.padEnd(width)}${painted(terminal, text, colour)}`.trimEnd());
  }
}

function painted(terminal: Terminal, text: string, colour: Colour | null): string {
  const shown = printable(text);
  return colour === null ? shown : terminal.paint(shown, colour);
}
