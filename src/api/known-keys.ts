// The keys that a part of a body may have, read off its schema.

import { z } from 'zod';

/** Those of the object at `path` of a body; none where the schema has no object there. */
export function knownKeysAt(schema: z.ZodObject, path: readonly PropertyKey[]): readonly string[] {
  let level: unknown = schema;
  for (const step of path) {
    const at = bare(level);
    if (at instanceof z.ZodObject) level = at.shape[String(step)];
    else if (at instanceof z.ZodArray) level = at.element;
    else return [];
  }
  const end = bare(level);
  return end instanceof z.ZodObject ? Object.keys(end.shape) : [];
}

/** What is in it, without what may be left out or is prepared before. */
function bare(schema: unknown): unknown {
  let inner = schema;
  for (;;) {
    if (inner instanceof z.ZodOptional || inner instanceof z.ZodNullable || inner instanceof z.ZodDefault)
      inner = inner.unwrap();
    else if (inner instanceof z.ZodPipe) inner = inner.out;
    else return inner;
  }
}
