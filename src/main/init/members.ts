// The members that somebody names, as they will be configured.

import { err, ok, type Result } from '../../base/result.ts';
import { isLoopback, parseControllerAddress } from '../../topology/controller-address.ts';
import { addressParts } from '../../topology/node.ts';
import type { NodeAddress } from '../../topology/types.ts';

export interface Member {
  readonly id: number;
  /** At which the others reach it. */
  readonly address: NodeAddress;
  readonly host: string;
  /** At which it listens. A name may lead to the machine itself there, so that nobody else would get in. */
  readonly listen: string;
  readonly dataDir: string;
}

const PORT_DEFAULT = 9379;

/** The nth name is member n. `dataDirOf`: where a member keeps its data. The error is a sentence for people. */
export function parseMembers(
  text: string,
  dataDirOf: (id: number, isTrial: boolean) => string,
): Result<readonly Member[], string> {
  const addresses: NodeAddress[] = [];
  for (const name of text.split(',').map((each) => each.trim())) {
    const address = parseControllerAddress(/:\d+$/.test(name) ? name : `${name}:${PORT_DEFAULT}`);
    if (!address.ok) return err(`--members: ${address.error}`);
    if (addresses.includes(address.value)) return err(`--members: "${address.value}" is there twice`);
    addresses.push(address.value);
  }
  const isTrial = addresses.every((address) => isLoopback(address) === true);
  return ok(
    addresses.map((address, index) => {
      const { host, port } = addressParts(address);
      const listen = isLoopback(address) === null ? `0.0.0.0:${port}` : address;
      return { id: index + 1, address, host, listen, dataDir: dataDirOf(index + 1, isTrial) };
    }),
  );
}

/** What is not wise of so many members, as a sentence; null for 3, 5, ... */
export function countWarning(count: number): string | null {
  if (count === 1)
    return 'a single member: nothing goes on while it is away, and what its disk loses is lost';
  if (count % 2 === 1) return null;
  return `${count} members survive the loss of ${count / 2 - 1 || 'none'}, no more than ${count - 1} would, and have to agree with one more: take ${count + 1}`;
}
