// One answer in the form that is wanted: for people, or for programs, which get what the API said.

import type { Terminal } from './terminal.ts';

export const FORMATS = ['table', 'wide', 'json', 'jsonl', 'yaml', 'name'] as const;
export type Format = (typeof FORMATS)[number];

/** How an answer is shown. `data`: what the API said, for programs. */
export interface Shown {
  readonly data: unknown;
  /** One line each with `-o jsonl`; the data itself when left out. */
  readonly items?: readonly unknown[];
  /** One line each with `-o name`. */
  readonly names: readonly string[];
  readonly table: (isWide: boolean) => void;
}

export class Output {
  readonly format: Format;
  readonly #terminal: Terminal;

  constructor(terminal: Terminal, format: Format) {
    this.#terminal = terminal;
    this.format = format;
  }

  /** Whether people read it. */
  get isTable(): boolean {
    return this.format === 'table' || this.format === 'wide';
  }

  async show({ data, items = [data], names, table }: Shown): Promise<void> {
    switch (this.format) {
      case 'json':
        return this.#terminal.print(JSON.stringify(data, null, 2));
      case 'jsonl':
        return items.forEach((item) => this.#terminal.print(JSON.stringify(item)));
      case 'yaml': {
        const { stringify } = await import('yaml');
        return this.#terminal.print(stringify(data).trimEnd());
      }
      case 'name':
        return names.forEach((name) => this.#terminal.print(name));
      default:
        return table(this.format === 'wide');
    }
  }

  /** That something was done: a sentence for people, the answer for programs. */
  async done(sentence: string, data: unknown, names: readonly string[] = []): Promise<void> {
    await this.show({ data, names, table: () => this.#terminal.print(sentence) });
  }
}
