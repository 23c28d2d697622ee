import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { createSeededRandom } from '../../../src/base/random.ts';
import { describe as sentence } from '../../../src/topology/errors.ts';
import { canonicalIpv6 } from '../../../src/topology/ipv6.ts';
import { parseName } from '../../../src/topology/name.ts';
import {
  addressFromParts,
  addressParts,
  newNodeId,
  parseAddress,
  parseNodeId,
  parseRole,
  printAddressForSetNodes,
  printRole,
} from '../../../src/topology/node.ts';
import { valueOf } from './arbitrary.ts';

test('an address has one spelling', () => {
  const spellings: [string, string][] = [
    ['127.0.0.1:6666', '127.0.0.1:6666'],
    ['My-Host.Example:1', 'my-host.example:1'],
    ['node_1:65535', 'node_1:65535'],
    ['localhost:6666', 'localhost:6666'],
    ['[::1]:6666', '[::1]:6666'],
    ['[0:0:0:0:0:0:0:1]:6666', '[::1]:6666'],
    ['[2001:DB8::0:1]:6666', '[2001:db8::1]:6666'],
    ['[::ffff:1.2.3.4]:6666', '[::ffff:102:304]:6666'],
    ['[::]:6666', '[::]:6666'],
    ['[1:0:0:2:0:0:0:3]:6666', '[1:0:0:2::3]:6666'],
    ['[1:2:3:4:5:6:7:8]:6666', '[1:2:3:4:5:6:7:8]:6666'],
  ];
  for (const [text, canonical] of spellings) expect(valueOf(parseAddress(text))).toBe(canonical);
});

test('what is not host:port is refused with the field and the reason', () => {
  const bad = [
    '',
    ':',
    'host',
    'host:',
    ':6666',
    'host:0',
    'host:65536',
    'host:06',
    'host:6666x',
    '::1:6666',
    '[::1]',
    '[::1:6666',
  ];
  bad.push(
    '[x]:1',
    '[]:1',
    '[1::2::3]:1',
    '[1:2:3:4:5:6:7]:1',
    '[1:2:3:4:5:6:7:8:9]:1',
    '[::1%eth0]:1',
    '[12345::]:1',
  );
  bad.push(
    '256.1.1.1:1',
    '1.2.3:1',
    '01.2.3.4:1',
    'a b:1',
    '-a:1',
    'a-:1',
    'a..b:1',
    `${'a'.repeat(64)}:1`,
    `${'a.'.repeat(130)}a:1`,
  );
  bad.push('host\n:1', 'http://host:1', 'user@host:1', '[1.2.3.4]:1', '[1.2.3.4::]:1');
  for (const text of bad) {
    const result = parseAddress(text, 'nodes[0]');
    expect(result.ok, text).toBe(false);
    if (!result.ok) expect(sentence(result.error)).toMatch(/^nodes\[0\]: ".*" is not host:port/);
  }
});

test('an address comes apart and goes together again, with a bare host for SETNODES', () => {
  for (const text of ['127.0.0.1:6666', '[::1]:16013', 'my-host.example:1']) {
    const address = valueOf(parseAddress(text));
    const { host, port } = addressParts(address);
    expect(valueOf(addressFromParts(host, String(port)))).toBe(address);
    expect(printAddressForSetNodes(address)).toBe(`${host} ${port}`);
  }
  expect(printAddressForSetNodes(valueOf(parseAddress('[::1]:16013')))).toBe('::1 16013');
});

test('every IPv6 value has one canonical text that is its own canonical text', () => {
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      const canonical = canonicalIpv6(text);
      expect(canonical).not.toBeNull();
      expect(canonicalIpv6(canonical ?? '')).toBe(canonical);
      expect(new URL(`http://[${text}]/`).hostname).toBe(`[${canonical}]`);
    }),
  );
});

test('no text crashes a parser', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      for (const result of [parseAddress(text), parseNodeId(text), parseName(text), parseRole(text)]) {
        if (!result.ok) expect(sentence(result.error)).not.toBe('');
      }
    }),
  );
});

test('KD3f: node ids are 40 letters or digits; ours are hexadecimal', () => {
  expect(newNodeId(createSeededRandom(1))).toMatch(/^[0-9a-f]{40}$/);
  expect(newNodeId(createSeededRandom(1))).not.toBe(newNodeId(createSeededRandom(2)));
  expect(parseNodeId('Z'.repeat(40)).ok).toBe(true);
  expect(parseNodeId('aZ09'.repeat(10)).ok).toBe(true);
  const wrongLast = [' ', '\n', '\u{E9}', '\u{663}', '-', '_', '.', '/', '\\', '"', '@', ':', '[', '`', '{'];
  for (const text of ['a'.repeat(39), 'a'.repeat(41), ...wrongLast.map((last) => 'a'.repeat(39) + last)])
    expect(parseNodeId(text).ok, JSON.stringify(text)).toBe(false);
  // An id of 38 letters behind which a line end was escaped instead of sent.
  expect(parseNodeId(`${'a'.repeat(38)}\\n`)).toMatchObject({
    error: { why: 'is not a node id of 40 letters or digits' },
  });
});

test('roles are read in both words and any case, and written as Kvrocks writes them', () => {
  expect(valueOf(parseRole('Slave'))).toBe('replica');
  expect(valueOf(parseRole('REPLICA'))).toBe('replica');
  expect(valueOf(parseRole('master'))).toBe('master');
  expect([printRole('replica'), printRole('master')]).toEqual(['slave', 'master']);
});

test('names follow the contract', () => {
  for (const text of ['a', '0', 'test-ns', 'a.b_c-d', 'x'.repeat(63)]) expect(parseName(text).ok).toBe(true);
  for (const text of ['', '.a', '-a', '_a', 'a/b', 'a b', 'é', 'x'.repeat(64), 'a\n'])
    expect(parseName(text).ok).toBe(false);
});
