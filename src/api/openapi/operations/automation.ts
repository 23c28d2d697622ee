// What people want of the automation.

import { automationAnswer, maintenanceAnswer, sparesAnswer } from '../../schemas/answers/wishes.ts';
import { okAnswer } from '../../schemas/answers/topology.ts';
import { automationBody, maintenanceBody, sparesBody } from '../../schemas/bodies.ts';
import { addressOf, AUTOMATION, PAUSED, REPLICA_0, SPARES, TIME } from '../examples.ts';
import { data, type Operation } from '../operation.ts';

const CLUSTER = '/api/v1/namespaces/{namespace}/clusters/{cluster}';
const MAINTENANCE = `${CLUSTER}/shards/{shard}/nodes/{node}/maintenance`;
const PAUSE = { failover: 'paused', reason: 'the switches are replaced' };
const WORK = { until: null, reason: 'a new disk', set_at: TIME };

/** Of all clusters, and of one. */
function automation(
  what: { readonly path: string; readonly suffix: string; readonly whose: string },
  paused: object,
): readonly Operation[] {
  return [
    {
      id: `get${what.suffix}`,
      method: 'get',
      path: what.path,
      tag: 'Automation',
      summary: `What is wanted of automatic failovers ${what.whose}`,
      answeredBy: 'leader',
      success: { status: 200, description: 'What is wanted, and what counts.', answers: [automationAnswer] },
      examples: {
        one: {
          summary: 'Nobody has said anything',
          answer: data({ automation: AUTOMATION, effective: { ...AUTOMATION, by: null } }),
        },
      },
    },
    {
      id: `set${what.suffix}`,
      method: 'put',
      path: what.path,
      tag: 'Automation',
      summary: `Pause automatic failovers ${what.whose}, have them run dry, or let them go on`,
      answeredBy: 'leader',
      body: { schema: automationBody, isRequired: true },
      success: { status: 200, description: 'What counts from now on.', answers: [automationAnswer] },
      refusals: ['conflict'],
      examples: {
        paused: {
          summary: 'Nothing is replaced for now',
          body: PAUSE,
          answer: data({ automation: PAUSED, effective: paused }),
        },
        on: {
          summary: 'As if nobody had said anything',
          body: { failover: 'on' },
          answer: data({ automation: AUTOMATION, effective: { ...AUTOMATION, by: null } }),
        },
      },
    },
  ];
}

export const AUTOMATION_OPERATIONS: readonly Operation[] = [
  ...automation(
    { path: '/api/v1/automation', suffix: 'Automation', whose: 'of all clusters' },
    { ...PAUSED, by: 'group' },
  ),
  ...automation(
    { path: `${CLUSTER}/automation`, suffix: 'ClusterAutomation', whose: 'of a cluster' },
    { ...PAUSED, by: 'cluster' },
  ),
  {
    id: 'getMaintenance',
    method: 'get',
    path: MAINTENANCE,
    tag: 'Automation',
    summary: 'Whether somebody works on a node',
    answeredBy: 'leader',
    success: { status: 200, description: 'Until when, and why.', answers: [maintenanceAnswer] },
    at: { node: REPLICA_0 },
    examples: { none: { summary: 'It is in service', answer: data({ maintenance: null }) } },
  },
  {
    id: 'setMaintenance',
    method: 'put',
    path: MAINTENANCE,
    tag: 'Automation',
    summary: 'Take a node out of service',
    description: 'A master hands over first. Nobody misses the node, and it never takes over.',
    answeredBy: 'leader',
    body: { schema: maintenanceBody, isRequired: true },
    success: { status: 200, description: 'It is in maintenance.', answers: [maintenanceAnswer] },
    refusals: ['conflict'],
    at: { node: REPLICA_0 },
    examples: {
      replica: {
        summary: 'A replica',
        body: { reason: 'a new disk' },
        answer: data({ maintenance: WORK }),
      },
    },
  },
  {
    id: 'endMaintenance',
    method: 'delete',
    path: MAINTENANCE,
    tag: 'Automation',
    summary: 'Put a node back into service',
    answeredBy: 'leader',
    success: { status: 200, description: 'It counts again.', answers: [okAnswer] },
    refusals: ['conflict'],
    at: { node: REPLICA_0 },
    examples: { one: { summary: 'A node', answer: data('ok') } },
  },
  {
    id: 'getSpares',
    method: 'get',
    path: `${CLUSTER}/spares`,
    tag: 'Automation',
    summary: 'Nodes in reserve, and what is known of them',
    description: 'They are looked at again within the second: ask once more to see what came of it.',
    answeredBy: 'leader',
    success: { status: 200, description: 'What is wanted, and what is known.', answers: [sparesAnswer] },
    examples: { one: { summary: 'One spare', answer: data({ spares: SPARES }) } },
  },
  {
    id: 'setSpares',
    method: 'put',
    path: `${CLUSTER}/spares`,
    tag: 'Automation',
    summary: 'Name nodes in reserve, and how many copies each shard is to have',
    description:
      'At least one of `nodes`, `copies` and `replace_after_seconds`; what is left out stays. A spare is text, `host:port`, or an object.',
    answeredBy: 'leader',
    body: { schema: sparesBody, isRequired: true },
    success: { status: 200, description: 'What is wanted from now on.', answers: [sparesAnswer] },
    refusals: ['exists', 'conflict'],
    examples: {
      one: {
        summary: 'One spare, and two nodes a shard',
        body: { nodes: [addressOf(6)], copies: 2, replace_after_seconds: 600 },
        answer: data({ spares: SPARES }),
      },
      zone: {
        summary: 'A spare of which more is said; nobody is replaced',
        body: { nodes: [{ addr: addressOf(6), zone: 'rack-2' }], copies: null },
        answer: data({ spares: { ...SPARES, copies: null } }),
      },
    },
  },
];
