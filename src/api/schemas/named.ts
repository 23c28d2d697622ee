// Names of schemas, under which the OpenAPI document refers to them and client generators call their types.

import { z } from 'zod';

/** Schemas of answers by their names. */
export const ANSWERS = z.registry<{ readonly id: string }>();

/** `schema`, under a name of its own. */
export function named<Schema extends z.ZodType>(id: string, schema: Schema): Schema {
  ANSWERS.add(schema, { id });
  return schema;
}

/** `{"data": ...}`, under a name of its own. */
export function answerOf(id: string, data: z.ZodType): z.ZodType {
  return named(id, z.object({ data }));
}

/** One of the words of a union; the type checker sees that none is left out. */
export function oneOf<Word extends string>(words: Readonly<Record<Word, true>>): z.ZodType {
  return z.enum(Object.keys(words));
}

/** A word of a set that grows from release to release: clients take those that they do not know, too. */
export function growing(known: readonly string[]): z.ZodType {
  return z.string().describe(`One of, so far: ${known.join(', ')}. Later releases add to them.`);
}

export const time = z.string().meta({ format: 'date-time' });
export const shardIndex = z.int().min(0);
export const nodeId = z.string().length(40);
export const address = z.string().describe('`host:port`');
export const slotRange = z.string().describe('A slot such as `5`, or a range such as `0-8191`.');
