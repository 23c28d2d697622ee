// From bytes to checked input: JSON, then the schema, each failure with the field and the reason.

import type { Context } from 'hono';
import type { z } from 'zod';

import { badRequest } from './errors.ts';

/** Reads and checks a JSON body. Throws `ApiError` 400 naming the field. An empty body is an error here. */
export async function readBody<Schema extends z.ZodType>(
  context: Context,
  schema: Schema,
): Promise<z.output<Schema>> {
  const text = await context.req.text();
  if (text.trim() === '') throw badRequest('the body is empty, expected a JSON object');
  return check(parseJson(text), schema);
}

/** As `readBody`, with `{}` for an empty body. */
export async function readOptionalBody<Schema extends z.ZodType>(
  context: Context,
  schema: Schema,
): Promise<z.output<Schema>> {
  const text = await context.req.text();
  return check(text.trim() === '' ? {} : parseJson(text), schema);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw badRequest(`the body is not valid JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function check<Schema extends z.ZodType>(value: unknown, schema: Schema): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const path = issue?.path.join('.') ?? '';
  const reason = issue?.message ?? 'not valid';
  throw badRequest(path === '' ? reason : `${path}: ${reason}`);
}
