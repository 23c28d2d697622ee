// The OpenAPI document against the running routes, against the standard, and against itself.

import { globSync, readFileSync } from 'node:fs';

import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';

import { hintAt } from '../../../src/base/nearest.ts';
import type { Content, OperationObject } from '../../../src/api/openapi/document-types.ts';
import { apiDocument } from '../../../src/api/openapi/document.ts';
import { EXCLUDED, OPERATIONS } from '../../../src/api/openapi/operations.ts';
import { checkDocumented } from '../../support/documented.ts';
import { failure, testApi } from './support.ts';

const DOCUMENT = apiDocument('1.2.3');
const UNKNOWN = 'quite another thing';

interface Documented {
  readonly method: string;
  readonly path: string;
  readonly operation: OperationObject;
}

const documented: readonly Documented[] = Object.entries(DOCUMENT.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
);

/** A path with values for its parameters. */
function filled(path: string): string {
  return path
    .replace('{shard}', '0')
    .replace('{migration}', '1')
    .replace('{node}', 'a'.repeat(40))
    .replaceAll(/\{\w+\}/g, 'name');
}

describe('the document', () => {
  test('has an operation for every route, and no operation without one', () => {
    const routes = testApi()
      .app.routes.filter(({ method }) => method !== 'ALL')
      .map(({ method, path }) => `${method} ${path.replaceAll(/:(\w+)/g, '{$1}')}`);
    const operations = documented.map(({ method, path }) => `${method} ${path}`);
    expect(operations.toSorted()).toEqual([...new Set(routes)].toSorted());
    expect(new Set(OPERATIONS.map(({ id }) => id)).size).toBe(OPERATIONS.length);
  });

  test('names every path of the peers as excluded, with a reason', () => {
    const files = globSync('src/{raft/transport,witness}/*.ts');
    const source = files.map((file) => readFileSync(file, 'utf8')).join('\n');
    const spoken = new Set([...source.matchAll(/'(\/raft\/\w+)'/g)].map(([, path]) => path));
    expect(new Set<string>(EXCLUDED.map(({ path }) => path))).toEqual(spoken);
    expect(EXCLUDED.every(({ reason }) => reason.length > 10)).toBe(true);
    expect(DOCUMENT).toMatchObject({ 'x-excluded': EXCLUDED });
  });

  test('is valid OpenAPI 3.1 of the release', async () => {
    const validator = new Validator();
    const outcome = await validator.validate(
      JSON.parse(JSON.stringify(DOCUMENT)) as object as Record<string, unknown>,
    );
    expect(outcome.errors).toBeUndefined();
    expect([outcome.valid, validator.version, DOCUMENT.info.version]).toEqual([true, '3.1', '1.2.3']);
  });

  test('has examples that are what their schemas say', () => {
    const ajv = new Ajv2020({ strict: false, validateFormats: false });
    ajv.addSchema({ ...DOCUMENT, $id: 'openapi' }, 'openapi');
    const wrong: string[] = [];
    const hold = (what: string, schema: object, value: unknown): void => {
      const absolute: unknown = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"openapi#/'));
      if (!ajv.validate(absolute as object, value)) wrong.push(`${what}: ${ajv.errorsText()}`);
    };
    const holdAll = (what: string, { schema, examples = {} }: Content): void => {
      for (const [name, { value }] of Object.entries(examples)) hold(`${what} ${name}`, schema, value);
    };
    for (const { operation } of documented) {
      const { operationId, requestBody, responses, parameters = [] } = operation;
      for (const content of Object.values(requestBody?.content ?? {})) holdAll(operationId, content);
      for (const response of Object.values(responses))
        if ('content' in response)
          for (const content of Object.values(response.content ?? {})) holdAll(operationId, content);
      for (const parameter of parameters)
        if ('schema' in parameter) {
          holdAll(operationId, parameter);
          if (parameter.example !== undefined) hold(operationId, parameter.schema, parameter.example);
        }
    }
    for (const [name, { schema, example }] of Object.entries(DOCUMENT.components.parameters))
      hold(name, schema, example);
    for (const [name, { content = {} }] of Object.entries(DOCUMENT.components.responses))
      for (const each of Object.values(content)) holdAll(name, each);
    expect(wrong).toEqual([]);
  });

  test('has an example of every operation, but for the file', () => {
    const bare = OPERATIONS.filter(({ examples }) => Object.keys(examples).length === 0);
    expect(bare.map(({ id }) => id)).toEqual(['downloadBackup']);
  });
});

describe('what is documented', () => {
  const changes = documented.filter(({ method }) => method !== 'GET');

  const withKeys = changes.filter(
    ({ operation: { requestBody } }) =>
      requestBody === undefined || 'application/json' in requestBody.content,
  );

  test.each(withKeys.map((each) => [each.operation.operationId, each] as const))(
    'of the body of %s are exactly the keys that it takes',
    async (_, { method, path, operation }) => {
      const reference = operation.requestBody?.content['application/json']?.schema.$ref;
      const schema = DOCUMENT.components.schemas[reference?.split('/').at(-1) ?? ''];
      const known = Object.keys(schema?.properties ?? {});
      const why = known.length === 0 ? 'this route takes no body' : hintAt(UNKNOWN, known);
      const answer = await testApi().call(method, filled(path), { [UNKNOWN]: 1 });
      expect([answer.status, answer.body]).toEqual([400, failure(`unknown key "${UNKNOWN}"; ${why}`)]);
    },
  );

  test.each(changes.filter(({ operation }) => operation.requestBody !== undefined))(
    'of $operation.operationId is whether the body may be left out',
    async ({ method, path, operation }) => {
      const { body } = await testApi().call(method, filled(path));
      const isMissed = JSON.stringify(body).includes('the body is empty');
      expect(isMissed).toBe(operation.requestBody?.required);
    },
  );

  test('of the query of events are exactly the parameters that it takes', async () => {
    const api = testApi();
    const names = OPERATIONS.find(({ id }) => id === 'listEvents')?.query ?? {};
    const answer = await api.call('GET', '/api/v1/events?other=1');
    expect(answer.body).toEqual(failure(`unknown parameter; known are ${Object.keys(names).join(', ')}`));
  });

  test.each([
    ['a status', { status: 409, text: '{"error":{"message":"x"}}' }],
    ['a member', { status: 200, text: '{"data":{"namespaces":[],"other":1}}' }],
    ['a type', { status: 200, text: '{"data":{"namespaces":[]}}', contentType: 'text/plain' }],
  ])('and nothing else: tests fail at %s that is not', (_, differences) => {
    const exchange = { method: 'GET', target: '/api/v1/namespaces', sent: undefined };
    const contentType = 'application/json';
    expect(() => checkDocumented({ ...exchange, contentType, ...differences })).toThrow('not as documented');
  });
});

describe('its two forms', () => {
  const follower = testApi();
  follower.status = { self: 2, term: 1, leader: null };

  test('are answered by a member that knows no leader', async () => {
    const { status, headers, body } = await follower.call('GET', '/openapi.json');
    expect([status, headers.get('Content-Type')]).toEqual([200, 'application/json']);
    expect(body).toEqual(JSON.parse(JSON.stringify(DOCUMENT)));
    expect((await follower.call('GET', '/docs')).status).toBe(200);
  });

  test('as a page need nothing from elsewhere, run nothing, and lead nowhere that is not', async () => {
    const { headers, body } = await follower.call('GET', '/docs');
    const page = String(body);
    expect(headers.get('Content-Type')).toBe('text/html; charset=utf-8');
    expect(headers.get('Content-Security-Policy')).toMatch(
      /^default-src 'none'; style-src 'sha256-[\w+/=]+';/,
    );
    expect(page).not.toMatch(/<script|<link|<img|<iframe|style=|\son\w+=|url\(|@import/i);
    const ids = new Set([...page.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id));
    const links = [...page.matchAll(/href="([^"]+)"/g)].map(([, link = '']) => link);
    expect(links.filter((link) => !link.startsWith('#'))).toEqual(['/openapi.json']);
    const dead = links.filter((link) => link.startsWith('#') && !ids.has(link.slice(1)));
    expect(dead).toEqual([]);
    for (const { operation } of documented) expect(ids).toContain(operation.operationId);
    expect(page).toMatch(/verify-backup\S* --data-binary @FILE/);
  });

  test('take HEAD and refuse other methods, as all routes', async () => {
    for (const path of ['/openapi.json', '/docs']) {
      expect(await follower.call('HEAD', path)).toMatchObject({ status: 200, body: '' });
      for (const method of ['OPTIONS', 'POST']) {
        const refused = await follower.call(method, path);
        expect([refused.status, refused.headers.get('Allow')]).toEqual([405, 'GET, HEAD']);
      }
    }
    expect((await follower.call('GET', '/docs/')).status).toBe(404);
  });
});
