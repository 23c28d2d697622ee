// Answers about what people want of the automation: pauses, maintenance, nodes in reserve.

import { z } from 'zod';

import type { SpareStatus } from '../../../control/spares-status.ts';
import { type EffectiveAutomation, FAILOVER_MODES } from '../../../topology/policy.ts';
import type { SpareLogin } from '../../../topology/spares.ts';
import { address, answerOf, named, nodeId, oneOf, shardIndex, time } from '../named.ts';

const wishFields = {
  until: time.nullable().describe('When it ends by itself; null for one that lasts until it is taken back.'),
  reason: z.string(),
  set_at: time.nullable(),
};

export const wish = named('Wish', z.object(wishFields));

const automationFields = {
  failover: z.enum(FAILOVER_MODES),
  ignore_mass_failure: z.boolean(),
  ...wishFields,
};

export const effectiveAutomation = named(
  'EffectiveAutomation',
  z.object({
    ...automationFields,
    by: oneOf<EffectiveAutomation['by']>({ group: true, cluster: true })
      .nullable()
      .describe('Whose wish counts; null where nobody has one.'),
  }),
);

export const automationAnswer = answerOf(
  'AutomationAnswer',
  z.object({
    automation: named('Automation', z.object(automationFields)).describe('What is wanted here.'),
    effective: effectiveAutomation.describe('What counts now, the wish for all clusters included.'),
  }),
);

export const maintenanceAnswer = answerOf(
  'MaintenanceAnswer',
  z.object({
    maintenance: wish.nullable().describe('Null for a node in service.'),
    new_master_id: nodeId.optional().describe('Who took over, where it was the master until now.'),
    warning: z.string().optional().describe('What may be lost by that; absent where nothing is.'),
  }),
);

export const shortage = named(
  'Shortage',
  z.object({
    shard: shardIndex,
    there: z.int(),
    wanted: z.int(),
    since: time,
    until: time.nullable().describe('When a spare is due; null when none is.'),
    plan: z.string().describe('What is going to happen, or what stands against it.'),
  }),
);

export const spares = named(
  'Spares',
  z.object({
    copies: z
      .int()
      .nullable()
      .describe('Nodes wanted in each shard, its master among them; null replaces nobody.'),
    replace_after_seconds: z.int(),
    nodes: z.array(
      z.object({
        addr: address,
        zone: z.string(),
        login: oneOf<SpareLogin>({ own: true, cluster: true, none: true }).describe(
          'Whose password it is asked with.',
        ),
        lost: nodeId.nullable().describe('The member that it was; null for one that people named.'),
        state: oneOf<SpareStatus['state']>({
          unknown: true,
          ready: true,
          silent: true,
          ownFault: true,
          hasData: true,
          hasTopology: true,
          noClusterMode: true,
          wrongPassword: true,
          notKvrocks: true,
          otherName: true,
          refuses: true,
        }).describe('Only `ready` may be used; `unknown` was not looked at yet.'),
        reason: z.string(),
        looked_at: time.nullable(),
      }),
    ),
    shards: z.array(shortage).describe('Shards that have fewer nodes than are wanted.'),
  }),
);

export const sparesAnswer = answerOf('SparesAnswer', z.object({ spares }));
