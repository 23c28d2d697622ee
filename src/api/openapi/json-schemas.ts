// The schemas that validate, as the JSON Schema of the document.

import { z } from 'zod';

import { spareBody } from '../schemas/bodies.ts';
import { ANSWERS } from '../schemas/named.ts';

/** A schema, or a part of one, in JSON Schema 2020-12. */
export type JsonSchema = z.core.JSONSchema.BaseSchema;

/** Names of schemas, with what they are of. */
export type NamedSchemas = Readonly<Record<string, JsonSchema>>;

const COMPONENTS = '#/components/schemas/';

/** Every schema of an answer that has a name. What is there beside the members named is to be passed over: later releases add some. */
export function answerSchemas(): NamedSchemas {
  return converted(ANSWERS, { io: 'output', override: openAnswer });
}

/** Bodies by the names they are to have. */
export function bodySchemas(bodies: ReadonlyMap<string, z.ZodObject>): NamedSchemas {
  const registry = z.registry<{ readonly id: string }>();
  for (const [id, schema] of bodies) registry.add(schema, { id });
  return converted(registry, { io: 'input', override: closedBody });
}

/** One schema where it is used; a named one by its name. */
export function schemaOf(schema: z.ZodType): JsonSchema {
  const id = ANSWERS.get(schema)?.id;
  if (id !== undefined) return { $ref: COMPONENTS + id };
  return bare(z.toJSONSchema(schema, { io: 'input', override: plainNumbers }));
}

const OWN_KEYS: ReadonlySet<string> = new Set(['$schema', '$id', '~standard']);

type Override = NonNullable<NonNullable<Parameters<typeof z.toJSONSchema>[1]>['override']>;
type Place = Parameters<Override>[0];

function converted(
  registry: z.core.$ZodRegistry<{ readonly id: string }>,
  options: { readonly io: 'input' | 'output'; readonly override: Override },
): NamedSchemas {
  const { schemas } = z.toJSONSchema(registry, { ...options, uri: (id) => COMPONENTS + id });
  return Object.fromEntries(Object.entries(schemas).map(([id, schema]) => [id, bare(schema)]));
}

/** Without what says which document it is: that is the one it is a part of. */
function bare(schema: JsonSchema): JsonSchema {
  return Object.fromEntries(Object.entries(schema).filter(([key]) => !OWN_KEYS.has(key)));
}

function openAnswer(place: Place): void {
  plainNumbers(place);
  if (place.jsonSchema.additionalProperties === false) delete place.jsonSchema.additionalProperties;
}

/** Unknown keys of bodies are refused (`body.ts`), and two schemas check in steps what is one thing for clients. */
function closedBody(place: Place): void {
  plainNumbers(place);
  const { zodSchema, jsonSchema } = place;
  if (zodSchema instanceof z.ZodObject) jsonSchema.additionalProperties = false;
  if (!(zodSchema instanceof z.ZodPipe)) return;
  if (zodSchema === spareBody) {
    const { ...object } = jsonSchema;
    for (const key of Object.keys(jsonSchema)) delete jsonSchema[key];
    jsonSchema.anyOf = [{ type: 'string', description: '`host:port`' }, object];
  } else if (zodSchema.out instanceof z.ZodArray && zodSchema.out.element instanceof z.ZodType) {
    // The length of a list is checked before any of its elements.
    jsonSchema.items = schemaOf(zodSchema.out.element);
  }
}

/** Every whole number has these bounds: they say nothing. */
function plainNumbers({ jsonSchema }: Place): void {
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
}
