// What the rest of the program hears of changes.

import type { ClusterPlace } from '../topology/record.ts';

/** Clusters created, changed or deleted by one applied transaction, or possibly all of them after a snapshot. */
export type RegistryChange =
  | { readonly kind: 'clusters'; readonly clusters: readonly ClusterPlace[] }
  | { readonly kind: 'replaced' };
