// From bytes to checked input: JSON, known keys, then the schema, each failure with the field and the reason.

import type { Context } from 'hono';
import { z } from 'zod';

import { excerpt } from '../base/excerpt.ts';
import { hintAt } from '../base/nearest.ts';
import { badRequest } from './errors.ts';
import { knownKeysAt } from './known-keys.ts';
import { noBody } from './schemas/bodies.ts';

/** Reads and checks a JSON body. Throws `ApiError` 400 naming the field. An empty body is an error here. */
export async function readBody<Schema extends z.ZodObject>(
  context: Context,
  schema: Schema,
): Promise<z.output<Schema>> {
  const text = await textOf(context);
  if (text.trim() === '') throw badRequest('the body is empty, expected a JSON object');
  return check(parseJson(text), schema);
}

/** As `readBody`, with `{}` for an empty body. */
export async function readOptionalBody<Schema extends z.ZodObject>(
  context: Context,
  schema: Schema,
): Promise<z.output<Schema>> {
  const text = await textOf(context);
  return check(text.trim() === '' ? {} : parseJson(text), schema);
}

/** For a route that takes no body: whoever asks for more than it does must not believe that it was done. */
export async function readNoBody(context: Context): Promise<void> {
  await readOptionalBody(context, noBody);
}

/** The body as text; empty when there is none. */
async function textOf(context: Context): Promise<string> {
  return (await context.get('readBody')?.()) ?? '';
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badRequest(`the body is not valid JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function check<Schema extends z.ZodObject>(value: unknown, schema: Schema): z.output<Schema> {
  const result = schema.safeParse(knownMembers(value, schema.shape), { error: () => 'not valid' });
  if (result.success) return result.data;
  const { issues } = result.error;
  const issue = issues.find(({ code }) => code === 'unrecognized_keys') ?? issues[0];
  if (issue?.code === 'unrecognized_keys')
    throw unknownKey(issue.keys[0] ?? '', knownKeysAt(schema, issue.path), issue.path);
  const path = issue?.path.join('.') ?? '';
  const reason = issue?.message ?? 'not valid';
  throw badRequest(path === '' ? reason : `${path}: ${reason}`);
}

/**
 * The members of a body but for those that are null, which count as absent where null is no value of theirs. A key that is not in `known` is refused before anything else
 * is looked at: a misspelt wish must not be answered by doing something else.
 */
function knownMembers(value: unknown, known: z.ZodObject['shape']): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const members = Object.entries(value);
  for (const [key] of members) if (!Object.hasOwn(known, key)) throw unknownKey(key, Object.keys(known));
  return Object.fromEntries(members.filter(([key, member]) => member !== null || takesNull(known[key])));
}

function takesNull(schema: z.core.$ZodType | undefined): boolean {
  return schema !== undefined && z.safeParse(schema, null).success;
}

/** `path` leads to the object that has the key, within the body. */
function unknownKey(key: string, known: readonly string[], path: readonly PropertyKey[] = []): Error {
  const name = JSON.stringify(excerpt(key));
  if (known.length === 0) return badRequest(`unknown key ${name}; this route takes no body`);
  const where = path.length === 0 ? '' : `${path.join('.')}: `;
  return badRequest(`${where}unknown key ${name}; ${hintAt(key, known)}`);
}
