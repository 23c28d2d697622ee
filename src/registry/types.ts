// What the rest of the program hears of changes.

import type { ClusterPlace } from '../topology/record.ts';

/** Clusters created, changed or deleted, or whose policy changed, by one applied transaction; `replaced`: possibly all of them. */
export type RegistryChange =
  | { readonly kind: 'clusters'; readonly clusters: readonly ClusterPlace[] }
  | { readonly kind: 'replaced' };
