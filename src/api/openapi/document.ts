// The OpenAPI document, made of the table of operations and of the schemas that validate.

import type { z } from 'zod';

import { STATUS_BY_CODE } from '../errors.ts';
import type { ApiDocument, OperationObject } from './document-types.ts';
import { answerSchemas, bodySchemas, type JsonSchema, type NamedSchemas, schemaOf } from './json-schemas.ts';
import { type Operation, TAGS } from './operation.ts';
import { EXCLUDED, OPERATIONS } from './operations.ts';
import { examplesOf, HEADERS, PARAMETERS, parametersOf } from './parameters.ts';
import { refusalsOf, sharedResponses } from './refusals.ts';

const JSON_TYPE = 'application/json';
const FILE_TYPE = 'application/octet-stream';

const ANSWERED_BY: Readonly<Record<Operation['answeredBy'], string | undefined>> = {
  leader: undefined,
  member: 'Every member answers it itself.',
  named: 'Every member answers it itself, and redirects to the one that `member` names.',
};

const DESCRIPTION = `Keeps Apache Kvrocks clusters alive. Every member of the group serves this API.

Success is \`{"data": ...}\`, failure \`{"error":{"message":"..."}}\` with a status of 400 or more. What only the leader can do is redirected to it (307, the method and the body stay). Without a leader it is answered 503: nothing happened. After 504 the outcome is not known: look before you retry.

A path that no operation has is answered 404, a method that a path does not take 405. HEAD is taken wherever GET is. What is no proper HTTP request is answered 400, 408, 413, 417 or 431, in the same form, and the connection ends.

In bodies unknown keys are refused, and \`null\` counts as absent where no value null is named. Bodies have at most 1 MiB and are read as JSON whatever their Content-Type says, but for a backup that is verified. Clients pass over members of answers that they do not know.`;

/** Of the release with that version. */
export function apiDocument(release: string): ApiDocument {
  const paths = Map.groupBy(OPERATIONS, ({ path }) => path);
  const bodies = new Map(
    OPERATIONS.flatMap(({ id, body }) => (body === undefined ? [] : [[bodyName(id), body.schema] as const])),
  );
  return {
    openapi: '3.1.1',
    info: {
      title: 'Kvrocks controller',
      version: release,
      description: DESCRIPTION,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/', description: 'Any member of the group.' }],
    // Nobody is asked who they are.
    security: [],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths: Object.fromEntries(
      [...paths].map(([path, operations]) => [
        path,
        Object.fromEntries(operations.map((operation) => [operation.method, operationObject(operation)])),
      ]),
    ),
    components: {
      schemas: sorted({ ...answerSchemas(), ...bodySchemas(bodies) }),
      parameters: PARAMETERS,
      headers: HEADERS,
      responses: sharedResponses(),
    },
    'x-error-codes': STATUS_BY_CODE,
    'x-excluded': EXCLUDED,
  };
}

function operationObject(operation: Operation): OperationObject {
  const { id, tag, summary, description, success, headers = [], examples } = operation;
  const { mediaType = JSON_TYPE } = success;
  const parameters = parametersOf(operation);
  const told = [description, ANSWERED_BY[operation.answeredBy]];
  const text = told.filter((part) => part !== undefined).join(' ');
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(text === '' ? {} : { description: text }),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...requestBody(operation),
    responses: {
      [success.status]: {
        description: success.description,
        ...(headers.includes('Prefer') || success.headers !== undefined
          ? { headers: headersOf(operation) }
          : {}),
        content: {
          [mediaType]: {
            schema: answerSchema(success.answers),
            ...examplesOf(examples, ({ answer }) => answer),
          },
        },
      },
      ...refusalsOf(operation),
    },
  };
}

function requestBody({ id, body, file, examples }: Operation): Pick<OperationObject, 'requestBody'> {
  if (file !== undefined) {
    const content = { [FILE_TYPE]: { schema: { type: 'string', format: 'binary' } } as const };
    return { requestBody: { required: true, description: file, content } };
  }
  if (body === undefined) return {};
  const schema = { $ref: `#/components/schemas/${bodyName(id)}` };
  const content = { [JSON_TYPE]: { schema, ...examplesOf(examples, ({ body: value }) => value) } };
  return { requestBody: { required: body.isRequired, content } };
}

function headersOf({ headers = [], success }: Operation): object {
  return {
    ...(headers.includes('Prefer')
      ? { 'Preference-Applied': { $ref: '#/components/headers/PreferenceApplied' } }
      : {}),
    ...Object.fromEntries(
      Object.entries(success.headers ?? {}).map(([name, description]) => [
        name,
        { description, schema: { type: 'string' } },
      ]),
    ),
  };
}

function answerSchema(answers: readonly z.ZodType[]): JsonSchema {
  const [only, ...others] = answers.map(schemaOf);
  if (only === undefined) return {};
  return others.length === 0 ? only : { anyOf: [only, ...others] };
}

function bodyName(id: string): string {
  return `${id.charAt(0).toUpperCase()}${id.slice(1)}Body`;
}

function sorted(schemas: NamedSchemas): NamedSchemas {
  return Object.fromEntries(Object.entries(schemas).toSorted(([one], [other]) => (one < other ? -1 : 1)));
}
