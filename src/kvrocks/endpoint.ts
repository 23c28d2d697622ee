// Whom to talk to.

import type { Secret } from '../base/secret.ts';
import type { NodeAddress } from '../topology/types.ts';

/** A node's address and its `requirepass`; an empty password means that AUTH is not sent. */
export interface NodeEndpoint {
  readonly address: NodeAddress;
  readonly password: Secret;
}
