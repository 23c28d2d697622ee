// Which of several addresses lead to one and the same server process: asked of the servers, because names and routes lie.

import { ok, type Result } from '../base/result.ts';
import type { NodeError } from '../control/observation.ts';
import type { NodeAddress } from '../topology/types.ts';
import { type ClientLine, clientList, setName } from './commands/client-list.ts';
import type { Session } from './connection.ts';
import { ask } from './exchange.ts';
import type { LinkFailure } from './link.ts';

/** Recognisable in a client list, for people and for this program. */
const NAME_PREFIX = 'kvrocks-controller:';

/** What was found out. */
export interface SameProcesses {
  /** Each at least two addresses of one process. */
  readonly groups: readonly (readonly NodeAddress[])[];
  /** Addresses of which nothing is known. */
  readonly failures: ReadonlyMap<NodeAddress, NodeError>;
}

/** Names this connection after `nonce`. */
export function sign(session: Session, nonce: string): Promise<Result<void, LinkFailure>> {
  return ask(session, setName(NAME_PREFIX + nonce));
}

/** The nonces of all signed connections of the process at the other end. */
export async function signatures(session: Session): Promise<Result<readonly string[], LinkFailure>> {
  const lines = await ask(session, clientList);
  if (!lines.ok) return lines;
  return ok(lines.value.flatMap(nonceOf));
}

function nonceOf({ name }: ClientLine): string[] {
  return name.startsWith(NAME_PREFIX) ? [name.slice(NAME_PREFIX.length)] : [];
}

/** One signed address and the nonces its process showed. */
export interface Sighting {
  readonly address: NodeAddress;
  readonly nonce: string;
  readonly seen: readonly string[];
}

/** The addresses that see each other's nonces, in the order given. Any one sight is enough: lists are read at different times. */
export function groupsOf(sightings: readonly Sighting[]): readonly (readonly NodeAddress[])[] {
  const byNonce = new Map(sightings.map(({ nonce }, index) => [nonce, index]));
  /** For each address that is not the first of its process, an earlier one of it. */
  const earlier = new Map<number, number>();
  const firstOf = (index: number): number => {
    let at = index;
    for (let next = earlier.get(at); next !== undefined; next = earlier.get(at)) at = next;
    return at;
  };
  for (const [index, { seen }] of sightings.entries()) {
    for (const nonce of seen) {
      const other = byNonce.get(nonce);
      if (other === undefined) continue;
      const [left, right] = [firstOf(index), firstOf(other)];
      if (left !== right) earlier.set(Math.max(left, right), Math.min(left, right));
    }
  }
  const groups = new Map<number, NodeAddress[]>();
  for (const [index, { address }] of sightings.entries()) {
    const first = firstOf(index);
    const group = groups.get(first);
    if (group === undefined) groups.set(first, [address]);
    else group.push(address);
  }
  return [...groups.values()].filter((group) => group.length > 1);
}
