// Addresses of one process, and imports among clients: the pure parts.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import type { ClientLine } from '../../../src/kvrocks/commands/client-list.ts';
import { importsAmong } from '../../../src/kvrocks/end-imports.ts';
import { groupsOf } from '../../../src/kvrocks/same-process.ts';
import { parseAddress } from '../../../src/topology/node.ts';
import type { NodeAddress } from '../../../src/topology/types.ts';

function addressOf(port: number): NodeAddress {
  const address = parseAddress(`127.0.0.1:${port}`);
  if (!address.ok) throw new Error('a port is an address');
  return address.value;
}

describe('addresses of one process', () => {
  it('are those that see each other, in whatever order and however many see them', () => {
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

describe('imports among clients', () => {
  const line = (change: Partial<ClientLine>): ClientLine => ({
    id: 1,
    host: '10.0.0.1',
    name: '',
    flags: 'N',
    namespace: '__namespace',
    command: 'hmset',
    ...change,
  });

  it.each([
    ['a writer of the source', {}, true],
    ['one that has just begun', { command: 'cluster' }, true],
    ['one of raw keys and values', { command: 'applybatch' }, true],
    ['an address as a dual-stack socket shows it', { host: '::ffff:10.0.0.1' }, true],
    ['a client on another host', { host: '10.0.0.2' }, false],
    ['a reader', { command: 'get' }, false],
    ['a replica', { flags: 'S', command: 'psync' }, false],
    ['a subscriber', { flags: 'P' }, false],
    ['one that is being closed', { flags: 'c' }, false],
    ['a named connection', { name: 'worker-1' }, false],
    ['a user of a namespace', { namespace: 'tenant' }, false],
  ])('%s: %j', (_name, change, isLikely) => {
    expect(importsAmong([line(change)], ['10.0.0.1'])).toHaveLength(isLikely ? 1 : 0);
  });

  it('without a known source any host will do', () => {
    expect(importsAmong([line({ host: '10.9.9.9' })], [])).toHaveLength(1);
  });
});
