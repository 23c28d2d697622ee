// Nodes of a shard, named by their id.

import { createdAnswer, nodeAnswer, nodesAnswer, okAnswer } from '../../schemas/answers/topology.ts';
import { changeNodeBody, createNodeBody, resyncBody } from '../../schemas/bodies.ts';
import { ADDED, addressOf, nodeExample, NODES_0, REPLICA_0 } from '../examples.ts';
import { data, type Operation } from '../operation.ts';

const NODES = '/api/v1/namespaces/{namespace}/clusters/{cluster}/shards/{shard}/nodes';
const ONE = `${NODES}/{node}`;

export const NODE_OPERATIONS: readonly Operation[] = [
  {
    id: 'listNodes',
    method: 'get',
    path: NODES,
    tag: 'Nodes',
    summary: 'All nodes of a shard',
    answeredBy: 'leader',
    success: { status: 200, description: 'As they are recorded.', answers: [nodesAnswer] },
    examples: { all: { summary: 'A master and its replica', answer: data({ nodes: NODES_0 }) } },
  },
  {
    id: 'createNode',
    method: 'post',
    path: NODES,
    tag: 'Nodes',
    summary: 'Add a replica',
    description:
      'It has to be empty (a new data directory) or a proven copy of its very shard; with `remake` it is made anew from its master.',
    answeredBy: 'leader',
    headers: ['Prefer', 'X-Dont-Check-Cluster-Mode'],
    body: { schema: createNodeBody, isRequired: true },
    success: { status: 201, description: 'It is recorded, and told.', answers: [createdAnswer, nodeAnswer] },
    refusals: ['exists', 'conflict', 'nodeUnreachable'],
    examples: {
      replica: {
        summary: 'A replica',
        body: { addr: addressOf(8), role: 'slave', password: '' },
        answer: data('created'),
      },
      object: {
        summary: 'With `Prefer: return=representation`',
        headers: { Prefer: 'return=representation' },
        body: { addr: addressOf(9), role: 'slave', password: '' },
        answer: data({ node: nodeExample(ADDED, 9, 'slave') }),
      },
    },
  },
  {
    id: 'updateNode',
    method: 'patch',
    path: ONE,
    tag: 'Nodes',
    summary: 'Another address or password, a priority, a zone',
    description:
      'At least one of `addr`, `password`, `failover_priority` and `zone`. An address is recorded once the same node answers there.',
    answeredBy: 'leader',
    body: { schema: changeNodeBody, isRequired: true },
    success: { status: 200, description: 'It is recorded.', answers: [okAnswer] },
    refusals: ['exists', 'conflict', 'nodeUnreachable'],
    at: { node: REPLICA_0 },
    examples: {
      wishes: {
        summary: 'Take over rather than others; where it stands',
        body: { failover_priority: 200, zone: 'rack-1' },
        answer: data('ok'),
      },
    },
  },
  {
    id: 'resyncNode',
    method: 'post',
    path: `${ONE}/resync`,
    tag: 'Nodes',
    summary: 'Make the copy of a replica anew',
    description: 'What only it has is lost: of a copy that was kept aside, or with `force` of any.',
    answeredBy: 'leader',
    body: { schema: resyncBody, isRequired: false },
    success: { status: 200, description: 'It is made anew by the leader.', answers: [okAnswer] },
    refusals: ['conflict'],
    at: { node: REPLICA_0 },
    examples: { force: { summary: 'Also a proven one', body: { force: true }, answer: data('ok') } },
  },
  {
    id: 'deleteNode',
    method: 'delete',
    path: ONE,
    tag: 'Nodes',
    summary: 'Remove a replica',
    description: 'It is told that it left, now or when it is back.',
    answeredBy: 'leader',
    success: { status: 200, description: 'It is no member any more.', answers: [okAnswer] },
    refusals: ['badRequest', 'conflict'],
    at: { node: ADDED },
    examples: { replica: { summary: 'A replica', answer: data('ok') } },
  },
];
