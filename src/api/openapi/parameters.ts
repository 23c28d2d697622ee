// Parameters of requests, and header fields of answers.

import type { ApiDocument, ExampleObject, Parameter, Reference } from './document-types.ts';
import { CLUSTER, MASTER_0, NAMESPACE } from './examples.ts';
import { type JsonSchema, schemaOf } from './json-schemas.ts';
import {
  type Example,
  type Operation,
  PATH_PARAMETERS,
  type PathParameter,
  type QueryParameter,
  type RequestHeader,
} from './operation.ts';

/** Those of the path in its order, of the query, and of the head. */
export function parametersOf(operation: Operation): readonly (Parameter | Reference)[] {
  const { path, at = {}, query = {}, headers = [], examples } = operation;
  const ofPath = PATH_PARAMETERS.filter((name) => path.includes(`{${name}}`)).map((name) =>
    at[name] === undefined ? reference(name) : exemplified(PARAMETERS[name], at[name]),
  );
  const ofQuery = Object.entries(query).map(([name, parameter]) => queryParameter(name, parameter, examples));
  return [...ofPath, ...ofQuery, ...headers.map(reference)];
}

function exemplified(parameter: Parameter, text: string): Parameter {
  return { ...parameter, example: typed(text, parameter.schema) };
}

function queryParameter(
  name: string,
  { description, schema }: QueryParameter,
  examples: Operation['examples'],
): Parameter {
  const shown = schemaOf(schema);
  const values = examplesOf(examples, ({ query }) => {
    const text = query?.[name];
    return text === undefined ? undefined : typed(text, shown);
  });
  return { name, in: 'query', required: false, description, schema: shown, ...values };
}

/** What stands in a path or query, as its schema has it. */
function typed(text: string, { type }: JsonSchema): string | number {
  return type === 'integer' ? Number(text) : text;
}

function reference(name: PathParameter | RequestHeader): Reference {
  return { $ref: `#/components/parameters/${name}` };
}

/** The examples that have such a value. */
export function examplesOf(
  examples: Operation['examples'],
  valueOf: (example: Example) => unknown,
): { readonly examples?: Readonly<Record<string, ExampleObject>> } {
  const found = Object.entries(examples).flatMap(([name, example]) => {
    const value = valueOf(example);
    return value === undefined ? [] : [[name, { summary: example.summary, value }] as const];
  });
  return found.length === 0 ? {} : { examples: Object.fromEntries(found) };
}

function inPath(
  name: PathParameter,
  {
    description,
    schema,
    example,
  }: Pick<Parameter, 'description' | 'schema'> & { readonly example: string | number },
): Parameter {
  return { name, in: 'path', required: true, description, schema, example };
}

/** What operations refer to. */
export const PARAMETERS: Readonly<Record<PathParameter | RequestHeader, Parameter>> = {
  namespace: inPath('namespace', {
    description: 'The name of a namespace.',
    schema: { type: 'string' },
    example: NAMESPACE,
  }),
  cluster: inPath('cluster', {
    description: 'The name of a cluster.',
    schema: { type: 'string' },
    example: CLUSTER,
  }),
  shard: inPath('shard', {
    description: 'The index of a shard, from 0.',
    schema: { type: 'integer', minimum: 0 },
    example: 0,
  }),
  node: inPath('node', {
    description: 'The id of a node.',
    schema: { type: 'string', minLength: 40, maxLength: 40 },
    example: MASTER_0,
  }),
  migration: inPath('migration', {
    description: 'The number of a migration, counted in its cluster.',
    schema: { type: 'integer', minimum: 1 },
    example: 1,
  }),
  Prefer: {
    name: 'Prefer',
    in: 'header',
    required: false,
    description: '`return=representation` answers the object instead of a word.',
    schema: { type: 'string' },
    example: 'return=representation',
  },
  'X-Dont-Check-Cluster-Mode': {
    name: 'X-Dont-Check-Cluster-Mode',
    in: 'header',
    required: false,
    description:
      '`yes` skips whether new nodes can be reached, are in cluster mode and in no other cluster; never what a node that answers holds.',
    schema: { type: 'string' },
    example: 'yes',
  },
};

/** Of answers. */
export const HEADERS: ApiDocument['components']['headers'] = {
  Location: { description: 'The same target at the member that answers it.', schema: { type: 'string' } },
  RetryAfter: { description: 'Seconds.', schema: { type: 'integer' } },
  PreferenceApplied: {
    description: '`return=representation` where that was asked for.',
    schema: { type: 'string' },
  },
};
