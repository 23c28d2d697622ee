// Which cluster an address belongs to: a key for each address, whose existence makes it unique in the whole controller.

import { err, ok, type Result } from '../base/result.ts';
import type { Store } from '../store/types.ts';
import type { ChangeError, ClusterPlace } from '../topology/record.ts';
import type { NodeAddress } from '../topology/types.ts';
import type { TransactionPlan } from './committer.ts';
import { addressKey } from './keys.ts';
import { decodeClaim, encodeClaim } from './record-codec.ts';

/** The addresses of a cluster, those of its spares among them, before and after a change. */
export interface ClaimChange {
  readonly before: ReadonlySet<NodeAddress>;
  readonly after: ReadonlySet<NodeAddress>;
}

/**
 * What a transaction has to hold to take and release addresses for the cluster at `place`; or the first that is held already. Claims are written and
 * removed only together with the record of their cluster or its policy, so while the revisions of these stand, so do its claims.
 */
export function planClaims(
  store: Store,
  place: ClusterPlace,
  { before, after }: ClaimChange,
): Result<TransactionPlan, ChangeError> {
  const taken = [...after].filter((address) => !before.has(address));
  for (const address of taken) {
    const held = store.get(addressKey(address));
    if (held !== null) return err({ kind: 'addressTaken', address, ...decodeClaim(held) });
  }
  const keys = taken.map(addressKey);
  const value = encodeClaim(place);
  return ok({
    compare: keys.map((key) => ({ key, revision: 0 })),
    put: keys.map((key) => ({ key, value })),
    remove: [...before].filter((address) => !after.has(address)).map(addressKey),
  });
}
