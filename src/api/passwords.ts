// The passwords by which nodes are reached: tried before they are stored.

import type { Secret } from '../base/secret.ts';
import { withPassword } from '../topology/change-nodes.ts';
import type { ClusterPlace } from '../topology/record.ts';
import type { Node, NodeAddress } from '../topology/types.ts';
import { askAll } from './ask-nodes.ts';
import { changeCluster } from './change-cluster.ts';
import type { ApiDependencies } from './dependencies.ts';
import { badRequest } from './errors.ts';

/** Milliseconds in which all nodes have to be asked. */
const TRYING_DEADLINE_MS = 15_000;

/** Nodes that a refusal names, at most. */
const NAMED_MAX = 5;

export interface PasswordChange {
  readonly nodes: readonly Node[];
  readonly password: Secret;
  /** Whether to store it also where a node refuses it. */
  readonly isForced: boolean;
  /** Fires when the client has gone. */
  readonly abandoned: AbortSignal;
}

/**
 * Stores one password for `nodes` in one change of the cluster, under the same version. Every node that can be reached has to accept it
 * first; those that cannot are taken on the client's word.
 */
export async function storePassword(
  { clusters, inspector, clock }: Pick<ApiDependencies, 'clusters' | 'inspector' | 'clock'>,
  path: ClusterPlace,
  { nodes, password, isForced, abandoned }: PasswordChange,
): Promise<void> {
  if (!isForced) {
    const tried = await askAll(
      nodes,
      async ({ address }) => {
        const inspection = await inspector.inspect({ address, password });
        return !inspection.ok && isRefusal(inspection.error.kind) ? address : null;
      },
      { clock, abandoned, deadlineMs: TRYING_DEADLINE_MS },
    );
    const refusing = tried.filter((address) => address !== null);
    if (refusing.length > 0) throw badRequest(refusalText(refusing));
  }
  const ids = new Set(nodes.map(({ id }) => id));
  const [first] = nodes;
  const only = nodes.length === 1 && first !== undefined ? first : null;
  await changeCluster(clusters, path, (cluster) => withPassword(cluster, ids, password), {
    kind: 'passwordChanged',
    text: `another password was recorded for ${only === null ? `${nodes.length} nodes` : only.address}`,
    node: only?.id ?? null,
  });
}

function isRefusal(kind: string): boolean {
  return kind === 'wrongPassword' || kind === 'passwordRequired' || kind === 'passwordNotSet';
}

function refusalText(refusing: readonly NodeAddress[]): string {
  const named = refusing.slice(0, NAMED_MAX).join(', ');
  const more = refusing.length > NAMED_MAX ? ` and ${refusing.length - NAMED_MAX} more` : '';
  return (
    `password: it is refused by ${named}${more}; set it there first (CONFIG SET requirepass and masterauth), ` +
    'or send "force": true to store it all the same'
  );
}
