// Clusters as they are recorded.

import {
  acceptAnswer,
  clusterAnswer,
  clustersAnswer,
  createdAnswer,
  okAnswer,
} from '../../schemas/answers/topology.ts';
import { acceptBody, changeClusterBody, createClusterBody, importClusterBody } from '../../schemas/bodies.ts';
import { addressOf, CLUSTER, CLUSTER_EXAMPLE } from '../examples.ts';
import { data, type Operation } from '../operation.ts';
import { PAGE } from './namespaces.ts';

const CLUSTERS = '/api/v1/namespaces/{namespace}/clusters';
const ONE = `${CLUSTERS}/{cluster}`;

export const CLUSTER_OPERATIONS: readonly Operation[] = [
  {
    id: 'listClusters',
    method: 'get',
    path: CLUSTERS,
    tag: 'Clusters',
    summary: 'All clusters of a namespace, in the order of their characters',
    description: 'Without `limit` and `cursor` all of them come, however many there are.',
    answeredBy: 'leader',
    query: PAGE,
    success: { status: 200, description: 'Their names.', answers: [clustersAnswer] },
    refusals: ['badRequest'],
    examples: {
      all: { summary: 'All of them', answer: data({ clusters: [CLUSTER] }) },
      page: {
        summary: 'One page',
        query: { limit: '100' },
        answer: data({ clusters: [CLUSTER], next_cursor: null }),
      },
    },
  },
  {
    id: 'createCluster',
    method: 'post',
    path: CLUSTERS,
    tag: 'Clusters',
    summary: 'Create a cluster of new nodes',
    description:
      'Consecutive groups of `replicas` nodes form the shards, the first of each is the master, and the slots are spread evenly. The nodes are looked at first: they have to be reachable, in cluster mode, in no other cluster, and empty.',
    answeredBy: 'leader',
    headers: ['Prefer', 'X-Dont-Check-Cluster-Mode'],
    body: { schema: createClusterBody, isRequired: true },
    success: {
      status: 201,
      description: 'It is recorded, and its nodes are told.',
      answers: [createdAnswer, clusterAnswer],
    },
    refusals: ['exists', 'conflict', 'nodeUnreachable'],
    examples: {
      replicated: {
        summary: 'Two shards of a master and a replica',
        body: {
          name: CLUSTER,
          nodes: [addressOf(0), addressOf(1), addressOf(2), addressOf(3)],
          replicas: 2,
          password: '',
        },
        answer: data('created'),
      },
    },
  },
  {
    id: 'importCluster',
    method: 'post',
    path: `${ONE}/import`,
    tag: 'Clusters',
    summary: 'Take over a running cluster from its nodes',
    description: 'The topology is read from a node that answers, and compared with what the others say.',
    answeredBy: 'leader',
    headers: ['Prefer'],
    body: { schema: importClusterBody, isRequired: true },
    success: {
      status: 201,
      description: 'It is recorded as its nodes have it.',
      answers: [createdAnswer, clusterAnswer],
    },
    refusals: ['exists', 'conflict', 'nodeUnreachable'],
    examples: {
      seed: {
        summary: 'By one of its nodes',
        body: { nodes: [addressOf(0)], password: '' },
        answer: data('created'),
      },
    },
  },
  {
    id: 'acceptCluster',
    method: 'post',
    path: `${ONE}/accept`,
    tag: 'Clusters',
    summary: 'Manage a cluster of a group that was made out of a backup',
    description:
      'Until then the group only looks at it. Every node is asked first: what speaks against the cluster as it is recorded is told (409), and `force` passes over it. It takes 30 s at most.',
    answeredBy: 'leader',
    body: { schema: acceptBody, isRequired: false },
    success: { status: 200, description: 'Its nodes are told what is recorded.', answers: [acceptAnswer] },
    refusals: ['conflict'],
    examples: {
      checked: {
        summary: 'If nothing speaks against it',
        body: {},
        answer: data({ accept: { version: 2, overridden: [] } }),
      },
      forced: {
        summary: 'Whatever its nodes say',
        body: { force: true },
        answer: data({
          accept: { version: 2, overridden: [`node ${addressOf(1)} does not answer`] },
        }),
      },
    },
  },
  {
    id: 'getCluster',
    method: 'get',
    path: ONE,
    tag: 'Clusters',
    summary: 'A cluster with its shards and nodes',
    answeredBy: 'leader',
    success: { status: 200, description: 'As it is recorded.', answers: [clusterAnswer] },
    examples: { one: { summary: 'Two shards', answer: data({ cluster: CLUSTER_EXAMPLE }) } },
  },
  {
    id: 'updateCluster',
    method: 'patch',
    path: ONE,
    tag: 'Clusters',
    summary: 'Store another password of all nodes, or what becomes of divergence',
    description:
      'At least one of `password` and `on_divergence`. Nodes are not given a password: they have it already.',
    answeredBy: 'leader',
    body: { schema: changeClusterBody, isRequired: true },
    success: { status: 200, description: 'It is recorded.', answers: [okAnswer] },
    refusals: ['conflict', 'nodeUnreachable'],
    examples: {
      divergence: {
        summary: 'Keep writes that only an old master has',
        body: { on_divergence: 'quarantine' },
        answer: data('ok'),
      },
    },
  },
  {
    id: 'deleteCluster',
    method: 'delete',
    path: ONE,
    tag: 'Clusters',
    summary: 'Forget a cluster; its nodes stay as they are',
    answeredBy: 'leader',
    success: { status: 200, description: 'It is forgotten.', answers: [okAnswer] },
    refusals: ['conflict'],
    examples: { one: { summary: 'A cluster', answer: data('ok') } },
  },
];
