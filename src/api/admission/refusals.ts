// What is in the way of taking a node in, as answers: which node, why, and what to do.

import { unreachable } from '../../base/assert.ts';
import type { NodeError } from '../../control/observation.ts';
import type { Standing } from '../../control/joining.ts';
import type { NodeAddress } from '../../topology/types.ts';
import { ApiError } from '../errors.ts';

/** What a failed question says about the node, as an answer. */
export function nodeRefusal(address: NodeAddress, error: NodeError): ApiError {
  switch (error.kind) {
    case 'ownFault':
      return new ApiError(
        'nodeUnreachable',
        `this controller itself is at fault that node ${address} was not asked: ${error.message}`,
      );
    case 'connectionRefused':
    case 'unreachable':
    case 'connectionLost':
      return new ApiError('nodeUnreachable', `node ${address} cannot be reached: ${error.message}`);
    case 'timedOut':
      return new ApiError('nodeUnreachable', `node ${address} does not answer: ${error.message}`);
    case 'passwordRequired':
    case 'wrongPassword':
    case 'passwordNotSet':
      return new ApiError('badRequest', `password: node ${address} refuses it: ${error.message}`);
    case 'clusterDisabled':
      return new ApiError(
        'badRequest',
        `node ${address} is not in cluster mode, start it with "cluster-enabled yes"`,
      );
    case 'notKvrocks':
      return new ApiError('badRequest', `node ${address} is not a Kvrocks server: ${error.message}`);
    case 'tooManyClients':
    case 'fragile':
    case 'loading':
    case 'masterDown':
      return new ApiError('nodeUnreachable', `node ${address} is not ready yet: ${error.message}`);
    case 'notInitialized':
    case 'invalidVersion':
    case 'migrationRunning':
    case 'alreadyMigrated':
    case 'refused':
    case 'malformedReply':
    case 'garbage':
      return new ApiError('nodeUnreachable', `node ${address} gave an unexpected answer: ${error.message}`);
    default:
      return unreachable(error.kind);
  }
}

/** A node that cannot become a master as it is. */
export function masterRefusal(address: NodeAddress, standing: Standing): ApiError | null {
  switch (standing.kind) {
    case 'empty':
    case 'copy':
      return null;
    case 'unproven':
      return new ApiError(
        'conflict',
        `node ${address} is not empty: ${standing.why}; start it on a new data directory (FLUSHALL and CLUSTER RESET do not ` +
          'make it empty), or send "with_data": true to make what it holds the data of its shard',
      );
    default:
      return neverTaken(address, standing);
  }
}

/** A node that cannot become a replica as it is. */
export function replicaRefusal(address: NodeAddress, standing: Standing): ApiError | null {
  switch (standing.kind) {
    case 'empty':
    case 'copy':
      return null;
    case 'unproven':
      return new ApiError(
        'conflict',
        `node ${address} is no proven copy of its master: ${standing.why}; start it on a new data directory (FLUSHALL and ` +
          'CLUSTER RESET do not make it empty), or send "remake": true to have its data thrown away and made anew from the master',
      );
    default:
      return neverTaken(address, standing);
  }
}

function neverTaken(address: NodeAddress, standing: Extract<Standing, { readonly why: string }>): ApiError {
  const remedy =
    standing.kind === 'foreign'
      ? 'import that cluster, or start the node on a new data directory'
      : 'look at that node first, or start it on a new data directory';
  return new ApiError('conflict', `node ${address}: ${standing.why}; ${remedy}`);
}
