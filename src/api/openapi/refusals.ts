// Everything that can be refused, as responses that operations share. A failure says what it is by its status, and by a text for people.

import { type ApiErrorCode, STATUS_BY_CODE, TEXT_EXISTS, TEXT_MISSING, TEXT_NO_LEADER } from '../errors.ts';
import { failureAnswer } from '../schemas/answers/failure.ts';
import type { Reference, ResponseObject } from './document-types.ts';
import { schemaOf } from './json-schemas.ts';
import type { Operation } from './operation.ts';

interface Refusal {
  /** When it is answered. */
  readonly when: string;
  /** Such a text. */
  readonly message: string;
}

/** By the code that names it in the sources; whatever is refused has one of them. */
export const REFUSALS: Readonly<Record<ApiErrorCode, Refusal>> = {
  badRequest: {
    when: 'The request is not valid; the text names the field. Unknown keys of a body are among it. Nothing happened.',
    message: 'nodes[0]: expected a "host:port" text',
  },
  namespaceNotEmpty: {
    when: 'The namespace still holds clusters.',
    message: 'the namespace still holds clusters, please delete them first',
  },
  missing: { when: 'What the path names does not exist.', message: TEXT_MISSING },
  unknownRoute: { when: 'No operation has this path.', message: 'there is no route /nowhere' },
  methodNotAllowed: {
    when: 'The path takes other methods, which `Allow` names. OPTIONS is none of them.',
    message: '/healthz takes GET, HEAD',
  },
  exists: { when: 'The name or address is taken.', message: TEXT_EXISTS },
  conflict: {
    when: 'Not while things are as they are; the text says what stands against it. Nothing happened.',
    message: 'the cluster was changed by others meanwhile, please retry',
  },
  tooLarge: {
    when: 'The body, or what would be stored, is too large.',
    message: 'the body is larger than 1048576 bytes',
  },
  unprocessable: {
    when: 'The request is well; what it asks to be read is not, and `problems` has the places. Nothing changed.',
    message: 'nothing was changed: controller.yaml:12:5: unknown key "rafft"; did you mean "raft"?',
  },
  overloaded: {
    when: 'Too much is waiting. Nothing happened.',
    message: 'too many requests are waiting, please retry later',
  },
  internal: {
    when: 'A fault of this controller.',
    message: 'internal error, see the log of this controller',
  },
  nodeUnreachable: {
    when: 'A node that has to be asked does not answer. Nothing happened.',
    message: '127.0.0.1:6666 does not answer: connect ECONNREFUSED 127.0.0.1:6666',
  },
  noLeader: { when: 'No controller leads now. Nothing happened.', message: TEXT_NO_LEADER },
  unavailable: {
    when: 'Not yet, or no more; the text says what is waited for. Nothing happened.',
    message: 'this controller has just begun to look at the cluster, please retry',
  },
  unknownOutcome: {
    when: 'It may have happened, or may still: look before you retry.',
    message:
      'the outcome is not known (no answer in time); it may still take effect, please look before you retry',
  },
};

/** Names of the shared responses, by status. */
const NAMES: Readonly<Record<number, string>> = {
  307: 'Redirect',
  400: 'BadRequest',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  413: 'TooLarge',
  422: 'Unprocessable',
  429: 'Overloaded',
  500: 'InternalError',
  502: 'NodeUnreachable',
  503: 'Unavailable',
  504: 'UnknownOutcome',
};

/** Those that no operation has: they are what answers a request that names none. */
const OF_NO_OPERATION: ReadonlySet<string> = new Set<ApiErrorCode>(['unknownRoute', 'methodNotAllowed']);

const STATUSES: ReadonlyMap<string, number> = new Map(Object.entries(STATUS_BY_CODE));

/** What operations refer to. */
export function sharedResponses(): Readonly<Record<string, ResponseObject>> {
  const refused = Map.groupBy(
    Object.entries(REFUSALS).filter(([code]) => !OF_NO_OPERATION.has(code)),
    ([code]) => STATUSES.get(code) ?? STATUS_BY_CODE.internal,
  );
  return {
    [nameOf(307)]: {
      description:
        'Another member answers it, the leader or the one that the query names: send it the same request (`curl -L` does).',
      headers: { Location: { $ref: '#/components/headers/Location' } },
    },
    ...Object.fromEntries([...refused].map(([status, those]) => [nameOf(status), responseOf(status, those)])),
  };
}

function responseOf(status: number, refused: readonly (readonly [string, Refusal])[]): ResponseObject {
  const isPassing = status === 503 || status === 429;
  const examples = refused.map(([code, { when, message }]) => [
    code,
    { summary: when, value: { error: { message } } },
  ]);
  return {
    description: refused.map(([, { when }]) => when).join(' Or: '),
    ...(isPassing ? { headers: { 'Retry-After': { $ref: '#/components/headers/RetryAfter' } } } : {}),
    content: {
      'application/json': {
        schema: schemaOf(failureAnswer),
        examples: Object.fromEntries(examples),
      },
    },
    'x-codes': refused.map(([code]) => code),
  };
}

/** The refusals of an operation by their statuses, in order. */
export function refusalsOf(operation: Operation): Readonly<Record<string, Reference>> {
  const { answeredBy, method, path, refusals = [] } = operation;
  const codes = new Set<ApiErrorCode>([...refusals, 'internal']);
  if (path.includes('{')) codes.add('missing');
  if (path.includes('{shard}')) codes.add('badRequest');
  if (answeredBy === 'leader') codes.add('noLeader').add('overloaded');
  if (method !== 'get') codes.add('badRequest').add('tooLarge').add('overloaded');
  if (method !== 'get' && answeredBy === 'leader') codes.add('unknownOutcome');
  if (answeredBy === 'named') codes.add('badRequest').add('missing').add('noLeader');
  const statuses = new Set<number>([...codes].map((code) => STATUS_BY_CODE[code]));
  if (answeredBy !== 'member') statuses.add(307);
  return Object.fromEntries(
    [...statuses].toSorted((one, other) => one - other).map((status) => [String(status), reference(status)]),
  );
}

function reference(status: number): Reference {
  return { $ref: `#/components/responses/${nameOf(status)}` };
}

function nameOf(status: number): string {
  return NAMES[status] ?? String(status);
}
