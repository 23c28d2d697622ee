// One operation of the API as it is documented. The document and the page are made of a table of these.

import type { z } from 'zod';

import type { ApiErrorCode } from '../errors.ts';

/** Groups of operations, in the order in which they are shown. */
export const TAGS = {
  Namespaces: 'Names that group clusters.',
  Clusters: 'Clusters as they are recorded: created, taken over, read, forgotten.',
  Shards: 'Shards of a cluster, named by their index: who is master, which slots are theirs.',
  Nodes: 'Nodes of a shard, named by their id.',
  Migrations: 'Moves of slots. Each is a task that whoever leads carries on to its end.',
  Scaling: 'Growing, shrinking and evening out a cluster by one request.',
  Insight: 'What the leading controller sees, and why it does, or does not, act.',
  Automation: 'What people want of the automation: pauses, maintenance, nodes in reserve.',
  Events: 'What has happened, and who is told.',
  Group: 'The group of controllers itself.',
  Member: 'One controller: alive, ready, measured, configured, described. Every member answers these itself.',
} as const satisfies Record<string, string>;

export type Tag = keyof typeof TAGS;

/** Parameters that a path can have, in the order in which they stand there. */
export const PATH_PARAMETERS = ['namespace', 'cluster', 'shard', 'node', 'migration'] as const;
export type PathParameter = (typeof PATH_PARAMETERS)[number];

export interface QueryParameter {
  readonly description: string;
  readonly schema: z.ZodType;
}

/** A request that succeeds, and its answer. */
export interface Example {
  readonly summary: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Partial<Record<RequestHeader, string>>>;
  readonly body?: object;
  /** The body of the answer; of another type than JSON, its text. */
  readonly answer: unknown;
}

export interface Success {
  readonly status: 200 | 201;
  readonly description: string;
  /** What is answered: one of several where the request chooses. */
  readonly answers: readonly z.ZodType[];
  /** `application/json` when left out; the schema of anything else is text. */
  readonly mediaType?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Operation {
  /** What generated clients call it. */
  readonly id: string;
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  /** With `{name}` for a parameter. */
  readonly path: string;
  readonly tag: Tag;
  readonly summary: string;
  readonly description?: string;
  /** `member`: by whoever is asked. `leader`: others redirect to it. `named`: by the one that the query names, else by whoever is asked. */
  readonly answeredBy: 'leader' | 'member' | 'named';
  readonly query?: Readonly<Record<string, QueryParameter>>;
  /** Header fields of the request that mean something here. */
  readonly headers?: readonly RequestHeader[];
  readonly body?: { readonly schema: z.ZodObject; readonly isRequired: boolean };
  /** Says what the body is where that is a file and no JSON. */
  readonly file?: string;
  readonly success: Success;
  /** Refusals beside those that all operations of its kind share. */
  readonly refusals?: readonly ApiErrorCode[];
  /** Path parameters of its examples where they are not those of everybody. */
  readonly at?: Partial<Readonly<Record<PathParameter, string>>>;
  readonly examples: Readonly<Record<string, Example>>;
}

export type RequestHeader = 'Prefer' | 'X-Dont-Check-Cluster-Mode';

/** Answers `{"data": ...}` in an example. */
export function data(value: unknown): object {
  return { data: value };
}
