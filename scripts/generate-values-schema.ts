// Writes the settings of the program into the schema of the chart's values (`config`); with --check only says whether they are up to date.

import { readFileSync, writeFileSync } from 'node:fs';

import { z } from 'zod';

import { configSchema } from '../src/config/schema.ts';

interface JsonSchema {
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly note?: unknown;
  readonly [keyword: string]: unknown;
}

/** What the chart decides by itself, so that the members fit together. */
const OWN = new Set([
  'addr',
  'advertise_addr',
  'raft.id',
  'raft.data_dir',
  'raft.peers',
  'raft.cluster_state',
]);

const file = new URL('../deploy/helm/kvrocks-controller/values.schema.json', import.meta.url);
const old = readFileSync(file, 'utf8');
const schema = JSON.parse(old) as { properties: Record<string, unknown> };
schema.properties['config'] = settings(z.toJSONSchema(configSchema, { io: 'input' }) as JsonSchema, '');
const text = `${JSON.stringify(schema, null, 2)}\n`;
if (process.argv.includes('--check')) {
  if (old !== text) {
    console.error(`${file.pathname} is out of date: run "npm run generate"`);
    process.exitCode = 1;
  }
} else {
  writeFileSync(file, text);
}

/** A section: its settings and those below; nothing else is taken, and keys that set nothing are not either. */
function settings({ properties = {} }: JsonSchema, prefix: string): JsonSchema {
  const fields = Object.entries(properties).filter(
    ([key, field]) => !OWN.has(prefix + key) && field['type'] !== undefined,
  );
  return {
    type: 'object',
    additionalProperties: false,
    properties: Object.fromEntries(
      fields.map(([key, field]) => [
        key,
        field.properties === undefined ? setting(field) : settings(field, `${prefix}${key}.`),
      ]),
    ),
  };
}

function setting({ note, ...field }: JsonSchema): JsonSchema {
  return { description: note, ...field };
}
