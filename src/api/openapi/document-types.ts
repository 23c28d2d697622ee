// The parts of an OpenAPI document, as far as this one has them.

import type { JsonSchema, NamedSchemas } from './json-schemas.ts';

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly required: boolean;
  readonly description: string;
  readonly schema: JsonSchema;
  readonly example?: string | number;
  readonly examples?: Readonly<Record<string, ExampleObject>>;
}

export interface Reference {
  readonly $ref: string;
}

export interface ExampleObject {
  readonly summary: string;
  readonly value: unknown;
}

export interface Content {
  readonly schema: JsonSchema;
  readonly examples?: Readonly<Record<string, ExampleObject>>;
}

export interface ResponseObject {
  readonly description: string;
  readonly headers?: object;
  readonly content?: Readonly<Record<string, Content>>;
  /** Which codes of `errors.ts` have this status. */
  readonly 'x-codes'?: readonly string[];
}

export interface OperationObject {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly (Parameter | Reference)[];
  readonly requestBody?: {
    readonly required: boolean;
    readonly description?: string;
    readonly content: Readonly<Record<string, Content>>;
  };
  readonly responses: Readonly<Record<string, ResponseObject | Reference>>;
}

export interface ApiDocument {
  readonly openapi: string;
  readonly info: {
    readonly title: string;
    readonly version: string;
    readonly description: string;
    readonly license: { readonly name: string; readonly identifier: string };
  };
  readonly servers: readonly { readonly url: string; readonly description: string }[];
  readonly security: readonly object[];
  readonly tags: readonly { readonly name: string; readonly description: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, OperationObject>>>>;
  readonly components: {
    readonly schemas: NamedSchemas;
    readonly parameters: Readonly<Record<string, Parameter>>;
    readonly headers: Readonly<Record<string, { readonly description: string; readonly schema: JsonSchema }>>;
    readonly responses: Readonly<Record<string, ResponseObject>>;
  };
  /** The codes of `errors.ts` with their statuses. */
  readonly 'x-error-codes': Readonly<Record<string, number>>;
  /** What is served at the same address and no part of the API. */
  readonly 'x-excluded': readonly {
    readonly method: string;
    readonly path: string;
    readonly reason: string;
  }[];
}
