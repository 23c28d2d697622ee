// Addresses of one process: the pure part.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { groupsOf } from '../../../src/kvrocks/same-process.ts';
import { parseAddress } from '../../../src/topology/node.ts';
import type { NodeAddress } from '../../../src/topology/types.ts';

function addressOf(port: number): NodeAddress {
  const address = parseAddress(`127.0.0.1:${port}`);
  if (!address.ok) throw new Error('a port is an address');
  return address.value;
}

describe('addresses of one process', () => {
  it('KA5: are those that see each other, in whatever order and however many see them', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat({ max: 4 }), { maxLength: 12 }),
        fc.infiniteStream(fc.boolean()),
        (processes, isBlind) => {
          const sightings = processes.map((process, index) => {
            const all = processes.flatMap((other, at) => (other === process ? [`nonce${at}`] : []));
            // A list is read while others are still connecting: each address sees at least itself and the one before.
            const before = all.slice(0, all.indexOf(`nonce${index}`) + 1);
            return {
              address: addressOf(index + 1),
              nonce: `nonce${index}`,
              seen: [...(isBlind.next().value === true ? before : all), 'nonce-of-another-request'],
            };
          });
          const expected = [...new Set(processes)]
            .map((process) =>
              processes.flatMap((other, index) => (other === process ? [addressOf(index + 1)] : [])),
            )
            .filter((group) => group.length > 1);
          expect(groupsOf(sightings)).toEqual(expected);
        },
      ),
    );
  });
});
