// One node of a cluster that is to be imported: what it says, and whether that can be true.

import { err, ok, type Result } from '../../base/result.ts';
import { impossibility } from '../../control/joining.ts';
import type { NodeEndpoint } from '../../control/node-commands.ts';
import { ADOPTED_VERSION_MAX } from '../../control/target.ts';
import { type NodesLine, ownLine } from '../../topology/cluster-nodes-text.ts';
import type { NodeAddress } from '../../topology/types.ts';
import { nodeRefusal } from '../admission/refusals.ts';
import { ApiError, badRequest } from '../errors.ts';
import type { NodeInspection, NodeInspector } from '../ports.ts';

export interface MemberReading {
  readonly address: NodeAddress;
  readonly inspection: NodeInspection;
  /** The text of CLUSTER NODES. */
  readonly text: string;
}

/** Reads a node and checks its word against itself. */
export async function readMember(
  inspector: NodeInspector,
  endpoint: NodeEndpoint,
): Promise<Result<MemberReading, ApiError>> {
  const { address } = endpoint;
  const inspection = await inspector.inspect(endpoint);
  if (!inspection.ok) return err(nodeRefusal(address, inspection.error));
  const { version } = inspection.value;
  if (version < 0)
    return err(badRequest(`node ${address} has no cluster topology to import; create a cluster instead`));
  if (version > ADOPTED_VERSION_MAX)
    return err(
      new ApiError(
        'conflict',
        `node ${address} has a topology of version ${version}, above which none could be told; push it again under a low version to ` +
          'every node, with CLUSTERX SETNODES <text> 1 FORCE, and import again',
      ),
    );
  const text = await inspector.clusterNodes(endpoint);
  if (!text.ok) return err(nodeRefusal(address, text.error));
  const fault = contradiction({ address, inspection: inspection.value, text: text.value });
  return fault === null ? ok({ address, inspection: inspection.value, text: text.value }) : err(fault);
}

function contradiction({ address, inspection, text }: MemberReading): ApiError | null {
  const own: NodesLine | null = ownLine(text);
  const why = impossibility({ ...inspection, topology: own === null ? null : [own] });
  if (why !== null)
    return new ApiError(
      'conflict',
      `node ${address}: ${why}; bring it in order (CLUSTERX SETNODEID, SETNODES under a higher version) and import again`,
    );
  return own !== null && own.version !== inspection.version
    ? new ApiError('conflict', `node ${address} changed its topology while it was read, please retry`)
    : null;
}
