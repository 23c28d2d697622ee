// One node of the fleet: its model, and what belongs to its present process.

import type { NodeAddress } from '../../../src/topology/types.ts';
import type { ModelNode } from '../../unit/control/model/node.ts';
import { Lease } from './lease.ts';

/** Somebody's connection to a node's process. */
export interface Connection {
  readonly who: number;
  /** The process has ended: called where the news arrives. */
  readonly onEnd: () => void;
}

/** One node: its model, and what belongs to its present process. */
export class FleetNode {
  readonly model: ModelNode;
  /** In the network. */
  readonly number: number;
  /** Counts processes. */
  lives = 1;
  /** SETNODES holds all other requests until then. */
  busyUntilUs = 0;
  /** When it tries to reach its master again. */
  attemptAtMs = 0;
  /** When it last got an entry or a ping from its master. */
  heardAtMs = 0;
  readonly connections = new Set<Connection>();
  readonly lease = new Lease();

  constructor(model: ModelNode, number: number) {
    this.model = model;
    this.number = number;
  }

  get name(): string {
    return this.model.name;
  }

  get address(): NodeAddress {
    return this.model.address;
  }
}
