// Everything that can be wrong with a topology or a wish to change one, and the sentence people read about it.

import { unreachable } from '../base/assert.ts';

/**
 * `text` is what came in, as given; `field` names where it came from (a request's field, a line of CLUSTER NODES).
 * Shards are named by the index the API uses.
 */
export type TopologyError =
  | { readonly kind: 'invalidText'; readonly field: string; readonly text: string; readonly why: string }
  | { readonly kind: 'invalidCount'; readonly field: string; readonly count: number; readonly why: string }
  | { readonly kind: 'duplicateAddress'; readonly address: string }
  | { readonly kind: 'duplicateNodeId'; readonly id: string }
  | { readonly kind: 'duplicateShardId'; readonly shardId: number }
  | { readonly kind: 'slotsOverlap'; readonly slots: string }
  | { readonly kind: 'masterCount'; readonly shardIndex: number; readonly masterCount: number }
  | { readonly kind: 'invalidMigration'; readonly shardIndex: number; readonly why: string }
  | {
      readonly kind: 'unknownShard';
      readonly field: string;
      readonly shardIndex: number;
      readonly shardCount: number;
    }
  | { readonly kind: 'invalidDrain'; readonly shardIndex: number; readonly why: string }
  | { readonly kind: 'unknownNode'; readonly id: string }
  | { readonly kind: 'shardOwnsSlots'; readonly shardIndex: number; readonly slotCount: number }
  | { readonly kind: 'lastShard' }
  | { readonly kind: 'masterExists'; readonly shardIndex: number; readonly id: string }
  | { readonly kind: 'masterRemoval'; readonly id: string }
  | { readonly kind: 'masterMove'; readonly id: string }
  | { readonly kind: 'alreadyMaster'; readonly id: string }
  | { readonly kind: 'slotsNotOwned'; readonly shardIndex: number; readonly slots: string }
  | { readonly kind: 'slotsOwned'; readonly shardIndex: number; readonly slots: string }
  | { readonly kind: 'slotsSpanShards'; readonly slots: string }
  | { readonly kind: 'sameShard'; readonly shardIndex: number }
  | {
      readonly kind: 'migrationRunning';
      readonly slots: string;
      readonly sourceIndex: number;
      readonly targetIndex: number;
    }
  | { readonly kind: 'noMigration'; readonly shardIndex: number }
  | { readonly kind: 'drainRunning' | 'noDrain'; readonly shardIndex: number }
  | { readonly kind: 'versionNotHigher'; readonly version: number; readonly wanted: number };

/** The longest piece of foreign text a message repeats, in UTF-16 code units. */
const QUOTED_LENGTH_MAX = 80;

/** `text` in quotes, shortened, with control characters escaped: safe in a log line and in an answer. */
function quote(text: string): string {
  const isLong = text.length > QUOTED_LENGTH_MAX;
  return JSON.stringify(isLong ? `${text.slice(0, QUOTED_LENGTH_MAX)}...` : text);
}

/** One sentence for people: which field or part, and why. */
export function describe(error: TopologyError): string {
  switch (error.kind) {
    case 'invalidText':
      return `${error.field}: ${quote(error.text)} ${error.why}`;
    case 'invalidCount':
      return `${error.field}: ${error.count} ${error.why}`;
    case 'duplicateAddress':
      return `the address ${error.address} is used more than once in this cluster`;
    case 'duplicateNodeId':
      return `the node id ${error.id} is used more than once in this cluster`;
    case 'duplicateShardId':
      return `the shard id ${error.shardId} is used more than once or was not handed out yet`;
    case 'slotsOverlap':
      return `the slots ${error.slots} are owned by more than one shard`;
    case 'masterCount':
      return `shard ${error.shardIndex} has ${error.masterCount} masters, exactly one is needed`;
    case 'invalidMigration':
      return `the migration out of shard ${error.shardIndex} ${error.why}`;
    case 'invalidDrain':
      return `the planned change of masters in shard ${error.shardIndex} ${error.why}`;
    case 'unknownShard':
      return `${error.field}: there is no shard ${error.shardIndex}, the cluster has ${error.shardCount} (counted from 0)`;
    case 'unknownNode':
      return `there is no node ${quote(error.id)} here`;
    case 'shardOwnsSlots':
      return `shard ${error.shardIndex} still owns ${error.slotCount} slots, move them to another shard first`;
    case 'lastShard':
      return 'the last shard of a cluster cannot be removed, delete the cluster instead';
    default:
      return describeChange(error);
  }
}

/** The second half of `describe`: refusals that concern masters, slots and migrations. */
function describeChange(error: SecondHalf): string {
  switch (error.kind) {
    case 'masterExists':
      return `role: shard ${error.shardIndex} already has the master ${error.id}, add the node as slave and fail over to it`;
    case 'masterRemoval':
      return `node ${error.id} is the master of its shard, fail over to another node first`;
    case 'masterMove':
      return `node ${error.id} is the master of a shard with replicas, which follow its old address: fail over to one of them first, then change the address`;
    case 'alreadyMaster':
      return `node ${error.id} is already the master of its shard`;
    case 'slotsNotOwned':
      return `the slots ${error.slots} are not owned by shard ${error.shardIndex}`;
    case 'slotsOwned':
      return `the slots ${error.slots} are already owned by shard ${error.shardIndex}`;
    case 'slotsSpanShards':
      return `the slots ${error.slots} are not all owned by one shard`;
    case 'sameShard':
      return `target: shard ${error.shardIndex} already owns these slots`;
    case 'migrationRunning':
      return `slots ${error.slots} are moving from shard ${error.sourceIndex} to shard ${error.targetIndex}, please retry when that has ended, or cancel it`;
    case 'noMigration':
      return `no slots are moving out of shard ${error.shardIndex}`;
    case 'drainRunning':
      return `shard ${error.shardIndex} is changing its master as planned, which takes seconds at most: please retry`;
    case 'noDrain':
      return `shard ${error.shardIndex} is not changing its master as planned`;
    case 'versionNotHigher':
      return `version ${error.wanted} is not an integer above ${error.version} within the allowed range`;
    default:
      return unreachable(error);
  }
}

type SecondHalf = Extract<
  TopologyError,
  {
    readonly kind:
      | 'masterExists'
      | 'masterRemoval'
      | 'masterMove'
      | 'alreadyMaster'
      | 'slotsNotOwned'
      | 'slotsOwned'
      | 'slotsSpanShards'
      | 'sameShard'
      | 'migrationRunning'
      | 'noMigration'
      | 'drainRunning'
      | 'noDrain'
      | 'versionNotHigher';
  }
>;
