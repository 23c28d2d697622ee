// Domain values from paths and checked bodies; what does not parse is a 400 or 404 with the reason.

import type { Context } from 'hono';

import { unreachable } from '../base/assert.ts';
import type { Result } from '../base/result.ts';
import { printTime } from '../base/wall-time.ts';
import { describe, type TopologyError } from '../topology/errors.ts';
import { isWildcard } from '../topology/controller-address.ts';
import { addressParts, parseAddress } from '../topology/node.ts';
import { parseName } from '../topology/name.ts';
import type { ChangeError } from '../topology/record.ts';
import type { Name, NodeAddress } from '../topology/types.ts';
import type { Policies } from './ports.ts';
import {
  ApiError,
  badRequest,
  exists,
  missing,
  noLeader,
  TEXT_EXISTS,
  TEXT_MISSING,
  type ApiErrorCode,
} from './errors.ts';

/** The value, or a 400 with the topology's own sentence. */
export function valid<T>(result: Result<T, TopologyError>): T {
  if (result.ok) return result.value;
  throw badRequest(describe(result.error));
}

/** A path parameter that names something: a text that cannot be a name names nothing, hence 404. */
export function nameParam(context: Context, parameter: string): Name {
  const name = parseName(context.req.param(parameter) ?? '', parameter);
  if (!name.ok) throw missing();
  return name.value;
}

/** The shard index of the path, an integer >= 0; anything else is a 400. */
export function shardParam(context: Context): number {
  const text = context.req.param('shard') ?? '';
  if (!/^\d{1,9}$/.test(text))
    throw badRequest(`shard: ${JSON.stringify(text.slice(0, 80))} is not a shard index such as 0`);
  return Number(text);
}

/** The address of a node. One that stands for a whole machine would send clients and replicas to their own, and another leader to another node. */
export function nodeAddress(text: string, field: string): NodeAddress {
  const address = valid(parseAddress(text, field));
  if (!isWildcard(addressParts(address).host)) return address;
  throw badRequest(
    `${field}: ${address} stands for every address of a machine; write the one at which clients reach the node`,
  );
}

/** The addresses of `nodes`, each valid and none twice. */
export function addressList(texts: readonly string[]): NodeAddress[] {
  const addresses = new Set<NodeAddress>();
  for (const [index, text] of texts.entries()) {
    const address = nodeAddress(text, `nodes[${index}]`);
    if (addresses.has(address)) throw badRequest(`nodes[${index}]: ${address} is listed twice`);
    addresses.add(address);
  }
  return [...addresses];
}

/** The status a refused topology change gets when the request itself was well-formed. */
const CODE_BY_TOPOLOGY_ERROR = {
  invalidText: 'badRequest',
  invalidCount: 'badRequest',
  duplicateAddress: 'exists',
  duplicateNodeId: 'conflict',
  duplicateShardId: 'conflict',
  slotsOverlap: 'badRequest',
  masterCount: 'badRequest',
  invalidMigration: 'badRequest',
  invalidDrain: 'badRequest',
  unknownShard: 'missing',
  unknownNode: 'missing',
  shardOwnsSlots: 'badRequest',
  lastShard: 'badRequest',
  masterExists: 'conflict',
  masterRemoval: 'badRequest',
  masterMove: 'conflict',
  alreadyMaster: 'badRequest',
  slotsNotOwned: 'badRequest',
  slotsOwned: 'badRequest',
  slotsSpanShards: 'badRequest',
  sameShard: 'badRequest',
  migrationRunning: 'conflict',
  noMigration: 'badRequest',
  drainRunning: 'conflict',
  noDrain: 'badRequest',
  versionNotHigher: 'conflict',
} as const satisfies Record<TopologyError['kind'], ApiErrorCode>;

/** A refused change as an answer. Missing and existing entries get the texts other clients compare. */
export function topologyRefusal(error: TopologyError): ApiError {
  const code = CODE_BY_TOPOLOGY_ERROR[error.kind];
  if (code === 'missing') return new ApiError(code, TEXT_MISSING);
  return new ApiError(code, code === 'exists' ? TEXT_EXISTS : describe(error));
}

/** Throws the answer for a failed call of the records; returns when it succeeded. */
export function settled<T>(result: Result<T, ChangeError>): T {
  if (result.ok) return result.value;
  throw clustersRefusal(result.error);
}

/** Throws the answer while some member could not read what is wanted: before anything else is done for it. */
export function checkStored(policies: Pick<Policies, 'refusal'>): void {
  if (policies.refusal !== null) throw clustersRefusal(policies.refusal);
}

/** As `settled`, for the confirmation of a read: nothing was changed, so an outcome that is not known is simply to be asked for again. */
export function confirmed(result: Result<void, ChangeError>): void {
  if (result.ok) return;
  if (result.error.kind !== 'unknown') throw clustersRefusal(result.error);
  throw new ApiError(
    'noLeader',
    'this controller could not confirm in time that it still leads, please retry',
  );
}

export function clustersRefusal(error: ChangeError): ApiError {
  switch (error.kind) {
    case 'exists':
      return exists();
    case 'missing':
      return missing();
    case 'addressTaken':
      return new ApiError(
        'exists',
        `${TEXT_EXISTS}: ${error.address} belongs to cluster ${error.cluster} of namespace ${error.namespace}`,
      );
    case 'conflict':
      return new ApiError('conflict', 'the cluster was changed by others meanwhile, please retry');
    case 'observed':
      return new ApiError(
        'conflict',
        `this group was made out of a backup at ${printTime(error.sinceSeconds)} and only looks at the cluster; compare it with its nodes (GET .../check), then accept it (POST .../accept)`,
      );
    case 'namespaceNotEmpty':
      return new ApiError(
        'namespaceNotEmpty',
        'the namespace still holds clusters, please delete them first',
      );
    case 'notLeader':
      return noLeader();
    case 'overloaded':
      return new ApiError('overloaded', 'too many requests are waiting, please retry later');
    case 'tooLarge':
      return new ApiError('tooLarge', `the cluster has become too large to be stored: ${error.reason}`);
    case 'featureLevel':
      return new ApiError(
        'conflict',
        `this needs feature level ${error.needed} and the group is at level ${error.current}: some controller still runs an earlier release, or is held at its level; update all of them first`,
      );
    case 'unknown':
      return new ApiError(
        'unknownOutcome',
        `the outcome is not known (${error.reason}); it may still take effect, please look before you retry`,
      );
    default:
      return unreachable(error);
  }
}
