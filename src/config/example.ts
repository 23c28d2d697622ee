// The example file, written from the schema so that the two cannot drift.

import { stringify } from 'yaml';
import { z } from 'zod';

import { configSchema } from './schema.ts';

const HEADER = `# Configuration of one controller process: kvrocks-controller -c FILE
# Every value below is the default. Precedence: --set path=value, environment, this file, default.
# Environment: KVROCKS_CONTROLLER_<PATH>, for example KVROCKS_CONTROLLER_RAFT_ID for raft.id;
# KVROCKS_CONTROLLER_HTTP_HOST and KVROCKS_CONTROLLER_HTTP_PORT override addr.
`;

/** Column at which a note starts where the setting before it is short enough. */
const NOTE_COLUMN = 36;

/** The text of `config.example.yaml`. */
export function exampleConfig(): string {
  return `${HEADER}${section(configSchema, '')}`;
}

function section(schema: z.ZodObject, indent: string): string {
  let text = '';
  for (const [key, field] of Object.entries(schema.shape)) {
    const inner = unwrap(field);
    if (inner instanceof z.ZodObject) {
      text += `${indent}${key}:\n${section(inner, `${indent}  `)}`;
      continue;
    }
    const setting = readSetting(field);
    if (setting === null) continue;
    const line = `${indent}${key}: ${stringify(setting.value, { collectionStyle: 'flow', lineWidth: 0 }).trim()}`;
    text += `${line.padEnd(NOTE_COLUMN)} # ${setting.note}\n`;
  }
  return text;
}

/** A setting's default and note; null for keys that are only accepted. */
function readSetting(field: unknown): { readonly value: unknown; readonly note: string } | null {
  if (!(field instanceof z.ZodDefault)) return null;
  const note = field.meta()?.['note'];
  return { value: field.def.defaultValue, note: typeof note === 'string' ? note : '' };
}

function unwrap(field: unknown): unknown {
  return field instanceof z.ZodPrefault ? field.def.innerType : field;
}
