// The first look at nodes that are to be taken in, before anything is stored or sent to them.

import type { Clock } from '../../base/clock.ts';
import { err, ok, type Result } from '../../base/result.ts';
import type { Newcomer } from '../../control/joining.ts';
import type { NodeEndpoint } from '../../control/node-commands.ts';
import type { NodeError } from '../../control/observation.ts';
import { parseClusterNodes } from '../../topology/cluster-nodes-text.ts';
import { askAll } from '../ask-nodes.ts';
import type { NodeInspection, NodeInspector } from '../ports.ts';

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

/** A node is told a topology once in seconds at most: that many looks in a row are not torn by it. */
const LOOKS_MAX = 3;

/**
 * A topology that cannot be read counts as none that is known: its version still tells that there is one. What a node says of itself and its
 * topology are two questions, and one that is just told that it left (`leader/farewells.ts`) would answer the first as what it was and the second as
 * what it is: so it is asked the first once more, and all of it again where that has changed.
 */
async function lookAt(inspector: NodeInspector, endpoint: NodeEndpoint): Promise<Look> {
  let before = await inspector.inspect(endpoint);
  for (let look = 0; look < LOOKS_MAX; look += 1) {
    if (!before.ok) return before;
    if (before.value.version < 0) return ok(newcomer(endpoint, before.value, null));
    const text = await inspector.clusterNodes(endpoint);
    const after = await inspector.inspect(endpoint);
    if (!after.ok) return after;
    if (isSamePlace(before.value, after.value)) {
      const lines = text.ok ? parseClusterNodes(text.value) : text;
      return ok(newcomer(endpoint, after.value, lines.ok ? lines.value : null));
    }
    before = after;
  }
  return err({ kind: 'refused', message: 'its topology changes while it is asked for it; ask again' });
}

function newcomer(
  { address }: NodeEndpoint,
  { id, version, role, master, sequence }: NodeInspection,
  topology: Newcomer['topology'],
): Newcomer {
  return { address, id, version, role, master, sequence, topology };
}

function isSamePlace(left: NodeInspection, right: NodeInspection): boolean {
  return (
    left.id === right.id &&
    left.version === right.version &&
    left.role === right.role &&
    left.master === right.master
  );
}
