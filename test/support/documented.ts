// Requests and answers held against the OpenAPI document: whatever tests send and receive has to be in it.

import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';

import type { ApiDocument, OperationObject } from '../../src/api/openapi/document-types.ts';
import { apiDocument } from '../../src/api/openapi/document.ts';

/** One request as it was sent, with what came back. */
export interface Exchange {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** What was sent; undefined for no body, or one that is no JSON. */
  readonly sent: unknown;
  readonly status: number;
  readonly contentType: string | null;
  readonly text: string;
}

/** What is answered to a request that is none of HTTP, whatever its path. */
const OF_THE_SERVER: ReadonlySet<number> = new Set([408, 417, 431]);
/** What is answered where no operation has the path, or none with that method; 503 by a member that has just begun. */
const OF_NO_OPERATION: ReadonlySet<number> = new Set([400, 404, 405, 503, ...OF_THE_SERVER]);
const FAILURE = '#/components/schemas/Failure';

let checker: Checker | null = null;

/** Throws where an exchange is not as it is documented. What members say to each other is no part of the document. */
export function checkDocumented(exchange: Exchange): void {
  if (exchange.target.startsWith('/raft/')) return;
  checker ??= new Checker(apiDocument('0.0.0'));
  const problem = checker.problemOf(exchange);
  if (problem !== null)
    throw new Error(
      `${exchange.method} ${exchange.target} is not as documented: ${problem}\n${exchange.status} ${exchange.text.slice(0, 2000)}`,
    );
}

class Checker {
  readonly #document: ApiDocument;
  readonly #ajv = new Ajv2020({ strict: false, validateFormats: false, validateSchema: false });
  readonly #compiled = new Map<string, ValidateFunction>();
  readonly #paths: readonly { readonly pattern: RegExp; readonly path: string }[];

  constructor(document: ApiDocument) {
    this.#document = document;
    this.#ajv.addSchema(closed(document) as object, 'openapi');
    this.#paths = Object.keys(document.paths).map((path) => ({
      path,
      pattern: new RegExp(`^${path.replaceAll(/\{\w+\}/g, '[^/]+').replaceAll('.', '\\.')}$`),
    }));
  }

  problemOf(exchange: Exchange): string | null {
    const operation = this.#operationOf(exchange);
    const { status } = exchange;
    if (operation === null)
      return OF_NO_OPERATION.has(status) ? this.#failure(exchange) : 'no such operation';
    const response = operation.object.responses[String(status)];
    if (response === undefined)
      return OF_THE_SERVER.has(status) ? this.#failure(exchange) : `status ${status}`;
    if (status === 307) return null;
    if (status >= 400) return this.#failure(exchange);
    return this.#success(exchange, operation);
  }

  #operationOf({
    method,
    target,
  }: Exchange): { readonly place: string; readonly object: OperationObject } | null {
    const [path = ''] = target.split('?');
    const found = this.#paths.find(({ pattern }) => pattern.test(path))?.path ?? '';
    const name = method === 'HEAD' ? 'get' : method.toLowerCase();
    const object = this.#document.paths[found]?.[name];
    return object === undefined ? null : { place: `#/paths/${escapedPointer(found)}/${name}`, object };
  }

  #failure({ method, text }: Exchange): string | null {
    return method === 'HEAD' ? null : this.#invalid(FAILURE, parsed(text));
  }

  #success(
    { method, sent, status, contentType, text }: Exchange,
    { place, object }: { readonly place: string; readonly object: OperationObject },
  ): string | null {
    if (object.requestBody !== undefined && sent !== undefined) {
      const problem = this.#invalid(
        `${place}/requestBody/content/application~1json/schema`,
        withoutNulls(sent),
      );
      if (problem !== null) return `the body was taken: ${problem}`;
    }
    const response = object.responses[String(status)];
    const content = response !== undefined && 'content' in response ? response.content : {};
    const [mediaType = ''] = Object.keys(content ?? {});
    const [sentType = ''] = (contentType ?? '').split(';');
    if (sentType !== mediaType) return `it has the type ${sentType}`;
    if (method === 'HEAD' || mediaType !== 'application/json') return null;
    return this.#invalid(`${place}/responses/${status}/content/application~1json/schema`, parsed(text));
  }

  /** Why `value` is not what the schema at `pointer` has; null when it is. */
  #invalid(pointer: string, value: unknown): string | null {
    let validate = this.#compiled.get(pointer);
    if (validate === undefined) {
      validate = this.#ajv.compile({ $ref: `openapi${pointer}` });
      this.#compiled.set(pointer, validate);
    }
    return validate(value) ? null : this.#ajv.errorsText(validate.errors);
  }
}

/** For clients answers are open; here a member that is not documented is a fault. */
function closed(part: unknown): unknown {
  if (Array.isArray(part)) return part.map(closed);
  if (typeof part !== 'object' || part === null) return part;
  const copy: Record<string, unknown> = {};
  for (const [key, each] of Object.entries(part)) copy[key] = closed(each);
  if (copy['type'] === 'object' && 'properties' in copy) copy['additionalProperties'] ??= false;
  return copy;
}

/** Null counts as absent, but for the one field that takes it. */
function withoutNulls(body: unknown): unknown {
  if (typeof body !== 'object' || body === null) return body;
  return Object.fromEntries(
    Object.entries(body).filter(([key, value]) => value !== null || key === 'copies'),
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function escapedPointer(path: string): string {
  return encodeURIComponent(path.replaceAll('~', '~0').replaceAll('/', '~1'));
}
