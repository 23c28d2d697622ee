// The two files of the system, as texts.

import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { parseHosts } from '../../../src/names/hosts.ts';
import { fullNames, parseSearchRules } from '../../../src/names/search-list.ts';

describe('the hosts file', () => {
  it('gives names their addresses, all aliases and both families, in order', () => {
    const hosts = parseHosts('127.0.0.1 localhost Box # comment\n::1\tlocalhost\n\n10.0.0.7  box\n');
    expect(hosts.get('localhost')).toEqual(['127.0.0.1', '::1']);
    expect(hosts.get('box')).toEqual(['127.0.0.1', '10.0.0.7']);
    expect(hosts.size).toBe(2);
  });

  it('lines that are none are skipped, and no name has more addresses than can be tried', () => {
    expect(parseHosts('# 10.0.0.1 a\nnonsense b\n10.0.0.300 c\n10.0.0.1\n').size).toBe(0);
    const many = Array.from({ length: 300 }, (_, index) => `10.0.1.${index % 256} a`).join('\n');
    expect(parseHosts(many).get('a')).toHaveLength(16);
  });

  it('any text is read', () => {
    fc.assert(fc.property(fc.string(), (text) => parseHosts(text).size >= 0));
  });
});

describe('the search list', () => {
  const KUBERNETES =
    'nameserver 10.96.0.10\nsearch ns.svc.cluster.local svc.cluster.local. cluster.local\noptions ndots:5\n';

  it('a short name is first looked for in the domains, in order', () => {
    expect(fullNames('kvrocks-0.kvrocks', parseSearchRules(KUBERNETES))).toEqual([
      'kvrocks-0.kvrocks.ns.svc.cluster.local',
      'kvrocks-0.kvrocks.svc.cluster.local',
      'kvrocks-0.kvrocks.cluster.local',
      'kvrocks-0.kvrocks',
    ]);
  });

  it('a name with enough dots is first looked for as it is', () => {
    expect(fullNames('a.b', parseSearchRules('search x y\n'))).toEqual(['a.b', 'a.b.x', 'a.b.y']);
    expect(fullNames('a', parseSearchRules(''))).toEqual(['a']);
    expect(fullNames('a.', parseSearchRules(KUBERNETES))).toEqual(['a']);
  });

  it('the last line counts, and neither domains nor dots are without a bound', () => {
    expect(
      parseSearchRules('search a b\ndomain c\noptions ndots:2\noptions rotate ndots:9999 ndots:99\n'),
    ).toEqual({
      domains: ['c'],
      ndots: 15,
    });
    const long = `search ${Array.from({ length: 500 }, (_, index) => `d${index}`).join(' ')}`;
    expect(parseSearchRules(long).domains).toHaveLength(16);
    expect(fullNames('a', { domains: ['x'.repeat(300)], ndots: 1 })).toEqual(['a']);
  });

  it('any text is read, and the name itself is always among those asked for', () => {
    fc.assert(
      fc.property(fc.string(), fc.domain(), (text, name) => {
        expect(fullNames(name, parseSearchRules(text))).toContain(name);
      }),
    );
  });
});
