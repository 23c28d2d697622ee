// Where everybody is, and who is believed about it.

import { describe, expect, it } from 'vitest';

import { memberId, type MemberId } from '../../../../src/raft/core/types.ts';
import { AddressBook } from '../../../../src/raft/transport/address-book.ts';
import {
  ADDRESS_LENGTH_MAX,
  parsePeerAddress,
  type PeerOrigin,
} from '../../../../src/raft/transport/peer-address.ts';

const [ONE, TWO, THREE, FOUR] = [1, 2, 3, 4].map((id) => memberId(id)) as [
  MemberId,
  MemberId,
  MemberId,
  MemberId,
];

function origin(address: string): PeerOrigin {
  const parsed = parsePeerAddress(address);
  if (!parsed.ok) throw new Error(parsed.error);
  return parsed.value;
}

function book(): AddressBook {
  return new AddressBook(ONE, new Map([[TWO, origin('two:1')]]));
}

describe('an address book', () => {
  it('knows the configuration until there is a membership, and both afterwards', () => {
    const addresses = book();
    expect(addresses.others).toEqual([TWO]);
    expect(addresses.originOf(TWO)).toBe('http://two:1');
    addresses.setMembers(
      new Map([
        [ONE, 'one:1'],
        [THREE, 'three:1'],
      ]),
    );
    expect(addresses.others).toEqual([THREE]);
    expect(addresses.originOf(THREE)).toBe('http://three:1');
    expect(addresses.originOf(TWO)).toBe('http://two:1');
  });

  it('believes the membership before the configuration', () => {
    const addresses = book();
    addresses.setMembers(new Map([[TWO, 'two:2']]));
    expect(addresses.originOf(TWO)).toBe('http://two:2');
  });

  it('never gives an address for the member itself', () => {
    const addresses = book();
    addresses.setMembers(new Map([[ONE, 'one:1']]));
    expect(addresses.learn(ONE, 'one:2')).toBe(false);
    expect(addresses.originOf(ONE)).toBeNull();
  });

  it('learns where strangers are, and nothing about those it knows', () => {
    const addresses = book();
    addresses.setMembers(new Map([[THREE, 'three:1']]));
    expect(addresses.learn(TWO, 'elsewhere:1')).toBe(false);
    expect(addresses.learn(THREE, 'elsewhere:1')).toBe(false);
    expect(addresses.learn(FOUR, 'no address')).toBe(false);
    expect(addresses.originOf(FOUR)).toBeNull();
    expect(addresses.learn(FOUR, 'four:1')).toBe(true);
    expect(addresses.learn(FOUR, 'four:1')).toBe(false);
    expect(addresses.learn(FOUR, 'four:2')).toBe(true);
    expect(addresses.originOf(FOUR)).toBe('http://four:2');
    expect(addresses.others).toEqual([THREE]);
  });

  it('forgets what it learned when the membership knows better', () => {
    const addresses = book();
    addresses.learn(FOUR, 'four:1');
    addresses.setMembers(new Map([[FOUR, 'four:2']]));
    addresses.setMembers(new Map([[THREE, 'three:1']]));
    expect(addresses.originOf(FOUR)).toBeNull();
  });

  it('keeps no more than 16 strangers, the newest', () => {
    const addresses = book();
    for (let id = 10; id < 40; id += 1) addresses.learn(memberId(id), `host-${id}:1`);
    const known = Array.from({ length: 30 }, (_, offset) => memberId(10 + offset)).filter(
      (id) => addresses.originOf(id) !== null,
    );
    expect(known).toEqual(Array.from({ length: 16 }, (_, offset) => 24 + offset));
  });

  it('leaves out what is no address in a membership', () => {
    const addresses = new AddressBook(ONE, new Map());
    addresses.setMembers(new Map([[TWO, 'http://two:1/path']]));
    expect(addresses.originOf(TWO)).toBeNull();
  });
});

describe('a peer address', () => {
  it.each(['127.0.0.1:9379', 'peer-1.example:80', 'peer_1:80', '[::1]:9379'])('%s is one', (text) => {
    expect(parsePeerAddress(text)).toEqual({ ok: true, value: `http://${text}` });
  });

  it.each([
    '',
    'host',
    'host:0',
    'host:65536',
    'http://host:1',
    'user@host:1',
    'a b:1',
    '::1:80',
    'host:1/x',
    'höst:1',
    `${'h'.repeat(ADDRESS_LENGTH_MAX)}:1`,
  ])('"%s" is none', (text) => {
    expect(parsePeerAddress(text).ok).toBe(false);
  });
});
