// Settings as a file: the example, written from the schema so that the two cannot drift, and what counts, with who has set it.

import { stringify } from 'yaml';

import { placeText } from './place.ts';
import { describeSettings } from './schema.ts';
import type { Setting } from './settings.ts';

const HEADER = `# Configuration of one controller process: kvrocks-controller -c FILE
# Every value below is the default. Precedence: --set path=value, environment, this file, default.
# Environment: KVROCKS_CONTROLLER_<PATH>, for example KVROCKS_CONTROLLER_RAFT_ID for raft.id;
# KVROCKS_CONTROLLER_HTTP_HOST and KVROCKS_CONTROLLER_HTTP_PORT override addr.
# (R) counts on a reload (SIGHUP, kvctl reload), everything else from the next start on.
`;

/** Column at which a note starts where the setting before it is short enough. */
const NOTE_COLUMN = 36;

interface Line {
  readonly path: string;
  readonly value: unknown;
  readonly note: string;
}

/** The text of `config.example.yaml`. */
export function exampleConfig(): string {
  const lines = [...describeSettings()].map(([path, { note, isLive, defaultValue }]) => ({
    path,
    value: defaultValue,
    note: isLive ? `(R) ${note}` : note,
  }));
  return `${HEADER}${asFile(lines)}`;
}

/** A file that says the same as these settings, with the place that each came from. */
export function printSettings(settings: readonly Setting[]): string {
  return asFile(settings.map(({ path, value, source }) => ({ path, value, note: placeText(source) })));
}

/** `lines` in the order of the schema, so that those of one section stand together. */
function asFile(lines: readonly Line[]): string {
  let text = '';
  let sections: readonly string[] = [];
  for (const { path, value, note } of lines) {
    const parts = path.split('.');
    const above = parts.slice(0, -1);
    for (const [depth, name] of above.entries())
      if (above.slice(0, depth + 1).join('.') !== sections.slice(0, depth + 1).join('.'))
        text += `${'  '.repeat(depth)}${name}:\n`;
    sections = above;
    const printed = stringify(value, { collectionStyle: 'flow', lineWidth: 0, blockQuote: false }).trim();
    const line = `${'  '.repeat(above.length)}${parts.at(-1) ?? ''}: ${printed}`;
    text += `${line.padEnd(NOTE_COLUMN)} # ${note}\n`;
  }
  return text;
}
