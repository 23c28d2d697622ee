// The recorded transcripts as data: `@ node:port +time`, `> command`, `< exact reply`, `# note`.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export type Entry =
  | {
      readonly kind: 'command';
      /** Of the `>` line, 1-based. */
      readonly line: number;
      readonly node: string;
      readonly args: readonly string[];
      /** The reply with its escapes resolved; `!!` starts the description of a lost connection. */
      readonly expected: string;
    }
  | { readonly kind: 'note'; readonly line: number; readonly text: string };

export interface Transcript {
  readonly name: string;
  readonly entries: readonly Entry[];
  /** By node name, as in the transcript. */
  readonly ports: ReadonlyMap<string, number>;
}

/** Reads `transcripts/<name>.txt`. */
export function readTranscript(name: string): Transcript {
  const path = fileURLToPath(new URL(`../transcripts/${name}.txt`, import.meta.url));
  const lines = readFileSync(path, 'latin1').split('\n');
  const entries: Entry[] = [];
  const ports = new Map<string, number>();
  let node = '';
  for (const [index, line] of lines.entries()) {
    const mark = line.slice(0, 2);
    const started = /^(?:@|# started) (\w+):(\d+)/.exec(line);
    if (started !== null) ports.set(started[1] ?? '', Number(started[2]));
    if (mark === '@ ') node = started?.[1] ?? '';
    else if (mark === '# ') entries.push({ kind: 'note', line: index + 1, text: line.slice(2) });
    else if (mark === '> ') {
      const expected = unescape((lines[index + 1] ?? '').slice(2));
      entries.push({ kind: 'command', line: index + 1, node, args: splitCommand(line.slice(2)), expected });
    }
  }
  return { name, entries, ports };
}

/** Words; one that starts with a quote ends at a quote before a blank or the end, so it may hold quotes itself. */
function splitCommand(text: string): readonly string[] {
  const words: string[] = [];
  const pattern = /"((?:.*?))"(?= |$)|(\S+)/g;
  for (const match of text.matchAll(pattern)) words.push(unescape(match[1] ?? match[2] ?? ''));
  return words;
}

/** Also for notes that quote a file. */
export function unescape(text: string): string {
  return text.replaceAll('\\r', '\r').replaceAll('\\n', '\n');
}
