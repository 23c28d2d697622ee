// Namespaces.

import { z } from 'zod';

import {
  createdAnswer,
  namespaceAnswer,
  namespacesAnswer,
  okAnswer,
} from '../../schemas/answers/topology.ts';
import { createNamespaceBody } from '../../schemas/bodies.ts';
import { NAMESPACE } from '../examples.ts';
import { data, type Operation, type QueryParameter } from '../operation.ts';

const NAMESPACES = '/api/v1/namespaces';

/** Of lists of names. */
export const PAGE: Readonly<Record<string, QueryParameter>> = {
  limit: { description: 'At most so many names.', schema: z.int().min(1).max(1000) },
  cursor: {
    description: 'Only names behind this one: `next_cursor` of the page before.',
    schema: z.string(),
  },
};

export const NAMESPACE_OPERATIONS: readonly Operation[] = [
  {
    id: 'listNamespaces',
    method: 'get',
    path: NAMESPACES,
    tag: 'Namespaces',
    summary: 'All namespaces, in the order of their characters',
    description: 'Without `limit` and `cursor` all of them come, however many there are.',
    answeredBy: 'leader',
    query: PAGE,
    success: { status: 200, description: 'Their names.', answers: [namespacesAnswer] },
    refusals: ['badRequest'],
    examples: {
      all: { summary: 'All of them', answer: data({ namespaces: [NAMESPACE] }) },
      page: {
        summary: 'One page',
        query: { limit: '100' },
        answer: data({ namespaces: [NAMESPACE], next_cursor: null }),
      },
    },
  },
  {
    id: 'createNamespace',
    method: 'post',
    path: NAMESPACES,
    tag: 'Namespaces',
    summary: 'Create a namespace',
    answeredBy: 'leader',
    headers: ['Prefer'],
    body: { schema: createNamespaceBody, isRequired: true },
    success: { status: 201, description: 'It is there.', answers: [createdAnswer, namespaceAnswer] },
    refusals: ['exists'],
    examples: {
      one: { summary: 'A namespace', body: { namespace: NAMESPACE }, answer: data('created') },
    },
  },
  {
    id: 'getNamespace',
    method: 'get',
    path: `${NAMESPACES}/{namespace}`,
    tag: 'Namespaces',
    summary: 'Whether a namespace exists',
    answeredBy: 'leader',
    success: { status: 200, description: 'It does.', answers: [okAnswer] },
    examples: { one: { summary: 'It exists', answer: data('ok') } },
  },
  {
    id: 'deleteNamespace',
    method: 'delete',
    path: `${NAMESPACES}/{namespace}`,
    tag: 'Namespaces',
    summary: 'Delete a namespace that holds no clusters',
    answeredBy: 'leader',
    success: { status: 200, description: 'It is gone.', answers: [okAnswer] },
    refusals: ['namespaceNotEmpty'],
    examples: { one: { summary: 'An empty one', answer: data('ok') } },
  },
];
