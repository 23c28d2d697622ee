// The first look at nodes that are to be taken in, before anything is stored or sent to them.

import type { Clock } from '../../base/clock.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { Newcomer } from '../../control/joining.ts';
import type { NodeEndpoint } from '../../control/node-commands.ts';
import type { NodeError } from '../../control/observation.ts';
import { parseClusterNodes } from '../../topology/cluster-nodes-text.ts';
import { askAll } from '../ask-nodes.ts';
import type { NodeInspector } from '../ports.ts';

/** Milliseconds in which all nodes of a request have to be asked; thousands that answer fit in. */
const LOOKS_DEADLINE_MS = 15_000;

export interface Looks {
  readonly inspector: NodeInspector;
  readonly clock: Clock;
  /** Fires when the client has gone. */
  readonly abandoned: AbortSignal;
}

export type Look = Result<Newcomer, NodeError>;

/** What the nodes say of themselves, in their order. */
export async function lookAtAll(
  { inspector, ...limits }: Looks,
  endpoints: readonly NodeEndpoint[],
  isEnough: (look: Look) => boolean,
): Promise<readonly Look[]> {
  const looks = await askAll(endpoints, (endpoint) => lookAt(inspector, endpoint), {
    ...limits,
    deadlineMs: LOOKS_DEADLINE_MS,
    isEnough,
  });
  return looks.map(
    (look) =>
      look ?? err({ kind: 'timedOut', message: 'it was not asked, the nodes before it took too long' }),
  );
}

/** A topology that cannot be read counts as none that is known: its version still tells that there is one. */
async function lookAt(inspector: NodeInspector, endpoint: NodeEndpoint): Promise<Look> {
  const inspection = await inspector.inspect(endpoint);
  if (!inspection.ok) return inspection;
  const newcomer = { ...inspection.value, address: endpoint.address, topology: null };
  if (newcomer.version < 0) return ok(newcomer);
  const text = await inspector.clusterNodes(endpoint);
  const lines = text.ok ? parseClusterNodes(text.value) : text;
  return ok({ ...newcomer, topology: lines.ok ? lines.value : null });
}
