// What this folder needs of the resolver of host names. `names/name-resolver.ts` has it.

import type { LookupFunction } from 'node:net';

export interface Names {
  /** Gives all addresses it knows; an error means that none is known. */
  readonly lookup: LookupFunction;
  /** A connection to `address` of `host` stands. */
  answered(host: string, address: string): void;
}
